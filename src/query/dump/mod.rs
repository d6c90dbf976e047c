//! `/v1/export`: events as a file, piece by piece.
//!
//! Reading order: which events ([`page`]), and how they are written (`table`; lines of JSON are [`event`](super::event)'s).
//!
//! Events come part by part, in the order of their first arrival, and within a part as it holds them. What is held is one part and what a
//! format needs to be written (see `table`). A reader that wants no more ends the work at the next piece.

mod page;
mod table;
#[cfg(test)]
mod tests;

use crate::store::Part;
use crate::store::need::Plain;

use super::batch::{COLUMNS, Reader, Source};
use super::event::write_line;
use super::sql::need_of;
use super::{Error, Params, Scan};

use table::Table;

pub use page::Page;

/// Rows that are written in one go.
const BATCH_ROWS: usize = 1024;
/// Lines are handed out once they have this size: some pieces wait for a slow client, and rows can be large.
const PIECE_BYTES: usize = 256 << 10;

/// The format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A native event a line.
    Ndjson,
    /// Comma-separated values with a header.
    Csv,
    /// Apache Parquet, compressed.
    Parquet,
    /// An Arrow IPC stream.
    Arrow,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 4] = [Format::Ndjson, Format::Csv, Format::Parquet, Format::Arrow];

    /// The word for it, which is also how file names end.
    pub fn name(self) -> &'static str {
        match self {
            Format::Ndjson => "ndjson",
            Format::Csv => "csv",
            Format::Parquet => "parquet",
            Format::Arrow => "arrow",
        }
    }

    /// The format of that name.
    pub fn from_name(name: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.name() == name)
    }

    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Format::Ndjson => "application/x-ndjson",
            Format::Csv => "text/csv; charset=utf-8; header=present",
            Format::Parquet => "application/vnd.apache.parquet",
            Format::Arrow => "application/vnd.apache.arrow.stream",
        }
    }
}

/// The columns of that list of names joined by commas; `None` when one is unknown or there twice.
pub fn columns(names: &str) -> Option<Vec<(&'static str, Source)>> {
    let mut chosen: Vec<(&'static str, Source)> = Vec::new();
    for name in names.split(',') {
        let column = COLUMNS.into_iter().find(|(known, _)| *known == name.trim())?;
        if chosen.contains(&column) {
            return None;
        }
        chosen.push(column);
    }
    Some(chosen)
}

/// What is exported.
pub struct Dump {
    /// Which events.
    pub params: Params,
    /// Which of them now.
    pub page: Page,
    /// As what.
    pub format: Format,
    /// Which columns; of lines of JSON always all.
    pub columns: Vec<(&'static str, Source)>,
}

impl Dump {
    /// Writes the events of `scan`, handing out pieces until `give` takes no more.
    ///
    /// # Errors
    /// [`Error::Stopped`], [`Error::Damaged`], [`Error::Erased`], [`Error::Filter`]: what was handed out is not whole.
    pub fn write(&self, scan: &Scan<'_>, give: &mut dyn FnMut(Vec<u8>) -> bool) -> Result<(), Error> {
        let mut table = Table::new(self.format, &self.columns)?;
        let sources = if table.is_some() { &self.columns[..] } else { &COLUMNS[..] };
        let filter = self.params.filter();
        let need = need_of(sources.iter().map(|(_, source)| source)).and(&filter.need()).plain(Plain::Received);
        let mut parts: Vec<&Part> = scan.parts().iter().collect();
        parts.retain(|part| part.spans().is_some_and(|spans| self.page.meets(spans.received)));
        parts.sort_by_key(|part| part.spans().map(|spans| spans.received.0));
        for part in parts {
            let Some(chunk) = scan.chunk(part, &need, filter)? else { continue };
            let received = chunk.columns().received();
            let is_of_page = |row: &usize| received.get(*row).is_some_and(|at| self.page.has(*at));
            let rows: Vec<u32> = chunk.rows().filter(is_of_page).filter_map(|row| u32::try_from(row).ok()).collect();
            let mut reader = Reader::new(chunk.loaded().clone());
            for rows in rows.chunks(BATCH_ROWS) {
                let wanted = match &mut table {
                    Some(table) => {
                        table.take(&mut reader, rows)?;
                        let piece = table.piece();
                        piece.is_empty() || give(piece)
                    }
                    None => give_lines(&reader, rows, give),
                };
                if !wanted {
                    return Ok(());
                }
            }
        }
        if let Some(table) = table {
            give(table.finish()?);
        }
        Ok(())
    }
}

/// Whether more is wanted.
fn give_lines(reader: &Reader, rows: &[u32], give: &mut dyn FnMut(Vec<u8>) -> bool) -> bool {
    let mut out = Vec::new();
    for row in rows {
        write_line(reader.loaded().columns(), *row as usize, &mut out);
        if out.len() >= PIECE_BYTES && !give(std::mem::take(&mut out)) {
            return false;
        }
    }
    out.is_empty() || give(out)
}
