//! Rows as a table in a file: CSV, Parquet, or a stream of Arrow.
//!
//! A writer's output is taken away after every batch, so that what is held is a batch, or a row group of Parquet. CSV is RFC 4180 with a
//! header; a text that a spreadsheet would take for a formula gets an apostrophe before it, since what senders write must not run where
//! their reports are opened. Programs that need texts unchanged read any of the other formats.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::csv;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::ipc::writer::StreamWriter;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::query::Error;
use crate::query::batch::{Reader, Source};

use super::Format;

/// Rows of a Parquet row group: what a reader must hold at once.
const GROUP_ROWS: usize = 64 << 10;
/// A row group is closed at this size whatever its rows, since long texts would make it unbounded.
const GROUP_BYTES: usize = 32 << 20;

/// Writes batches.
pub(super) struct Table {
    columns: Vec<Source>,
    schema: SchemaRef,
    sink: Sink,
    writer: Writer,
}

enum Writer {
    Csv(Box<csv::Writer<Sink>>),
    Parquet(Box<ArrowWriter<Sink>>),
    Arrow(Box<StreamWriter<Sink>>),
}

impl Table {
    /// A table of these columns; `None` for a format that is none.
    pub(super) fn new(format: Format, columns: &[(&'static str, Source)]) -> Result<Option<Table>, Error> {
        let field = |(name, source): &(&str, Source)| {
            let field = source.field(name);
            // Readers everywhere know this kind of text.
            if *field.data_type() == DataType::Utf8View { field.with_data_type(DataType::Utf8) } else { field }
        };
        let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<Field>>()));
        let sink = Sink::default();
        let writer = match format {
            Format::Ndjson => return Ok(None),
            Format::Csv => Writer::Csv(Box::new(csv::WriterBuilder::new().with_header(true).build(sink.clone()))),
            Format::Parquet => {
                let level = ZstdLevel::try_new(3).map_err(|_| Error::Format)?;
                let properties = WriterProperties::builder()
                    .set_compression(Compression::ZSTD(level))
                    .set_max_row_group_row_count(Some(GROUP_ROWS))
                    .build();
                let writer = ArrowWriter::try_new(sink.clone(), Arc::clone(&schema), Some(properties));
                Writer::Parquet(Box::new(writer.map_err(|_| Error::Format)?))
            }
            Format::Arrow => {
                Writer::Arrow(Box::new(StreamWriter::try_new(sink.clone(), &schema).map_err(|_| Error::Format)?))
            }
        };
        let columns = columns.iter().map(|(_, source)| source.clone()).collect();
        let mut table = Table { columns, schema, sink, writer };
        // A table without rows has a header too.
        table.write(&RecordBatch::new_empty(Arc::clone(&table.schema)))?;
        Ok(Some(table))
    }

    /// Writes some rows.
    pub(super) fn take(&mut self, reader: &mut Reader, rows: &[u32]) -> Result<(), Error> {
        let is_csv = matches!(self.writer, Writer::Csv(_));
        let columns = self.columns.iter().zip(self.schema.fields()).map(|(source, field)| {
            let array = cast(&reader.array(source, rows)?, field.data_type())?;
            Ok(if is_csv { harmless(array) } else { array })
        });
        let columns: Result<Vec<ArrayRef>, arrow::error::ArrowError> = columns.collect();
        let batch = columns.and_then(|columns| RecordBatch::try_new(Arc::clone(&self.schema), columns));
        self.write(&batch.map_err(|_| Error::Format)?)
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        match &mut self.writer {
            Writer::Csv(writer) => writer.write(batch).map_err(|_| Error::Format),
            Writer::Arrow(writer) => {
                if batch.num_rows() == 0 {
                    Ok(())
                } else {
                    writer.write(batch).map_err(|_| Error::Format)
                }
            }
            Writer::Parquet(writer) => {
                writer.write(batch).map_err(|_| Error::Format)?;
                if writer.in_progress_size() < GROUP_BYTES { Ok(()) } else { writer.flush().map_err(|_| Error::Format) }
            }
        }
    }

    /// What has been written since the last time.
    pub(super) fn piece(&self) -> Vec<u8> {
        std::mem::take(&mut *self.sink.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The end of the file.
    pub(super) fn finish(self) -> Result<Vec<u8>, Error> {
        let Table { writer, sink, .. } = self;
        match writer {
            Writer::Csv(writer) => drop(writer),
            Writer::Parquet(writer) => drop(writer.close().map_err(|_| Error::Format)?),
            Writer::Arrow(mut writer) => writer.finish().map_err(|_| Error::Format)?,
        }
        Ok(std::mem::take(&mut *sink.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// Texts that no spreadsheet takes for formulas; other arrays as they are.
fn harmless(array: ArrayRef) -> ArrayRef {
    let Some(texts) = array.as_string_opt::<i32>() else { return array };
    let is_formula = |text: &str| text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if !texts.iter().flatten().any(is_formula) {
        return array;
    }
    let safe = texts.iter().map(|text| text.map(|t| if is_formula(t) { format!("'{t}") } else { t.to_owned() }));
    Arc::new(safe.collect::<StringArray>())
}

/// Memory that a writer writes into and somebody else empties.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
