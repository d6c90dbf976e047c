//! The anchor files: the last signed checkpoint of every log, outside the database.
//!
//! Owns one folder with one file per log, named `gateway` or by the tenant's id, which holds the signed note itself.
//! A file is replaced whole (written aside, synced, renamed, folder synced), so a reader finds the old checkpoint or
//! the new one. Because the database does not know them, restoring an older copy of the database does not restore
//! them: the log then notices.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::note::{self, Checkpoint, NOTE_BYTES_MAX, VerifierKey};
use super::{Error, Subject};

/// Where the anchor of a log lies.
pub fn path(folder: &Path, subject: Subject) -> PathBuf {
    folder.join(subject.to_string())
}

/// Creates the folder if it is missing.
pub fn prepare(folder: &Path) -> Result<(), Error> {
    let io = |source| Error::Io { path: folder.to_owned(), source };
    if folder.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(folder).map_err(io)?;
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent).and_then(|parent| parent.sync_all()).map_err(io)
}

/// The logs that have an anchor. Other files in the folder (such as one that was being written) do not count; nor
/// does a missing folder.
pub fn subjects(folder: &Path) -> Result<Vec<Subject>, Error> {
    let io = |source| Error::Io { path: folder.to_owned(), source };
    let files = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        files => files.map_err(io)?,
    };
    let mut found = Vec::new();
    for file in files {
        let name = file.map_err(io)?.file_name();
        match name.to_str() {
            Some("gateway") => found.push(Subject::Gateway),
            Some(name) => found.extend(name.parse().ok().map(Subject::Tenant)),
            None => {}
        }
    }
    Ok(found)
}

/// The anchor of a log, as text and as what it says, if it is there and `key` signed it.
pub fn read(folder: &Path, subject: Subject, key: &VerifierKey) -> Result<Option<(String, Checkpoint)>, Error> {
    let path = path(folder, subject);
    let mut note = Vec::new();
    match File::open(&path).and_then(|file| file.take(NOTE_BYTES_MAX as u64 + 1).read_to_end(&mut note)) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Error::Io { path, source }),
    }
    let note = String::from_utf8(note).map_err(|_| note::Error::Malformed("note: not UTF-8"));
    let opened = note.and_then(|note| Checkpoint::open(&note, key).map(|checkpoint| (note, checkpoint)));
    opened.map(Some).map_err(|source| Error::Anchor { subject, path, source })
}

/// Replaces the anchor of a log. After this returns, the note is on disk.
pub fn write(folder: &Path, subject: Subject, note: &str) -> Result<(), Error> {
    let path = path(folder, subject);
    let draft = path.with_extension("draft");
    let written = File::create(&draft)
        .and_then(|mut file| file.write_all(note.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&draft, &path))
        .and_then(|()| File::open(folder)?.sync_all());
    written.map_err(|source| Error::Io { path, source })
}
