//! Refusals as HTTP: RFC 9457 problem documents.
//!
//! One exhaustive mapping from every use-case's errors to status, title and headers. `detail` comes from error texts that never quote input;
//! what is only for the operator (sources, paths) goes to the log, once, here.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use serde_json::{Map, Value, json};

use crate::audit::trail::Unrecorded;
use crate::auth::{Denied, DirectoryError, Refused};
use crate::ingest::policies::{self, Broken};
use crate::kv::CommitError;
use crate::privacy::PolicyErrors;
use crate::protocol::DecodeError;
use crate::protocol::inflate::InflateError;
use crate::query::{self, ParamError};
use crate::{admin, audit, ingest, keys, kv, limit, store, upkeep};

const QUOTA_EXCEEDED: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";
const REDUCED_CAPACITY: &str = "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity";
/// When to come back after an overload, in seconds: longer than any group commit, short enough not to pile up retries.
const OVERLOAD_RETRY_S: u64 = 2;
/// When to come back while there is no room, or the gateway needs an operator, in seconds.
const BROKEN_RETRY_S: u64 = 30;

/// An answer that says what went wrong.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    kind: &'static str,
    detail: String,
    members: Map<String, Value>,
    headers: Vec<(&'static str, String)>,
}

impl Problem {
    /// A problem of that status; `detail` must not quote input.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Problem {
        Problem { status, kind: "about:blank", detail: detail.into(), members: Map::new(), headers: Vec::new() }
    }

    /// 400: something in the request cannot be read.
    pub fn bad_request(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 404.
    pub fn not_found(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, detail)
    }

    /// 413 with the limit, in bytes.
    pub fn too_large(detail: impl Into<String>, limit: usize) -> Problem {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail).member("limit_bytes", json!(limit))
    }

    /// 503: come back soon.
    pub fn overloaded(detail: impl Into<String>) -> Problem {
        let mut problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail);
        problem.kind = REDUCED_CAPACITY;
        problem.header("Retry-After", OVERLOAD_RETRY_S.to_string())
    }

    /// 503: an operator is needed.
    fn broken(detail: &'static str, error: &(dyn std::error::Error + 'static)) -> Problem {
        tracing::error!(error, "{detail}");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).header("Retry-After", BROKEN_RETRY_S.to_string())
    }

    /// Adds an extension member.
    pub fn member(mut self, name: &str, value: Value) -> Problem {
        self.members.insert(name.to_owned(), value);
        self
    }

    /// Adds a header.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Problem {
        self.headers.push((name, value.into()));
        self
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Whether retrying later may help without the sender changing anything.
    pub fn is_transient(&self) -> bool {
        self.status == StatusCode::SERVICE_UNAVAILABLE
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status, self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut document = json!({
            "type": self.kind,
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if let Value::Object(members) = &mut document {
            members.extend(self.members.clone());
        }
        let mut response = HttpResponse::build(self.status);
        for (name, value) in &self.headers {
            if let Ok(value) = HeaderValue::from_str(value) {
                response.append_header((HeaderName::from_static(lower(name)), value));
            }
        }
        response.content_type("application/problem+json").body(document.to_string())
    }
}

/// The registered spelling of the headers used here.
fn lower(name: &'static str) -> &'static str {
    match name {
        "Retry-After" => "retry-after",
        "RateLimit" => "ratelimit",
        "RateLimit-Policy" => "ratelimit-policy",
        "WWW-Authenticate" => "www-authenticate",
        "Allow" => "allow",
        "Accept" => "accept",
        "Accept-Encoding" => "accept-encoding",
        other => other,
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Problem {
        Problem::new(StatusCode::UNAUTHORIZED, refused.to_string()).header("WWW-Authenticate", refused.challenge())
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Problem {
        let status = if denied == Denied::TenantMissing { StatusCode::BAD_REQUEST } else { StatusCode::FORBIDDEN };
        let problem = Problem::new(status, denied.to_string());
        match denied.challenge() {
            Some(challenge) => problem.header("WWW-Authenticate", challenge),
            None => problem,
        }
    }
}

impl From<limit::Refused> for Problem {
    fn from(refused: limit::Refused) -> Problem {
        let (status, kind) = match refused {
            limit::Refused::Later(_) => (StatusCode::TOO_MANY_REQUESTS, QUOTA_EXCEEDED),
            limit::Refused::TooMany { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "about:blank"),
        };
        let mut problem =
            Problem::new(status, refused.to_string()).member("violated-policies", json!([refused.policy()]));
        problem.kind = kind;
        let headers = [
            ("Retry-After", refused.retry_after_s().map(|seconds| seconds.to_string())),
            ("RateLimit", refused.limit_header()),
            ("RateLimit-Policy", refused.policy_header()),
        ];
        headers.into_iter().fold(problem, |problem, (name, value)| match value {
            Some(value) => problem.header(name, value),
            None => problem,
        })
    }
}

impl From<InflateError> for Problem {
    fn from(error: InflateError) -> Problem {
        let detail = error.to_string();
        match error {
            InflateError::UnsupportedEncoding => Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail)
                .header("Accept-Encoding", "gzip, zstd, br, identity"),
            InflateError::TooLarge { limit } => Problem::too_large(detail, limit),
            InflateError::Corrupt => Problem::bad_request(detail),
            InflateError::OutOfTime => Problem::new(StatusCode::REQUEST_TIMEOUT, detail),
        }
    }
}

impl From<DecodeError> for Problem {
    fn from(error: DecodeError) -> Problem {
        let detail = error.to_string();
        match error {
            DecodeError::UnsupportedMediaType => Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail)
                .header("Accept", "application/json, application/x-ndjson"),
            DecodeError::Json { line, column } => {
                Problem::bad_request(detail).member("line", json!(line)).member("column", json!(column))
            }
            DecodeError::TooDeep { limit } => Problem::bad_request(detail).member("limit_levels", json!(limit)),
            DecodeError::TooManyEvents { limit } => {
                Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail).member("limit_events", json!(limit))
            }
        }
    }
}

impl From<CommitError> for Problem {
    fn from(error: CommitError) -> Problem {
        match error {
            CommitError::Overloaded => Problem::overloaded("too much is waiting to be written; try again later"),
            CommitError::Stopped => Problem::overloaded("the gateway is shutting down"),
            CommitError::Full => Problem {
                kind: REDUCED_CAPACITY,
                ..Problem::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the disk is full; events are refused until there is room",
                )
                .header("Retry-After", BROKEN_RETRY_S.to_string())
            },
            CommitError::Poisoned => {
                Problem::broken("nothing can be written until an operator restarts the gateway", &error)
            }
        }
    }
}

impl From<ingest::Error> for Problem {
    fn from(error: ingest::Error) -> Problem {
        match error {
            ingest::Error::Decode(error) => error.into(),
            ingest::Error::Limited(refused) => refused.into(),
            ingest::Error::Full => Problem::overloaded(error.to_string()),
            ingest::Error::Commit(error) => error.into(),
            ingest::Error::Audit(error) => error.into(),
            ingest::Error::Policy(broken) => broken.into(),
            ingest::Error::Keys(error) => error.into(),
        }
    }
}

impl From<Broken> for Problem {
    fn from(broken: Broken) -> Problem {
        // What is wrong with it was logged when it was found.
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, broken.to_string())
            .header("Retry-After", BROKEN_RETRY_S.to_string())
    }
}

impl From<PolicyErrors> for Problem {
    fn from(errors: PolicyErrors) -> Problem {
        let problems: Vec<Value> =
            errors.0.iter().map(|error| json!({ "place": error.place, "problem": error.problem })).collect();
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "the policy is refused: nothing of it is in force")
            .member("problems", Value::Array(problems))
    }
}

impl From<policies::Error> for Problem {
    fn from(error: policies::Error) -> Problem {
        match error {
            policies::Error::Refused(errors) | policies::Error::Tenant { errors, .. } => errors.into(),
            policies::Error::Changed => Problem::new(StatusCode::PRECONDITION_FAILED, error.to_string()),
            policies::Error::Damaged => Problem::broken("a stored privacy policy is damaged", &error),
            policies::Error::Kv(error) => error.into(),
            policies::Error::Keys(error) => error.into(),
            policies::Error::Commit(error) => error.into(),
            policies::Error::Audit(error) => error.into(),
        }
    }
}

impl From<keys::Error> for Problem {
    fn from(error: keys::Error) -> Problem {
        Problem::broken("the key file failed; an operator is needed", &error)
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Problem {
        query::Error::from(error).into()
    }
}

impl From<upkeep::Error> for Problem {
    fn from(error: upkeep::Error) -> Problem {
        match error {
            upkeep::Error::Store(error) => error.into(),
            upkeep::Error::Keys(error) => error.into(),
            upkeep::Error::Commit(error) => error.into(),
            upkeep::Error::Audit(error) => error.into(),
            upkeep::Error::Copy(_) => {
                let detail = "the directory of the copy must not exist, and its parent must, and be writable";
                Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
            }
            upkeep::Error::StillThere { .. } => Problem::broken("an erasure is not complete", &error),
        }
    }
}

impl From<ingest::quarantine::Error> for Problem {
    fn from(error: ingest::quarantine::Error) -> Problem {
        match error {
            ingest::quarantine::Error::Kv(error) => error.into(),
            ingest::quarantine::Error::Keys(error) => error.into(),
        }
    }
}

impl From<ingest::epoch::Error> for Problem {
    fn from(error: ingest::epoch::Error) -> Problem {
        ingest::Error::from(error).into()
    }
}

impl From<ingest::idempotency::Refused> for Problem {
    fn from(refused: ingest::idempotency::Refused) -> Problem {
        use ingest::idempotency::Refused;
        let detail = refused.to_string();
        match refused {
            Refused::Reused => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail),
            Refused::InFlight => Problem::new(StatusCode::CONFLICT, detail).header("Retry-After", "1"),
            Refused::Kv(error) => error.into(),
        }
    }
}

impl From<kv::Error> for Problem {
    fn from(error: kv::Error) -> Problem {
        Problem::broken("the database cannot be read; an operator is needed", &error)
    }
}

impl From<audit::Error> for Problem {
    fn from(error: audit::Error) -> Problem {
        Problem::broken("the audit log cannot be read or signed; an operator is needed", &error)
    }
}

impl From<Unrecorded> for Problem {
    fn from(error: Unrecorded) -> Problem {
        match error {
            Unrecorded::Commit(error) => error.into(),
            Unrecorded::Log(error) => error.into(),
        }
    }
}

impl From<ParamError> for Problem {
    fn from(error: ParamError) -> Problem {
        Problem::bad_request(error.to_string())
    }
}

impl From<query::Error> for Problem {
    fn from(error: query::Error) -> Problem {
        match error {
            query::Error::TooManyRows { .. } => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()),
            query::Error::Stopped | query::Error::Erased | query::Error::Memory => {
                Problem::overloaded(error.to_string())
            }
            query::Error::Filter(error) => error.into(),
            query::Error::Format => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
            query::Error::Damaged(source) => {
                tracing::error!(error = &source as &dyn std::error::Error, "stored events cannot be read");
                let detail = "stored events cannot be read; an operator is needed";
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail).member("code", json!("storage_damaged"))
            }
        }
    }
}

impl From<admin::Error> for Problem {
    fn from(error: admin::Error) -> Problem {
        let detail = error.to_string();
        match error {
            admin::Error::Directory(error) => Problem::new(directory_status(&error), detail),
            admin::Error::Issue(_) => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail),
            admin::Error::Denylist(_) => Problem::overloaded(detail),
            admin::Error::Unrecorded(error) => error.into(),
        }
    }
}

fn directory_status(error: &DirectoryError) -> StatusCode {
    match error {
        DirectoryError::TenantUnknown | DirectoryError::KeyUnknown => StatusCode::NOT_FOUND,
        DirectoryError::NameTaken => StatusCode::CONFLICT,
        DirectoryError::NameInvalid
        | DirectoryError::LabelInvalid
        | DirectoryError::ScopeRefused
        | DirectoryError::TenantDisabled
        | DirectoryError::TenantsFull
        | DirectoryError::KeysFull => StatusCode::UNPROCESSABLE_ENTITY,
    }
}
