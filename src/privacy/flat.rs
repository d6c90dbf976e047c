//! An event as one flat object, its members named as selectors name them: `error_message`, `client_name`, `attributes.note`.
//!
//! [`CleanEvent::into_json`] shows what came out of the airlock; [`read`] makes the events of a policy's own tests. Not a protocol: senders
//! speak those in `protocol`.

use serde_json::{Map, Value, json};

use crate::clock::Millis;

use super::event::{CleanEvent, Consent, EventType, Fields};
use super::json::{Json, Text, write_members};

impl CleanEvent<'_> {
    /// The event as a flat object; what it does not have is not there.
    pub fn into_json(self) -> Value {
        let mut fields = self.into_fields();
        let mut members = Map::new();
        let mut put = |name: &str, value: Option<Value>| members.extend(value.map(|value| (name.to_owned(), value)));
        put("type", fields.event_type.map(|t| json!(t.name())));
        put("timestamp", fields.timestamp.map(|at| json!(at.to_string())));
        put("duration_ms", fields.duration_ms.map(|n| json!(n)));
        put("ok", fields.ok.map(|ok| json!(ok)));
        put("status", fields.status.map(|n| json!(n)));
        put("value", fields.value.map(|n| json!(n)));
        for (name, text) in fields.texts() {
            put(name, text.as_deref().map(|text| json!(text)));
        }
        if !fields.attributes.is_empty() {
            let mut bytes = Vec::new();
            write_members(&fields.attributes, &mut bytes);
            put("attributes", serde_json::from_slice(&bytes).ok());
        }
        Value::Object(members)
    }
}

/// Reads a flat object; the name of the first member that is unknown or of the wrong type otherwise.
pub(super) fn read(object: Json<'_>) -> Result<Fields<'_>, String> {
    let Json::Object(members) = object else { return Err(String::new()) };
    let mut fields = Fields::default();
    for (name, value) in members {
        member(&mut fields, &name, value).ok_or_else(|| name.into_owned())?;
    }
    Ok(fields)
}

fn member<'a>(fields: &mut Fields<'a>, name: &str, value: Json<'a>) -> Option<()> {
    let known = fields.texts().into_iter().find(|(known, _)| *known == name);
    if let Some((_, slot)) = known {
        *slot = Some(text(value)?);
        return Some(());
    }
    match name {
        "type" => fields.event_type = Some(EventType::from_name(&text(value)?)?),
        "user_agent" => fields.user_agent = Some(text(value)?),
        "timestamp" => fields.timestamp = Some(Millis(whole(&value)?)),
        "duration_ms" => fields.duration_ms = Some(number(&value)?),
        "value" => fields.value = Some(number(&value)?),
        "status" => fields.status = Some(u16::try_from(whole(&value)?).ok()?),
        "ok" => fields.ok = Some(flag(&value)?),
        "consent" => {
            fields.consent = Some(match &*text(value)? {
                "granted" => Consent::Granted,
                "denied" => Consent::Denied,
                _ => return None,
            });
        }
        "attributes" => {
            let Json::Object(members) = value else { return None };
            fields.attributes = members;
        }
        _ => return None,
    }
    Some(())
}

fn text(value: Json<'_>) -> Option<Text<'_>> {
    if let Json::Str(text) = value { Some(text) } else { None }
}

fn flag(value: &Json<'_>) -> Option<bool> {
    if let Json::Bool(flag) = value { Some(*flag) } else { None }
}

fn whole(value: &Json<'_>) -> Option<i64> {
    if let Json::Int(n) = value { Some(*n) } else { None }
}

fn number(value: &Json<'_>) -> Option<f64> {
    if let Json::Float(n) = value { Some(*n) } else { Some(f64::from(i32::try_from(whole(value)?).ok()?)) }
}

/// Places that are told of one comparison; more would not be read.
const PLACES_MAX: usize = 32;
/// What stands for the value as a whole.
const ROOT: &str = "(the whole)";

/// The places at which two values differ, as selectors name them.
pub fn differing_places(one: &Value, other: &Value) -> Vec<String> {
    let mut places = Vec::new();
    differ(Some(one), Some(other), &mut String::new(), &mut places);
    places
}

fn differ(one: Option<&Value>, other: Option<&Value>, place: &mut String, places: &mut Vec<String>) {
    if one == other || places.len() >= PLACES_MAX {
        return;
    }
    let mut below = |name: &str, one: Option<&Value>, other: Option<&Value>| {
        let length = place.len();
        if length > 0 {
            place.push('.');
        }
        if name.contains(|c: char| !c.is_alphanumeric() && c != '_' && c != '-') {
            place.push_str(&format!("'{name}'"));
        } else {
            place.push_str(name);
        }
        differ(one, other, place, places);
        place.truncate(length);
    };
    match (one, other) {
        (Some(Value::Object(one)), Some(Value::Object(other))) => {
            for (name, value) in one {
                below(name, Some(value), other.get(name));
            }
            for (name, value) in other.iter().filter(|(name, _)| !one.contains_key(*name)) {
                below(name, None, Some(value));
            }
        }
        (Some(Value::Array(one)), Some(Value::Array(other))) => {
            for index in 0..one.len().max(other.len()) {
                below(&index.to_string(), one.get(index), other.get(index));
            }
        }
        _ if place.is_empty() => places.push(ROOT.to_owned()),
        _ => places.push(place.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_that_differ_are_named_as_selectors_name_them() {
        let one = json!({ "name": "a", "attributes": { "x": [1, 2], "http.url": "u", "same": 1 } });
        let other = json!({ "name": "b", "attributes": { "x": [1, 3, 4], "same": 1, "new": true } });
        assert_eq!(
            differing_places(&one, &other),
            ["attributes.'http.url'", "attributes.x.1", "attributes.x.2", "attributes.new", "name"]
        );
        assert_eq!(differing_places(&json!("a"), &json!("b")), [ROOT]);
        assert!(differing_places(&one, &one).is_empty());
        let (many, none) = (json!((0..1000).collect::<Vec<_>>()), json!([]));
        assert_eq!(differing_places(&many, &none).len(), PLACES_MAX);
    }

    #[test]
    fn an_event_is_read_by_the_names_that_selectors_use() {
        let read = |text: &str| read(Json::parse(text.as_bytes(), 8).unwrap()).map(|_| ());
        let all = r#"{"type":"log","timestamp":1,"error_message":"m","client_name":"c","user_agent":"x","ok":true,"status":200,"value":1,"duration_ms":0.5,"consent":"denied","attributes":{"a":1}}"#;
        assert_eq!(read(all), Ok(()));
        for (text, name) in [
            (r#"{"client":{}}"#, "client"),
            (r#"{"ok":1}"#, "ok"),
            (r#"{"type":"nothing"}"#, "type"),
            (r#"{"status":70000}"#, "status"),
            (r#"{"name":1}"#, "name"),
            ("[]", ""),
        ] {
            assert_eq!(read(text), Err(name.to_owned()), "{text}");
        }
    }
}
