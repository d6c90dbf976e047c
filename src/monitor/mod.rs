//! The leak monitor: looks again at a sample of what was stored, with other eyes.
//!
//! The airlock (`privacy`) lets nothing personal pass, if it is right. The monitor does not believe it: it reads stored rows, a sample of those that arrived
//! since it last looked, scans them with patterns of its own ([`scan`]) and raises a *finding* ([`finding`]) where something slipped: kind, tenant, day, stream,
//! column and path, count. A finding is stored, listed, counted, logged and recorded; the value is in none of these.
//!
//! What a tenant's policy does not look for is no slip, unless the operator asks for it all the same. Rows that arrived before a policy was changed are left
//! out, since they are not the new one's doing.
//!
//! It is a reader like any other, on a thread of its own, and bounded in every round: rows, bytes of a text, sealed runs that are opened. What is over that is not
//! looked at; a sample never promises more. Of the monitor's own doing a gateway under load notices next to nothing.

mod check;
pub mod finding;
pub mod scan;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde_json::Value;

use crate::audit::trail::{Entry, Trail};
use crate::audit::{self, Action, Outcome, Subject};
use crate::clock::{MINUTE_MS, Millis};
use crate::id::{Entropy, TenantId, random};
use crate::keys::Vault;
use crate::kv::{CommitError, Kv, Writer};
use crate::privacy::Scrubber;
use crate::privacy::event::EventType;
use crate::store::columns::Columns;
use crate::store::key::Stream;
use crate::store::need::Need;
use crate::store::row::TextColumn;
use crate::store::{self, Part, Store};

use finding::{Finding, Spot};
use scan::{Scanner, Slip, Watched};

/// Tenants of one round; the others have their turn in the next.
const TENANTS_MAX: usize = 500;
/// Rows of one round.
const ROWS_MAX: usize = 2000;
/// Sealed runs that one round opens.
const RUNS_MAX: usize = 4;
/// Rows are looked at when they are this old: then whatever arrived before has been stored.
const LAG_MS: i64 = 2000;
/// What arrived longer ago is left out when rounds come late.
const BACK_MS: i64 = 10 * MINUTE_MS;
/// What a policy's hash is shown as.
const POLICY_DIGITS: usize = 16;
/// The column name of attributes.
const ATTRIBUTES: &str = "attributes";

/// What the operator decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// One row in so many is looked at; 0 for none.
    pub one_in: u32,
    /// What is looked for whatever a policy says.
    pub watched: Watched,
}

/// Why a round ended early.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Findings.
    #[error(transparent)]
    Finding(#[from] finding::Error),
    /// Nothing can be written.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The audit log.
    #[error(transparent)]
    Audit(#[from] audit::Error),
}

/// Looks.
pub struct Monitor {
    rooms: Rooms,
    /// Compiled at the first look: most commands open a gateway without one.
    scanner: OnceLock<Scanner>,
    /// How many tenants had their turn.
    turns: AtomicUsize,
    /// Where each tenant's next look begins, and the policy of the last one.
    marks: Mutex<HashMap<TenantId, Mark>>,
    rows: AtomicU64,
    found: [AtomicU64; Slip::ALL.len()],
}

/// What the monitor works with.
pub struct Rooms {
    /// Where rows are.
    pub store: Arc<Store>,
    /// The database, for findings.
    pub kv: Arc<Kv>,
    /// Keys that seal findings.
    pub vault: Arc<Vault>,
    /// Writes findings.
    pub writer: Writer,
    /// Records them.
    pub trail: Arc<Trail>,
    /// Chooses rows.
    pub entropy: Arc<dyn Entropy>,
}

#[derive(Clone, Copy)]
struct Mark {
    from: Millis,
    policy: [u8; 32],
}

/// What was found in one round, by day and spot.
type Found = BTreeMap<(u32, Spot), Finding>;

/// What is left of a round.
struct Round {
    rows: usize,
    runs: usize,
    dice: Dice,
}

impl Monitor {
    /// A monitor that looks at what arrives from now on.
    pub fn new(rooms: Rooms) -> Monitor {
        let found = std::array::from_fn(|_| AtomicU64::new(0));
        let (scanner, marks) = (OnceLock::new(), Mutex::default());
        Monitor { rooms, scanner, turns: AtomicUsize::new(0), marks, rows: AtomicU64::new(0), found }
    }

    /// Looks at a sample of what arrived since the last round, and stores what it finds; how many finds.
    ///
    /// # Errors
    /// The first that happens; the other tenants are looked at all the same.
    pub fn round(
        &self,
        settings: Settings,
        tenants: &[TenantId],
        policy_of: &dyn Fn(TenantId) -> Arc<Scrubber>,
        now: Millis,
    ) -> Result<u64, Error> {
        if settings.one_in == 0 {
            return Ok(0);
        }
        let dice = Dice(u64::from_le_bytes(random(&*self.rooms.entropy)) | 1);
        let mut round = Round { rows: ROWS_MAX, runs: RUNS_MAX, dice };
        let turns = tenants.len().min(TENANTS_MAX);
        let first = self.turns.fetch_add(turns.max(1), Ordering::Relaxed) % tenants.len().max(1);
        let mut failed = None;
        let mut finds = 0;
        for tenant in tenants.iter().cycle().skip(first).take(turns) {
            match self.look(*tenant, &policy_of(*tenant), settings, now, &mut round) {
                Ok(found) => finds += found,
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(finds), Err)
    }

    /// Rows that were looked at since the start.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Finds since the start, by kind.
    pub fn found(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Slip::ALL.into_iter().zip(&self.found).map(|(slip, count)| (slip.name(), count.load(Ordering::Relaxed)))
    }

    fn scanner(&self) -> &Scanner {
        self.scanner.get_or_init(Scanner::default)
    }

    fn look(
        &self,
        tenant: TenantId,
        policy: &Scrubber,
        settings: Settings,
        now: Millis,
        round: &mut Round,
    ) -> Result<u64, Error> {
        let to = now.plus(-LAG_MS);
        let Some(from) = self.advance(tenant, policy.policy_hash(), to, now) else { return Ok(0) };
        let kept = Watched::of(Slip::ALL.into_iter().filter(|slip| policy.looks_for(slip.name())));
        let watched = kept.and(settings.watched);
        let mut found = Found::new();
        let ever = (Millis(i64::MIN), Millis(i64::MAX));
        for part in self.rooms.store.read(tenant, ever.0, ever.1, now) {
            let arrived = part.spans().map(|spans| spans.received);
            if arrived.is_none_or(|(first, last)| last <= from || first > to) || !round.may_open(&part) {
                continue;
            }
            self.look_at(&part, (from, to), settings.one_in, watched, round, &mut found)?;
        }
        let policy = policy.policy_hash_text().get(..POLICY_DIGITS).unwrap_or_default();
        self.raise(tenant, policy, found, now)
    }

    /// Moves a tenant's mark; where it was, if there is something to look at.
    fn advance(&self, tenant: TenantId, policy: [u8; 32], to: Millis, now: Millis) -> Option<Millis> {
        let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(mark) = marks.get_mut(&tenant) else {
            marks.insert(tenant, Mark { from: to, policy });
            return None;
        };
        if mark.policy != policy {
            // Everything until now may have come in under the old one.
            *mark = Mark { from: now, policy };
            return None;
        }
        let from = mark.from.max(now.plus(-BACK_MS));
        mark.from = mark.from.max(to);
        (from < to).then_some(from)
    }

    fn look_at(
        &self,
        part: &Part,
        (from, to): (Millis, Millis),
        one_in: u32,
        watched: Watched,
        round: &mut Round,
        found: &mut Found,
    ) -> Result<(), Error> {
        let loaded = match part.load(&Need::all()) {
            Ok(loaded) => loaded,
            // What was let go or moved since needs no look; nor is a look worth the memory that a query lacks.
            Err(store::Error::Erased | store::Error::QueryMemory) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let columns = loaded.columns();
        for row in loaded.rows() {
            let received = Millis(columns.received().get(row).copied().unwrap_or_default());
            if received <= from || received > to || !round.dice.hits(one_in) {
                continue;
            }
            if round.rows == 0 {
                return Ok(());
            }
            round.rows -= 1;
            self.rows.fetch_add(1, Ordering::Relaxed);
            self.look_at_row(columns, row, received, watched, found);
        }
        Ok(())
    }

    fn look_at_row(&self, columns: &Columns, row: usize, received: Millis, watched: Watched, found: &mut Found) {
        let code = columns.event_type().get(row).copied().and_then(EventType::from_code);
        let stream = stream_name(Stream::of(code.unwrap_or(EventType::Custom)));
        let day = u32::try_from(received.day()).unwrap_or(0);
        let mut note = |slip: Slip, column: &'static str, path: String| {
            if let Some(count) = self.found.get(slip as usize) {
                count.fetch_add(1, Ordering::Relaxed);
            }
            let spot = Spot { kind: slip.name(), stream, column, path };
            let new = |spot: &Spot| Finding {
                kind: spot.kind.to_owned(),
                stream: stream.to_owned(),
                column: column.to_owned(),
                path: spot.path.clone(),
                count: 0,
                first: received,
                last: received,
                policy: String::new(),
            };
            let fresh = new(&spot);
            let finding = found.entry((day, spot)).or_insert(fresh);
            finding.count += 1;
            finding.first = finding.first.min(received);
            finding.last = finding.last.max(received);
        };
        for column in TextColumn::ALL {
            if let Some(text) = columns.text(column, row).filter(|text| !is_expected(column, text)) {
                self.scanner().scan(text, watched, |slip| note(slip, column.name(), String::new()));
            }
        }
        let attributes = columns.attributes_of(row);
        if !attributes.is_empty() {
            // Stored attributes are compact JSON; what is none is looked at as a text.
            match serde_json::from_str::<Value>(&attributes) {
                Ok(value) => self.walk(&value, &mut Vec::new(), watched, &mut note),
                Err(_) => self.scanner().scan(&attributes, watched, |slip| note(slip, ATTRIBUTES, String::new())),
            }
        }
    }

    fn walk<'v>(
        &self,
        value: &'v Value,
        path: &mut Vec<&'v str>,
        watched: Watched,
        note: &mut impl FnMut(Slip, &'static str, String),
    ) {
        let mut look = |text: &str, path: &[&str]| {
            self.scanner().scan(text, watched, |slip| note(slip, ATTRIBUTES, self.path_of(path)));
        };
        match value {
            Value::Null | Value::Bool(_) => {}
            Value::Number(number) => look(&number.to_string(), path),
            Value::String(text) => look(text, path),
            Value::Array(items) => {
                for item in items {
                    path.push("*");
                    self.walk(item, path, watched, note);
                    path.pop();
                }
            }
            Value::Object(members) => {
                for (name, value) in members {
                    path.push(name);
                    self.scanner().scan(name, watched, |slip| note(slip, ATTRIBUTES, self.path_of(path)));
                    self.walk(value, path, watched, note);
                    path.pop();
                }
            }
        }
    }

    fn path_of(&self, steps: &[&str]) -> String {
        finding::path_of(steps, |name| {
            let mut suspect = false;
            self.scanner().scan(name, Watched::of(Slip::ALL), |_| suspect = true);
            suspect
        })
    }

    /// Stores findings with the records of those that are new, then logs them.
    fn raise(&self, tenant: TenantId, policy: &str, found: Found, now: Millis) -> Result<u64, Error> {
        let mut days: BTreeMap<u32, Vec<(Spot, Finding)>> = BTreeMap::new();
        for ((day, spot), finding) in found {
            days.entry(day).or_default().push((spot, Finding { policy: policy.to_owned(), ..finding }));
        }
        let mut finds = 0;
        for (day, found) in days {
            finds += found.iter().map(|(_, finding)| finding.count).sum::<u64>();
            let Rooms { kv, vault, writer, trail, entropy, .. } = &self.rooms;
            let prepared = finding::prepare(kv, vault, &**entropy, (tenant, day), found)?;
            let (entries, told) = (prepared.entries, prepared.new.clone());
            let trail = Arc::clone(trail);
            writer.commit(move |batch| {
                entries
                    .into_iter()
                    .for_each(|(place, value)| batch.put_owned(crate::kv::Family::Catalog, place, value));
                prepared.new.iter().try_for_each(|spot| {
                    // Without the path: leaves are for ever.
                    let entry = Entry::new(now, Action::LeakFound, Outcome::Success)
                        .param("kind", spot.kind)
                        .param("stream", spot.stream)
                        .param("column", spot.column);
                    trail.stage(batch, Subject::Tenant(tenant), entry).map(|_| ())
                })
            })??;
            for Spot { kind, stream, column, .. } in told {
                tracing::warn!(%tenant, kind, stream, column, "the leak monitor found something that slipped: see /v1/privacy/findings");
            }
        }
        Ok(finds)
    }
}

impl Round {
    /// Whether a part may be opened: those in memory cost nothing, of sealed ones a round opens a few.
    fn may_open(&mut self, part: &Part) -> bool {
        if self.rows == 0 {
            return false;
        }
        if part.is_sealed() {
            if self.runs == 0 {
                return false;
            }
            self.runs -= 1;
        }
        true
    }
}

/// Whether a column holds what the pipeline writes there: a pseudonym, or an id of a trace.
fn is_expected(column: TextColumn, text: &str) -> bool {
    let is_hex = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    match column {
        TextColumn::User | TextColumn::Session | TextColumn::Ip => match text.as_bytes() {
            [b'u' | b's' | b'a', b'_', rest @ ..] => rest.len() == 32 && text.get(2..).is_some_and(is_hex),
            _ => false,
        },
        TextColumn::TraceId | TextColumn::SpanId | TextColumn::ParentId => {
            matches!(text.len(), 16 | 32) && is_hex(text)
        }
        TextColumn::Name
        | TextColumn::Country
        | TextColumn::ClientName
        | TextColumn::ClientVersion
        | TextColumn::ServerName
        | TextColumn::ServerVersion
        | TextColumn::Model
        | TextColumn::Language
        | TextColumn::ErrorType
        | TextColumn::ErrorMessage
        | TextColumn::Method
        | TextColumn::Path
        | TextColumn::Unit
        | TextColumn::Severity
        | TextColumn::Body => false,
    }
}

fn stream_name(stream: Stream) -> &'static str {
    match stream {
        Stream::Events => "events",
        Stream::Logs => "logs",
        Stream::Spans => "spans",
        Stream::Metrics => "metrics",
    }
}

/// Chooses rows: xorshift64, seeded anew for every round. A sample must not follow a sender's rhythm; it needs to be no secret.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn hits(&mut self, one_in: u32) -> bool {
        one_in == 1 || self.roll().is_multiple_of(u64::from(one_in.max(1)))
    }
}
