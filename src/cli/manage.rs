//! Management commands: tenants, keys, tokens.
//!
//! An [`Order`] is what was typed, checked. It is carried out on an open data directory, or by a running server through its control socket;
//! either way the answer is the same [`Done`].

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use reqwest::blocking::{Client, RequestBuilder};
use serde_json::{Value, json};

use crate::admin::{self, Desk};
use crate::auth::{Scopes, TokenOrder};
use crate::clock::Millis;
use crate::id::{KeyId, Malformed, TenantId};
use crate::unit::parse_duration;

use super::{KeyCommand, TenantCommand, TokenCommand};

/// Who acts, in audit records of commands on a stopped data directory.
pub const BY: &str = "command-line";
/// A server that does not answer within this is not there.
const TIMEOUT: Duration = Duration::from_secs(30);
/// A backup seals everything first, and copies where it cannot link.
const BACKUP_TIMEOUT: Duration = Duration::from_secs(6 * 3600);

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such tenant.
    #[error("there is no such tenant")]
    TenantUnknown,
    /// The key's id is malformed.
    #[error(transparent)]
    Key(#[from] Malformed),
    /// `--scope` is malformed.
    #[error("--scope: expected some of ingest, query, export, compliance, subjects, admin, metrics")]
    Scope,
    /// `--ttl` is malformed.
    #[error("--ttl: expected a duration such as 30m or 1h")]
    Ttl,
    /// The desk refused.
    #[error(transparent)]
    Admin(#[from] admin::Error),
    /// The running server could not be reached.
    #[error("the data directory is in use, but its server does not answer on the control socket")]
    Unreachable(#[source] reqwest::Error),
    /// The running server refused.
    #[error("the running server refused: {detail}")]
    Refused {
        /// Its own words.
        detail: String,
    },
    /// Output failed.
    #[error("writing failed")]
    Io(#[from] std::io::Error),
}

/// What is to be done.
pub enum Order {
    /// Create a tenant of that name.
    CreateTenant(String),
    /// List tenants.
    ListTenants,
    /// Create an ingest key.
    CreateKey {
        /// Id or name.
        tenant: String,
        /// What it may do.
        scopes: Scopes,
        /// What it is for.
        label: String,
    },
    /// List a tenant's keys.
    ListKeys(String),
    /// Revoke a key.
    RevokeKey(KeyId),
    /// Issue a token.
    IssueToken {
        /// Id or name.
        tenant: Option<String>,
        /// What it may do.
        scopes: Scopes,
        /// Who will use it.
        subject: String,
        /// How long it lives.
        ttl: Duration,
        /// The same as typed.
        ttl_text: String,
    },
    /// Revoke a token.
    RevokeToken(String),
}

/// What came of it: values for standard output, one a line, and words for standard error.
pub struct Done {
    values: Vec<String>,
    words: String,
}

impl Done {
    fn one(value: impl Into<String>, words: impl Into<String>) -> Done {
        Done { values: vec![value.into()], words: words.into() }
    }

    /// Writes values and words where they belong.
    pub fn print(&self, out: &mut dyn Write, err: &mut dyn Write) -> Result<(), Error> {
        for value in &self.values {
            writeln!(out, "{value}")?;
        }
        out.flush()?;
        Ok(writeln!(err, "{}", self.words)?)
    }
}

impl TryFrom<TenantCommand> for Order {
    type Error = Error;

    fn try_from(command: TenantCommand) -> Result<Order, Error> {
        Ok(match command {
            TenantCommand::Create { name, .. } => Order::CreateTenant(name),
            TenantCommand::List { .. } => Order::ListTenants,
        })
    }
}

impl TryFrom<KeyCommand> for Order {
    type Error = Error;

    fn try_from(command: KeyCommand) -> Result<Order, Error> {
        Ok(match command {
            KeyCommand::Create { tenant, scope, label, .. } => {
                Order::CreateKey { tenant, scopes: scope.parse().map_err(|_| Error::Scope)?, label }
            }
            KeyCommand::List { tenant, .. } => Order::ListKeys(tenant),
            KeyCommand::Revoke { id, .. } => Order::RevokeKey(id.parse()?),
        })
    }
}

impl TryFrom<TokenCommand> for Order {
    type Error = Error;

    fn try_from(command: TokenCommand) -> Result<Order, Error> {
        Ok(match command {
            TokenCommand::Issue { tenant, scope, subject, ttl, .. } => Order::IssueToken {
                tenant,
                scopes: scope.parse().map_err(|_| Error::Scope)?,
                subject,
                ttl: parse_duration(&ttl).ok_or(Error::Ttl)?,
                ttl_text: ttl,
            },
            TokenCommand::Revoke { id, .. } => Order::RevokeToken(id),
        })
    }
}

/// Carries out an order on an open data directory.
pub async fn offline(desk: &Arc<Desk>, order: Order, now: Millis) -> Result<Done, Error> {
    let by = BY.to_owned();
    let tenant = |named: &str| -> Result<TenantId, Error> {
        Ok(desk.directory.find_tenant(named).ok_or(Error::TenantUnknown)?.id)
    };
    Ok(match order {
        Order::CreateTenant(name) => {
            let tenant = desk.create_tenant(name, by, now).await?;
            Done::one(tenant.id.to_string(), "tenant created")
        }
        Order::ListTenants => {
            let tenants = desk.directory.tenants();
            let values = tenants.iter().map(|tenant| format!("{}\t{}", tenant.id, tenant.name)).collect();
            Done { values, words: format!("{} tenant(s)", tenants.len()) }
        }
        Order::CreateKey { tenant: named, scopes, label } => {
            let key = desk.create_key(tenant(&named)?, scopes, label, by, now).await?;
            Done::one(key.text().as_str(), key_words(&key.id().to_string()))
        }
        Order::ListKeys(named) => {
            let keys = desk.directory.keys(tenant(&named)?);
            let state = |revoked: bool| if revoked { "revoked" } else { "active" };
            let line = |key: &Arc<crate::auth::IngestKey>| {
                format!("{}\t{}\t{}", key.id, state(key.revoked.is_some()), key.label)
            };
            Done { values: keys.iter().map(line).collect(), words: format!("{} key(s)", keys.len()) }
        }
        Order::RevokeKey(id) => {
            desk.revoke_key(id, by, now).await?;
            Done::one(id.to_string(), "key revoked")
        }
        Order::IssueToken { tenant: named, scopes, subject, ttl, .. } => {
            let order = TokenOrder {
                subject,
                client_id: "tidegate-cli".to_owned(),
                scopes,
                tenant: named.as_deref().map(tenant).transpose()?,
                ttl_ms: i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX),
            };
            let issued = desk.issue_token(order, by, now).await?;
            Done::one(issued.token.as_str(), token_words(&issued.jti, &issued.expires.to_string()))
        }
        Order::RevokeToken(jti) => {
            desk.revoke_token(jti.clone(), by, now).await?;
            Done::one(jti, "token revoked")
        }
    })
}

fn key_words(id: &str) -> String {
    format!("ingest key {id} created; this is the only time that its secret is shown")
}

fn token_words(jti: &str, expires: &str) -> String {
    format!("token {jti} issued, expires {expires}")
}

/// The running server of a data directory.
pub struct Server {
    client: Client,
    admin_key: String,
}

impl Server {
    /// The server behind the control socket in `dir`.
    pub fn of(dir: &Path) -> Result<Server, Error> {
        let admin_key = std::fs::read_to_string(dir.join("admin.key"))?;
        let client = Client::builder().unix_socket(dir.join("control.sock")).timeout(TIMEOUT).build();
        Ok(Server { client: client.map_err(Error::Unreachable)?, admin_key: admin_key.trim().to_owned() })
    }

    /// Has the server copy its database to `dir`, an absolute path that must not exist.
    pub fn back_up(&self, dir: &Path) -> Result<(), Error> {
        let request = self.request(Method::POST, "/v1/admin/backups").json(&json!({ "dir": dir }));
        Server::send(request.timeout(BACKUP_TIMEOUT)).map(|_| ())
    }

    fn ask(&self, method: Method, route: &str, body: Option<Value>) -> Result<Value, Error> {
        let mut request = self.request(method, route);
        if let Some(body) = body {
            request = request.json(&body);
        }
        Server::send(request)
    }

    fn request(&self, method: Method, route: &str) -> RequestBuilder {
        self.client.request(method, format!("http://localhost{route}")).bearer_auth(&self.admin_key)
    }

    fn send(request: RequestBuilder) -> Result<Value, Error> {
        let answer = request.send().map_err(Error::Unreachable)?;
        let ok = answer.status().is_success();
        let text = answer.text().map_err(Error::Unreachable)?;
        let document: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if ok { Ok(document) } else { Err(Error::Refused { detail: text_of(&document, "detail") }) }
    }
}

fn text_of(document: &Value, member: &str) -> String {
    document.get(member).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Lets a running server carry out an order.
pub fn online(server: &Server, order: Order) -> Result<Done, Error> {
    Ok(match order {
        Order::CreateTenant(name) => {
            let made = server.ask(Method::POST, "/v1/admin/tenants", Some(json!({ "name": name })))?;
            Done::one(text_of(&made, "id"), "tenant created")
        }
        Order::ListTenants => {
            let listed = server.ask(Method::GET, "/v1/admin/tenants", None)?;
            lines(&listed, "tenants", "tenant(s)", |tenant| {
                format!("{}\t{}", text_of(tenant, "id"), text_of(tenant, "name"))
            })
        }
        Order::CreateKey { tenant, scopes, label } => {
            let body = json!({ "tenant": tenant, "scope": scopes.to_string(), "label": label });
            let made = server.ask(Method::POST, "/v1/admin/keys", Some(body))?;
            Done::one(text_of(&made, "key"), key_words(&text_of(&made, "id")))
        }
        Order::ListKeys(tenant) => {
            let query: String = url_encoded(&tenant);
            let listed = server.ask(Method::GET, &format!("/v1/admin/keys?tenant={query}"), None)?;
            let state =
                |key: &Value| if key.get("revoked").is_some_and(Value::is_string) { "revoked" } else { "active" };
            lines(&listed, "keys", "key(s)", |key| {
                format!("{}\t{}\t{}", text_of(key, "id"), state(key), text_of(key, "label"))
            })
        }
        Order::RevokeKey(id) => {
            server.ask(Method::DELETE, &format!("/v1/admin/keys/{id}"), None)?;
            Done::one(id.to_string(), "key revoked")
        }
        Order::IssueToken { tenant, scopes, subject, ttl_text, .. } => {
            let body = json!({ "tenant": tenant, "scope": scopes.to_string(), "subject": subject, "ttl": ttl_text });
            let made = server.ask(Method::POST, "/v1/admin/tokens", Some(body))?;
            Done::one(text_of(&made, "token"), token_words(&text_of(&made, "id"), &text_of(&made, "expires")))
        }
        Order::RevokeToken(jti) => {
            server.ask(Method::DELETE, &format!("/v1/admin/tokens/{}", url_encoded(&jti)), None)?;
            Done::one(jti, "token revoked")
        }
    })
}

fn lines(document: &Value, member: &str, what: &str, line: impl Fn(&Value) -> String) -> Done {
    let listed = document.get(member).and_then(Value::as_array).cloned().unwrap_or_default();
    Done { values: listed.iter().map(line).collect(), words: format!("{} {what}", listed.len()) }
}

/// Percent-encodes everything but letters, digits and `-_.`.
fn url_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}
