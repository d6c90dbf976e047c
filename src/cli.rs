//! The command line: what can be typed, and the commands that are not serving.
//!
//! Management commands print the one value that a script needs alone on standard output and everything else on standard error. They work
//! on a stopped data directory ([`manage::offline`]) and on a running server alike ([`manage::online`]).

pub mod demo;
pub mod fsck;
pub mod manage;
pub mod restore;
pub mod scrub;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Privacy-first edge ingestion gateway with an embedded time-series store.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serves the gateway.
    Serve {
        /// Where settings come from.
        #[command(flatten)]
        source: Source,
        /// Address and port to listen on, such as 127.0.0.1:8080.
        #[arg(long)]
        listen: Option<String>,
    },
    /// Serves the whole product on made-up traffic, in a directory of its own.
    Demo {
        /// Data directory; a temporary one unless given.
        #[arg(long)]
        data: Option<PathBuf>,
        /// Address and port to listen on.
        #[arg(long, default_value = "127.0.0.1:8080")]
        listen: String,
        /// The same seed tells the same story.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Stops after the story instead of going on with a slow stream of events.
        #[arg(long)]
        once: bool,
    },
    /// Creates and lists tenants.
    Tenant {
        /// What about them.
        #[command(subcommand)]
        command: TenantCommand,
    },
    /// Creates, lists and revokes ingest keys.
    Key {
        /// What about them.
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// Copies the key file, for backups; ingest keys are under `key`.
    Keys {
        /// What about it.
        #[command(subcommand)]
        command: KeysCommand,
    },
    /// Issues and revokes access tokens.
    Token {
        /// What about them.
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// Scrubs NDJSON from standard input (any JSON value a line) to standard output, as the gateway would.
    Scrub {
        /// The privacy policy; the built-in one unless given.
        #[arg(long)]
        policy: Option<PathBuf>,
        /// Writes JSON lines to this file: line, path, rule and method of every redaction, then how often each rule fired.
        #[arg(long)]
        receipts: Option<PathBuf>,
        /// Applies what the policy says of this stream: http, mcp, custom, metric, or an event's type such as log.
        #[arg(long)]
        stream: Option<String>,
    },
    /// Checks the configuration and prints it resolved, secrets masked; reports all errors at once.
    CheckConfig {
        /// The file of settings.
        #[arg(long)]
        config: Option<PathBuf>,
    },
    /// Copies the database and the signed checkpoints of a running or stopped gateway, without any key, and prints the copy's path.
    Backup {
        /// Where to; must not exist. Keep it apart from copies of the key file: together they can be read.
        dir: PathBuf,
        /// Where settings come from.
        #[command(flatten)]
        source: Source,
    },
    /// Makes a data directory out of a backup and prints its path. The key file must be in its place already; what was shredded since the
    /// backup was made is let go.
    Restore {
        /// The backup.
        backup: PathBuf,
        /// Where settings come from.
        #[command(flatten)]
        source: Source,
    },
    /// Checks a data directory: every journal frame and row, tenants and keys, and every audit root, re-derived.
    Fsck {
        /// Where settings come from.
        #[command(flatten)]
        source: Source,
    },
}

/// Where settings come from.
#[derive(Args, Clone, Debug, Default)]
pub struct Source {
    /// The file of settings.
    #[arg(long)]
    pub config: Option<PathBuf>,
    /// The data directory.
    #[arg(long)]
    pub data: Option<PathBuf>,
}

/// What can be done about tenants.
#[derive(Debug, Subcommand)]
pub enum TenantCommand {
    /// Creates a tenant and prints its id.
    Create {
        /// Its name.
        name: String,
        /// Where settings come from.
        #[command(flatten)]
        source: Source,
    },
    /// Lists tenants: id and name, separated by a tab.
    List {
        /// Where settings come from.
        #[command(flatten)]
        source: Source,
    },
}

/// What can be done about ingest keys.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Creates a key and prints its secret, once.
    Create {
        /// The tenant's id or name.
        #[arg(long)]
        tenant: String,
        /// What it may do.
        #[arg(long, default_value = "ingest")]
        scope: String,
        /// What it is for.
        #[arg(long, default_value = "")]
        label: String,
        /// Where settings come from.
        #[command(flatten)]
        source: Source,
    },
    /// Lists a tenant's keys: id, state and label, separated by tabs.
    List {
        /// The tenant's id or name.
        #[arg(long)]
        tenant: String,
        /// Where settings come from.
        #[command(flatten)]
        source: Source,
    },
    /// Revokes a key and prints its id.
    Revoke {
        /// The key's id: the part between the underscores.
        id: String,
        /// Where settings come from.
        #[command(flatten)]
        source: Source,
    },
}

/// What can be done about the key file.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Copies the key file of a stopped gateway and prints the copy's path. To restore it, put it in the key file's place.
    Export {
        /// Where to; must not exist. Keep it apart from backups of the data: together they can be read.
        file: PathBuf,
        /// Where settings come from.
        #[command(flatten)]
        source: Source,
    },
}

/// What can be done about tokens.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Issues a token and prints it.
    Issue {
        /// The tenant's id or name; only operators' and metrics tokens go without.
        #[arg(long)]
        tenant: Option<String>,
        /// What it may do, such as query,export.
        #[arg(long)]
        scope: String,
        /// Who will use it.
        #[arg(long, default_value = "operator")]
        subject: String,
        /// How long it lives.
        #[arg(long, default_value = "1h")]
        ttl: String,
        /// Where settings come from.
        #[command(flatten)]
        source: Source,
    },
    /// Revokes a token by the id that was shown when it was issued.
    Revoke {
        /// Its `jti`.
        id: String,
        /// Where settings come from.
        #[command(flatten)]
        source: Source,
    },
}
