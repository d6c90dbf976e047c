//! Events of the AgentCat and MCPcat SDKs: one JSON object a request.
//!
//! The contract is read in snake_case. The TypeScript SDKs send every member a second time in camelCase; those copies are left
//! out. Members that are free JSON by contract (`response`, `parameters`, `error`, `properties`, ...) are taken as they come; the
//! rest must have their types.
//!
//! Over HTTP transports these SDKs ship their end users' request headers, bearer tokens included, in `parameters.extra`, and session
//! ids inside the tool's arguments. None of that becomes part of the event: of `extra` only the request's id is kept, and the
//! transport's session where the event names none of its own.
//!
//! ```text
//! event_type                       type              name
//! mcp:tools/call                   mcp.tool_call     resource_name, or the tool that the request names
//! mcp:tools/list                   mcp.tools_list    resource_name, if it is one
//! mcp:initialize                   mcp.initialize    resource_name, if it is one
//! mcp:resources/read               mcp.resource_read resource_name
//! mcp:prompts/get                  mcp.prompt_get    resource_name
//! mcp:<any other method>           custom            resource_name or the method; the method also as attribute mcp_method
//! agentcat:identify mcpcat:identify  identify        resource_name, if it is one
//! agentcat:custom mcpcat:custom    custom            resource_name
//! ```
//! Attributes: `intent`, `arguments`, `parameters` (what else the request had), `response`, `tags`, `properties`, `identify`, `user_name`,
//! `error` (what else the error had), `request_id`, `input_tokens`, `output_tokens`, `agentcat_version`, `mcpcat_version`,
//! `mcp_method`, and members that the contract does not name.
//!
//! What must be answered is here too: the clients retry, and some end their host process, on anything but a 2xx with a JSON body.

mod request;

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::outcome::{Reason, Refusal};
use crate::privacy::event::{EventType, Fields, RawEvent};
use crate::privacy::json::{Json, Members, Text};

use super::member;
use super::{DecodeError, Limits};

use request::{Request, is_carrier};

/// The body of the answer (202) to everything that a retry cannot better. An empty body ends the customer's Node process.
pub const ACCEPTED_BODY: &str = r#"{"status":"accepted"}"#;

/// What the SDKs put where there is no name.
const NO_NAMES: [&str; 3] = ["", "Unknown", "Unknown Tool Name"];
/// One request of an SDK.
#[derive(Debug)]
pub struct Decoded<'a> {
    /// The project that the sender claims, readable even where the event was refused. It is the only credential its body has.
    pub project_id: Option<Text<'a>>,
    /// The event.
    pub event: Result<RawEvent<'a>, Refusal>,
}

/// Reads one request. [`Limits::events_max`] has no meaning here.
pub fn decode<'a>(body: &'a [u8], limits: &Limits) -> Result<Decoded<'a>, DecodeError> {
    let (project_id, event) = decode_fields(body, limits)?;
    Ok(Decoded { project_id, event: event.map(RawEvent::new) })
}

/// The project and the event with its members in the open.
type Open<'a> = (Option<Text<'a>>, Result<Fields<'a>, Refusal>);

fn decode_fields<'a>(body: &'a [u8], limits: &Limits) -> Result<Open<'a>, DecodeError> {
    if body.len() > limits.event_max {
        return Ok((None, Err(Refusal::whole(Reason::TooLarge))));
    }
    let Json::Object(members) = Json::parse(body, limits.depth())? else {
        return Ok((None, Err(Refusal::whole(Reason::NotAnObject))));
    };
    let mut draft = Draft::default();
    for (name, value) in members {
        draft.take(name, value);
    }
    Ok(draft.finish())
}

/// A member of the contract.
#[derive(Clone, Copy)]
enum Member {
    Id,
    ProjectId,
    SessionId,
    ActorId,
    EventType,
    IsError,
    Error,
    ResourceName,
    Duration,
    Timestamp,
    UserIntent,
    Parameters,
    Response,
    GivenId,
    ActorName,
    IdentifyData,
    Tags,
    Properties,
    InputTokens,
    OutputTokens,
    IpAddress,
    SdkLanguage,
    AgentcatVersion,
    McpcatVersion,
    ServerName,
    ServerVersion,
    ClientName,
    ClientVersion,
    /// Never set by the SDKs.
    EventId,
}

impl Member {
    fn named(name: &str) -> Option<Member> {
        Some(match name {
            "id" => Member::Id,
            "project_id" => Member::ProjectId,
            "session_id" => Member::SessionId,
            "actor_id" => Member::ActorId,
            "event_type" => Member::EventType,
            "is_error" => Member::IsError,
            "error" => Member::Error,
            "resource_name" => Member::ResourceName,
            "duration" => Member::Duration,
            "timestamp" => Member::Timestamp,
            "user_intent" => Member::UserIntent,
            "parameters" => Member::Parameters,
            "response" => Member::Response,
            "identify_actor_given_id" => Member::GivenId,
            "identify_actor_name" => Member::ActorName,
            "identify_data" => Member::IdentifyData,
            "tags" => Member::Tags,
            "properties" => Member::Properties,
            "input_tokens" => Member::InputTokens,
            "output_tokens" => Member::OutputTokens,
            "ip_address" => Member::IpAddress,
            "sdk_language" => Member::SdkLanguage,
            "agentcat_version" => Member::AgentcatVersion,
            "mcpcat_version" => Member::McpcatVersion,
            "server_name" => Member::ServerName,
            "server_version" => Member::ServerVersion,
            "client_name" => Member::ClientName,
            "client_version" => Member::ClientVersion,
            "event_id" => Member::EventId,
            _ => return None,
        })
    }
}

/// An event while its members come in.
#[derive(Default)]
struct Draft<'a> {
    fields: Fields<'a>,
    project_id: Option<Text<'a>>,
    event_type: Option<Text<'a>>,
    given_id: Option<Text<'a>>,
    intent: Option<Text<'a>>,
    is_error: bool,
    request: Request<'a>,
    /// Members that the contract does not name.
    unknown: Members<'a>,
    refusal: Option<Refusal>,
}

impl<'a> Draft<'a> {
    /// Takes one member. After a refusal the rest is still read, for the project's sake.
    fn take(&mut self, name: Text<'a>, value: Json<'a>) {
        match Member::named(&name) {
            Some(member) => {
                if let Err(refusal) = self.set(member, value) {
                    self.refusal.get_or_insert(refusal);
                }
            }
            None => self.unknown.push((name, value)),
        }
    }

    fn set(&mut self, member: Member, value: Json<'a>) -> Result<(), Refusal> {
        let fields = &mut self.fields;
        match member {
            Member::Id => fields.id = member::identifier(value, "/id")?,
            Member::ProjectId => self.project_id = member::text(value, "/project_id")?,
            Member::SessionId => fields.session = member::identifier(value, "/session_id")?,
            Member::ActorId => fields.user = member::identifier(value, "/actor_id")?,
            Member::EventType => self.event_type = member::text(value, "/event_type")?,
            Member::IsError => self.is_error = member::flag(&value, "/is_error")?.unwrap_or(false),
            Member::Error => self.set_error(value),
            Member::ResourceName => fields.name = member::text(value, "/resource_name")?,
            Member::Duration => fields.duration_ms = member::duration_ms(&value, "/duration")?,
            Member::Timestamp => fields.timestamp = member::timestamp(&value, "/timestamp")?,
            Member::UserIntent => self.intent = member::text(value, "/user_intent")?,
            Member::Parameters => self.request = Request::read(value),
            Member::Response => self.attribute("response", value),
            Member::GivenId => self.given_id = member::identifier(value, "/identify_actor_given_id")?,
            Member::ActorName => self.attribute("user_name", value),
            Member::IdentifyData => self.attribute("identify", value),
            Member::Tags => self.attribute("tags", value),
            Member::Properties => self.attribute("properties", value),
            Member::InputTokens => self.attribute("input_tokens", value),
            Member::OutputTokens => self.attribute("output_tokens", value),
            Member::IpAddress => fields.ip = member::text(value, "/ip_address")?,
            Member::SdkLanguage => fields.language = member::text(value, "/sdk_language")?,
            Member::AgentcatVersion => self.attribute("agentcat_version", value),
            Member::McpcatVersion => self.attribute("mcpcat_version", value),
            Member::ServerName => fields.server_name = member::text(value, "/server_name")?,
            Member::ServerVersion => fields.server_version = member::text(value, "/server_version")?,
            Member::ClientName => fields.client_name = member::text(value, "/client_name")?,
            Member::ClientVersion => fields.client_version = member::text(value, "/client_version")?,
            Member::EventId => {}
        }
        Ok(())
    }

    /// An error is any JSON; what is not its type or message stays together as an attribute.
    fn set_error(&mut self, value: Json<'a>) {
        let members = match value {
            Json::Str(message) => return self.fields.error_message = Some(message),
            Json::Object(members) => members,
            Json::Null | Json::Bool(_) | Json::Int(_) | Json::UInt(_) | Json::Float(_) | Json::Array(_) => {
                return self.attribute("error", value);
            }
        };
        let mut rest = Members::new();
        for (name, value) in members {
            match (name.as_ref(), value) {
                ("type", Json::Str(text)) => self.fields.error_type = Some(text),
                ("message", Json::Str(text)) => self.fields.error_message = Some(text),
                (_, value) => rest.push((name, value)),
            }
        }
        self.attribute("error", Json::Object(rest));
    }

    /// Adds an attribute, unless there is nothing in it.
    fn attribute(&mut self, name: &'static str, value: Json<'a>) {
        if !is_empty(&value) {
            self.fields.attributes.push((Cow::Borrowed(name), value));
        }
    }

    fn finish(mut self) -> Open<'a> {
        let project_id = self.project_id.take();
        let event = match self.refusal.take() {
            Some(refusal) => Err(refusal),
            None => self.into_fields(),
        };
        (project_id, event)
    }

    fn into_fields(mut self) -> Result<Fields<'a>, Refusal> {
        self.set_type()?;
        self.set_names();
        self.set_request();
        self.add_unknown();
        Ok(self.fields)
    }

    fn set_type(&mut self) -> Result<(), Refusal> {
        let sent = self.event_type.take().ok_or(Refusal::whole(Reason::TypeMissing))?;
        let method = text_after(&sent, "mcp:");
        self.fields.event_type = Some(match (method.as_deref(), sent.split_once(':')) {
            (Some("tools/call"), _) => EventType::McpToolCall,
            (Some("tools/list"), _) => EventType::McpToolsList,
            (Some("initialize"), _) => EventType::McpInitialize,
            (Some("resources/read"), _) => EventType::McpResourceRead,
            (Some("prompts/get"), _) => EventType::McpPromptGet,
            (Some(_), _) | (None, Some((_, "custom"))) => EventType::Custom,
            (None, Some((_, "identify"))) => EventType::Identify,
            (None, _) => return Err(Refusal::at(Reason::TypeUnknown, "/event_type")),
        });
        if let (Some(EventType::Custom), Some(method)) = (self.fields.event_type, method) {
            self.fields.name.get_or_insert_with(|| method.clone());
            self.attribute("mcp_method", Json::Str(method));
        }
        Ok(())
    }

    fn set_names(&mut self) {
        let fields = &mut self.fields;
        fields.name = fields.name.take().filter(|name| !NO_NAMES.contains(&name.as_ref()));
        if matches!(fields.event_type, Some(EventType::McpToolCall | EventType::McpPromptGet)) {
            let requested = self.request.name.take();
            fields.name = fields.name.take().or(requested);
        }
        fields.user = fields.user.take().or_else(|| self.given_id.take());
        fields.ok = Some(!self.is_error);
    }

    /// Adds what the request held. The SDKs inject the session's id and the intent into the arguments; both are known already, and
    /// a session's id must not stand in clear text.
    fn set_request(&mut self) {
        let mut request = std::mem::take(&mut self.request);
        request.restore_name();
        let intent = self.intent.take();
        let session = self.fields.session.take();
        let arguments = request.arguments.map(|arguments| match arguments {
            Json::Object(mut members) => {
                members.retain(|(name, value)| match (name.as_ref(), value) {
                    ("session_id", Json::Str(id)) => !is_session(id, session.as_deref()),
                    ("context", Json::Str(context)) => intent.as_ref() != Some(context),
                    _ => true,
                });
                Json::Object(members)
            }
            other @ (Json::Null | Json::Bool(_) | Json::Int(_) | Json::UInt(_) | Json::Float(_)) => other,
            other @ (Json::Str(_) | Json::Array(_)) => other,
        });
        self.fields.session = session.or(request.session);
        self.attribute("intent", intent.map_or(Json::Null, Json::Str));
        self.attribute("arguments", arguments.unwrap_or(Json::Null));
        self.attribute("parameters", request.rest);
        self.attribute("request_id", request.id.unwrap_or(Json::Null));
    }

    /// Adds the members that the contract does not name, without camelCase copies, carriers of headers, and names that are taken.
    fn add_unknown(&mut self) {
        let mut unknown = std::mem::take(&mut self.unknown);
        let names: BTreeSet<&str> = unknown.iter().map(|(name, _)| name.as_ref()).collect();
        let kept: Vec<bool> = unknown.iter().map(|(name, _)| !is_copy(name, &names) && !is_carrier(name)).collect();
        let mut kept = kept.into_iter();
        unknown.retain(|_| kept.next().unwrap_or(false));
        unknown.retain(|(name, _)| self.fields.attributes.iter().all(|(taken, _)| taken != name));
        self.fields.attributes.append(&mut unknown);
    }
}

/// Whether an attribute of that value would say nothing.
fn is_empty(value: &Json<'_>) -> bool {
    match value {
        Json::Null => true,
        Json::Object(members) => members.is_empty(),
        Json::Bool(_) | Json::Int(_) | Json::UInt(_) | Json::Float(_) | Json::Str(_) | Json::Array(_) => false,
    }
}

/// Whether an argument holds the id of a session, or the word that asks for one.
fn is_session(text: &str, session: Option<&str>) -> bool {
    text == "start" || text.starts_with("ses_") || Some(text) == session
}

/// Whether a camelCase name has a twin in snake_case, in the contract or among `names`.
fn is_copy(name: &str, names: &BTreeSet<&str>) -> bool {
    if !name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return false;
    }
    let mut snake = String::with_capacity(name.len().saturating_add(4));
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    Member::named(&snake).is_some() || names.contains(snake.as_str())
}

/// What follows `prefix`, borrowed where `text` is.
fn text_after<'a>(text: &Text<'a>, prefix: &str) -> Option<Text<'a>> {
    match text {
        Cow::Borrowed(text) => text.strip_prefix(prefix).map(Cow::Borrowed),
        Cow::Owned(text) => text.strip_prefix(prefix).map(|rest| Cow::Owned(rest.to_owned())),
    }
}

#[cfg(test)]
mod tests;
