//! What can go wrong with keys, in words that say what to do.
//!
//! Errors name the file, slot, tenant, epoch or command; never a key, and never what a command printed, except for the
//! message that it meant for the operator.

use std::io;
use std::path::PathBuf;

use super::slot::VERSION;
use crate::id::TenantId;

/// What went wrong with keys.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused.
    #[error("key file {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others than the owner may read or write the file.
    #[error("key file {}: mode {mode:03o} lets group or others at the keys; run `chmod 600` on it, and consider the keys known", path.display())]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Another process has it open.
    #[error("key file {} is in use by another process", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// It is the own key file of a gateway.
    #[error("{} is the key file of a gateway; keys.shared needs a file of its own", path.display())]
    NotToBeShared {
        /// The file.
        path: PathBuf,
    },
    /// Neither copy of the header is good.
    #[error("{} is not a key file, or both copies of its header are damaged; restore it from a backup", path.display())]
    NotAKeyFile {
        /// The file.
        path: PathBuf,
    },
    /// Written by another version of Tidegate.
    #[error("key file {} has format version {version}; this build reads version {VERSION}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// A slot cannot be read.
    #[error("key file {}: slot {slot}: {what}; restore the file from a backup", path.display())]
    Slot {
        /// The file.
        path: PathBuf,
        /// The slot's number, from 0.
        slot: u32,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A write failed earlier; what the disk holds is unknown.
    #[error("key file {}: an earlier write failed; restart to read what the disk holds", path.display())]
    Poisoned {
        /// The file.
        path: PathBuf,
    },
    /// The file may not grow further.
    #[error("key file {} is full", path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// No more data keys can be given an id.
    #[error("key file {}: all ids of data keys are used up", path.display())]
    IdsExhausted {
        /// The file.
        path: PathBuf,
    },
    /// A tenant's KEK cannot be replaced once more.
    #[error("tenant {tenant}: all 65535 epochs of its key-encryption key are used up")]
    EpochsExhausted {
        /// Whose.
        tenant: TenantId,
    },
    /// Data keys cannot be unwrapped.
    #[error(
        "tenant {tenant}: the key-encryption key of epoch {epoch} is missing; restore it, or what it protects is lost"
    )]
    KekMissing {
        /// Whose.
        tenant: TenantId,
        /// Which.
        epoch: u16,
    },
    /// A KEK that should be destroyed is still there.
    #[error(
        "tenant {tenant}: the key-encryption key of epoch {epoch} is still there after its destruction was asked for"
    )]
    KekSurvives {
        /// Whose.
        tenant: TenantId,
        /// Which.
        epoch: u16,
    },
    /// The external command that keeps KEKs did not do as asked.
    #[error("keys.command {program}: {operation}: {failure}")]
    Command {
        /// The program.
        program: String,
        /// What it was asked to do.
        operation: &'static str,
        /// How it failed.
        failure: CommandFailure,
    },
}

/// How the external command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandFailure {
    /// It cannot be run or talked to.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It took too long and was killed.
    #[error("no answer within keys.command_timeout; it was killed")]
    TimedOut,
    /// It ended badly and did not say why.
    #[error("it ended with {0}")]
    Exit(std::process::ExitStatus),
    /// It says so itself; its words, shortened.
    #[error("it answered: {0}")]
    Refused(String),
    /// Its answer is no answer to the question.
    #[error("its answer is {0}")]
    Answer(&'static str),
}
