//! Backup: a copy of the database that goes on being written.
//!
//! The copy holds no key. It is taken after everything was sealed, so that it does not depend on the journal, whose keys live for hours only.

use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use crate::audit::trail::Entry;
use crate::audit::{Action, Outcome, Subject};
use crate::clock::Millis;
use crate::kv::Kv;

use super::{Error, Upkeep, stage_all};

impl Upkeep {
    /// Copies the database and the signed checkpoints in `anchors` to `dir`, which must not exist: `dir/db` and `dir/anchors`. Hard links where the
    /// file system has them.
    pub fn back_up(&self, kv: &Kv, anchors: &Path, dir: &Path, by: String, now: Millis) -> Result<(), Error> {
        let turn = self.turn();
        std::fs::DirBuilder::new().mode(0o700).create(dir).map_err(Error::Copy)?;
        self.flush_journal(&turn, now)?;
        let entry = Entry::new(now, Action::BackupMade, Outcome::Intent).by(by);
        let trail = Arc::clone(&self.trail);
        self.writer.commit(move |batch| stage_all(&trail, batch, vec![(Subject::Gateway, entry)]))??;
        // Before the database: a signed checkpoint that is newer than the logs beside it would look like a rollback.
        copy_dir(anchors, &dir.join("anchors")).map_err(Error::Copy)?;
        Ok(kv.checkpoint(&dir.join("db")).map_err(crate::store::Error::from)?)
    }
}

fn copy_dir(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    std::fs::File::open(to)?.sync_all()
}
