//! Which fields an event or value may have at all: the allow-list mode, and fields that always go.
//!
//! Owns the decision by place and the removal, before any rule looks at what is left. A selector that matches a member or item decides for it and
//! for everything below it; `drop` outdoes `keep`. Items of an array that go leave `null` behind, so that the others keep their numbers and a second
//! pass changes nothing.
//!
//! An event's type, time and consent flag are not fields in this sense: without them there is no event.

use std::sync::Arc;

use super::event::Fields;
use super::json::{Json, Members};
use super::receipt::Receipt;
use super::selector::{Place, Selector, ValueType};

/// Which fields stay.
#[derive(Clone, Debug, Default)]
pub(super) struct FieldPolicy {
    /// `Some`: only these (`mode = "allow"`).
    pub(super) keep: Option<Selector>,
    /// Not even these.
    pub(super) drop: Option<Selector>,
}

impl FieldPolicy {
    /// Whether every field stays.
    pub(super) fn keeps_all(&self) -> bool {
        self.keep.is_none() && self.drop.is_none()
    }

    /// Removes what may not stay from an event; counts it by `rule`.
    pub(super) fn trim_event(&self, fields: &mut Fields<'_>, rule: &Arc<str>, receipt: &mut Receipt) {
        let mut trim = Trim { policy: self, rule, receipt };
        for (name, text) in fields.texts() {
            trim.option(name, ValueType::String, text);
        }
        trim.option("duration_ms", ValueType::Number, &mut fields.duration_ms);
        trim.option("status", ValueType::Number, &mut fields.status);
        trim.option("value", ValueType::Number, &mut fields.value);
        trim.option("ok", ValueType::Other, &mut fields.ok);
        let place = Place::root("attributes");
        match trim.verdict(Some(&place), ValueType::Other, false) {
            Verdict::Goes => {
                trim.count(fields.attributes.len());
                fields.attributes.clear();
            }
            Verdict::Stays => trim.members(&mut fields.attributes, Some(&place), true),
            Verdict::Asks => trim.members(&mut fields.attributes, Some(&place), false),
        }
    }

    /// The same of any JSON value, which becomes `null` if nothing of it may stay.
    pub(super) fn trim_value(&self, value: &mut Json<'_>, rule: &Arc<str>, receipt: &mut Receipt) {
        let mut trim = Trim { policy: self, rule, receipt };
        if !trim.stays(value, None, false) {
            *value = Json::Null;
        }
    }
}

/// What the selectors say of a place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Stays,
    Goes,
    /// It goes unless something below it stays.
    Asks,
}

struct Trim<'t> {
    policy: &'t FieldPolicy,
    rule: &'t Arc<str>,
    receipt: &'t mut Receipt,
}

impl Trim<'_> {
    /// `kept`: something above stays.
    fn verdict(&self, place: Option<&Place<'_>>, value: ValueType, kept: bool) -> Verdict {
        let matches = |selector: &Selector| selector.matches(place, value);
        if self.policy.drop.as_ref().is_some_and(matches) {
            Verdict::Goes
        } else if kept || self.policy.keep.as_ref().is_none_or(matches) {
            Verdict::Stays
        } else {
            Verdict::Asks
        }
    }

    fn option<T>(&mut self, name: &'static str, kind: ValueType, field: &mut Option<T>) {
        if field.is_some() && self.verdict(Some(&Place::root(name)), kind, false) != Verdict::Stays {
            *field = None;
            self.count(1);
        }
    }

    fn members(&mut self, members: &mut Members<'_>, parent: Option<&Place<'_>>, kept: bool) {
        members.retain_mut(|(name, value)| self.stays(value, Some(&Place::member(parent, name)), kept));
    }

    /// Trims a value; whether it stays.
    fn stays(&mut self, value: &mut Json<'_>, place: Option<&Place<'_>>, kept: bool) -> bool {
        let kind = match value {
            Json::Str(_) => ValueType::String,
            Json::Int(_) | Json::UInt(_) | Json::Float(_) => ValueType::Number,
            Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => ValueType::Other,
        };
        let verdict = self.verdict(place, kind, kept);
        let stays = match (verdict, value) {
            (Verdict::Goes, _) => false,
            (_, Json::Object(members)) if !members.is_empty() => {
                self.members(members, place, verdict == Verdict::Stays);
                return verdict == Verdict::Stays || !members.is_empty();
            }
            (_, Json::Array(items)) if !items.is_empty() => {
                let some = self.items(items, place, verdict == Verdict::Stays);
                return verdict == Verdict::Stays || some;
            }
            (verdict, _) => verdict == Verdict::Stays,
        };
        if !stays {
            self.count(1);
        }
        stays
    }

    /// Trims the items of an array; whether any of them stays.
    fn items(&mut self, items: &mut [Json<'_>], parent: Option<&Place<'_>>, kept: bool) -> bool {
        let mut some = false;
        for (index, item) in items.iter_mut().enumerate() {
            let place = Place::item(parent, index);
            if matches!(item, Json::Null) {
                some |= self.verdict(Some(&place), ValueType::Other, kept) == Verdict::Stays;
            } else if self.stays(item, Some(&place), kept) {
                some = true;
            } else {
                *item = Json::Null;
            }
        }
        some
    }

    fn count(&mut self, n: usize) {
        (0..n).for_each(|_| self.receipt.count(self.rule));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::privacy::json::CleanJson;

    fn trimmed(keep: Option<&str>, drop: Option<&str>, text: &str) -> (String, u64) {
        let parse = |text: &str| Selector::parse(text).unwrap();
        let policy = FieldPolicy { keep: keep.map(parse), drop: drop.map(parse) };
        let mut receipt = Receipt::default();
        let mut value = Json::parse(text.as_bytes(), 32).unwrap();
        policy.trim_value(&mut value, &"fields".into(), &mut receipt);
        let mut out = Vec::new();
        CleanJson::new(value).write_to(&mut out);
        (String::from_utf8(out).unwrap(), receipt.total())
    }

    #[test]
    fn what_is_named_stays_with_what_is_below_it_and_nothing_else() {
        for (keep, drop, text, expected, gone) in [
            ("a", None, r#"{"a":{"b":[1]},"c":2}"#, r#"{"a":{"b":[1]}}"#, 1),
            ("a.b", None, r#"{"a":{"b":1,"c":{"d":1,"e":2}},"f":3}"#, r#"{"a":{"b":1}}"#, 3),
            ("a", Some("**.secret"), r#"{"a":{"secret":{"x":1},"b":1}}"#, r#"{"a":{"b":1}}"#, 1),
            ("$number", None, r#"{"a":1,"b":"x","c":[2,"y"],"d":["z"]}"#, r#"{"a":1,"c":[2,null]}"#, 3),
            ("list.1", None, r#"{"list":[1,2,3]}"#, r#"{"list":[null,2,null]}"#, 2),
            ("a", None, r#"{"b":{}}"#, "null", 1),
            ("a", None, r#""alone""#, "null", 1),
            ("**", None, r#"{"a":[null,{}]}"#, r#"{"a":[null,{}]}"#, 0),
        ] {
            let once = trimmed(Some(keep), drop, text);
            assert_eq!(once, (expected.to_owned(), gone), "{keep} on {text}");
            assert_eq!(trimmed(Some(keep), drop, &once.0).0, once.0, "a second pass changes nothing: {keep} on {text}");
        }
        assert_eq!(trimmed(None, Some("a.b"), r#"{"a":{"b":[1,2],"c":1}}"#), (r#"{"a":{"c":1}}"#.to_owned(), 1));
    }
}
