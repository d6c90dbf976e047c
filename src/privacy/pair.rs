//! Objects that are pairs: one member holds a name, another the value that it names.
//!
//! `{"name": "authorization", "value": "..."}` is how headers, attributes, changes (`field` and `toString`), answers (`label` and `answer`) and typed
//! parameters (`valueString`) are written; a JSON patch has `path` and `value`. Members are told by the words they end in. What is below a
//! `default` or `max_value` is not what the name names.

use std::borrow::Cow;

use super::json::Json;

/// What a pair may be of, before the word for its name or value: `propertyName`, `attribute_value`.
const PARTS: [&str; 11] = [
    "property",
    "attribute",
    "attr",
    "field",
    "header",
    "param",
    "parameter",
    "column",
    "variable",
    "setting",
    "option",
];

/// Which of several values it is.
const TURNS: [&str; 10] = ["new", "old", "current", "previous", "prev", "before", "after", "to", "from", "string"];

/// The types that FHIR and others put behind `value`: `valueString`.
const TYPES: [&str; 16] = [
    "string",
    "integer",
    "int",
    "number",
    "decimal",
    "double",
    "float",
    "boolean",
    "date",
    "datetime",
    "text",
    "code",
    "json",
    "address",
    "identifier",
    "phone",
];

/// The name in a pair; of a JSON patch, the last part of its path.
pub(super) fn name<'m>(members: &'m [(Cow<'_, str>, Json<'_>)]) -> Option<&'m str> {
    if !members.iter().any(|(name, _)| is_value(name)) {
        return None;
    }
    let text = |wanted: &dyn Fn(&str) -> bool| match members.iter().find(|(name, _)| wanted(name)) {
        Some((_, Json::Str(text))) => Some(&**text),
        _ => None,
    };
    let patch = || text(&|name| name == "op").and_then(|_| text(&|name| name == "path")).and_then(last_step);
    text(&is_name).or_else(patch).or_else(|| text(&|name| name == "id").filter(|id| is_called(id)))
}

/// Whether an id is what somebody called a field, and no number or random letters.
fn is_called(id: &str) -> bool {
    const LONGEST: usize = 32;
    id.len() <= LONGEST && id.bytes().all(|b| b.is_ascii_alphabetic() || matches!(b, b'_' | b'-' | b'.'))
}

/// The last part of a path that is no index.
fn last_step(path: &str) -> Option<&str> {
    path.rsplit('/').find(|step| step.bytes().any(|b| b.is_ascii_alphabetic()))
}

/// Whether a member holds the name of a pair.
fn is_name(name: &str) -> bool {
    matches!(
        name,
        "name" | "key" | "header" | "field" | "k" | "label" | "attribute" | "property" | "parameter" | "question"
    ) || before(name, "name").or_else(|| before(name, "key")).is_some_and(|part| is_one_of(&PARTS, part))
}

/// Whether a member holds the value of a pair.
#[inline]
pub(super) fn is_value(name: &str) -> bool {
    // Every member of every object is asked: most are told by a byte or two.
    match name.as_bytes() {
        [b'v', ..] => matches!(name, "value" | "values" | "val" | "v") || is_typed(name),
        b"content" | b"answer" | b"new" | b"old" => true,
        [_, .., b'a' | b'A', b'l', b'u', b'e'] => {
            before(name, "value").is_some_and(|part| is_one_of(&PARTS, part) || is_one_of(&TURNS, part))
        }
        [_, .., b'r', b'i', b'n', b'g'] => before(name, "string").is_some_and(|turn| is_one_of(&TURNS, turn)),
        _ => false,
    }
}

/// Whether a type stands behind `value`.
fn is_typed(name: &str) -> bool {
    name.strip_prefix("value")
        .is_some_and(|kind| kind.starts_with(|c: char| c.is_ascii_uppercase()) && is_one_of(&TYPES, kind))
}

/// What stands before a name's last word.
fn before<'n>(name: &'n str, last: &str) -> Option<&'n str> {
    let (first, end) = name.split_at_checked(name.len().checked_sub(last.len())?)?;
    let whole = end.eq_ignore_ascii_case(last)
        && (first.ends_with(['_', '-']) || end.starts_with(|c: char| c.is_ascii_uppercase()));
    whole.then(|| first.trim_end_matches(['_', '-']))
}

fn is_one_of(words: &[&str], word: &str) -> bool {
    words.iter().any(|known| known.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_pairs() {
        for name in ["name", "propertyName", "attribute_name", "header-name", "paramKey"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["filename", "user_name", "lastName", "monkey", "apiKey", "surname", ""] {
            assert!(!is_name(name), "{name}");
        }
        for name in ["value", "newValue", "old_value", "toString", "valueString", "propertyValue"] {
            assert!(is_value(name), "{name}");
        }
        for name in
            ["maxValue", "default_value", "valued", "substring", "values_count", "valueFrom", "connectionString"]
        {
            assert!(!is_value(name), "{name}");
        }
        assert_eq!(last_step("/users/0/password/-"), Some("password"));
    }
}
