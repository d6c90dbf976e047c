//! The flow of a request, on one screen.
//!
//! [`Ingest::prepare`] is the part that computes: inflate, decode, scrub, encode; it borrows the body and keeps nothing of it but clean rows.
//! [`Ingest::commit`] is the part that waits: dedupe and stage on the writer's thread, sync, settle the books, answer.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::oneshot;

use crate::audit;
use crate::clock::Millis;
use crate::id::{KeyId, TenantId};
use crate::keys;
use crate::kv::{Batch, CommitError, Writer};
use crate::limit::{self, Allowance, Limits};
use crate::outcome::{Outcome, Reason, Refusal};
use crate::privacy::event::{CleanEvent, RawEvent};
use crate::privacy::{self, GeoDatabase, Receipt, Scrubber, Signals};
use crate::protocol::native::{Events, Form};
use crate::protocol::{self, DecodeError};
use crate::store::{EncodedRows, POLICY_MARK_BYTES, Store};

use super::answer::{Answer, Durability, PolicyReceipt};
use super::arrival::Arrivals;
use super::dedupe::{Dedupe, IdHash};
use super::epoch::{self, Epochs};
use super::idempotency::{Claim, Idempotency};
use super::ledger::{Ledger, Received};
use super::policies::{Broken, Policies};
use super::quarantine::{Quarantine, Sealed};
use super::suppression::{List, Suppression};

/// Rows are rarely larger than the text that they came from; memory for them is reserved up to this.
const ROWS_RESERVED_MAX: usize = 1 << 20;

/// Who sends, as the door established it.
#[derive(Clone, Debug)]
pub struct Sender {
    /// For whom the events are stored.
    pub tenant: TenantId,
    /// With which key; `None` for a token.
    pub key: Option<KeyId>,
}

/// What the door knows about a request besides its body.
#[derive(Clone, Copy, Debug)]
pub struct Context<'c> {
    /// The client's address, trusted proxies resolved.
    pub client_address: Option<IpAddr>,
    /// The client's `User-Agent`.
    pub user_agent: Option<&'c str>,
    /// Consent signals.
    pub signals: Signals,
    /// The moment of arrival.
    pub received: Millis,
    /// Whether the answer lists every redaction.
    pub lists_redactions: bool,
}

/// When the sender wants its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ack {
    /// Once the events are synced.
    Synced,
    /// Once they are in memory.
    Memory,
}

/// Bounds that the operator sets.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Limits of decoding.
    pub decode: protocol::Limits,
    /// Events further in the future than this are kept aside, in milliseconds.
    pub future_max_ms: i64,
}

/// Why a request as a whole is refused. Nothing of it was stored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The body cannot be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Too many events in too short a time.
    #[error(transparent)]
    Limited(#[from] limit::Refused),
    /// The open buckets are full.
    #[error("the gateway holds as much as it may; try again later")]
    Full,
    /// The writer refused or failed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The audit log failed.
    #[error(transparent)]
    Audit(#[from] audit::Error),
    /// The tenant has no privacy policy that could be applied.
    #[error(transparent)]
    Policy(#[from] Broken),
    /// There are no keys to make pseudonyms with.
    #[error("the key file failed")]
    Keys(#[source] keys::Error),
}

impl From<epoch::Error> for Error {
    fn from(error: epoch::Error) -> Self {
        match error {
            epoch::Error::Keys(error) => Error::Keys(error),
            epoch::Error::Commit(error) => Error::Commit(error),
            epoch::Error::Audit(error) => Error::Audit(error),
        }
    }
}

/// The rooms that events go through.
pub struct Ingest {
    /// The privacy policies in force.
    pub policies: Arc<Policies>,
    /// Where addresses are, if the operator has a database.
    pub geo: ArcSwapOption<GeoDatabase>,
    /// Bounds in force.
    pub settings: ArcSwap<Settings>,
    /// Rates in force.
    pub limits: Arc<Limits>,
    /// Keys of the day.
    pub epochs: Arc<Epochs>,
    /// Where rows go.
    pub store: Arc<Store>,
    /// How they get there.
    pub writer: Writer,
    /// When events arrive.
    pub arrivals: Arrivals,
    /// Event ids seen.
    pub dedupe: Arc<Dedupe>,
    /// Requests seen.
    pub idempotency: Arc<Idempotency>,
    /// Of whom nothing is taken.
    pub suppression: Arc<Suppression>,
    /// What is kept aside.
    pub quarantine: Arc<Quarantine>,
    /// The books.
    pub ledger: Arc<Ledger>,
}

/// A request whose events are clean and encoded, ready to be committed.
pub struct Prepared {
    sender: Sender,
    policy: [u8; POLICY_MARK_BYTES],
    received: Millis,
    rows: EncodedRows,
    /// For each row: the event's index and the hash of its id.
    origins: Vec<(usize, Option<IdHash>)>,
    aside: Vec<Aside<Sealed>>,
    rejected: Vec<(usize, Refusal)>,
    /// How many entries the suppression lists had when the events were compared with them.
    suppression: u64,
    receipt: PolicyReceipt,
    books: Received,
    allowance: Allowance,
}

impl Prepared {
    /// How much of its rates the sender has left.
    pub fn allowance(&self) -> &Allowance {
        &self.allowance
    }

    /// The receipt.
    pub fn receipt(&self) -> &PolicyReceipt {
        &self.receipt
    }
}

impl Ingest {
    /// Decodes and scrubs the events of a native body.
    pub fn prepare(&self, sender: Sender, body: &[u8], form: Form, context: &Context<'_>) -> Result<Prepared, Error> {
        let limits = self.settings.load().decode;
        self.prepare_events(sender, Events::new(body, form, limits)?, body.len(), context)
    }

    /// Scrubs and encodes decoded events, which came in about so many `bytes`; the same for every protocol.
    pub fn prepare_events<'a>(
        &self,
        sender: Sender,
        events: impl IntoIterator<Item = Result<Result<RawEvent<'a>, Refusal>, DecodeError>>,
        bytes: usize,
        context: &Context<'_>,
    ) -> Result<Prepared, Error> {
        let settings = **self.settings.load();
        if self.store.is_full() {
            return Err(Error::Full);
        }
        // One policy for the whole request, whatever is changed meanwhile.
        let scrubber = self.policies.of(sender.tenant)?;
        let keys = self.epochs.of(sender.tenant, context.received, scrubber.user_rotation_days())?;
        let geo = self.geo.load();
        let airlock = privacy::Context {
            keys: keys.pseudonym_keys(),
            client_address: context.client_address,
            geo: geo.as_deref(),
            user_agent: context.user_agent,
            signals: context.signals,
            received: context.received,
        };
        let mut sorted = Sorted { rows: EncodedRows::with_capacity(bytes.min(ROWS_RESERVED_MAX)), ..Sorted::default() };
        let mut receipt = if context.lists_redactions { Receipt::traced() } else { Receipt::default() };
        let suppression = self.suppression.version();
        let suppressed = self.suppression.of(sender.tenant);
        for (index, event) in events.into_iter().enumerate() {
            receipt.begin(index);
            let scrubbed = event?.and_then(|raw| {
                if suppressed.as_ref().is_some_and(|list| list.has(&raw)) {
                    return Err(Refusal::whole(Reason::Suppressed));
                }
                let id = raw.id().map(|id| self.dedupe.hash(sender.tenant, id));
                Ok((id, scrubber.scrub(raw, &airlock, &mut receipt)?))
            });
            sorted.sort(scrubbed, context.received, settings.future_max_ms);
        }
        let allowance = self.admit(&sender, sorted.count)?;
        let sealed = sorted.aside.into_iter().map(|aside| aside.seal(&self.quarantine, sender.tenant));
        let aside = sealed.collect::<Result<_, _>>().map_err(Error::Keys)?;
        let books = self.ledger.receive(Some(sender.tenant), sorted.count);
        Ok(Prepared {
            policy: mark_of(&scrubber),
            received: context.received,
            rows: sorted.rows,
            origins: sorted.origins,
            aside,
            rejected: sorted.rejected,
            suppression,
            receipt: PolicyReceipt::new(&scrubber, receipt, context.lists_redactions),
            books,
            allowance,
            sender,
        })
    }

    fn admit(&self, sender: &Sender, events: usize) -> Result<Allowance, limit::Refused> {
        self.limits.check_events(sender.tenant, sender.key, u32::try_from(events).unwrap_or(u32::MAX))
    }

    /// Makes the events durable and answers; with [`Ack::Memory`] answers at once. With a claim, the answer is stored with the events.
    pub async fn commit(self: &Arc<Self>, prepared: Prepared, ack: Ack, claim: Option<Claim>) -> Result<Answer, Error> {
        /// What a submission costs besides its rows, and what each event costs besides its row: its outcome and its line in the answer.
        const OVERHEAD: usize = 256;
        const EVENT_OVERHEAD: usize = 128;
        let events = prepared.origins.len() + prepared.aside.len() + prepared.rejected.len();
        let aside: usize = prepared.aside.iter().map(|aside| aside.row.bytes()).sum();
        let cost = OVERHEAD + prepared.rows.bytes() + aside + events * EVENT_OVERHEAD;
        let (to_sender, from_writer) = oneshot::channel();
        let early = (ack == Ack::Memory).then(|| prepared.foreseen());
        let ingest = Arc::clone(self);
        let stage = move |batch: &mut Batch| {
            let (answer, books) = ingest.stage(prepared, claim.as_ref(), batch);
            (answer, books, claim)
        };
        let done = move |staged: Result<(Answer, Books, Option<Claim>), CommitError>| {
            // The claim ends here, after the answer is durable: whoever comes next finds it stored.
            let answer = staged.map(|(answer, books, _claim)| books.settle(answer));
            // The sender may have gone away; its events are stored all the same.
            let _ = to_sender.send(answer);
        };
        self.writer.submit(cost, stage, done)?;
        match early {
            Some(answer) => Ok(answer),
            None => Ok(from_writer.await.unwrap_or(Err(CommitError::Poisoned))?),
        }
    }

    /// On the writer's thread: tells new events from duplicates, stages rows and answer.
    fn stage(&self, mut prepared: Prepared, claim: Option<&Claim>, batch: &mut Batch) -> (Answer, Books) {
        let mut outcomes: Vec<(usize, Outcome)> = Vec::new();
        let Prepared { sender, policy, received, rows, origins, .. } = &prepared;
        let listed = self.suppression.listed_since(prepared.suppression, sender.tenant);
        let theirs = listed.as_ref().map_or_else(Vec::new, |list| list.recent().among(rows));
        let suppressed = || Outcome::Rejected(Refusal::whole(Reason::Suppressed));
        self.store.stage(sender.tenant, *policy, rows, |row| {
            let Some((index, id)) = origins.get(row) else { return false };
            if theirs.get(row) == Some(&true) {
                outcomes.push((*index, suppressed()));
                return false;
            }
            let new = id.is_none_or(|id| self.dedupe.admit(id, *received));
            outcomes.push((*index, if new { Outcome::Accepted } else { Outcome::Duplicate }));
            new
        });
        for Aside { index, id, refusal, row } in prepared.aside.drain(..) {
            // A row that cannot be looked at is not kept.
            let is_theirs = |list: &Arc<List>| {
                self.quarantine.is_about(prepared.sender.tenant, &row, list.recent()).unwrap_or(true)
            };
            if listed.as_ref().is_some_and(is_theirs) {
                outcomes.push((index, suppressed()));
            } else if id.is_none_or(|id| self.dedupe.admit(id, prepared.received)) {
                self.quarantine.stage(batch, prepared.sender.tenant, prepared.received, row);
                outcomes.push((index, Outcome::Quarantined(refusal)));
            } else {
                outcomes.push((index, Outcome::Duplicate));
            }
        }
        outcomes.extend(prepared.rejected.drain(..).map(|(index, refusal)| (index, Outcome::Rejected(refusal))));
        outcomes.sort_by_key(|(index, _)| *index);
        let mut answer = Answer::new(Durability::Synced, std::mem::take(&mut prepared.receipt));
        outcomes.iter().for_each(|(index, outcome)| answer.count(*index, outcome));
        if let Some(claim) = claim {
            // Without what only the first sender asked to see: names of members are not to be kept there.
            self.idempotency.stage(batch, claim, &answer.counts_only().to_json(), prepared.received);
        }
        (answer, Books { received: prepared.books, outcomes })
    }
}

impl Prepared {
    /// The answer as far as it is known before the events are written; duplicates show only later, in the books.
    fn foreseen(&self) -> Answer {
        let mut answer = Answer::new(Durability::Buffered, self.receipt.clone());
        answer.accepted = self.rows.len() as u64;
        for aside in &self.aside {
            answer.count(aside.index, &Outcome::Quarantined(aside.refusal.clone()));
        }
        for (index, refusal) in &self.rejected {
            answer.count(*index, &Outcome::Rejected(refusal.clone()));
        }
        answer.results.sort_by_key(|result| result.index);
        answer
    }
}

/// An event that is kept aside, its row encoded or sealed.
struct Aside<R> {
    index: usize,
    id: Option<IdHash>,
    refusal: Refusal,
    row: R,
}

impl Aside<EncodedRows> {
    fn seal(self, quarantine: &Quarantine, tenant: TenantId) -> Result<Aside<Sealed>, keys::Error> {
        let Aside { index, id, refusal, row } = self;
        let row = quarantine.seal(tenant, refusal.reason, row.get(0).unwrap_or_default())?;
        Ok(Aside { index, id, refusal, row })
    }
}

/// Outcomes that hold once the group is durable.
struct Books {
    received: Received,
    outcomes: Vec<(usize, Outcome)>,
}

impl Books {
    fn settle(mut self, answer: Answer) -> Answer {
        self.outcomes.iter().for_each(|(_, outcome)| self.received.settle(outcome));
        answer
    }
}

/// Events by what will become of them.
#[derive(Default)]
struct Sorted {
    count: usize,
    rows: EncodedRows,
    origins: Vec<(usize, Option<IdHash>)>,
    aside: Vec<Aside<EncodedRows>>,
    rejected: Vec<(usize, Refusal)>,
}

impl Sorted {
    fn sort(
        &mut self,
        scrubbed: Result<(Option<IdHash>, CleanEvent<'_>), Refusal>,
        received: Millis,
        future_max_ms: i64,
    ) {
        let index = self.count;
        self.count += 1;
        match scrubbed {
            Err(refusal) => self.rejected.push((index, refusal)),
            Ok((id, event)) if event.fields().timestamp.is_some_and(|time| time.since(received) > future_max_ms) => {
                let mut row = EncodedRows::default();
                row.push(&event, received);
                let refusal = Refusal::at(Reason::TimestampFuture, "/timestamp");
                self.aside.push(Aside { index, id, refusal, row });
            }
            Ok((id, event)) => {
                self.rows.push(&event, received);
                self.origins.push((index, id));
            }
        }
    }
}

fn mark_of(scrubber: &Scrubber) -> [u8; POLICY_MARK_BYTES] {
    let mut mark = [0; POLICY_MARK_BYTES];
    mark.iter_mut().zip(scrubber.policy_hash()).for_each(|(to, from)| *to = from);
    mark
}
