//! Policies: what the operator wrote, checked as a whole, and what runs.
//!
//! `compile` reads a policy file (`config/privacy.toml` is the default and the manual), lays it over a preset and builds a
//! `CompiledPolicy`. It fails closed: whatever is not understood is a problem, and all problems are reported at once, each with its
//! place, so that a misspelt rule never runs as no rule.

mod read;
mod section;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use regex_automata::meta::Regex;
use toml::Table;

use super::address::AddressPolicy;
use super::consent::ConsentPolicy;
use super::detect::{Kind, Kinds};
use super::geo::GeoPolicy;
use super::preset::Preset;
use super::redaction::Method;
use super::selector::{Place, Selector, ValueType};

/// One thing that is wrong with a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    /// Where: `address.v4`, `rules[2].method`, a line and column.
    pub place: String,
    /// What.
    pub problem: String,
}

/// Everything that is wrong with a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyErrors(pub Vec<PolicyError>);

impl std::error::Error for PolicyErrors {}

/// One problem a line.
impl fmt::Display for PolicyErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, error) in self.0.iter().enumerate() {
            let end = if n + 1 == self.0.len() { "" } else { "\n" };
            write!(f, "{}: {}{end}", error.place, error.problem)?;
        }
        Ok(())
    }
}

/// What becomes of an event's `user`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UserPolicy {
    Pseudonymize,
    Remove,
}

/// A policy as it runs.
pub(super) struct CompiledPolicy {
    pub(super) name: String,
    pub(super) preset: Preset,
    pub(super) address: AddressPolicy,
    pub(super) geo: GeoPolicy,
    pub(super) user: UserPolicy,
    /// Days after which users' pseudonyms change; 0: they do not.
    pub(super) user_rotation_days: u16,
    pub(super) consent: ConsentPolicy,
    pub(super) rules: Vec<Rule>,
    /// Kinds that some rule wants everywhere.
    everywhere: Kinds,
    /// Rules of detectors whose selector has to be asked.
    selective: Vec<(Kind, usize)>,
    /// Rules by detector, the last declared first.
    by_kind: HashMap<Kind, Vec<usize>>,
    /// Rules by member name, folded by [`fold_name`].
    by_name: ByName,
    /// Rules with patterns.
    pub(super) patterns: Vec<usize>,
}

/// One rule as it runs.
pub(super) struct Rule {
    pub(super) id: Arc<str>,
    pub(super) what: What,
    pub(super) selector: Selector,
    pub(super) method: Method,
    /// `[id]`, or the detector's own word.
    pub(super) placeholder: Box<str>,
}

/// What a rule looks for.
pub(super) enum What {
    Detector(Kind),
    Pattern(Box<Regex>, String),
    Names(Vec<String>),
}

impl CompiledPolicy {
    /// Whether no rule looks at texts, numbers and names: then nothing in them can be found.
    pub(super) fn finds_nothing(&self) -> bool {
        self.rules.is_empty()
    }

    /// The kinds that are wanted at a place.
    pub(super) fn wanted(&self, place: Option<&Place<'_>>, value: ValueType) -> Kinds {
        let mut wanted = self.everywhere;
        for (kind, rule) in &self.selective {
            if !wanted.contains(*kind) && self.rules.get(*rule).is_some_and(|rule| rule.selector.matches(place, value))
            {
                wanted.insert(*kind);
            }
        }
        wanted
    }

    /// The rule for a find of `kind` at a place: of those whose selector matches, the last declared.
    pub(super) fn rule_for(&self, kind: Kind, place: Option<&Place<'_>>, value: ValueType) -> Option<&Rule> {
        self.first_match(self.by_kind.get(&kind)?, place, value)
    }

    /// The rule for a member of that name.
    pub(super) fn rule_for_name(&self, name: &str, place: &Place<'_>) -> Option<&Rule> {
        self.first_match(self.by_name.get(name)?, Some(place), ValueType::String)
    }

    fn first_match(&self, rules: &[usize], place: Option<&Place<'_>>, value: ValueType) -> Option<&Rule> {
        rules.iter().filter_map(|rule| self.rules.get(*rule)).find(|rule| rule.selector.matches(place, value))
    }

    /// A text from which the policy's hash is made: the same for two files that mean the same.
    pub(super) fn canonical(&self) -> String {
        let mut text = format!(
            "tidegate-policy-1\n{}\n{:?}\n{:?}\n{:?} {}\n{:?}\n",
            self.name, self.address, self.geo, self.user, self.user_rotation_days, self.consent
        );
        for rule in &self.rules {
            let what = match &rule.what {
                What::Detector(kind) => format!("detector {}", kind.name()),
                What::Pattern(_, source) => format!("pattern {source:?}"),
                What::Names(names) => format!("keys {names:?}"),
            };
            text.push_str(&format!("{} {what} {} {:?}\n", rule.id, rule.selector, rule.method));
        }
        text
    }
}

/// Rules by folded member name. Nearly every name that is looked up is of no rule, so most are told by their length and last letter.
#[derive(Default)]
struct ByName {
    rules: HashMap<String, Vec<usize>>,
    lengths: u64,
    last_letters: u32,
}

impl ByName {
    /// Folded ASCII names up to this length are looked up without a copy on the heap.
    const FOLDED_BYTES: usize = 64;

    /// The rules of a name, the last declared first; empty and made now if there are none.
    fn entry(&mut self, name: &str) -> &mut Vec<usize> {
        let folded = fold_name(name);
        self.lengths |= 1 << (folded.len() % 64);
        self.last_letters |= letter_bit(folded.as_bytes().last());
        self.rules.entry(folded).or_default()
    }

    fn get(&self, name: &str) -> Option<&Vec<usize>> {
        if self.rules.is_empty() {
            return None;
        }
        if !name.is_ascii() || name.len() > Self::FOLDED_BYTES {
            return self.rules.get(&fold_name(name));
        }
        let letters = || name.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_lowercase());
        let (length, last) = (letters().count(), letters().next_back());
        if self.lengths & 1 << (length % 64) == 0 || self.last_letters & letter_bit(last.as_ref()) == 0 {
            return None;
        }
        let mut buffer = [0u8; Self::FOLDED_BYTES];
        buffer.iter_mut().zip(letters()).for_each(|(slot, letter)| *slot = letter);
        self.rules.get(std::str::from_utf8(buffer.get(..length)?).ok()?)
    }
}

fn letter_bit(letter: Option<&u8>) -> u32 {
    letter.map_or(0, |letter| 1 << (letter % 32))
}

/// A name's letters and digits, lower-cased: `X-Api-Key`, `x_api_key` and `xApiKey` are one name.
fn fold_name(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Reads and compiles a policy file. `address` overrides what preset and file say of addresses.
pub(super) fn compile(text: &str, address: Option<AddressPolicy>) -> Result<CompiledPolicy, PolicyErrors> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        let place = error.span().map_or("file".to_owned(), |span| place_of(text, span.start));
        PolicyErrors(vec![PolicyError { place, problem: error.message().to_owned() }])
    })?;
    let mut problems = Vec::new();
    let policy = read::read(&table, address, &mut problems);
    if problems.is_empty() { Ok(policy) } else { Err(PolicyErrors(problems)) }
}

fn place_of(text: &str, offset: usize) -> String {
    let before = text.get(..offset).unwrap_or(text);
    let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
    format!("line {}, column {column}", before.matches('\n').count() + 1)
}

impl CompiledPolicy {
    /// A policy without rules.
    fn new(name: String, preset: Preset, address: AddressPolicy, user: UserPolicy, consent: ConsentPolicy) -> Self {
        CompiledPolicy {
            name,
            preset,
            address,
            geo: preset.geo(),
            user,
            user_rotation_days: preset.user_rotation_days(),
            consent,
            rules: Vec::new(),
            everywhere: Kinds::default(),
            selective: Vec::new(),
            by_kind: HashMap::new(),
            by_name: ByName::default(),
            patterns: Vec::new(),
        }
    }

    /// Adds a rule; of rules for the same data, the last added counts.
    fn add(&mut self, mut rule: Rule) {
        if let Method::Network(prefixes) = &mut rule.method {
            *prefixes = self.address.prefixes();
        }
        let index = self.rules.len();
        match &rule.what {
            What::Detector(kind) => {
                if rule.selector.is_everywhere() {
                    self.everywhere.insert(*kind);
                } else {
                    self.selective.push((*kind, index));
                }
                self.by_kind.entry(*kind).or_default().insert(0, index);
            }
            What::Pattern(..) => self.patterns.push(index),
            What::Names(names) => {
                for name in names {
                    self.by_name.entry(name).insert(0, index);
                }
            }
        }
        self.rules.push(rule);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        match compile(text, None) {
            Ok(_) => vec![],
            Err(errors) => errors.0.into_iter().map(|error| error.place).collect(),
        }
    }

    #[test]
    fn the_default_policy_is_strict_and_is_its_preset() {
        let default = compile(super::super::DEFAULT_POLICY, None).unwrap();
        assert_eq!(default.preset, Preset::Strict);
        assert_eq!(compile("", None).unwrap().canonical(), default.canonical());
    }

    #[test]
    fn every_problem_is_reported_with_its_place_and_none_is_passed_over() {
        let text = r#"
            preset = "stict"
            adress = 1
            [address]
            policy = "mask"
            v4 = 32
            [user]
            policy = "keep"
            [consent]
            gpc = true
            [[rules]]
            id = "emial"
            [[rules]]
            id = "orders"
            pattern = "("
            [[rules]]
            id = "any"
            pattern = "x*"
            [[rules]]
            id = "email"
            method = "hash"
            selector = ["a..b", "ok"]
            [[rules]]
            id = "both"
            detector = "email"
            keys = ["x"]
            [[rules]]
            id = "unknown_detector"
            detector = "emial"
            [[rules]]
            id = "card"
            method = "replace"
            text = "4111"
            keep = 2
            [[rules]]
            method = "remove"
            [[rules]]
            id = "user"
        "#;
        assert_eq!(
            problems(text),
            [
                "preset",
                "address.v4",
                "address.policy",
                "user.policy",
                "consent.gpc",
                "rules[0].id",
                "rules[1].pattern",
                "rules[2].pattern",
                "rules[3].selector",
                "rules[3].method",
                "rules[4].detector",
                "rules[5].detector",
                "rules[6].keep",
                "rules[6].text",
                "rules[7].id",
                "rules[8].id",
                "adress"
            ]
        );
        assert_eq!(problems("preset = "), ["line 1, column 10"]);
    }

    #[test]
    fn a_later_entry_changes_a_rule_and_leaves_the_rest_of_it() {
        let text = r#"
            [[rules]]
            id = "email"
            method = "mask"
            keep = 2
            [[rules]]
            id = "email"
            selector = "attributes.**"
            [[rules]]
            id = "phone"
            enabled = false
        "#;
        let policy = compile(text, None).unwrap();
        let email = policy.rules.iter().find(|rule| &*rule.id == "email").unwrap();
        assert_eq!(email.method, Method::Mask { keep: 2 });
        assert!(!email.selector.is_everywhere());
        assert!(policy.rules.iter().all(|rule| &*rule.id != "phone"));
        assert!(!policy.wanted(None, ValueType::String).contains(Kind::Phone));
        assert!(!policy.wanted(None, ValueType::String).contains(Kind::Email));
    }

    #[test]
    fn the_hash_covers_meaning_and_not_layout() {
        let canonical = |text: &str, address| compile(text, address).unwrap().canonical();
        assert_eq!(canonical("# a comment\npreset='strict'", None), canonical("", None));
        assert_ne!(canonical("[address]\nv4=16", None), canonical("", None));
        assert_ne!(canonical("", Some(AddressPolicy::Pseudonymize)), canonical("", None));
        assert_ne!(canonical("[[rules]]\nid='email'\nmethod='remove'", None), canonical("", None));
    }
}
