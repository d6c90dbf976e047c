//! What is wrong with a query, in our own words.
//!
//! The engine's messages quote the query and, when a value cannot be converted, stored values. Neither leaves: an error says what kind of
//! mistake it is and where in the text, and nothing else.

use std::fmt;

use arrow::error::ArrowError;
use datafusion::common::{DataFusionError, SchemaError};
use datafusion::sql::sqlparser::parser::ParserError;

use crate::store;

/// A place in the query's text, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Line.
    pub line: u64,
    /// Column, in characters.
    pub column: u64,
}

impl Place {
    pub(super) fn new(line: u64, column: u64) -> Option<Place> {
        (line > 0 && column > 0).then_some(Place { line, column })
    }

    /// The parser says where by the end of its message: `... at Line: 1, Column: 8`.
    fn in_message(message: &str) -> Option<Place> {
        let (_, place) = message.rsplit_once("Line: ")?;
        let (line, column) = place.split_once(", Column: ")?;
        let column: String = column.chars().take_while(char::is_ascii_digit).collect();
        Place::new(line.parse().ok()?, column.parse().ok()?)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Why a query was not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is not SQL that is understood, or asks for what is not offered.
    #[error("{what}{}", .place.map(|place| format!(" ({place})")).unwrap_or_default())]
    Mistake {
        /// What is wrong.
        what: &'static str,
        /// Where, if that is known.
        place: Option<Place>,
    },
    /// The text is longer or deeper than allowed.
    #[error("the query is too large: at most {limit} {what}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// The most.
        limit: usize,
    },
    /// A stored value met an operation that it does not allow.
    #[error("{what}")]
    Value {
        /// Which kind of operation.
        what: &'static str,
    },
    /// The query would have to read more rows than one question may.
    #[error("more than {rows_max} events would have to be read: ask for a shorter range of `time`")]
    TooManyRows {
        /// The limit.
        rows_max: u64,
    },
    /// The query would need more memory than all queries together may use.
    #[error("the query needs more memory than queries may use: ask for less, group by fewer values, or add a LIMIT")]
    Memory,
    /// Time is up.
    #[error("the query took too long and was stopped: ask for a shorter range of `time`")]
    OutOfTime,
    /// As many queries as allowed are being answered.
    #[error("too many queries are being answered; try again later")]
    Busy,
    /// Sealed rows were erased while they were being read: asking again gives the answer without them.
    #[error("events were erased while they were being read: ask again")]
    Erased,
    /// Stored rows cannot be read as they were written.
    #[error("stored events cannot be read")]
    Damaged,
    /// The engine failed for a reason that is not the asker's.
    #[error("the query could not be carried out")]
    Internal,
}

impl Error {
    /// A mistake without a known place.
    pub(super) fn mistake(what: &'static str) -> Error {
        Error::Mistake { what, place: None }
    }

    pub(super) fn wrapped(self) -> DataFusionError {
        DataFusionError::External(Box::new(self))
    }

    /// What an error means that the engine met while rows were looked at.
    pub(in crate::query) fn of_rows(error: &DataFusionError) -> Error {
        Error::of(error, Stage::Running)
    }

    /// What an error of the engine means, which it met at `stage`.
    pub(super) fn of(error: &DataFusionError, stage: Stage) -> Error {
        let place = error.diagnostic().and_then(|diagnostic| diagnostic.span);
        let place = place.and_then(|span| Place::new(span.start.line, span.start.column));
        let found = kind(error, stage);
        if let Error::Mistake { what, place: None } = found { Error::Mistake { what, place } } else { found }
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Error {
        if matches!(error, store::Error::Erased) {
            return Error::Erased;
        }
        if matches!(error, store::Error::QueryMemory) {
            return Error::Busy;
        }
        tracing::error!(error = &error as &dyn std::error::Error, "stored events cannot be read");
        Error::Damaged
    }
}

/// How far a query got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Its text is read; no event has been looked at.
    Planning,
    /// Events are read.
    Running,
}

fn kind(error: &DataFusionError, stage: Stage) -> Error {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => kind(inner, stage),
        DataFusionError::Shared(inner) => kind(inner, stage),
        DataFusionError::Collection(errors) => errors.first().map_or(Error::Internal, |first| kind(first, stage)),
        DataFusionError::External(inner) => match (inner.downcast_ref::<Error>(), inner.downcast_ref()) {
            (Some(own), _) => own.clone(),
            (None, Some(inner)) => kind(inner, stage),
            (None, None) => Error::Internal,
        },
        DataFusionError::SQL(error, _) => syntax(error),
        DataFusionError::SchemaError(error, _) => Error::mistake(match **error {
            SchemaError::FieldNotFound { .. } => "a column is unknown",
            SchemaError::AmbiguousReference { .. } => {
                "a column could be of more than one table: put the table's name before it"
            }
            SchemaError::DuplicateQualifiedField { .. } | SchemaError::DuplicateUnqualifiedField { .. } => {
                "two columns have the same name: name one of them by AS"
            }
        }),
        DataFusionError::Plan(message) => Error::mistake(planning(message)),
        DataFusionError::NotImplemented(_) => Error::mistake("the query asks for something that is not offered"),
        DataFusionError::ResourcesExhausted(_) => Error::Memory,
        DataFusionError::ArrowError(error, _) => arrow(error, stage),
        DataFusionError::Execution(_) | DataFusionError::Internal(_) if stage == Stage::Planning => {
            Error::mistake(INVALID)
        }
        DataFusionError::Execution(_) => Error::Value { what: "a function does not take a value that it was given" },
        DataFusionError::Internal(_)
        | DataFusionError::Configuration(_)
        | DataFusionError::ExecutionJoin(_)
        | DataFusionError::IoError(_)
        | DataFusionError::ObjectStore(_)
        | DataFusionError::Substrait(_)
        | DataFusionError::Ffi(_) => Error::Internal,
    }
}

const INVALID: &str = "the query makes no sense: check the names and the types of what is compared";

fn syntax(error: &ParserError) -> Error {
    match error {
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => {
            Error::Mistake { what: "the SQL is not understood", place: Place::in_message(message) }
        }
        ParserError::RecursionLimitExceeded => Error::mistake("the SQL is nested too deeply"),
    }
}

/// The engine's planner has one kind of error for everything; its fixed words tell what was meant.
fn planning(message: &str) -> &'static str {
    const KNOWN: [(&str, &str); 6] = [
        ("Invalid function", "a function is unknown or not allowed"),
        ("must appear in the GROUP BY", "a column must be in GROUP BY or inside an aggregate"),
        ("must be in the GROUP BY", "a column must be in GROUP BY or inside an aggregate"),
        ("oerce", "the types of two values do not fit together"),
        ("No function matches", "a function does not take arguments of these types"),
        ("Unsupported", "the query asks for something that is not offered"),
    ];
    KNOWN.iter().find(|(word, _)| message.contains(word)).map_or(INVALID, |(_, what)| what)
}

fn arrow(error: &ArrowError, stage: Stage) -> Error {
    match error {
        ArrowError::DivideByZero => Error::Value { what: "a number is divided by zero: use nullif" },
        ArrowError::ArithmeticOverflow(_) => Error::Value { what: "a number becomes too large" },
        ArrowError::CastError(_) | ArrowError::ParseError(_) => {
            Error::Value { what: "a value cannot be converted to that type: use try_cast" }
        }
        ArrowError::MemoryError(_) => Error::Memory,
        ArrowError::ExternalError(inner) => {
            inner.downcast_ref::<DataFusionError>().map_or(Error::Internal, |inner| kind(inner, stage))
        }
        ArrowError::ComputeError(_)
        | ArrowError::InvalidArgumentError(_)
        | ArrowError::NotYetImplemented(_)
        | ArrowError::SchemaError(_)
        | ArrowError::DictionaryKeyOverflowError
        | ArrowError::OffsetOverflowError(_) => {
            Error::Value { what: "an operation does not take a value that it was given" }
        }
        ArrowError::CsvError(_)
        | ArrowError::JsonError(_)
        | ArrowError::AvroError(_)
        | ArrowError::IoError(..)
        | ArrowError::IpcError(_)
        | ArrowError::ParquetError(_)
        | ArrowError::CDataInterface(_)
        | ArrowError::RunEndIndexOverflowError => Error::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_read_from_the_end_of_the_message() {
        let place = |line, column| Place::new(line, column);
        assert_eq!(Place::in_message("Expected: x, found: Line: 9, Column: 9 at Line: 2, Column: 17"), place(2, 17));
        assert_eq!(Place::in_message("Unterminated string literal at Line: 1, Column: 8."), place(1, 8));
        assert_eq!([Place::in_message("Column: 8"), Place::in_message("Line: x, Column: 3")], [None, None]);
    }

    #[test]
    fn no_text_of_the_engine_comes_through() {
        let secret = || "canary".to_owned();
        let errors = [
            DataFusionError::Plan(secret()),
            DataFusionError::Execution(secret()),
            DataFusionError::Internal(secret()),
            DataFusionError::NotImplemented(secret()),
            DataFusionError::ResourcesExhausted(secret()),
            DataFusionError::ArrowError(Box::new(ArrowError::CastError(secret())), Some(secret())),
            DataFusionError::SQL(Box::new(ParserError::ParserError(secret())), None),
            DataFusionError::Context(secret(), Box::new(DataFusionError::Plan(secret()))),
        ];
        for error in &errors {
            for stage in [Stage::Planning, Stage::Running] {
                assert!(!Error::of(error, stage).to_string().contains("canary"));
            }
        }
        assert_eq!(Error::of(&errors[4], Stage::Running), Error::Memory);
        assert_eq!(Error::of(&Error::OutOfTime.wrapped(), Stage::Running), Error::OutOfTime);
    }
}
