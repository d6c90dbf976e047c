//! An answer as JSON: `{"columns":[{"name","type"}],"rows":[[...]],"truncated":false}`.
//!
//! It is held in memory, bounded in rows and bytes, so that a query that fails half-way fails with a status and not with half an answer.
//! What does not fit is cut off and said: exports are for all rows.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the engine's enums have dozens of variants that mean nothing here"
)]

use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use arrow::json::writer::{EncoderOptions, NullableEncoder, make_encoder};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde::Serialize;

/// The most of an answer.
#[derive(Clone, Copy, Debug)]
pub struct AnswerMax {
    /// Rows.
    pub rows: usize,
    /// Bytes of the rows as JSON; the last one may exceed it.
    pub bytes: usize,
}

/// A column of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Column {
    /// Its name, as the query says or the engine makes it.
    pub name: String,
    /// What its values are.
    #[serde(rename = "type")]
    pub kind: &'static str,
}

/// A complete answer.
#[derive(Debug)]
pub struct Answer {
    columns: Vec<Column>,
    rows: Vec<u8>,
    count: usize,
    truncated: bool,
}

impl Answer {
    /// The columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Number of rows.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether there were more.
    pub fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// The document.
    pub fn into_json(self) -> Vec<u8> {
        let columns = serde_json::to_vec(&self.columns).expect("plain fields always serialise into memory");
        let truncated = if self.truncated { "true" } else { "false" };
        [br#"{"columns":"#, &*columns, br#","rows":["#, &self.rows, br#"],"truncated":"#, truncated.as_bytes(), b"}"]
            .concat()
    }
}

/// Takes batches and becomes an [`Answer`].
pub(super) struct Writer {
    answer: Answer,
    max: AnswerMax,
}

impl Writer {
    pub(super) fn new(schema: &Schema, max: AnswerMax) -> Writer {
        let column = |field: &Arc<Field>| Column { name: field.name().clone(), kind: kind(field.data_type()) };
        let columns = schema.fields().iter().map(column).collect();
        Writer { answer: Answer { columns, rows: Vec::new(), count: 0, truncated: false }, max }
    }

    /// Takes what fits; whether there is room for more.
    pub(super) fn take(&mut self, batch: &RecordBatch) -> Result<bool, ArrowError> {
        let options = EncoderOptions::default().with_explicit_nulls(true);
        let schema = batch.schema();
        let columns = schema.fields().iter().zip(batch.columns());
        let mut cells =
            columns.map(|(field, column)| Cells::of(field, column, &options)).collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            if self.answer.count >= self.max.rows || self.answer.rows.len() >= self.max.bytes {
                self.answer.truncated = true;
                return Ok(false);
            }
            self.answer.rows.extend_from_slice(if self.answer.count == 0 { b"[" } else { b",[" });
            for (at, cells) in cells.iter_mut().enumerate() {
                if at > 0 {
                    self.answer.rows.push(b',');
                }
                cells.write(row, &mut self.answer.rows)?;
            }
            self.answer.rows.push(b']');
            self.answer.count += 1;
        }
        Ok(true)
    }

    pub(super) fn finish(self) -> Answer {
        self.answer
    }
}

/// The values of one column, as JSON.
enum Cells<'a> {
    Json(NullableEncoder<'a>),
    /// What JSON has no form for, as text.
    Text(ArrayFormatter<'a>, &'a dyn Array),
}

impl<'a> Cells<'a> {
    fn of(field: &'a Arc<Field>, column: &'a dyn Array, options: &'a EncoderOptions) -> Result<Cells<'a>, ArrowError> {
        match make_encoder(field, column, options) {
            Ok(encoder) => Ok(Cells::Json(encoder)),
            Err(_) => Ok(Cells::Text(ArrayFormatter::try_new(column, &FORMAT)?, column)),
        }
    }

    fn write(&mut self, row: usize, out: &mut Vec<u8>) -> Result<(), ArrowError> {
        match self {
            Cells::Json(encoder) if encoder.is_null(row) => out.extend_from_slice(b"null"),
            Cells::Json(encoder) => encoder.encode(row, out),
            Cells::Text(_, column) if column.is_null(row) => out.extend_from_slice(b"null"),
            Cells::Text(formatter, _) => {
                let text = formatter.value(row).try_to_string()?;
                serde_json::to_writer(out, &text).expect("text always serialises into memory");
            }
        }
        Ok(())
    }
}

const FORMAT: FormatOptions<'static> = FormatOptions::new();

/// A word for a type.
fn kind(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text",
        DataType::Boolean => "boolean",
        DataType::Timestamp(..) => "timestamp",
        DataType::Date32 | DataType::Date64 => "date",
        DataType::Time32(_) | DataType::Time64(_) => "time",
        DataType::Duration(_) | DataType::Interval(_) => "interval",
        DataType::Null => "null",
        DataType::Dictionary(_, values) => kind(values),
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => "list",
        other if other.is_integer() => "integer",
        other if other.is_numeric() => "number",
        _ => "other",
    }
}
