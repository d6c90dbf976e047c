//! Questions in SQL, answered by DataFusion over our own columns.
//!
//! Reading order: what a text may be ([`text`]) and say ([`language`], [`function`]); the tables ([`table`]) and how they are read ([`scan`],
//! [`predicate`]); what comes out ([`answer`]) and what can go wrong ([`error`]).
//!
//! ```text
//! text ─► one SELECT within bounds ─► plan over the tables of one tenant ─► Scan: parts by time and class, columns by use ─► Answer
//! ```
//!
//! Invariants: a query reads the events of the tenant whose grant it came with, and no text can change that, since no other name resolves to
//! anything. It reads and never writes, not even to a temporary file. Memory (all queries together), rows, time, size of text and answer,
//! and the number of queries at a time are bounded. A query has one thread of its own, so that it holds up neither those that serve requests
//! nor, with all its threads, the machine; it ends between two batches when its time is up or nobody awaits its
//! answer any more, as when its client has closed the connection.
//!
//! What the engine does not count against its memory is bounded by other means: a scan by one part at a time, windows by the rows that they
//! may read, texts by how many a statement may put together.
//!
//! Deliberately absent: `EXPLAIN` (plans tell of other data's size), recursive queries, table functions, catalogs.

mod answer;
mod error;
mod function;
mod language;
mod predicate;
mod scan;
mod table;
#[cfg(test)]
mod tests;
mod text;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use arrow::datatypes::{DataType, Schema};
use datafusion::catalog::default_table_source::provider_as_source;
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::logical_expr::{ExprSchemable, LogicalPlan};
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures_util::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::clock::Millis;

use super::batch::COLUMNS;

pub use answer::{Answer, AnswerMax, Column};
pub use error::{Error, Place};
pub use table::{Data, Reads};
pub use text::shape;

pub(in crate::query) use predicate::{Predicate, need_of};

use error::Stage;
use language::Tables;
use table::Table;

/// Stack of a thread that plans: what parses and plans recurses, about a kilobyte a level, and the bounds of [`text`] allow hundreds.
const STACK_BYTES: usize = 16 << 20;
/// Rows that a query with window functions may read: the engine holds them all and does not count them against its memory.
const WINDOW_ROWS_MAX: u64 = 500_000;

/// Bounds of all queries together.
#[derive(Clone, Copy, Debug)]
pub struct EngineMax {
    /// Memory for sorting, grouping and joining, in bytes.
    pub memory: usize,
    /// Queries at a time; further ones are refused at once.
    pub queries: usize,
}

/// One question.
pub struct Query {
    /// The SQL.
    pub text: String,
    /// What it may read.
    pub data: Arc<Data>,
    /// The moment that `now()` means.
    pub now: Millis,
    /// How much it may answer.
    pub max: AnswerMax,
    /// How long it may take.
    pub timeout: Duration,
}

/// Answers queries, each on a thread of its own.
pub struct Engine {
    memory: Arc<RuntimeEnv>,
    places: Arc<Semaphore>,
    queries_max: usize,
}

impl Engine {
    /// An engine within those bounds.
    ///
    /// # Errors
    /// The engine refuses them.
    pub fn new(max: EngineMax) -> std::io::Result<Engine> {
        let memory = language::runtime(max.memory).map_err(std::io::Error::other)?;
        Ok(Engine { memory, places: Arc::new(Semaphore::new(max.queries)), queries_max: max.queries })
    }

    /// Queries that are worked on.
    pub fn running(&self) -> usize {
        self.queries_max.saturating_sub(self.places.available_permits())
    }

    /// Bytes that they hold for sorting, grouping and joining.
    pub fn memory(&self) -> usize {
        self.memory.memory_pool.reserved()
    }

    /// Answers a query. Dropping the future ends the work.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn answer(&self, query: Query) -> Result<Answer, Error> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Error::Busy)?;
        let memory = Arc::clone(&self.memory);
        let (to_asker, answered) = oneshot::channel();
        let work = move || run(&query, memory, to_asker, place);
        thread::Builder::new().name("sql".to_owned()).stack_size(STACK_BYTES).spawn(work).map_err(|_| Error::Busy)?;
        // A thread that ends without an answer has panicked.
        answered.await.unwrap_or(Err(Error::Internal))
    }
}

/// Works on a query until it is answered, its time is up or nobody waits any more.
fn run(
    query: &Query,
    memory: Arc<RuntimeEnv>,
    mut to_asker: oneshot::Sender<Result<Answer, Error>>,
    place: OwnedSemaphorePermit,
) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_time().build() else { return };
    let answered = runtime.block_on(async {
        tokio::select! {
            biased;
            () = to_asker.closed() => Err(Error::OutOfTime),
            () = tokio::time::sleep(query.timeout) => Err(Error::OutOfTime),
            answered = retried(query, memory) => answered,
        }
    });
    // What the query still holds is gone before its place is free.
    drop(runtime);
    let reads = query.data.reads();
    tracing::debug!(parts = reads.parts(), rows = reads.rows(), "a query has ended");
    drop(place);
    // Whoever has left needs no answer.
    let _ = to_asker.send(answered);
}

/// Asks once more when rows were erased under the first attempt, which reads the store anew.
async fn retried(query: &Query, memory: Arc<RuntimeEnv>) -> Result<Answer, Error> {
    match answer(query, Arc::clone(&memory)).await {
        Err(Error::Erased) => answer(query, memory).await,
        answered => answered,
    }
}

async fn answer(query: &Query, memory: Arc<RuntimeEnv>) -> Result<Answer, Error> {
    let statement = text::query(&query.text)?;
    let session = language::within(language::session(query.now), memory);
    let events = provider_as_source(Arc::new(Table::events(Arc::clone(&query.data))));
    let metrics = provider_as_source(Arc::new(Table::metrics(Arc::clone(&query.data))));
    let plan = Tables::new(&session, [("events", events), ("metrics", metrics)]).plan(statement)?;
    if has_window(&plan) {
        query.data.narrow(WINDOW_ROWS_MAX);
    }
    let plan = session.create_physical_plan(&plan).await.and_then(interruptible);
    let plan = plan.map_err(|error| Error::of(&error, Stage::Planning))?;
    let failed = |error: &_| Error::of(error, Stage::Running);
    let mut batches = execute_stream(plan, session.task_ctx()).map_err(|error| failed(&error))?;
    let mut writer = answer::Writer::new(&batches.schema(), query.max);
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(|error| failed(&error))?;
        if !writer.take(&batch).map_err(|error| failed(&error.into()))? {
            break;
        }
    }
    Ok(writer.finish())
}

/// The same plan, giving control back within joins too: one batch of their input can make millions of rows, so that it is not enough to do so
/// where rows are read.
fn interruptible(plan: Arc<dyn ExecutionPlan>) -> datafusion::common::Result<Arc<dyn ExecutionPlan>> {
    let plan = plan.transform_up(|plan| {
        let joins = plan.children().len() > 1;
        Ok(if joins { Transformed::yes(Arc::new(CooperativeExec::new(plan)) as _) } else { Transformed::no(plan) })
    })?;
    Ok(plan.data)
}

fn has_window(plan: &LogicalPlan) -> bool {
    let mut found = false;
    let looked = plan.apply_with_subqueries(|node| {
        found |= matches!(node, LogicalPlan::Window(_));
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    found || looked.is_err()
}

/// Compiles a condition over events, in which `now()` is `now`.
pub(in crate::query) fn condition(text: &str, now: Millis) -> Result<Predicate, Error> {
    let failed = |error: &_| Error::of(error, Stage::Planning);
    let session = language::session(now);
    let fields: Vec<_> = COLUMNS.iter().map(|(name, source)| source.field(name)).collect();
    let schema = DFSchema::try_from(Schema::new(fields)).map_err(|error| failed(&error))?;
    let planned = Tables::new(&session, []).condition(text::expression(text)?, &schema)?;
    let folded = language::folded(&session, planned, &schema).map_err(|error| failed(&error))?;
    match folded.get_type(&schema) {
        Ok(DataType::Boolean) => {}
        Ok(_) => return Err(Error::mistake("a condition must be true or false")),
        Err(error) => return Err(failed(&error)),
    }
    Predicate::compile(&session, &[folded]).map_err(|error| failed(&error))?.ok_or(Error::Internal)
}
