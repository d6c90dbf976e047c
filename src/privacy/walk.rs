//! One JSON value: every string, number and member name, and what the names declare secret.
//!
//! A member whose name declares a secret ([`key_name`]) loses its value, whatever that holds; so does the value in the
//! pairs that headers and attributes are often written as: `{"name": "authorization", "value": "..."}`, `["authorization", "..."]`. The structure
//! stays: numbers and strings below become placeholders. A JSON schema that describes a `password` is not one.

use std::borrow::Cow;

use super::detect::key_name::{self, Grade};
use super::detect::{self, Beside, Kind, Meaning, cookie, secret_value};
use super::json::{Json, Members, Text};
use super::leaf::Job;
use super::pair;
use super::policy::Rule;
use super::redaction::{Method, is_settled};
use super::selector::{Place, ValueType};

/// Integers below this are too short for any detector.
const NUMBER_MIN: u64 = 1_000_000;

/// Larger numbers are no coordinates.
const DEGREES_MAX: f64 = 180.0;

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
                } else if n.abs() <= DEGREES_MAX && place.is_some_and(|place| detect::may_be_coordinate(place.names()))
                {
                    let digits = n.to_string();
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
        // A pair's name is read before anything is replaced, and copied, since its member is scrubbed too. One that goes says nothing: it would not the
        // next time.
        let pair = pair::name(members).filter(|name| Meaning::of(name).clean && !is_settled(name)).map(str::to_owned);
        if members.iter().any(|(name, _)| name == "kty") {
            self.web_key(members, parent);
        }
        let beside = what_is_beside(members);
        members.retain_mut(|(name, value)| self.member(name, value, parent, (pair.as_deref(), beside)));
    }

    /// Replaces the private parts of a JSON web key.
    fn web_key(&mut self, members: &mut Members<'_>, parent: Option<&Place<'_>>) {
        const PRIVATE: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "k"];
        for (name, value) in members.iter_mut().filter(|(name, _)| PRIVATE.contains(&&**name)) {
            let place = Place::member(parent, name);
            if let Some(rule) = self.policy.rule_for(Kind::PrivateKey, Some(&place), ValueType::String) {
                self.secret(value, &place, Declared { rule, grade: Grade::Secret });
            }
        }
    }

    /// Scrubs one member; whether it stays.
    fn member(
        &mut self,
        name: &mut Text<'_>,
        value: &mut Json<'_>,
        parent: Option<&Place<'_>>,
        (pair, beside): (Option<&str>, Beside),
    ) -> bool {
        // The name first: it is a context for its value, which must mean the same when the result is scrubbed again.
        let mut meaning = Meaning::of(name);
        if let Some(scrubbed) = self.name(name, meaning, parent) {
            meaning = Meaning::of(&scrubbed);
            *name = Cow::Owned(scrubbed);
        }
        let pair = pair.filter(|_| pair::is_value(name));
        let meaning = pair.map_or(meaning, Meaning::of);
        let place = Place::member(parent, name).called(pair);
        let holds =
            || is_telling(value) || !name.eq_ignore_ascii_case("name") || parent.is_some_and(Place::is_of_account);
        let said = meaning.may_say && matches!(value, Json::Str(_) | Json::Array(_)) && holds();
        let place = if said { place.saying(detect::of_names(place.names().0, beside)) } else { place };
        match self.declared(pair.unwrap_or(name), meaning, value, &place) {
            Some(declared) if declared.rule.method == Method::Remove && holds_secret(value, declared.grade) => {
                self.receipt.stand(Some(&place), ValueType::String);
                self.count(&declared.rule.id);
                return false;
            }
            Some(declared) => self.secret(value, &place, declared),
            None => self.value(value, Some(&place)),
        }
        true
    }

    /// A member's name scrubbed; `None` when nothing changed.
    fn name(&mut self, name: &str, meaning: Meaning, parent: Option<&Place<'_>>) -> Option<String> {
        if meaning.clean && self.policy.patterns.is_empty() {
            return None;
        }
        self.text(name, Some(&Place::member(parent, name)), ValueType::Key)
    }

    /// What a member's name, or the name beside it in a pair, declares of its value.
    fn declared(&self, name: &str, meaning: Meaning, value: &Json<'_>, place: &Place<'_>) -> Option<Declared<'j>> {
        if let Some(rule) = self.policy.rule_for_name(name, place) {
            return Some(Declared { rule, grade: Grade::Secret });
        }
        let grade = meaning.grade?;
        let describes = matches!(value, Json::Object(members) if is_schema(members));
        // A name that may mean anything says nothing about what is below it.
        let weak =
            matches!(grade, Grade::Weak | Grade::Query) && !matches!(value, Json::Str(text) if is_secret(text, grade));
        if weak || describes {
            return None;
        }
        self.policy.rule_for(kind(grade), Some(place), ValueType::String).map(|rule| Declared { rule, grade })
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
                let rule = self.policy.rule_for(kind(grade), Some(&place), ValueType::String);
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
                if holds_secret(value, declared.grade) {
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
                let paired = pair::name(members).is_some();
                for (name, value) in members.iter_mut() {
                    if let Some(scrubbed) = self.name(name, Meaning::of(name), Some(place)) {
                        *name = Cow::Owned(scrubbed);
                    }
                    let place = Place::member(Some(place), name);
                    match self.declared(name, Meaning::of(name), value, &place) {
                        Some(own) => self.secret(value, &place, own),
                        None if declared.grade == Grade::Cookie => self.cookie(name, value, &place, declared, paired),
                        None if declared.grade.reaches(name) => self.secret(value, &place, declared),
                        None => self.value(value, Some(&place)),
                    }
                }
            }
        }
    }

    /// Replaces a declared text, but for the scheme of an authorization; says whether it is dealt with.
    fn secret_text(&mut self, text: &mut Cow<'_, str>, declared: Declared<'j>) -> bool {
        if declared.grade == Grade::Cookie && text.contains('=') {
            return self.cookies(text, declared);
        }
        let Some(start) = secret_value::secret_start(text, declared.grade) else {
            return text
                .get(secret_value::scheme_length(text, declared.grade)..)
                .is_some_and(secret_value::is_dull_value);
        };
        let (scheme, credentials) = text.split_at(start);
        let replaced = declared.rule.method.apply(credentials, &declared.rule.placeholder, self.keys);
        if let Some(replacement) = replaced {
            let replacement = format!("{scheme}{replacement}");
            self.count(&declared.rule.id);
            *text = Cow::Owned(replacement);
        }
        true
    }

    /// A member below one that holds cookies: its name is a cookie's, or a part of a cookie that is told apart (`paired`).
    fn cookie(&mut self, name: &str, value: &mut Json<'_>, place: &Place<'_>, declared: Declared<'j>, paired: bool) {
        let kept = match &*value {
            _ if paired => !pair::is_value(name),
            Json::Str(text) => cookie::is_attribute(name) || cookie::is_preference(name, text),
            Json::Null
            | Json::Bool(_)
            | Json::Int(_)
            | Json::UInt(_)
            | Json::Float(_)
            | Json::Array(_)
            | Json::Object(_) => false,
        };
        match kept {
            true => self.value(value, Some(place)),
            false => self.secret(value, place, Declared { grade: Grade::Secret, ..declared }),
        }
    }

    /// Replaces the values in a text of cookies; says whether there were any.
    fn cookies(&mut self, text: &mut Cow<'_, str>, declared: Declared<'j>) -> bool {
        let mut out = String::new();
        let mut copied = 0;
        for (start, end) in cookie::values(text) {
            let (Some(before), Some(value)) = (text.get(copied..start), text.get(start..end)) else { continue };
            let Some(replacement) = declared.rule.method.apply(value, &declared.rule.placeholder, self.keys) else {
                continue;
            };
            self.receipt.count(&declared.rule.id);
            out.push_str(before);
            out.push_str(&replacement);
            copied = end;
        }
        if copied == 0 {
            return false;
        }
        out.push_str(text.get(copied..).unwrap_or(""));
        *text = Cow::Owned(out);
        true
    }
}

/// The kind of what a name of this grade declares.
fn kind(grade: Grade) -> Kind {
    if grade == Grade::Cookie { Kind::Cookie } else { Kind::SecretKey }
}

fn holds_secret(value: &Json<'_>, grade: Grade) -> bool {
    match value {
        Json::Null | Json::Bool(_) => false,
        Json::Int(_) | Json::UInt(_) | Json::Float(_) => match grade {
            Grade::Secret | Grade::Authorization | Grade::Cookie => true,
            Grade::Code => matches!(value, Json::Int(100..=9_999_999_999)),
            Grade::Likely | Grade::Phrase | Grade::Weak | Grade::Query => false,
        },
        Json::Str(text) => is_secret(text, grade),
        Json::Array(items) => items.iter().any(|item| holds_secret(item, grade)),
        Json::Object(members) => members.iter().any(|(name, value)| grade.reaches(name) && holds_secret(value, grade)),
    }
}

fn is_secret(text: &str, grade: Grade) -> bool {
    secret_value::secret_start(text, grade).is_some()
}

/// Whether a value can be somebody's name or a postal code at all.
fn is_telling(value: &Json<'_>) -> bool {
    match value {
        Json::Str(text) => text
            .bytes()
            .enumerate()
            .any(|(at, b)| b.is_ascii_uppercase() || b >= 0x80 || b == b' ' || at == 0 && b.is_ascii_digit()),
        Json::Array(_) => true,
        Json::Null | Json::Bool(_) | Json::Int(_) | Json::UInt(_) | Json::Float(_) | Json::Object(_) => false,
    }
}

/// What the members of an object are about, if one is among them whose meaning depends on it.
fn what_is_beside(members: &[(Cow<'_, str>, Json<'_>)]) -> Beside {
    let heeds = |name: &str, value| {
        detect::may_heed_neighbours(name) && is_telling(value) && Meaning::of(name).heeds_neighbours
    };
    if members.iter().any(|(name, value)| heeds(name, value)) {
        members.iter().fold(Beside::default(), |beside, (name, _)| beside | Meaning::of(name).beside)
    } else {
        Beside::default()
    }
}

/// The grade of a header's name in a flat list of names and values.
fn header_grade(text: &str) -> Option<Grade> {
    if !is_header_name(text) {
        return None;
    }
    key_name::grade(text).filter(|grade| match grade {
        Grade::Authorization | Grade::Cookie => true,
        Grade::Secret => text.contains('-'),
        Grade::Likely | Grade::Phrase | Grade::Code | Grade::Weak | Grade::Query => false,
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
