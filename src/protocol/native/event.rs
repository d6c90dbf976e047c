//! One native event: which members it has, and of what type each must be.
//!
//! The event is read in one pass, straight into [`Fields`]. What is not a member that we define becomes an attribute; a
//! member inside `attributes` wins over one of the same name outside. Of a member that comes twice, the last counts. The first
//! fault found is the event's refusal, and its place is made of names from this file only.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::outcome::{Reason, Refusal};
use crate::privacy::event::{Consent, EventType, Fields};
use crate::privacy::json::{Fault, Json, Members, Reader, Text};
use crate::protocol::member::{self, Read};

use super::Event;

/// Up to so many attributes, names are compared one by one.
const FEW: usize = 32;

/// Reads the event that comes next.
pub(super) fn read<'a>(reader: &mut Reader<'a>) -> Result<Event<'a>, Fault> {
    let mut draft = Draft::default();
    reader.members(|reader, name| {
        let Some(member) = Member::of(&name) else { return reader.value(|value| draft.extra.push((name, value))) };
        if let Member::Part(part) = member
            && reader.peek() == Some(b'{')
        {
            let pair = Pair::read(reader, part.names())?;
            draft.note(|draft| pair.map(|pair| draft.set_part(part, pair)));
            return Ok(());
        }
        reader.value(|value| draft.note(|draft| draft.set(member, value)))
    })?;
    Ok(draft.finish())
}

/// The members that an event has.
#[derive(Clone, Copy)]
enum Member {
    Id,
    Type,
    Name,
    Timestamp,
    Session,
    User,
    Ip,
    UserAgent,
    Part(Part),
    Model,
    Language,
    DurationMs,
    Ok,
    Method,
    Path,
    Status,
    Value,
    Unit,
    Severity,
    Body,
    TraceId,
    SpanId,
    ParentId,
    Consent,
    Attributes,
}

impl Member {
    fn of(name: &str) -> Option<Member> {
        Some(match name {
            "id" => Member::Id,
            "type" => Member::Type,
            "name" => Member::Name,
            "timestamp" => Member::Timestamp,
            "session" => Member::Session,
            "user" => Member::User,
            "ip" => Member::Ip,
            "user_agent" => Member::UserAgent,
            "client" => Member::Part(Part::Client),
            "server" => Member::Part(Part::Server),
            "model" => Member::Model,
            "language" => Member::Language,
            "duration_ms" => Member::DurationMs,
            "ok" => Member::Ok,
            "error" => Member::Part(Part::Error),
            "method" => Member::Method,
            "path" => Member::Path,
            "status" => Member::Status,
            "value" => Member::Value,
            "unit" => Member::Unit,
            "severity" => Member::Severity,
            "body" => Member::Body,
            "trace_id" => Member::TraceId,
            "span_id" => Member::SpanId,
            "parent_id" => Member::ParentId,
            "consent" => Member::Consent,
            "attributes" => Member::Attributes,
            _ => return None,
        })
    }
}

/// The members that are objects of two texts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Client,
    Server,
    Error,
}

impl Part {
    fn names(self) -> &'static Names {
        match self {
            Part::Client => &CLIENT,
            Part::Server => &SERVER,
            Part::Error => &ERROR,
        }
    }
}

/// An event while its members come in.
#[derive(Default)]
struct Draft<'a> {
    fields: Box<Fields<'a>>,
    /// Members outside `attributes` that will become attributes.
    extra: Members<'a>,
    refusal: Option<Refusal>,
}

impl<'a> Draft<'a> {
    /// Sets something; the first refusal stays.
    fn note(&mut self, set: impl FnOnce(&mut Self) -> Result<(), Refusal>) {
        if self.refusal.is_none() {
            self.refusal = set(self).err();
        }
    }

    fn set(&mut self, member: Member, value: Json<'a>) -> Result<(), Refusal> {
        let fields = &mut self.fields;
        match member {
            Member::Id => fields.id = member::identifier(value, "/id")?,
            Member::Type => fields.event_type = event_type(value)?,
            Member::Name => fields.name = member::text(value, "/name")?,
            Member::Timestamp => fields.timestamp = member::timestamp(&value, "/timestamp")?,
            Member::Session => fields.session = member::identifier(value, "/session")?,
            Member::User => fields.user = member::identifier(value, "/user")?,
            Member::Ip => fields.ip = member::text(value, "/ip")?,
            Member::UserAgent => fields.user_agent = member::text(value, "/user_agent")?,
            Member::Part(part) => self.set_part(part, Pair::of(value, part)?),
            Member::Model => fields.model = member::text(value, "/model")?,
            Member::Language => fields.language = member::text(value, "/language")?,
            Member::DurationMs => fields.duration_ms = member::duration_ms(&value, "/duration_ms")?,
            Member::Ok => fields.ok = member::flag(&value, "/ok")?,
            Member::Method => fields.method = member::text(value, "/method")?,
            Member::Path => fields.path = member::text(value, "/path")?,
            Member::Status => fields.status = member::status(&value, "/status")?,
            Member::Value => fields.value = member::number(&value, "/value")?,
            Member::Unit => fields.unit = member::text(value, "/unit")?,
            Member::Severity => fields.severity = member::text(value, "/severity")?,
            Member::Body => fields.body = member::text(value, "/body")?,
            Member::TraceId => fields.trace_id = member::text(value, "/trace_id")?,
            Member::SpanId => fields.span_id = member::text(value, "/span_id")?,
            Member::ParentId => fields.parent_id = member::text(value, "/parent_id")?,
            Member::Consent => fields.consent = consent(value)?,
            Member::Attributes => fields.attributes = member::object(value, "/attributes")?.unwrap_or_default(),
        }
        Ok(())
    }

    fn set_part(&mut self, part: Part, pair: Pair<'a>) {
        let fields = &mut self.fields;
        let (name, first, second) = match part {
            Part::Client => ("client", &mut fields.client_name, &mut fields.client_version),
            Part::Server => ("server", &mut fields.server_name, &mut fields.server_version),
            Part::Error => ("error", &mut fields.error_type, &mut fields.error_message),
        };
        (*first, *second) = (pair.first, pair.second);
        self.keep(name, pair.rest);
    }

    /// Keeps what a nested object held beyond its own members as an attribute under that object's name.
    fn keep(&mut self, name: &'static str, rest: Members<'a>) {
        if !rest.is_empty() {
            self.extra.push((Cow::Borrowed(name), Json::Object(rest)));
        }
    }

    fn finish(mut self) -> Event<'a> {
        if let Some(refusal) = self.refusal {
            return Err(refusal);
        }
        if self.fields.event_type.is_none() {
            return Err(Refusal::whole(Reason::TypeMissing));
        }
        append_absent(&mut self.fields.attributes, self.extra);
        Ok(self.fields)
    }
}

/// Appends those members of `extra` whose names are not taken.
fn append_absent<'a>(attributes: &mut Members<'a>, mut extra: Members<'a>) {
    if extra.is_empty() {
        return;
    }
    if attributes.len() <= FEW {
        extra.retain(|(name, _)| attributes.iter().all(|(taken, _)| taken != name));
    } else {
        let taken: BTreeSet<&str> = attributes.iter().map(|(name, _)| name.as_ref()).collect();
        extra.retain(|(name, _)| !taken.contains(name.as_ref()));
    }
    attributes.append(&mut extra);
}

fn event_type(value: Json<'_>) -> Read<EventType> {
    let Some(name) = member::text(value, "/type")? else { return Ok(None) };
    EventType::from_name(&name).map(Some).ok_or(Refusal::at(Reason::TypeUnknown, "/type"))
}

fn consent(value: Json<'_>) -> Read<Consent> {
    match member::text(value, "/consent")?.as_deref() {
        None => Ok(None),
        Some("granted") => Ok(Some(Consent::Granted)),
        Some("denied") => Ok(Some(Consent::Denied)),
        Some(_) => Err(Refusal::at(Reason::OutOfRange, "/consent")),
    }
}

/// Where an object of two texts and its two members stand.
struct Names {
    place: &'static str,
    first: (&'static str, &'static str),
    second: (&'static str, &'static str),
}

const CLIENT: Names =
    Names { place: "/client", first: ("name", "/client/name"), second: ("version", "/client/version") };
const SERVER: Names =
    Names { place: "/server", first: ("name", "/server/name"), second: ("version", "/server/version") };
const ERROR: Names = Names { place: "/error", first: ("type", "/error/type"), second: ("message", "/error/message") };

/// An object of two texts, such as `client`.
#[derive(Default)]
struct Pair<'a> {
    first: Option<Text<'a>>,
    second: Option<Text<'a>>,
    rest: Members<'a>,
}

impl<'a> Pair<'a> {
    /// Reads the object that comes next.
    fn read(reader: &mut Reader<'a>, names: &Names) -> Result<Result<Pair<'a>, Refusal>, Fault> {
        let (mut pair, mut refusal) = (Pair::default(), None);
        reader.inner_members(|reader, name| {
            reader.value(|value| {
                if refusal.is_none() {
                    refusal = pair.take(name, value, names).err();
                }
            })
        })?;
        Ok(refusal.map_or(Ok(pair), Err))
    }

    fn take(&mut self, name: Text<'a>, value: Json<'a>, names: &Names) -> Result<(), Refusal> {
        if name == names.first.0 {
            self.first = member::text(value, names.first.1)?;
        } else if name == names.second.0 {
            self.second = member::text(value, names.second.1)?;
        } else {
            self.rest.push((name, value));
        }
        Ok(())
    }

    /// What stands in place of an object: nothing, or of an error its message alone.
    fn of(value: Json<'a>, part: Part) -> Result<Pair<'a>, Refusal> {
        match value {
            Json::Null => Ok(Pair::default()),
            Json::Str(message) if part == Part::Error => Ok(Pair { second: Some(message), ..Pair::default() }),
            Json::Str(_)
            | Json::Bool(_)
            | Json::Int(_)
            | Json::UInt(_)
            | Json::Float(_)
            | Json::Array(_)
            | Json::Object(_) => Err(Refusal::at(Reason::WrongType, part.names().place)),
        }
    }
}
