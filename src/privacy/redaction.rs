//! What a rule does to what it found: a short, closed list of methods.
//!
//! Every method leaves something that no detector takes for data again. Placeholders are words in brackets, and the policy compiler
//! accepts no other form for them (`is_placeholder`).

use std::borrow::Cow;

use super::address;
use super::pseudonym::{PseudonymKeys, VALUE, is_pseudonym, pseudonym};

/// A redaction method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// Nothing is left: a match becomes empty, a member found by its name is dropped.
    Remove,
    /// A placeholder, such as `[email]`.
    Replace(Box<str>),
    /// Asterisks, but for the last `keep` characters.
    Mask {
        /// Characters left in clear, at most half of the value.
        keep: usize,
    },
    /// The first `length` characters.
    Truncate {
        /// Characters kept.
        length: usize,
    },
    /// An address becomes its network. For the detector `ip` only.
    Network(address::Prefixes),
    /// A keyed hash, `p_...`.
    Pseudonymize,
}

impl Method {
    /// The name in a policy file.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Method::Remove => "remove",
            Method::Replace(_) => "replace",
            Method::Mask { .. } => "mask",
            Method::Truncate { .. } | Method::Network(_) => "truncate",
            Method::Pseudonymize => "pseudonymize",
        }
    }

    /// What stands in for `matched`, `None` when nothing needs to change. `fallback` is written where a pseudonym is asked for and
    /// no keys are at hand.
    pub(super) fn apply<'s>(
        &'s self,
        matched: &str,
        fallback: &'s str,
        keys: Option<PseudonymKeys<'_>>,
    ) -> Option<Cow<'s, str>> {
        let after: Cow<'s, str> = match self {
            Method::Remove => Cow::Borrowed(""),
            Method::Replace(text) => Cow::Borrowed(text),
            Method::Mask { keep } => Cow::Owned(mask(matched, *keep)),
            Method::Truncate { length } => Cow::Owned(matched.chars().take(*length).collect()),
            Method::Network(prefixes) => match address::parse(matched) {
                Some(full) => Cow::Owned(address::truncate(full, *prefixes).to_string()),
                None => Cow::Borrowed(fallback),
            },
            Method::Pseudonymize => match keys {
                Some(keys) => Cow::Owned(pseudonym(keys.user, VALUE, matched.as_bytes())),
                None => Cow::Borrowed(fallback),
            },
        };
        (after != matched).then_some(after)
    }
}

fn mask(matched: &str, keep: usize) -> String {
    let length = matched.chars().count();
    let hidden = length - keep.min(length / 2);
    "*".repeat(hidden).chars().chain(matched.chars().skip(hidden)).collect()
}

/// Whether `text` is a placeholder: letters, `_` and `-` between brackets or angle brackets, or mask characters alone.
pub(super) fn is_placeholder(text: &str) -> bool {
    let inner = |open, close| text.strip_prefix(open).and_then(|rest: &str| rest.strip_suffix(close));
    if let Some(word) = inner('[', ']').or_else(|| inner('<', '>')) {
        return (1..=32).contains(&word.len())
            && word.bytes().all(|b| b.is_ascii_alphabetic() || matches!(b, b'_' | b'-'));
    }
    !text.is_empty() && (text.bytes().all(|b| b == b'*') || text.chars().all(|c| c == '•'))
}

/// Whether a value has been dealt with already: a placeholder or a pseudonym.
pub(super) fn is_settled(text: &str) -> bool {
    is_placeholder(text) || is_pseudonym(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(method: &Method, text: &str) -> Option<String> {
        let keys = PseudonymKeys { user: &[1; 32], address: &[2; 32], session: &[3; 32] };
        method.apply(text, "[rule]", Some(keys)).map(Cow::into_owned)
    }

    #[test]
    fn each_method_does_what_its_name_says() {
        assert_eq!(applied(&Method::Remove, "4111").as_deref(), Some(""));
        assert_eq!(applied(&Method::Replace("[card]".into()), "4111").as_deref(), Some("[card]"));
        assert_eq!(applied(&Method::Mask { keep: 4 }, "4111111111111111").as_deref(), Some("************1111"));
        assert_eq!(applied(&Method::Mask { keep: 4 }, "müß").as_deref(), Some("**ß"));
        assert_eq!(applied(&Method::Truncate { length: 2 }, "éàü").as_deref(), Some("éà"));
        assert_eq!(applied(&Method::Network(address::Prefixes::DEFAULT), "192.0.2.9").as_deref(), Some("192.0.2.0"));
        assert!(applied(&Method::Pseudonymize, "x").is_some_and(|text| is_pseudonym(&text) && text.starts_with("p_")));
    }

    #[test]
    fn a_second_application_changes_nothing() {
        for (method, text) in [
            (Method::Mask { keep: 2 }, "secret"),
            (Method::Truncate { length: 3 }, "secret"),
            (Method::Network(address::Prefixes::DEFAULT), "2001:db8:1:2::3"),
        ] {
            let once = applied(&method, text).unwrap();
            assert_eq!(applied(&method, &once), None, "{method:?}");
        }
    }

    #[test]
    fn placeholders_hold_words_and_never_data() {
        for text in ["[email]", "<token>", "[Filtered]", "****", "[card_number]"] {
            assert!(is_placeholder(text), "{text}");
        }
        for text in ["", "[]", "[hunter2]", "email", "[a", "***a", "[ann@example.com]"] {
            assert!(!is_placeholder(text), "{text}");
        }
    }
}
