//! Erasing data subjects: the steps of [`crate::store::erase`] in order, with their records.
//!
//! An erasure that a crash interrupted is begun again from its first step: every step looks at what is there and does what is left.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::audit::trail::Entry;
use crate::audit::{Action, Outcome};
use crate::clock::Millis;
use crate::kv::Batch;
use crate::store::erase::Erasure;
use crate::store::{Which, step};

use super::request::{Kind, Request, Status};
use super::{Done, Error, Turn, Upkeep, of_tenant, stage_all};

/// What an erasure did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    /// Rows that are gone.
    pub rows: u64,
    /// Runs that were written anew.
    pub runs_rewritten: u64,
    /// Bytes that were written for it.
    pub bytes_written: u64,
    /// Rows of the subject that were found afterwards, past all caches: none, or the erasure is not done.
    pub rows_left: u64,
}

impl Upkeep {
    /// Makes an erasure durable, with the record that it was asked for and with what `also` stages. From then on nobody sees the subject's rows,
    /// also when whoever asked has left meanwhile.
    pub async fn accept_erasure(
        &self,
        erasure: Erasure,
        by: String,
        now: Millis,
        also: impl FnOnce(&mut Batch) + Send + 'static,
    ) -> Result<(), Error> {
        let (store, trail, tenant, number) =
            (Arc::clone(&self.store), Arc::clone(&self.trail), erasure.tenant, erasure.number);
        let entry = Entry::new(now, Action::SubjectErasure, Outcome::Intent).by(by);
        let entry = entry.param("request", request_id(number));
        let prepared = self.store.prepare_erasure(&erasure)?;
        let shown = Arc::clone(&store);
        let stage = move |batch: &mut Batch| {
            trail.stage(batch, of_tenant(tenant), entry)?;
            store.stage_erasure(prepared, batch);
            Request::new(Kind::Erasure, now).stage(tenant, number, batch);
            also(batch);
            Ok::<(), crate::audit::Error>(())
        };
        let show = move |staged: Result<(), _>| staged.map(|()| shown.show_erasure(&erasure));
        Ok(self.writer.commit_then(stage, show).await??)
    }

    /// The erasures that were accepted and are not done.
    pub fn pending_erasures(&self) -> Result<Vec<Erasure>, Error> {
        Ok(self.store.erasures()?)
    }

    /// Does an accepted erasure.
    pub fn erase(&self, erasure: &Erasure, now: Millis) -> Result<Erased, Error> {
        let turn = self.turn();
        let open = self.flush_journal(&turn, now)?;
        step::passed("journal flushed");
        let mut done = Done::default();
        loop {
            let rewrite = self.store.rewrite_without(erasure.tenant)?;
            if rewrite.is_empty() {
                break;
            }
            done = done.and(self.make(&turn, rewrite, now, Vec::new())?);
        }
        step::passed("rewritten");
        if let Some(advanced) = self.vault.advance_kek(erasure.tenant)? {
            step::passed("key-encryption key replaced");
            let entry = Entry::new(now, Action::CryptoKeyDestroyed, Outcome::Success)
                .param("kind", "kek")
                .param("epoch", advanced.from.to_string())
                .count(advanced.rewrapped as u64);
            let trail = Arc::clone(&self.trail);
            let records = vec![(of_tenant(erasure.tenant), entry)];
            self.writer.commit(move |batch| stage_all(&trail, batch, records))??;
        }
        step::passed("replacement recorded");
        let rows_left = self.store.rows_of(erasure.tenant, &erasure.subjects)?;
        if rows_left > 0 {
            return Err(Error::StillThere { rows: rows_left });
        }
        let erased = Erased {
            rows: open.rows_removed + done.rows_removed,
            runs_rewritten: done.runs_removed,
            bytes_written: done.bytes_written,
            rows_left,
        };
        self.complete(erasure, erased, now)?;
        Ok(erased)
    }

    /// Seals everything and drops the journal with everything that was in it until now.
    pub(super) fn flush_journal(&self, turn: &Turn<'_>, now: Millis) -> Result<Done, Error> {
        let store = Arc::clone(&self.store);
        let reached = self.writer.commit(move |_| store.rotate_journal())??;
        let mut done = Done::default();
        while !self.store.is_sealed_through(reached) {
            done = done.and(self.seal_in_turn(turn, Which::All, now, &|| self.store.is_sealed_through(reached))?);
        }
        self.drop_journal(turn)?;
        Ok(done)
    }

    fn complete(&self, erasure: &Erasure, erased: Erased, now: Millis) -> Result<(), Error> {
        let entry = Entry::new(now, Action::SubjectErasure, Outcome::Success)
            .param("request", request_id(erasure.number))
            .param("runs_rewritten", erased.runs_rewritten.to_string())
            .param("rows_left", erased.rows_left.to_string())
            .count(erased.rows);
        let (store, trail, ended) = (Arc::clone(&self.store), Arc::clone(&self.trail), erasure.clone());
        let known = Request::get(self.store.kv(), erasure.tenant, erasure.number).map_err(crate::store::Error::from)?;
        let asked = known.map_or(now, |request| request.received);
        let staged = self.writer.commit(move |batch| {
            store.stage_erased(&ended, batch);
            let request = Request::new(Kind::Erasure, asked);
            let request = Request { status: Status::Completed, completed: Some(now), erased: Some(erased), ..request };
            request.stage(ended.tenant, ended.number, batch);
            stage_all(&trail, batch, vec![(of_tenant(ended.tenant), entry)])
        });
        staged??;
        step::passed("completed");
        self.store.show_erased(erasure.tenant, &self.store.erasures()?);
        Ok(())
    }
}

/// The id of a request, as answers and records show it.
pub fn request_id(number: u64) -> String {
    format!("sr_{number:016x}")
}

/// The number of a request's id.
pub fn request_number(id: &str) -> Option<u64> {
    let digits = id.strip_prefix("sr_").filter(|digits| digits.len() == 16)?;
    u64::from_str_radix(digits, 16).ok()
}
