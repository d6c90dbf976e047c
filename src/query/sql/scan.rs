//! Reading a table's rows, part by part.
//!
//! A [`Scan`] holds one part at a time, loads of it only what conditions and output need, and gives control back after every part and every
//! batch: that is where a query whose time is up, or whose answer nobody awaits, ends.
//!
//! `attributes['a']` in the output is read as a column of its own, when the plan offers it ([`Scan::try_swapping_with_projection`]).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, ReplaceChildrenOptions};
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties};
use futures_util::Stream;

use crate::query::batch::{Reader, Source, kept};
use crate::store::need::{Need, Plain};
use crate::store::{Loaded, Part};

use super::error::Error;
use super::function::{ATTRIBUTE, literal_path};
use super::predicate::{Predicate, need_of};
use super::table::Data;

/// Rows of one batch: the engine's own size.
const BATCH_ROWS: usize = 8192;
/// Bytes of one batch, about: the engine holds several at a time and does not count all of them against its memory.
const BATCH_BYTES: usize = 1 << 20;
/// The least rows of one batch, however large they are.
const BATCH_ROWS_MIN: usize = 64;

/// Reads parts.
#[derive(Clone)]
pub(super) struct Scan {
    data: Arc<Data>,
    parts: Arc<[Part]>,
    predicate: Option<Arc<Predicate>>,
    outputs: Vec<Source>,
    schema: SchemaRef,
    /// Rows that are enough.
    limit: Option<usize>,
    properties: Arc<PlanProperties>,
}

impl Scan {
    pub(super) fn new(
        data: Arc<Data>,
        parts: Vec<Part>,
        outputs: Vec<Source>,
        schema: SchemaRef,
        predicate: Option<Predicate>,
        limit: Option<usize>,
    ) -> Scan {
        let properties = properties(&schema);
        Scan { data, parts: parts.into(), predicate: predicate.map(Arc::new), outputs, schema, limit, properties }
    }

    /// The same rows with other columns.
    fn giving(&self, outputs: Vec<Source>, schema: SchemaRef) -> Scan {
        let properties = properties(&schema);
        Scan { outputs, schema, properties, ..self.clone() }
    }

    /// A projection that computes, over a scan that reads the members of the attributes in it; `None` when there are none.
    fn beneath(&self, projection: &ProjectionExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let mut outputs: Vec<Source> = Vec::new();
        let mut fields: Vec<Field> = Vec::new();
        let mut gains = false;
        let mut computed = Vec::with_capacity(projection.expr().len());
        for output in projection.expr() {
            let expr = Arc::clone(&output.expr).transform_down(|expr| {
                let Some(source) = self.source_of(&expr) else { return Ok(Transformed::no(expr)) };
                gains |= matches!(source, Source::Attribute(_)) && expr.downcast_ref::<Column>().is_none();
                let at = outputs.iter().position(|known| *known == source).unwrap_or_else(|| {
                    fields.push(source.field(&outputs.len().to_string()));
                    outputs.push(source);
                    outputs.len() - 1
                });
                let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(&at.to_string(), at));
                Ok(Transformed::new(column, true, TreeNodeRecursion::Jump))
            })?;
            computed.push(ProjectionExpr { expr: expr.data, alias: output.alias.clone() });
        }
        if !gains {
            return Ok(None);
        }
        let scan = self.giving(outputs, Arc::new(Schema::new(fields)));
        Ok(Some(Arc::new(ProjectionExec::try_new(computed, Arc::new(scan))?)))
    }

    /// The column that an expression over the output reads.
    fn source_of(&self, expr: &Arc<dyn PhysicalExpr>) -> Option<Source> {
        if let Some(column) = expr.downcast_ref::<Column>() {
            return self.outputs.get(column.index()).cloned();
        }
        let call = expr.downcast_ref::<ScalarFunctionExpr>().filter(|call| call.name() == ATTRIBUTE)?;
        let [column, path] = call.args() else { return None };
        let column = self.outputs.get(column.downcast_ref::<Column>()?.index())?;
        let path = literal_path(path.downcast_ref::<Literal>()?.value())?;
        (*column == Source::Plain(Plain::Attributes)).then_some(Source::Attribute(path))
    }
}

fn properties(schema: &SchemaRef) -> Arc<PlanProperties> {
    Arc::new(PlanProperties::new(
        EquivalenceProperties::new(Arc::clone(schema)),
        Partitioning::UnknownPartitioning(1),
        EmissionType::Incremental,
        Boundedness::Bounded,
    ))
}

impl std::fmt::Debug for Scan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scan({} parts, {:?})", self.parts.len(), self.outputs)
    }
}

impl DisplayAs for Scan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

impl ExecutionPlan for Scan {
    fn name(&self) -> &str {
        "Scan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn try_swapping_with_projection(&self, projection: &ProjectionExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let outputs: Option<Vec<Source>> =
            projection.expr().iter().map(|output| self.source_of(&output.expr)).collect();
        match outputs {
            Some(outputs) => Ok(Some(Arc::new(self.giving(outputs, projection.schema())))),
            None => self.beneath(projection),
        }
    }

    fn execute(&self, _: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let conditions = self.predicate.iter().flat_map(|predicate| predicate.sources());
        let need = need_of(self.outputs.iter().chain(conditions));
        Ok(Box::pin(Rows { scan: self.clone(), need, next: 0, open: None, left: self.limit.unwrap_or(usize::MAX) }))
    }
}

/// One stream of a scan.
struct Rows {
    scan: Scan,
    need: Need,
    /// The part that comes next.
    next: usize,
    /// The part that is being read, its visible rows, and how many of them were looked at.
    open: Option<(Reader, Vec<u32>, usize)>,
    left: usize,
}

/// What one turn brought.
enum Turn {
    Batch(RecordBatch),
    Nothing,
    End,
}

impl Rows {
    fn turn(&mut self) -> Result<Turn> {
        let Some((reader, rows, at)) = &mut self.open else { return self.open_next() };
        let rows = rows.get(*at..).unwrap_or_default();
        let rows = rows.get(..batch_rows(reader.loaded()).min(rows.len())).unwrap_or_default();
        if rows.is_empty() || self.left == 0 {
            self.open = None;
            return Ok(Turn::Nothing);
        }
        *at += rows.len();
        let matching = match &self.scan.predicate {
            Some(predicate) => kept(rows, &predicate.holds(reader, rows)?),
            None => rows.to_vec(),
        };
        let matching = matching.get(..self.left.min(matching.len())).unwrap_or_default();
        if matching.is_empty() {
            return Ok(Turn::Nothing);
        }
        self.left -= matching.len();
        let columns =
            self.scan.outputs.iter().map(|source| reader.array(source, matching)).collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(matching.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.scan.schema), columns, &options)?;
        Ok(Turn::Batch(batch))
    }

    fn open_next(&mut self) -> Result<Turn> {
        let Some(part) = self.scan.parts.get(self.next).filter(|_| self.left > 0) else { return Ok(Turn::End) };
        self.next += 1;
        let loaded = self.scan.data.load(part, &self.need).map_err(|error| Error::from(error).wrapped())?;
        let rows = loaded.rows().filter_map(|row| u32::try_from(row).ok()).collect();
        self.open = Some((Reader::new(loaded), rows, 0));
        Ok(Turn::Nothing)
    }
}

/// How many rows of a part make a batch.
fn batch_rows(loaded: &Loaded) -> usize {
    let columns = loaded.columns();
    let row_bytes = columns.bytes() / columns.len().max(1);
    (BATCH_BYTES / row_bytes.max(1)).clamp(BATCH_ROWS_MIN, BATCH_ROWS)
}

impl Stream for Rows {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.turn() {
            Ok(Turn::Batch(batch)) => Poll::Ready(Some(Ok(batch))),
            Ok(Turn::End) => Poll::Ready(None),
            Ok(Turn::Nothing) => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Err(error) => Poll::Ready(Some(Err(error))),
        }
    }
}

impl RecordBatchStream for Rows {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.scan.schema)
    }
}
