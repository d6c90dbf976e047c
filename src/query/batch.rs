//! Rows as Arrow arrays: the shape in which SQL, filters and exports look at them.
//!
//! Owns the list of columns that all three share ([`COLUMNS`]): the name, where its values come from and which Arrow type they have. A
//! [`Reader`] turns rows of one part into arrays, column by column and only those that are asked for. Text that repeats is copied once a
//! part, not once a row: what a row gets is a view.
//!
//! It does not decide which rows are read; it takes positions that [`Loaded::rows`] gave.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow::array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int32Array, StringViewArray, StringViewBuilder,
    TimestampMillisecondArray, UInt32Array,
};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, TimeUnit};
use arrow::error::ArrowError;

use crate::privacy::event::EventType;
use crate::store::Loaded;
use crate::store::columns::Columns;
use crate::store::need::{Need, Plain};
use crate::store::row::TextColumn;

/// The time zone of moments.
const UTC: &str = "UTC";

/// Where the values of a column come from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// A column that is not text, or all attributes.
    Plain(Plain),
    /// A column of text.
    Text(TextColumn),
    /// One member of the attributes, by its path.
    Attribute(Arc<str>),
}

/// The columns of an event by name, in the order in which `SELECT *` and exports give them.
pub const COLUMNS: [(&str, Source); 29] = [
    ("time", Source::Plain(Plain::Time)),
    ("received", Source::Plain(Plain::Received)),
    ("type", Source::Plain(Plain::EventType)),
    ("name", Source::Text(TextColumn::Name)),
    ("session", Source::Text(TextColumn::Session)),
    ("user", Source::Text(TextColumn::User)),
    ("ip", Source::Text(TextColumn::Ip)),
    ("country", Source::Text(TextColumn::Country)),
    ("client_name", Source::Text(TextColumn::ClientName)),
    ("client_version", Source::Text(TextColumn::ClientVersion)),
    ("server_name", Source::Text(TextColumn::ServerName)),
    ("server_version", Source::Text(TextColumn::ServerVersion)),
    ("model", Source::Text(TextColumn::Model)),
    ("language", Source::Text(TextColumn::Language)),
    ("duration_ms", Source::Plain(Plain::Duration)),
    ("ok", Source::Plain(Plain::Ok)),
    ("error_type", Source::Text(TextColumn::ErrorType)),
    ("error_message", Source::Text(TextColumn::ErrorMessage)),
    ("method", Source::Text(TextColumn::Method)),
    ("path", Source::Text(TextColumn::Path)),
    ("status", Source::Plain(Plain::Status)),
    ("value", Source::Plain(Plain::Value)),
    ("unit", Source::Text(TextColumn::Unit)),
    ("severity", Source::Text(TextColumn::Severity)),
    ("body", Source::Text(TextColumn::Body)),
    ("trace_id", Source::Text(TextColumn::TraceId)),
    ("span_id", Source::Text(TextColumn::SpanId)),
    ("parent_id", Source::Text(TextColumn::ParentId)),
    ("attributes", Source::Plain(Plain::Attributes)),
];

impl Source {
    /// The column of that name; members of the attributes have none.
    pub fn named(name: &str) -> Option<Source> {
        COLUMNS.iter().find(|(known, _)| *known == name).map(|(_, source)| source.clone())
    }

    /// The Arrow type of its values.
    pub fn data_type(&self) -> DataType {
        match self {
            Source::Plain(Plain::Time | Plain::Received) => {
                DataType::Timestamp(TimeUnit::Millisecond, Some(UTC.into()))
            }
            Source::Plain(Plain::Ok | Plain::SessionDerived) => DataType::Boolean,
            Source::Plain(Plain::Duration | Plain::Value) => DataType::Float64,
            Source::Plain(Plain::Status) => DataType::Int32,
            Source::Plain(Plain::EventType | Plain::Attributes) | Source::Text(_) | Source::Attribute(_) => {
                DataType::Utf8View
            }
        }
    }

    /// It as a field of a schema.
    pub fn field(&self, name: &str) -> Field {
        let always = matches!(self, Source::Plain(Plain::Time | Plain::Received | Plain::EventType));
        Field::new(name, self.data_type(), !always)
    }

    /// `need` and this.
    pub fn add_to(&self, need: Need) -> Need {
        match self {
            Source::Plain(plain) => need.plain(*plain),
            Source::Text(text) => need.text(*text),
            Source::Attribute(path) => need.attribute(path),
        }
    }

    /// Whether its values may say who somebody is, alone or together with others.
    pub fn is_subject_linked(&self) -> bool {
        match self {
            Source::Attribute(_) => true,
            Source::Plain(plain) => matches!(plain, Plain::Attributes | Plain::SessionDerived),
            Source::Text(text) => matches!(
                text,
                TextColumn::User
                    | TextColumn::Session
                    | TextColumn::Ip
                    | TextColumn::Country
                    | TextColumn::Path
                    | TextColumn::ErrorMessage
                    | TextColumn::Body
                    | TextColumn::TraceId
                    | TextColumn::SpanId
                    | TextColumn::ParentId
            ),
        }
    }
}

/// The names of event types by their code; code 0 and those of later versions have none.
static TYPE_NAMES: LazyLock<StringViewArray> = LazyLock::new(|| {
    let last = EventType::ALL.iter().map(|event_type| event_type.code()).max().unwrap_or_default();
    (0..=last).map(|code| EventType::from_code(code).map(EventType::name)).collect()
});

/// Makes arrays of one part's rows.
pub struct Reader {
    loaded: Loaded,
    /// The values of dictionaries that were looked at.
    values: HashMap<TextColumn, StringViewArray>,
}

impl Reader {
    /// A reader of `loaded`, which has the columns that will be asked for.
    pub fn new(loaded: Loaded) -> Reader {
        Reader { loaded, values: HashMap::new() }
    }

    /// The rows.
    pub fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    /// The values of one column at `rows`, in that order.
    ///
    /// # Errors
    /// What Arrow says; texts of a part never reach its limits.
    pub fn array(&mut self, source: &Source, rows: &[u32]) -> Result<ArrayRef, ArrowError> {
        let columns = self.loaded.columns();
        match source {
            Source::Plain(plain) => plain_array(columns, *plain, rows),
            Source::Text(column) => self.text_array(*column, rows),
            Source::Attribute(path) => {
                let mut texts = StringViewBuilder::with_capacity(rows.len());
                positions(rows).for_each(|row| texts.append_option(columns.attribute(path, row)));
                Ok(Arc::new(texts.finish()))
            }
        }
    }

    fn text_array(&mut self, column: TextColumn, rows: &[u32]) -> Result<ArrayRef, ArrowError> {
        let columns = self.loaded.columns();
        let Some(dictionary) = columns.dictionary(column) else {
            let texts: StringViewArray = positions(rows).map(|row| columns.text(column, row)).collect();
            return Ok(Arc::new(texts));
        };
        let all = || (1..=dictionary.len()).map(|code| dictionary.value(code)).collect();
        let values = self.values.entry(column).or_insert_with(all);
        // Codes begin at 1; the one for an absent value becomes a null.
        let codes: UInt32Array = positions(rows).map(|row| dictionary.code(row).checked_sub(1)).collect();
        take(values, &codes, None)
    }
}

fn positions(rows: &[u32]) -> impl Iterator<Item = usize> + '_ {
    rows.iter().map(|row| *row as usize)
}

fn plain_array(columns: &Columns, plain: Plain, rows: &[u32]) -> Result<ArrayRef, ArrowError> {
    let moments = |times: &[i64]| {
        let at = positions(rows).map(|row| times.get(row).copied().unwrap_or_default());
        Arc::new(TimestampMillisecondArray::from_iter_values(at).with_timezone(UTC)) as ArrayRef
    };
    let said = |row: usize| match columns.ok().get(row) {
        Some(1) => Some(false),
        Some(2) => Some(true),
        _ => None,
    };
    Ok(match plain {
        Plain::Time => moments(columns.time()),
        Plain::Received => moments(columns.received()),
        Plain::EventType => {
            let codes = positions(rows).map(|row| columns.event_type().get(row).copied().map(u32::from));
            return take(&*TYPE_NAMES, &codes.collect::<UInt32Array>(), None);
        }
        Plain::Ok => Arc::new(positions(rows).map(said).collect::<BooleanArray>()),
        Plain::Duration => Arc::new(positions(rows).map(|row| columns.duration_ms(row)).collect::<Float64Array>()),
        Plain::Value => Arc::new(positions(rows).map(|row| columns.value(row)).collect::<Float64Array>()),
        Plain::Status => {
            Arc::new(positions(rows).map(|row| columns.status(row).map(i32::from)).collect::<Int32Array>())
        }
        Plain::SessionDerived => {
            Arc::new(positions(rows).map(|row| Some(columns.session_derived(row))).collect::<BooleanArray>())
        }
        Plain::Attributes => {
            let text = |row| Some(columns.attributes(row)).filter(|text: &&str| !text.is_empty());
            Arc::new(positions(rows).map(text).collect::<StringViewArray>())
        }
    })
}

/// The positions that a mask over `rows` keeps.
pub fn kept(rows: &[u32], mask: &BooleanArray) -> Vec<u32> {
    let keeps = |at: usize| mask.is_valid(at) && mask.value(at);
    rows.iter().enumerate().filter(|(at, _)| keeps(*at)).map(|(_, row)| *row).collect()
}
