//! Conditions over rows, evaluated where the rows are read.
//!
//! A [`Predicate`] looks at as few columns as its conditions name; members of the attributes count as columns of their own. [`Range`] is what
//! can be said of a whole part before any of it is read.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the engine's enums have dozens of variants that mean nothing here"
)]

use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Schema, SchemaRef, TimeUnit};
use datafusion::catalog::Session;
use datafusion::common::cast::as_boolean_array;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, Result, ScalarValue};
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, Operator};
use datafusion::physical_expr::PhysicalExpr;

use crate::clock::Millis;
use crate::privacy::event::EventType;
use crate::query::batch::{Reader, Source};
use crate::store::Part;
use crate::store::key::Class;
use crate::store::need::Need;

use super::function::path_of;

/// Conditions that all must hold.
#[derive(Debug)]
pub(in crate::query) struct Predicate {
    expr: Arc<dyn PhysicalExpr>,
    sources: Vec<Source>,
    schema: SchemaRef,
}

impl Predicate {
    /// Compiles conditions over the columns of the tables; `None` when there are none.
    pub(super) fn compile(session: &dyn Session, conditions: &[Expr]) -> Result<Option<Predicate>> {
        let Some(all) = conjunction(conditions.iter().cloned()) else { return Ok(None) };
        let mut sources: Vec<(String, Source)> = Vec::new();
        let flat = all.transform_down(|expr| {
            let (name, source) = match (&expr, path_of(&expr)) {
                (_, Some((Expr::Column(_), path))) => {
                    (format!("attributes['{path}']"), Some(Source::Attribute(path.into())))
                }
                (Expr::Column(column), _) => (column.name.clone(), Source::named(&column.name)),
                _ => return Ok(Transformed::no(expr)),
            };
            let Some(source) = source else { return Ok(Transformed::no(expr)) };
            if !sources.iter().any(|(known, _)| *known == name) {
                sources.push((name.clone(), source));
            }
            let column = Expr::Column(Column::new_unqualified(name));
            Ok(Transformed::new(column, true, TreeNodeRecursion::Jump))
        })?;
        let fields: Vec<_> = sources.iter().map(|(name, source)| source.field(name)).collect();
        let schema = Arc::new(Schema::new(fields));
        let expr = session.create_physical_expr(flat.data, &DFSchema::try_from(Arc::clone(&schema))?)?;
        Ok(Some(Predicate { expr, sources: sources.into_iter().map(|(_, source)| source).collect(), schema }))
    }

    /// The columns that it looks at.
    pub(in crate::query) fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Which of `rows` it holds for; what is neither true nor false does not hold.
    pub(in crate::query) fn holds(&self, reader: &mut Reader, rows: &[u32]) -> Result<BooleanArray> {
        let columns = self.sources.iter().map(|source| reader.array(source, rows)).collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?;
        let held = self.expr.evaluate(&batch)?.into_array(rows.len())?;
        Ok(as_boolean_array(&held)?.clone())
    }
}

/// `need` and what the sources ask for.
pub(in crate::query) fn need_of<'s>(sources: impl IntoIterator<Item = &'s Source>) -> Need {
    sources.into_iter().fold(Need::NONE, |need, source| source.add_to(need))
}

/// The parts that may hold a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    /// First moment.
    pub from: Millis,
    /// Last moment, exclusive.
    pub to: Millis,
    class: Option<Class>,
}

impl Range {
    /// What `conditions`, all of which must hold, say of whole parts; never less than what matches.
    pub(super) fn of(conditions: &[Expr]) -> Range {
        let all = Range { from: Millis(i64::MIN), to: Millis(i64::MAX), class: None };
        let single = conditions.iter().flat_map(split_conjunction);
        single.fold(all, |range, condition| match condition {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => match (column_of(left), &**right, &**left) {
                (Some(column), Expr::Literal(value, _), _) => range.narrowed(column, *op, value),
                (_, _, Expr::Literal(value, _)) => match (column_of(right), op.swap()) {
                    (Some(column), Some(op)) => range.narrowed(column, op, value),
                    _ => range,
                },
                _ => range,
            },
            Expr::Between(between) if !between.negated => {
                match (column_of(&between.expr), &*between.low, &*between.high) {
                    (Some(column), Expr::Literal(low, _), Expr::Literal(high, _)) => {
                        range.narrowed(column, Operator::GtEq, low).narrowed(column, Operator::LtEq, high)
                    }
                    _ => range,
                }
            }
            _ => range,
        })
    }

    /// Whether a part may hold a match, as far as its class says; the store knows its times.
    pub(super) fn admits(&self, part: &Part) -> bool {
        self.class.is_none_or(|class| class == part.class())
    }

    fn narrowed(self, column: &str, op: Operator, value: &ScalarValue) -> Range {
        if column == "type" && op == Operator::Eq {
            let event_type = value.try_as_str().flatten().and_then(EventType::from_name);
            return Range { class: event_type.map(Class::of).or(self.class), ..self };
        }
        let Some((floor, ceiling)) = moment(value).filter(|_| column == "time") else { return self };
        let after = floor.saturating_add(1);
        let (from, to) = match op {
            Operator::Gt => (after, i64::MAX),
            Operator::GtEq => (ceiling, i64::MAX),
            Operator::Lt => (i64::MIN, ceiling),
            Operator::LtEq => (i64::MIN, after),
            Operator::Eq => (ceiling, after),
            _ => return self,
        };
        Range { from: self.from.max(Millis(from)), to: self.to.min(Millis(to)), ..self }
    }
}

/// The column that an expression is, beneath casts between kinds of moments and texts.
fn column_of(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Column(column) => Some(&column.name),
        Expr::Cast(Cast { expr, field }) => match field.data_type() {
            // Seconds are coarser than what is stored: a comparison of them says less about it.
            DataType::Timestamp(TimeUnit::Second, _) => None,
            DataType::Timestamp(..) | DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => column_of(expr),
            _ => None,
        },
        _ => None,
    }
}

/// The whole milliseconds next to a literal moment, below and above; the same twice when it is one.
fn moment(value: &ScalarValue) -> Option<(i64, i64)> {
    let around = |at: i64, per_ms: i64| {
        let floor = at.div_euclid(per_ms);
        (floor, if at.rem_euclid(per_ms) == 0 { floor } else { floor.saturating_add(1) })
    };
    match value {
        ScalarValue::TimestampSecond(at, _) => at.and_then(|at| at.checked_mul(1000)).map(|at| (at, at)),
        ScalarValue::TimestampMillisecond(at, _) => at.map(|at| (at, at)),
        ScalarValue::TimestampMicrosecond(at, _) => at.map(|at| around(at, 1_000)),
        ScalarValue::TimestampNanosecond(at, _) => at.map(|at| around(at, 1_000_000)),
        _ => None,
    }
}
