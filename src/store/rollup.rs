//! Totals that outlive their rows.
//!
//! When a bucket is closed its rows are counted once more, by day of the event: totals by type; and for names (tools, routes), by day and by hour,
//! but only where at least *k* distinct subjects took part. Names below that are counted together as *other*. So what stays for ever singles nobody
//! out: a number of distinct users is kept as a number, never as a set that could be asked for one. Rows without any subject count as one.
//!
//! Rollups answer only for buckets whose rows are all past their time ([`Store::rollups`]); until then the rows themselves do. They are not
//! changed by an erasure, which is why they must be such that they need not be. How rows are counted is in `tally`.

mod tally;

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::clock::Millis;
use crate::id::TenantId;
use crate::keys::seal;
use crate::kv::Family;
use crate::privacy::event::EventType;
use crate::sketch::Sketch;

use super::key::{BucketKey, Class, Stream};
use super::manifest::IndexKeys;
use super::need::{Need, Plain};
use super::row::{Damaged, Reader, TextColumn, put_bytes, put_varint, unzigzag, zigzag};
use super::run::Run;
use super::{Error, Store};

use tally::Tally;

const VERSION: u8 = 1;

/// What was counted of some events.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counted {
    /// Events.
    pub events: u64,
    /// Errors among them (see [`super::columns::Columns::is_error`]).
    pub errors: u64,
    /// Distinct users. Not additive: somebody may be in several cells.
    pub users: u64,
    /// Distinct sessions. Not additive either.
    pub sessions: u64,
    /// How long they took, in milliseconds.
    pub durations: Sketch,
    /// When the newest happened.
    pub newest: Millis,
}

/// What a cell is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Scope {
    /// All events of a type on a day.
    Total = 1,
    /// Those of one name on a day.
    NameDay = 2,
    /// Those of one name in an hour; they are in the day's cell too.
    NameHour = 3,
    /// Those of all names that too few subjects used on a day.
    Other = 4,
}

/// One number of many.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// What it is about.
    pub scope: Scope,
    /// Type of the events.
    pub event_type: EventType,
    /// The name, for [`Scope::NameDay`] and [`Scope::NameHour`].
    pub name: Option<String>,
    /// Where the day or hour begins.
    pub start: Millis,
    /// The numbers.
    pub counted: Counted,
}

/// The totals of one bucket, or of a part of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Rollup {
    /// The bucket.
    pub bucket: BucketKey,
    /// The least segment of the runs that were counted.
    pub segment: u64,
    /// The numbers.
    pub cells: Vec<Cell>,
}

impl Rollup {
    /// Family `rollup`: tenant, class, hour, stream, segment.
    pub(super) fn key(&self) -> Vec<u8> {
        let mut key = self.bucket.tenant.0.to_vec();
        key.push(self.bucket.class as u8);
        key.extend_from_slice(&self.bucket.hour.to_be_bytes());
        key.push(self.bucket.stream as u8);
        key.extend_from_slice(&self.segment.to_be_bytes());
        key
    }

    /// The plain bytes of its value.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        put_varint(&mut out, self.cells.len() as u64);
        for cell in &self.cells {
            out.extend_from_slice(&[cell.scope as u8, cell.event_type.code()]);
            put_bytes(&mut out, cell.name.as_deref().unwrap_or_default().as_bytes());
            put_varint(&mut out, zigzag(cell.start.0));
            let Counted { events, errors, users, sessions, durations, newest } = &cell.counted;
            for number in [*events, *errors, *users, *sessions, zigzag(newest.since(cell.start))] {
                put_varint(&mut out, number);
            }
            durations.encode(&mut out);
        }
        out
    }

    fn decode(key: &[u8], bytes: &[u8]) -> Result<Rollup, Damaged> {
        let (bucket, segment) = read_key(key).ok_or(Damaged)?;
        let mut reader = Reader { bytes };
        let cells = read_cells(&mut reader).ok_or(Damaged)?;
        if reader.bytes.is_empty() { Ok(Rollup { bucket, segment, cells }) } else { Err(Damaged) }
    }
}

fn read_key(key: &[u8]) -> Option<(BucketKey, u64)> {
    let mut reader = Reader { bytes: key };
    let tenant = TenantId(reader.array()?);
    let class = Class::from_code(reader.byte()?)?;
    let hour = u32::from_be_bytes(reader.array()?);
    let stream = Stream::from_code(reader.byte()?)?;
    let segment = u64::from_be_bytes(reader.array()?);
    reader.bytes.is_empty().then_some((BucketKey { tenant, class, hour, stream }, segment))
}

fn read_cells(reader: &mut Reader<'_>) -> Option<Vec<Cell>> {
    if reader.byte()? != VERSION {
        return None;
    }
    let count = reader.varint()?;
    let cell = |reader: &mut Reader<'_>| -> Option<Cell> {
        let scope = match reader.byte()? {
            1 => Scope::Total,
            2 => Scope::NameDay,
            3 => Scope::NameHour,
            4 => Scope::Other,
            _ => return None,
        };
        let event_type = EventType::from_code(reader.byte()?)?;
        let name = reader.text()?;
        let start = Millis(unzigzag(reader.varint()?));
        let counted = Counted {
            events: reader.varint()?,
            errors: reader.varint()?,
            users: reader.varint()?,
            sessions: reader.varint()?,
            newest: start.plus(unzigzag(reader.varint()?)),
            durations: Sketch::decode(&mut reader.bytes)?,
        };
        let named = matches!(scope, Scope::NameDay | Scope::NameHour).then(|| name.to_owned());
        Some(Cell { scope, event_type, name: named, start, counted })
    };
    (0..count).map(|_| cell(reader)).collect()
}

impl Store {
    /// Counts the rows of some runs of one bucket; `None` when there is nothing to count.
    pub(super) fn roll_up(&self, bucket: BucketKey, runs: &[Arc<Run>]) -> Result<Option<Rollup>, Error> {
        let text = [TextColumn::Name, TextColumn::User, TextColumn::Session];
        let need = Need::of(&[Plain::Time, Plain::EventType, Plain::Ok, Plain::Status, Plain::Duration], &text);
        let hidden = self.shelf().hidden_of(bucket.tenant);
        let need = hidden.as_ref().map_or(need.clone(), |hidden| need.and(&hidden.need()));
        let mut tally = Tally::default();
        for run in runs {
            let columns = self.reader.load(run, &need)?.0;
            let erased = hidden.as_ref().and_then(|hidden| hidden.rows(&columns));
            tally.take(&columns, erased.as_deref());
        }
        let segment = runs.iter().map(|run| run.id.segment).min();
        let cells = tally.cells(self.rollup_k);
        Ok(segment.filter(|_| !cells.is_empty()).map(|segment| Rollup { bucket, segment, cells }))
    }

    /// The rollups of a tenant's buckets whose rows are all past their time at `now`, oldest first within a class.
    pub fn rollups(&self, tenant: TenantId, now: Millis) -> Result<Vec<Rollup>, Error> {
        let held = self.is_on_hold(tenant);
        let mut sealed = Vec::new();
        self.kv.scan(Family::Rollup, &tenant.0, &tenant.0, &mut |key, value| {
            let is_past = |(bucket, _): (BucketKey, u64)| bucket.ends() <= self.visible_from(held, bucket.class, now);
            // A key that cannot be read is damage, which is found out below.
            if read_key(key).is_none_or(is_past) {
                sealed.push((key.to_vec(), value.to_vec()));
            }
            ControlFlow::Continue(())
        })?;
        let mut keys = IndexKeys::new(&self.vault);
        sealed.into_iter().map(|(key, value)| open(&mut keys, &key, &value)).collect()
    }
}

/// Opens a stored rollup.
pub(super) fn open(keys: &mut IndexKeys<'_>, key: &[u8], value: &[u8]) -> Result<Rollup, Error> {
    let (bucket, _) = read_key(key).ok_or(Error::DamagedManifest)?;
    let plain = seal::open(&*keys.of(bucket.tenant)?, key, value).map_err(|_| Error::DamagedManifest)?;
    Rollup::decode(key, &plain).map_err(|_| Error::DamagedManifest)
}
