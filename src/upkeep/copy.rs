//! Backup: a copy of the database that goes on being written.
//!
//! The copy holds no key. It is taken after everything was sealed, so that it does not depend on the journal, whose keys live for hours only.

use std::path::Path;
use std::sync::Arc;

use crate::audit::trail::Entry;
use crate::audit::{Action, Outcome, Subject};
use crate::clock::Millis;
use crate::kv::Kv;

use super::{Error, Upkeep, stage_all};

impl Upkeep {
    /// Copies the database to `dir`, which must not exist. Hard links where the file system allows.
    pub fn back_up(&self, kv: &Kv, dir: &Path, by: String, now: Millis) -> Result<(), Error> {
        let turn = self.turn();
        self.flush_journal(&turn, now)?;
        let entry = Entry::new(now, Action::BackupMade, Outcome::Intent).by(by);
        let trail = Arc::clone(&self.trail);
        self.writer.commit(move |batch| stage_all(&trail, batch, vec![(Subject::Gateway, entry)]))??;
        Ok(kv.checkpoint(dir).map_err(crate::store::Error::from)?)
    }
}
