//! A policy as it was written: every section and rule read once, checked as far as it can be without what lies under it.
//!
//! What is not said is `None` here: the layer below decides then. What a layer changes in another one is checked in `lay`.

use regex_automata::meta::Regex;
use toml::Table;

use super::section::Section;
use super::stream::Stream;
use super::{PolicyError, UserPolicy, What, fold_name};
use crate::privacy::address::Prefixes;
use crate::privacy::consent::{Droppable, Dropped, SignalPolicy};
use crate::privacy::detect::Kind;
use crate::privacy::preset::Preset;
use crate::privacy::redaction::is_placeholder;
use crate::privacy::selector::Selector;
use crate::privacy::trial::Trial;

/// A compiled pattern may take this much memory; more would make a text's scan slow.
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// Thirteen months, the longest that regulators of audience measurement allow an identifier to live.
const ROTATION_DAYS_MAX: i64 = 395;
/// More rules than this in one section are a mistake.
pub(super) const RULES_MAX: usize = 256;
/// More tests than this would make loading slow.
const TRIALS_MAX: usize = 256;
/// Ids of what the pipeline does to an event's own members; no rule may be called so.
const RESERVED: [&str; 10] = [
    "user",
    "address",
    "session",
    "user_agent",
    "consent",
    "consent_flag",
    "consent_gpc",
    "consent_dnt",
    "fields",
    "removed",
];

/// A whole policy.
pub(in crate::privacy) struct Layer {
    pub(super) text: String,
    pub(super) name: Option<String>,
    pub(super) start: Option<Start>,
    /// What holds for all streams.
    pub(super) all: Written,
    pub(super) streams: Vec<(Stream, Written)>,
    pub(in crate::privacy) trials: Vec<Trial>,
}

/// What a policy starts from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    Preset(Preset),
    /// The gateway's policy.
    Gateway,
}

/// What is said of all streams, or of one.
#[derive(Default)]
pub(super) struct Written {
    /// Leads the places of its problems: empty, or `streams.mcp`.
    pub(super) place: String,
    pub(super) address: WrittenAddress,
    pub(super) user: Option<UserPolicy>,
    /// Of all streams only: a user has one pseudonym in all of them.
    pub(super) rotation_days: Option<u16>,
    pub(super) gpc: Option<SignalPolicy>,
    pub(super) dnt: Option<SignalPolicy>,
    pub(super) minimize: Option<Dropped>,
    pub(super) fields: WrittenFields,
    pub(super) rules: Vec<WrittenRule>,
}

#[derive(Default)]
pub(super) struct WrittenAddress {
    pub(super) word: Option<AddressWord>,
    pub(super) v4: Option<u8>,
    pub(super) v6: Option<u8>,
    pub(super) country: Option<bool>,
    pub(super) region: Option<bool>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum AddressWord {
    Drop,
    Truncate,
    Pseudonymize,
}

#[derive(Default)]
pub(super) struct WrittenFields {
    pub(super) mode: Option<Mode>,
    pub(super) keep: Option<Selector>,
    pub(super) drop: Option<Selector>,
}

/// Which fields stay when nothing is said of them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// All.
    Deny,
    /// None.
    Allow,
}

/// An entry of `[[rules]]`.
pub(super) struct WrittenRule {
    pub(super) place: String,
    pub(super) id: String,
    pub(super) enabled: Option<bool>,
    pub(super) what: Option<What>,
    /// Whether it says what it looks for, be it understood or not.
    pub(super) looks: bool,
    pub(super) selector: Option<Selector>,
    pub(super) method: Option<WrittenMethod>,
}

pub(super) enum WrittenMethod {
    Remove,
    Replace(Option<Box<str>>),
    Mask {
        keep: usize,
    },
    /// Without a length: the network of an address.
    Truncate(Option<usize>),
    Pseudonymize,
}

impl Layer {
    /// The whole as it was written.
    pub(in crate::privacy) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it starts from a preset of its own, not from what lies under it.
    pub(in crate::privacy) fn starts_anew(&self) -> bool {
        matches!(self.start, Some(Start::Preset(_)))
    }

    /// Whether it says that it starts from the gateway's policy.
    pub(in crate::privacy) fn extends_gateway(&self) -> bool {
        self.start == Some(Start::Gateway)
    }

    /// Reads a whole policy. What it returns may run only if no problem was noted.
    pub(super) fn read(text: &str, table: &Table, problems: &mut Vec<PolicyError>) -> Layer {
        let mut top = Section::new("", table, problems);
        let preset = top.choice("preset", &Preset::ALL.map(|p| (p.name(), p))).map(Start::Preset);
        let gateway = top.choice("extends", &[("gateway", Start::Gateway)]);
        if top.has("preset") && top.has("extends") {
            top.problem("extends", "a policy has one of `preset` and `extends`");
        }
        let name = top.text("name").map(str::to_owned);
        let all = Written::read(&mut top);
        let mut streams = Vec::new();
        top.section("streams", |section| read_streams(section, &mut streams));
        let mut trials = Vec::new();
        top.list("tests", |section| trials.extend(Trial::read(section)));
        if trials.len() > TRIALS_MAX {
            top.problem("tests", format!("more than {TRIALS_MAX} tests"));
        }
        top.finish();
        Layer { text: text.to_owned(), name, start: preset.or(gateway), all, streams, trials }
    }
}

fn read_streams(section: &mut Section<'_>, streams: &mut Vec<(Stream, Written)>) {
    for name in section.keys() {
        match Stream::from_name(name) {
            Some(stream) => streams.extend(section.member(name, Written::read).map(|written| (stream, written))),
            None => section.refuse(name, format!("is no stream; streams are {}", Stream::names())),
        }
    }
}

impl Written {
    fn read(section: &mut Section<'_>) -> Written {
        let mut written = Written { place: section.place().to_owned(), ..Written::default() };
        let user = [("pseudonymize", UserPolicy::Pseudonymize), ("remove", UserPolicy::Remove)];
        section.section("address", |section| written.address = read_address(section));
        section.section("user", |section| {
            written.user = section.choice("policy", &user);
            written.rotation_days = read_rotation(section);
        });
        section.section("consent", |section| {
            let choices = [SignalPolicy::Ignore, SignalPolicy::Minimize, SignalPolicy::Reject].map(|p| (p.name(), p));
            written.gpc = section.choice("gpc", &choices);
            written.dnt = section.choice("dnt", &choices);
            written.minimize = read_dropped(section);
        });
        section.section("fields", |section| {
            written.fields = WrittenFields {
                mode: section.choice("mode", &[("deny", Mode::Deny), ("allow", Mode::Allow)]),
                keep: read_selector(section, "keep"),
                drop: read_selector(section, "drop"),
            };
        });
        section.list("rules", |section| written.rules.extend(read_rule(section)));
        if written.rules.len() > RULES_MAX {
            section.problem("rules", format!("more than {RULES_MAX} rules"));
        }
        written
    }
}

fn read_address(section: &mut Section<'_>) -> WrittenAddress {
    let words =
        [("drop", AddressWord::Drop), ("truncate", AddressWord::Truncate), ("pseudonymize", AddressWord::Pseudonymize)];
    let bits = |n: i64| u8::try_from(n).ok();
    WrittenAddress {
        v4: section.integer("v4", 0, i64::from(Prefixes::V4_MAX)).and_then(bits),
        v6: section.integer("v6", 0, i64::from(Prefixes::V6_MAX)).and_then(bits),
        word: section.choice("policy", &words),
        country: section.boolean("country"),
        region: section.boolean("region"),
    }
}

fn read_rotation(section: &mut Section<'_>) -> Option<u16> {
    if section.has("rotate_days") && section.place() != "user" {
        section.problem("rotate_days", "holds for all streams or none: a user has one pseudonym in all of them");
    }
    section.integer("rotate_days", 0, ROTATION_DAYS_MAX).and_then(|days| u16::try_from(days).ok())
}

/// What a minimized event is kept without.
fn read_dropped(section: &mut Section<'_>) -> Option<Dropped> {
    let names = section.texts("minimize")?;
    let known: Option<Vec<Droppable>> = names.iter().map(|name| Droppable::from_name(name)).collect();
    if known.is_none() {
        section.problem("minimize", format!("must be among {}", Droppable::ALL.map(Droppable::name).join(", ")));
    }
    known.map(Dropped::of)
}

fn read_rule(section: &mut Section<'_>) -> Option<WrittenRule> {
    let id = read_id(section);
    let rule = WrittenRule {
        place: section.place().to_owned(),
        id: id.clone().unwrap_or_default(),
        enabled: section.boolean("enabled"),
        looks: ["detector", "pattern", "keys"].into_iter().any(|key| section.has(key)),
        what: read_what(section),
        selector: read_selector(section, "selector"),
        method: read_method(section),
    };
    id.map(|_| rule)
}

fn read_id(section: &mut Section<'_>) -> Option<String> {
    let Some(id) = section.text("id") else {
        if !section.has("id") {
            section.problem("id", "is missing");
        }
        return None;
    };
    let well_formed =
        (1..=30).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_lowercase() || matches!(b, b'_' | b'-'));
    if !well_formed {
        section.problem("id", "must be 1 to 30 lower-case letters, `_` and `-`");
        return None;
    }
    if RESERVED.contains(&id) {
        section.problem("id", format!("is reserved, as are {}", RESERVED.join(", ")));
        return None;
    }
    Some(id.to_owned())
}

fn read_what(section: &mut Section<'_>) -> Option<What> {
    let given = ["detector", "pattern", "keys"].into_iter().filter(|key| section.has(key)).count();
    if given > 1 {
        section.problem("detector", "a rule has one of `detector`, `pattern` and `keys`");
    }
    let detector = section.texts("detector").and_then(|names| read_detectors(section, &names));
    let pattern = section.text("pattern").map(str::to_owned).and_then(|source| read_pattern(section, source));
    let names = section.texts("keys").and_then(|names| {
        let folded: Vec<String> = names.iter().map(|name| fold_name(name)).collect();
        if folded.is_empty() || folded.iter().any(String::is_empty) {
            section.problem("keys", "must be names with at least one letter or digit");
            return None;
        }
        Some(What::Names(folded))
    });
    if given > 1 { None } else { detector.or(pattern).or(names) }
}

fn read_detectors(section: &mut Section<'_>, names: &[String]) -> Option<What> {
    let mut kinds = Vec::new();
    for name in names {
        match Kind::from_name(name) {
            Some(kind) => kinds.push(kind),
            None => {
                let known = Kind::ALL.map(Kind::name).join(", ");
                section.problem("detector", format!("is unknown; known are {known}"));
                return None;
            }
        }
    }
    if kinds.is_empty() {
        section.problem("detector", "must name a detector");
    }
    Some(What::Detectors(kinds)).filter(|_| !names.is_empty())
}

fn read_pattern(section: &mut Section<'_>, source: String) -> Option<What> {
    let config = Regex::config().nfa_size_limit(Some(PATTERN_BYTES_MAX));
    match Regex::builder().configure(config).build(&source) {
        Ok(regex) if regex.is_match("") => {
            section.problem("pattern", "must not match the empty text");
            None
        }
        Ok(regex) => Some(What::Pattern(Box::new(regex), source)),
        Err(error) => {
            section.problem("pattern", format!("is not a regular expression: {}", regex_problem(&error)));
            None
        }
    }
}

/// What is wrong, without the pattern, which the whole message shows with a mark under the place.
fn regex_problem(error: &dyn std::error::Error) -> String {
    let text = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    text.rsplit("error: ").next().unwrap_or_default().lines().next().unwrap_or_default().to_owned()
}

/// One selector, or several of which one must match.
fn read_selector(section: &mut Section<'_>, key: &'static str) -> Option<Selector> {
    let texts = section.texts(key)?;
    if texts.is_empty() {
        section.problem(key, "must name at least one place");
    }
    let mut selectors = Vec::new();
    for text in texts {
        match Selector::parse(&text) {
            Ok(selector) => selectors.push(selector),
            Err(invalid) => section.problem(key, format!("is not a selector: {invalid}")),
        }
    }
    match selectors.len() {
        0 => None,
        1 => selectors.pop(),
        _ => Some(Selector::any_of(selectors)),
    }
}

fn read_method(section: &mut Section<'_>) -> Option<WrittenMethod> {
    let names = ["remove", "replace", "mask", "truncate", "pseudonymize"];
    let chosen = section.choice("method", &names.map(|name| (name, name)));
    let text: Option<Box<str>> = section.text("text").map(Into::into);
    let keep = section.integer("keep", 0, 8).and_then(|n| usize::try_from(n).ok());
    let length = section.integer("length", 1, 64).and_then(|n| usize::try_from(n).ok());
    for (key, owner) in [("text", "replace"), ("keep", "mask"), ("length", "truncate")] {
        let replaced_by_default = key == "text" && !section.has("method");
        if section.has(key) && chosen != Some(owner) && !replaced_by_default {
            section.problem(key, format!("belongs to the method `{owner}`"));
        }
    }
    if text.as_deref().is_some_and(|text| !is_placeholder(text)) {
        section.problem(
            "text",
            "could be mistaken for data: write letters, `_` and `-` in brackets, such as `[customer_number]`",
        );
    }
    match chosen {
        Some("remove") => Some(WrittenMethod::Remove),
        Some("replace") => Some(WrittenMethod::Replace(text)),
        Some("mask") => Some(WrittenMethod::Mask { keep: keep.unwrap_or(4) }),
        Some("truncate") => Some(WrittenMethod::Truncate(length)),
        Some("pseudonymize") => Some(WrittenMethod::Pseudonymize),
        Some(_) | None => text.map(|text| WrittenMethod::Replace(Some(text))),
    }
}
