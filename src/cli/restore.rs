//! `tidegate restore`: a backup becomes a data directory again.
//!
//! Here the files are put in place; what their keys no longer open is let go when the directory is opened
//! ([`Gateway::open_restored`](crate::app::Gateway::open_restored)). The copy appears at once or not at all: a restore that was interrupted can be
//! begun again.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Why a backup was not put in place.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not one.
    #[error("{}: this is not a backup: it has no `{part}`", path.display())]
    NotABackup {
        /// The folder.
        path: PathBuf,
        /// What is missing in it.
        part: &'static str,
    },
    /// There is a database already.
    #[error("{}: there is something already; restore into a directory that holds nothing but the key file", path.display())]
    Occupied {
        /// What is there.
        path: PathBuf,
    },
    /// The key file is missing.
    #[error("{}: there is no key file; put it in place first: a backup holds no keys", path.display())]
    NoKeyFile {
        /// Where it should be.
        path: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The parts of a backup; the database comes last, since it makes the directory one.
const PARTS: [&str; 2] = ["anchors", "db"];

/// Copies the backup in `backup` into the data directory `dir`, whose key file is `keys`.
pub fn put_in_place(backup: &Path, dir: &Path, keys: &Path) -> Result<(), Error> {
    for part in PARTS {
        if !backup.join(part).is_dir() {
            return Err(Error::NotABackup { path: backup.to_owned(), part });
        }
        let place = dir.join(part);
        // An interrupted restore may have left the anchors, which without a database mean nothing.
        if place.exists() && (part == "db" || dir.join("db").exists()) {
            return Err(Error::Occupied { path: place });
        }
    }
    if !keys.is_file() {
        return Err(Error::NoKeyFile { path: keys.to_owned() });
    }
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed(dir))?;
    for part in PARTS {
        let (draft, place) = (dir.join(format!("{part}.restoring")), dir.join(part));
        for left_over in [&draft, &place] {
            if left_over.exists() {
                fs::remove_dir_all(left_over).map_err(failed(left_over))?;
            }
        }
        copy_dir(&backup.join(part), &draft)?;
        fs::rename(&draft, &place).and_then(|()| File::open(dir)?.sync_all()).map_err(failed(&place))?;
    }
    Ok(())
}

fn copy_dir(from: &Path, to: &Path) -> Result<(), Error> {
    DirBuilder::new().mode(0o700).create(to).map_err(failed(to))?;
    for entry in fs::read_dir(from).map_err(failed(from))? {
        let path = entry.map_err(failed(from))?.path();
        let Some(name) = path.file_name().filter(|_| path.is_file()) else { continue };
        let copy = to.join(name);
        fs::copy(&path, &copy).and_then(|_| File::open(&copy)?.sync_all()).map_err(failed(&copy))?;
    }
    File::open(to).and_then(|dir| dir.sync_all()).map_err(failed(to))
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::File { path: path.to_owned(), source }
}
