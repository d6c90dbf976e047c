//! The tables `events` and `metrics` of one tenant.
//!
//! A table is made for one query out of a grant and knows no other tenant: the tenant is not a column and not a condition, it is the only
//! thing that [`Data`] can read. What a query asks for is worked out before anything is read: parts by time and class, columns by use.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType, col, lit};
use datafusion::physical_plan::ExecutionPlan;

use crate::auth::{Grant, scope};
use crate::clock::Millis;
use crate::privacy::event::EventType;
use crate::query::batch::{COLUMNS, Source};
use crate::store::need::Need;
use crate::store::{self, Loaded, Part, Store};

use super::error::Error;
use super::predicate::{Predicate, Range};
use super::scan::Scan;

/// The columns of `metrics`, in order.
const METRIC_COLUMNS: [&str; 7] = ["time", "received", "name", "value", "unit", "session", "attributes"];

/// Gives the parts of one tenant that may hold rows of a range of time.
type Open = dyn Fn(Millis, Millis) -> Vec<Part> + Send + Sync;

/// What one query may read: the events of one tenant, and how many.
pub struct Data {
    pub(super) open: Box<Open>,
    rows_max: AtomicU64,
    reads: Reads,
}

impl Data {
    /// The events of the grant's tenant that are retained at `now`, at most `rows_max` of them.
    pub fn of(grant: &Grant<scope::Export>, store: Arc<Store>, now: Millis, rows_max: u64) -> Data {
        let tenant = grant.tenant();
        Data::reading(move |from, to| store.read(tenant, from, to, now), rows_max)
    }

    /// Whatever `open` gives.
    pub(super) fn reading(open: impl Fn(Millis, Millis) -> Vec<Part> + Send + Sync + 'static, rows_max: u64) -> Data {
        Data { open: Box::new(open), rows_max: AtomicU64::new(rows_max), reads: Reads::default() }
    }

    /// What was read so far.
    pub fn reads(&self) -> &Reads {
        &self.reads
    }

    /// Lowers the number of rows that may be read.
    pub(super) fn narrow(&self, rows_max: u64) {
        self.rows_max.fetch_min(rows_max, Ordering::Relaxed);
    }

    /// The parts that may hold a match, newest first.
    fn parts(&self, range: Range) -> Result<Vec<Part>, Error> {
        let mut parts = if range.from < range.to { (self.open)(range.from, range.to) } else { Vec::new() };
        parts.retain(|part| range.admits(part));
        let rows: u64 = parts.iter().map(|part| part.rows_max() as u64).sum();
        let rows_max = self.rows_max.load(Ordering::Relaxed);
        if rows > rows_max {
            return Err(Error::TooManyRows { rows_max });
        }
        parts.sort_by_key(|part| std::cmp::Reverse(part.spans().map(|spans| spans.time.1)));
        Ok(parts)
    }

    /// Reads the columns of one part.
    pub(super) fn load(&self, part: &Part, need: &Need) -> Result<Loaded, store::Error> {
        self.reads.count(part, need);
        part.load(need)
    }
}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the events of one tenant")
    }
}

/// What a query has read. Blocks of sealed parts are counted by the store.
#[derive(Default)]
pub struct Reads {
    parts: AtomicU64,
    rows: AtomicU64,
    need: Mutex<Need>,
}

impl Reads {
    fn count(&self, part: &Part, need: &Need) {
        self.parts.fetch_add(1, Ordering::Relaxed);
        self.rows.fetch_add(part.rows_max() as u64, Ordering::Relaxed);
        let mut all = self.need.lock().unwrap_or_else(PoisonError::into_inner);
        *all = std::mem::take(&mut *all).and(need);
    }

    /// Parts that were loaded.
    pub fn parts(&self) -> u64 {
        self.parts.load(Ordering::Relaxed)
    }

    /// Rows of those parts.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// The columns that were loaded of any part.
    pub fn need(&self) -> Need {
        self.need.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One of the two tables.
#[derive(Debug)]
pub(super) struct Table {
    data: Arc<Data>,
    columns: Vec<Source>,
    schema: SchemaRef,
    /// What every row of it fulfils.
    always: Option<Expr>,
}

impl Table {
    /// All events.
    pub(super) fn events(data: Arc<Data>) -> Table {
        Table::of(data, &COLUMNS.map(|(name, _)| name), None)
    }

    /// Events that are measurements.
    pub(super) fn metrics(data: Arc<Data>) -> Table {
        let is_metric = col("type").eq(lit(EventType::Metric.name()));
        Table::of(data, &METRIC_COLUMNS, Some(is_metric))
    }

    fn of(data: Arc<Data>, names: &[&'static str], always: Option<Expr>) -> Table {
        let columns: Vec<(&str, Source)> =
            names.iter().filter_map(|name| Some((*name, Source::named(name)?))).collect();
        let fields: Vec<_> = columns.iter().map(|(name, source)| source.field(name)).collect();
        let columns = columns.into_iter().map(|(_, source)| source).collect();
        Table { data, columns, schema: Arc::new(Schema::new(fields)), always }
    }
}

#[async_trait]
impl TableProvider for Table {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// Every condition that concerns this table alone is checked where its rows are read.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Exact; filters.len()])
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let conditions: Vec<Expr> = self.always.iter().chain(filters).cloned().collect();
        let parts = self.data.parts(Range::of(&conditions)).map_err(Error::wrapped)?;
        let predicate = Predicate::compile(session, &conditions)?;
        let (schema, outputs) = match projection {
            None => (Arc::clone(&self.schema), self.columns.clone()),
            Some(chosen) => {
                let outputs = chosen.iter().filter_map(|at| self.columns.get(*at).cloned()).collect();
                (Arc::new(self.schema.project(chosen)?), outputs)
            }
        };
        Ok(Arc::new(Scan::new(Arc::clone(&self.data), parts, outputs, schema, predicate, limit)))
    }
}
