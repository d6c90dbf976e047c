//! What events can be grouped by.

use crate::store::row::TextColumn;

use super::ParamError;

/// A dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Type of event.
    Type,
    /// Tool, route, resource or event name.
    Name,
    /// HTTP method.
    Method,
    /// HTTP status.
    Status,
    /// Name of the client program.
    Client,
    /// Name of the reporting server.
    Server,
    /// AI model.
    Model,
    /// Programming language.
    Language,
    /// Kind of error.
    Error,
    /// Country.
    Country,
    /// Pseudonym of the user.
    User,
    /// Session.
    Session,
    /// Address in the form that the policy keeps.
    Ip,
    /// HTTP path.
    Path,
}

impl By {
    /// Every dimension.
    pub const ALL: [By; 14] = [
        By::Type,
        By::Name,
        By::Method,
        By::Status,
        By::Client,
        By::Server,
        By::Model,
        By::Language,
        By::Error,
        By::Country,
        By::User,
        By::Session,
        By::Ip,
        By::Path,
    ];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            By::Type => "type",
            By::Name => "name",
            By::Method => "method",
            By::Status => "status",
            By::Client => "client",
            By::Server => "server",
            By::Model => "model",
            By::Language => "language",
            By::Error => "error",
            By::Country => "country",
            By::User => "user",
            By::Session => "session",
            By::Ip => "ip",
            By::Path => "path",
        }
    }

    /// Whether its values may single out a person.
    pub fn is_subject_linked(self) -> bool {
        match self {
            By::Country | By::User | By::Session | By::Ip | By::Path => true,
            By::Type
            | By::Name
            | By::Method
            | By::Status
            | By::Client
            | By::Server
            | By::Model
            | By::Language
            | By::Error => false,
        }
    }

    /// The text column that holds it; `None` for type and status, which are numbers.
    pub(in crate::query) fn column(self) -> Option<TextColumn> {
        match self {
            By::Type | By::Status => None,
            By::Name => Some(TextColumn::Name),
            By::Method => Some(TextColumn::Method),
            By::Client => Some(TextColumn::ClientName),
            By::Server => Some(TextColumn::ServerName),
            By::Model => Some(TextColumn::Model),
            By::Language => Some(TextColumn::Language),
            By::Error => Some(TextColumn::ErrorType),
            By::Country => Some(TextColumn::Country),
            By::User => Some(TextColumn::User),
            By::Session => Some(TextColumn::Session),
            By::Ip => Some(TextColumn::Ip),
            By::Path => Some(TextColumn::Path),
        }
    }

    pub(super) fn parse(text: &str) -> Result<By, ParamError> {
        const EXPECTED: &str =
            "type, name, method, status, client, server, model, language, error, country, user, session, ip or path";
        By::ALL.into_iter().find(|by| by.name() == text).ok_or(ParamError::Malformed { name: "by", expected: EXPECTED })
    }
}

/// Whose way through a funnel is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// That of each `session` value.
    Session,
    /// That of each user.
    User,
}

impl Whose {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Whose::Session => "session",
            Whose::User => "user",
        }
    }

    pub(in crate::query) fn column(self) -> TextColumn {
        match self {
            Whose::Session => TextColumn::Session,
            Whose::User => TextColumn::User,
        }
    }

    pub(super) fn parse(text: &str) -> Option<Whose> {
        [Whose::Session, Whose::User].into_iter().find(|whose| whose.name() == text)
    }
}
