//! Policies: what the operator wrote, checked as a whole, and what runs.
//!
//! Reading order: a text becomes a `Layer` ([`written`], through [`section`]); layers (a preset, the gateway's policy, a tenant's) are put upon each
//! other, once for every combination of [`stream`] sections ([`lay`]); that is a `Compiled`, which holds a `CompiledPolicy` for every type of event.
//! `config/privacy.toml` is the default and the manual.
//!
//! It fails closed: whatever is not understood is a problem, and all problems are reported at once, each with its place and without what was
//! written there, so that a misspelt rule never runs as no rule.

pub(super) mod stream;

pub(super) mod section;

pub(super) mod written;

mod lay;
mod told;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use regex_automata::meta::Regex;
use toml::{Table, Value};

use super::address::AddressPolicy;
use super::consent::ConsentPolicy;
use super::detect::{Kind, Kinds};
use super::event::EventType;
use super::fields::FieldPolicy;
use super::geo::GeoPolicy;
use super::json::{Json, JsonError};
use super::preset::Preset;
use super::redaction::Method;
use super::selector::{Place, Selector, ValueType};
use written::Layer;

/// A policy's text may be this long.
pub const POLICY_BYTES_MAX: usize = 256 << 10;
/// The patterns of one policy may take this much memory, all streams together.
const PATTERNS_BYTES_MAX: usize = 16 << 20;
/// Nesting of a policy in JSON: rules in a stream's section need six levels.
const DEPTH_MAX: usize = 32;

/// How a policy's text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// TOML.
    Toml,
    /// The same tables as a JSON object.
    Json,
}

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

impl PolicyErrors {
    /// One thing is wrong.
    pub(super) fn one(place: &str, problem: impl Into<String>) -> PolicyErrors {
        PolicyErrors(vec![PolicyError { place: place.to_owned(), problem: problem.into() }])
    }
}

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

/// A whole policy as it runs.
pub(super) struct Compiled {
    pub(super) name: String,
    pub(super) preset: Preset,
    /// For what is of no stream.
    pub(super) main: CompiledPolicy,
    /// For types that have sections of their own.
    pub(super) streams: Vec<(Vec<EventType>, CompiledPolicy)>,
}

impl Compiled {
    /// The policy for events of a type.
    pub(super) fn of(&self, event_type: EventType) -> &CompiledPolicy {
        let own = self.streams.iter().find(|(types, _)| types.contains(&event_type));
        own.map_or(&self.main, |(_, policy)| policy)
    }

    /// Every policy in it.
    pub(super) fn all(&self) -> impl Iterator<Item = &CompiledPolicy> {
        std::iter::once(&self.main).chain(self.streams.iter().map(|(_, policy)| policy))
    }

    /// A text from which the policy's hash is made: the same for two files that mean the same.
    pub(super) fn canonical(&self) -> String {
        let mut text = format!("tidegate-policy-2\n{}\n{}", self.name, self.main.canonical());
        for (types, policy) in &self.streams {
            let types: Vec<&str> = types.iter().map(|t| t.name()).collect();
            text.push_str(&format!("stream {}\n{}", types.join(" "), policy.canonical()));
        }
        text
    }
}

/// A policy as it runs, for one combination of streams.
pub(super) struct CompiledPolicy {
    pub(super) address: AddressPolicy,
    pub(super) geo: GeoPolicy,
    pub(super) user: UserPolicy,
    /// Days after which users' pseudonyms change; 0: they do not.
    pub(super) user_rotation_days: u16,
    pub(super) consent: ConsentPolicy,
    pub(super) fields: FieldPolicy,
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
#[derive(Clone)]
pub(super) enum What {
    Detectors(Vec<Kind>),
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

    fn pattern_bytes(&self) -> usize {
        let of = |rule: &Rule| match &rule.what {
            What::Pattern(regex, _) => regex.memory_usage(),
            What::Detectors(_) | What::Names(_) => 0,
        };
        self.rules.iter().map(of).sum()
    }

    fn first_match(&self, rules: &[usize], place: Option<&Place<'_>>, value: ValueType) -> Option<&Rule> {
        rules.iter().filter_map(|rule| self.rules.get(*rule)).find(|rule| rule.selector.matches(place, value))
    }

    fn canonical(&self) -> String {
        let shown = |selector: &Option<Selector>| selector.as_ref().map(Selector::to_string);
        let (keep, drop) = (shown(&self.fields.keep), shown(&self.fields.drop));
        let mut text = format!(
            "{:?}\n{:?}\n{:?} {}\n{:?}\nkeep {keep:?} drop {drop:?}\n",
            self.address, self.geo, self.user, self.user_rotation_days, self.consent
        );
        for rule in &self.rules {
            let what = match &rule.what {
                What::Detectors(kinds) => {
                    format!("detectors {:?}", kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>())
                }
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

/// Reads a policy's text: what could be made of it, and everything that is wrong with it by itself.
pub(super) fn parse(text: &str, form: Form) -> Result<(Layer, Vec<PolicyError>), PolicyErrors> {
    let mut problems = Vec::new();
    if text.len() > POLICY_BYTES_MAX {
        return Err(PolicyErrors::one("file", format!("is longer than {POLICY_BYTES_MAX} bytes")));
    }
    let table = match form {
        Form::Toml => text.parse().map_err(|error: toml::de::Error| {
            let place = error.span().map_or("file".to_owned(), |span| place_of(text, span.start));
            PolicyErrors::one(&place, error.message())
        })?,
        Form::Json => json_table(text)?,
    };
    let layer = Layer::read(text, &table, &mut problems);
    Ok((layer, problems))
}

/// Puts layers upon each other, the first lowest. `address` overrides what all of them say of addresses; `problems` are those known already.
pub(super) fn compile(
    layers: &[&Layer],
    address: Option<AddressPolicy>,
    mut problems: Vec<PolicyError>,
) -> Result<Compiled, PolicyErrors> {
    let main = lay::lay(layers, &[], address, &mut problems);
    let mut combinations: Vec<(Vec<stream::Stream>, Vec<EventType>)> = Vec::new();
    for event_type in EventType::ALL {
        let sections = lay::sections_of(layers, event_type);
        match combinations.iter_mut().find(|(known, _)| *known == sections) {
            Some((_, types)) => types.push(event_type),
            None if sections.is_empty() => {}
            None => combinations.push((sections, vec![event_type])),
        }
    }
    let streams = combinations.into_iter();
    let streams: Vec<_> =
        streams.map(|(sections, types)| (types, lay::lay(layers, &sections, address, &mut problems))).collect();
    let preset = lay::preset_of(layers);
    let name = layers.iter().rev().find_map(|layer| layer.name.clone()).unwrap_or_else(|| preset.name().to_owned());
    let compiled = Compiled { name, preset, main, streams };
    let pattern_bytes: usize = compiled.all().map(CompiledPolicy::pattern_bytes).sum();
    if pattern_bytes > PATTERNS_BYTES_MAX {
        problems.push(PolicyError {
            place: "rules".to_owned(),
            problem: "the patterns take too much memory, all together".to_owned(),
        });
    }
    if problems.is_empty() { Ok(compiled) } else { Err(PolicyErrors(problems)) }
}

/// The tables of a policy that is written as JSON: nothing may come twice, and nothing may be `null`.
fn json_table(text: &str) -> Result<Table, PolicyErrors> {
    let json = Json::parse(text.as_bytes(), DEPTH_MAX).map_err(|error| match error {
        JsonError::Syntax { line, column } => {
            PolicyErrors::one(&format!("line {line}, column {column}"), "is not valid JSON")
        }
        JsonError::TooDeep { .. } => PolicyErrors::one("file", error.to_string()),
    })?;
    match to_toml(json) {
        Ok(Value::Table(table)) => Ok(table),
        Ok(_) => Err(PolicyErrors::one("file", "must be a JSON object")),
        Err(problem) => Err(PolicyErrors::one("file", problem)),
    }
}

fn to_toml(json: Json<'_>) -> Result<Value, &'static str> {
    Ok(match json {
        Json::Null => return Err("`null` means nothing here; leave the member out"),
        Json::Bool(flag) => Value::Boolean(flag),
        Json::Int(n) => Value::Integer(n),
        Json::UInt(_) => return Err("a number is too large"),
        Json::Float(n) => Value::Float(n),
        Json::Str(text) => Value::String(text.into_owned()),
        Json::Array(items) => Value::Array(items.into_iter().map(to_toml).collect::<Result<_, _>>()?),
        Json::Object(members) => {
            let mut table = Table::new();
            for (name, value) in members {
                if table.insert(name.into_owned(), to_toml(value)?).is_some() {
                    return Err("a member comes twice");
                }
            }
            Value::Table(table)
        }
    })
}

fn place_of(text: &str, offset: usize) -> String {
    let before = text.get(..offset).unwrap_or(text);
    let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
    format!("line {}, column {column}", before.matches('\n').count() + 1)
}

impl CompiledPolicy {
    /// A policy without rules.
    fn new(
        (address, geo): (AddressPolicy, GeoPolicy),
        (user, user_rotation_days): (UserPolicy, u16),
        consent: ConsentPolicy,
        fields: FieldPolicy,
    ) -> Self {
        CompiledPolicy {
            address,
            geo,
            user,
            user_rotation_days,
            consent,
            fields,
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
            What::Detectors(kinds) => {
                for kind in kinds {
                    if rule.selector.is_everywhere() {
                        self.everywhere.insert(*kind);
                    } else {
                        self.selective.push((*kind, index));
                    }
                    self.by_kind.entry(*kind).or_default().insert(0, index);
                }
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
mod tests;
