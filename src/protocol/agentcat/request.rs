//! The MCP request that an event reports: what its `parameters` hold.
//!
//! The SDKs write them in three shapes: `{arguments, extra}`, `{name, arguments, extra}`, and `{request: {params: {name, arguments}}, extra}`.
//! Beside the tool's arguments, `extra` carries the end user's own HTTP request. It is taken apart here, before anything of it
//! could become part of an event, and of its members two ids are kept.

use std::borrow::Cow;

use crate::privacy::json::{Json, Members, Text};

/// Members that carry the end user's request, whatever level they stand on.
const CARRIERS: [&str; 8] =
    ["extra", "meta", "_meta", "authInfo", "auth_info", "requestInfo", "request_info", "headers"];

/// What `parameters` holds, whichever of the SDKs' three shapes it has.
pub(super) struct Request<'a> {
    pub(super) name: Option<Text<'a>>,
    pub(super) arguments: Option<Json<'a>>,
    pub(super) id: Option<Json<'a>>,
    pub(super) session: Option<Text<'a>>,
    /// What else there was: an object, or whatever was sent in its place.
    pub(super) rest: Json<'a>,
}

impl Default for Request<'_> {
    fn default() -> Self {
        Request { name: None, arguments: None, id: None, session: None, rest: Json::Null }
    }
}

impl<'a> Request<'a> {
    /// Takes `parameters` apart.
    pub(super) fn read(parameters: Json<'a>) -> Request<'a> {
        let mut request = Request::default();
        let Json::Object(members) = parameters else {
            return Request { rest: parameters, ..request };
        };
        let mut rest = Members::new();
        for (name, value) in members {
            match (name.as_ref(), value) {
                ("extra", value) => request.take_extra(value),
                ("request", Json::Object(members)) => request.take_call(members, &mut rest),
                (_, value) => request.take_param(name, value, &mut rest),
            }
        }
        request.rest = Json::Object(rest);
        request
    }

    /// Puts the name back among the rest, where it turned out not to be the event's name.
    pub(super) fn restore_name(&mut self) {
        if let (Some(name), Json::Object(rest)) = (self.name.take(), &mut self.rest) {
            rest.push((Cow::Borrowed("name"), Json::Str(name)));
        }
    }

    /// The JSON-RPC request of the TypeScript SDKs; of its envelope only the parameters are of use.
    fn take_call(&mut self, members: Members<'a>, rest: &mut Members<'a>) {
        for (name, value) in members {
            if let ("params", Json::Object(params)) = (name.as_ref(), value) {
                for (name, value) in params {
                    self.take_param(name, value, rest);
                }
            }
        }
    }

    fn take_param(&mut self, name: Text<'a>, value: Json<'a>, rest: &mut Members<'a>) {
        match (name.as_ref(), value) {
            ("arguments", value) => self.arguments = Some(value),
            ("name", Json::Str(tool)) => self.name = Some(tool),
            (carrier, _) if is_carrier(carrier) => {}
            (_, value) => rest.push((name, value)),
        }
    }

    /// Takes two ids; everything else in there belongs to the end user's request and is dropped.
    fn take_extra(&mut self, extra: Json<'a>) {
        let Json::Object(members) = extra else { return };
        for (name, value) in members {
            match (name.as_ref(), value) {
                ("requestId", value @ (Json::Int(_) | Json::UInt(_) | Json::Str(_))) => self.id = Some(value),
                ("sessionId", Json::Str(id)) => self.session = Some(id),
                _ => {}
            }
        }
    }
}

/// Whether a member of that name carries the end user's request.
pub(super) fn is_carrier(name: &str) -> bool {
    CARRIERS.contains(&name)
}
