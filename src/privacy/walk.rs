//! One JSON value: every string, number and member name, and what the names declare secret.
//!
//! A member whose name declares a secret ([`key_name`]) loses its value, whatever that holds; so does the value in the
//! pairs that headers and attributes are often written as: `{"name": "authorization", "value": "..."}`, `["authorization", "..."]`. The structure
//! stays: numbers and strings below become placeholders. A JSON schema that describes a `password` is not one.

use std::borrow::Cow;

use super::detect::Kind;
use super::detect::key_name::{self, Grade};
use super::json::{Json, Members, Text};
use super::leaf::Job;
use super::policy::Rule;
use super::redaction::Method;
use super::selector::{Place, ValueType};

/// Members that hold the name of a pair, and members that hold its value.
const PAIR_NAMES: [&str; 5] = ["name", "key", "header", "field", "k"];
const PAIR_VALUES: [&str; 5] = ["value", "values", "val", "v", "content"];

/// Integers below this are too short for any detector.
const NUMBER_MIN: u64 = 1_000_000;

/// A declaration that holds for a value and everything below it.
#[derive(Clone, Copy)]
pub(super) struct Declared<'p> {
    rule: &'p Rule,
    grade: Grade,
}

impl<'j> Job<'j> {
    /// Scrubs a value in place.
    pub(super) fn value(&mut self, value: &mut Json<'_>, place: Option<&Place<'_>>) {
        match value {
            Json::Null | Json::Bool(_) => {}
            Json::Int(n) => {
                if n.unsigned_abs() >= NUMBER_MIN {
                    let digits = itoa::Buffer::new().format(*n).to_owned();
                    self.number(value, &digits, place);
                }
            }
            Json::UInt(n) => {
                let digits = itoa::Buffer::new().format(*n).to_owned();
                self.number(value, &digits, place);
            }
            Json::Float(n) => {
                if n.fract() == 0.0 && (NUMBER_MIN as f64..1e20).contains(n) {
                    let digits = format!("{n:.0}");
                    self.number(value, &digits, place);
                }
            }
            Json::Str(text) => {
                if let Some(scrubbed) = self.text(text, place, ValueType::String) {
                    *text = Cow::Owned(scrubbed);
                }
            }
            Json::Array(items) => self.items(items, place),
            Json::Object(members) => self.members(members, place),
        }
    }

    fn number(&mut self, value: &mut Json<'_>, digits: &str, place: Option<&Place<'_>>) {
        if let Some(scrubbed) = self.text(digits, place, ValueType::Number) {
            *value = Json::Str(Cow::Owned(scrubbed));
        }
    }

    /// Scrubs the members of an object in place.
    pub(super) fn members(&mut self, members: &mut Members<'_>, parent: Option<&Place<'_>>) {
        let pair = pair_grade(members);
        members.retain_mut(|(name, value)| self.member(name, value, parent, pair));
    }

    /// Scrubs one member; whether it stays.
    fn member(
        &mut self,
        name: &mut Text<'_>,
        value: &mut Json<'_>,
        parent: Option<&Place<'_>>,
        pair: Option<Grade>,
    ) -> bool {
        // The name first: it is a context for its value, which must mean the same when the result is scrubbed again.
        if let Some(scrubbed) = self.text(name, Some(&Place::member(parent, name)), ValueType::Key) {
            *name = Cow::Owned(scrubbed);
        }
        let place = Place::member(parent, name);
        match self.declared(name, value, &place, pair) {
            Some(declared) if declared.rule.method == Method::Remove && is_secret(value, declared.grade) => {
                self.receipt.stand(Some(&place), ValueType::String);
                self.count(&declared.rule.id);
                return false;
            }
            Some(declared) => self.secret(value, &place, declared),
            None => self.value(value, Some(&place)),
        }
        true
    }

    /// What a member's name, or the name beside it in a pair, declares of its value.
    fn declared(&self, name: &str, value: &Json<'_>, place: &Place<'_>, pair: Option<Grade>) -> Option<Declared<'j>> {
        if let Some(rule) = self.policy.rule_for_name(name, place) {
            return Some(Declared { rule, grade: Grade::Secret });
        }
        let grade = match pair.filter(|_| PAIR_VALUES.contains(&name)) {
            Some(grade) => grade,
            None => key_name::grade(name)?,
        };
        let describes = matches!(value, Json::Object(members) if is_schema(members));
        if grade == Grade::Weak || describes {
            return None;
        }
        self.policy.rule_for(Kind::SecretKey, Some(place), ValueType::String).map(|rule| Declared { rule, grade })
    }

    fn items(&mut self, items: &mut [Json<'_>], parent: Option<&Place<'_>>) {
        let mut grade = None;
        for (index, item) in items.iter_mut().enumerate() {
            let place = Place::item(parent, index);
            let beside = grade.take();
            if let Json::Str(text) = &*item {
                grade = header_grade(text);
            }
            let rule = beside.and_then(|grade| {
                let header = matches!(item, Json::Str(text) if !is_header_name(text));
                let rule = self.policy.rule_for(Kind::SecretKey, Some(&place), ValueType::String);
                rule.filter(|_| header).map(|rule| Declared { rule, grade })
            });
            match rule {
                Some(declared) => self.secret(item, &place, declared),
                None => self.value(item, Some(&place)),
            }
        }
    }

    /// Scrubs a value that was declared secret: its strings and numbers, all the way down.
    fn secret(&mut self, value: &mut Json<'_>, place: &Place<'_>, declared: Declared<'j>) {
        self.receipt.stand(Some(place), ValueType::String);
        match value {
            Json::Null | Json::Bool(_) => {}
            Json::Str(text) => {
                if !self.secret_text(text, declared)
                    && let Some(scrubbed) = self.text(text, Some(place), ValueType::String)
                {
                    *text = Cow::Owned(scrubbed);
                }
            }
            Json::Int(_) | Json::UInt(_) | Json::Float(_) => {
                if is_secret(value, declared.grade) {
                    self.count(&declared.rule.id);
                    *value = Json::Str(Cow::Owned(declared.rule.placeholder.to_string()));
                } else {
                    self.value(value, Some(place));
                }
            }
            Json::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.secret(item, &Place::item(Some(place), index), declared);
                }
            }
            Json::Object(members) => {
                for (name, value) in members.iter_mut() {
                    if let Some(scrubbed) = self.text(name, Some(&Place::member(Some(place), name)), ValueType::Key) {
                        *name = Cow::Owned(scrubbed);
                    }
                    self.secret(value, &Place::member(Some(place), name), declared);
                }
            }
        }
    }

    /// Replaces a declared text, but for the scheme of an authorization; says whether it is dealt with.
    fn secret_text(&mut self, text: &mut Cow<'_, str>, declared: Declared<'j>) -> bool {
        let (scheme, credentials) = text.split_at(key_name::scheme_length(text, declared.grade));
        if !is_secret_text(credentials, declared.grade) {
            return key_name::is_dull_value(credentials);
        }
        let replaced = declared.rule.method.apply(credentials, &declared.rule.placeholder, self.keys);
        if let Some(replacement) = replaced {
            let replacement = format!("{scheme}{replacement}");
            self.count(&declared.rule.id);
            *text = Cow::Owned(replacement);
        }
        true
    }
}

fn is_secret(value: &Json<'_>, grade: Grade) -> bool {
    match value {
        Json::Null | Json::Bool(_) => false,
        Json::Int(_) | Json::UInt(_) | Json::Float(_) => grade != Grade::Likely,
        Json::Str(text) => is_secret_text(text.get(key_name::scheme_length(text, grade)..).unwrap_or(text), grade),
        Json::Array(items) => items.iter().any(|item| is_secret(item, grade)),
        Json::Object(members) => members.iter().any(|(_, value)| is_secret(value, grade)),
    }
}

fn is_secret_text(text: &str, grade: Grade) -> bool {
    !key_name::is_dull_value(text) && (grade != Grade::Likely || key_name::looks_secret(text))
}

/// The grade of the name in a name-and-value pair.
fn pair_grade(members: &[(Cow<'_, str>, Json<'_>)]) -> Option<Grade> {
    if !members.iter().any(|(name, _)| PAIR_VALUES.contains(&&**name)) {
        return None;
    }
    members.iter().filter(|(name, _)| PAIR_NAMES.contains(&&**name)).find_map(|(_, value)| match value {
        Json::Str(text) => key_name::grade(text),
        Json::Null
        | Json::Bool(_)
        | Json::Int(_)
        | Json::UInt(_)
        | Json::Float(_)
        | Json::Array(_)
        | Json::Object(_) => None,
    })
}

/// The grade of a header's name in a flat list of names and values.
fn header_grade(text: &str) -> Option<Grade> {
    if !is_header_name(text) {
        return None;
    }
    key_name::grade(text).filter(|grade| match grade {
        Grade::Authorization | Grade::Cookie => true,
        Grade::Secret => text.contains('-'),
        Grade::Likely | Grade::Weak => false,
    })
}

/// Whether a text is itself the name of a header: a list of names is no list of pairs.
fn is_header_name(text: &str) -> bool {
    text.len() <= 40 && text.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-')
}

/// Whether an object is a JSON schema: a known `type`, and nothing but a schema's members.
fn is_schema(members: &[(Cow<'_, str>, Json<'_>)]) -> bool {
    const TYPES: [&str; 7] = ["string", "number", "integer", "boolean", "object", "array", "null"];
    const MEMBERS: [&str; 16] = [
        "type",
        "description",
        "title",
        "format",
        "enum",
        "minLength",
        "maxLength",
        "pattern",
        "properties",
        "items",
        "required",
        "nullable",
        "additionalProperties",
        "writeOnly",
        "readOnly",
        "anyOf",
    ];
    let typed = members
        .iter()
        .any(|(name, value)| name == "type" && matches!(value, Json::Str(text) if TYPES.contains(&&**text)));
    typed && members.iter().all(|(name, _)| MEMBERS.contains(&&**name))
}
