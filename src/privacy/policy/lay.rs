//! From layers to what runs: preset, gateway, tenant; and in each of them first what holds for all streams.
//!
//! Of two that say something of the same thing the later one counts. A stream's section outdoes what is said for all streams, whichever layer
//! says it: a tenant that changes a rule does not by that change what the gateway's policy keeps for one stream.

use super::stream::Stream;
use super::written::Written;
use super::written::{AddressWord, Layer, Mode, RULES_MAX, Start, WrittenMethod, WrittenRule};
use super::{CompiledPolicy, PolicyError, Rule, UserPolicy, What};
use crate::privacy::address::{AddressPolicy, Prefixes};
use crate::privacy::consent::ConsentPolicy;
use crate::privacy::detect::Kind;
use crate::privacy::event::EventType;
use crate::privacy::fields::FieldPolicy;
use crate::privacy::geo::GeoPolicy;
use crate::privacy::preset::Preset;
use crate::privacy::redaction::Method;
use crate::privacy::selector::Selector;

/// A policy while layers are put upon each other.
struct Draft {
    address: AddressWord,
    prefixes: Prefixes,
    geo: GeoPolicy,
    user: UserPolicy,
    rotation_days: u16,
    consent: ConsentPolicy,
    mode: Mode,
    keep: Option<Selector>,
    drop: Option<Selector>,
    rules: Vec<DraftRule>,
}

struct DraftRule {
    rule: Rule,
    enabled: bool,
}

/// The preset that layers start from.
pub(super) fn preset_of(layers: &[&Layer]) -> Preset {
    let named = layers.iter().find_map(|layer| match layer.start {
        Some(Start::Preset(preset)) => Some(preset),
        Some(Start::Gateway) | None => None,
    });
    named.unwrap_or(Preset::Strict)
}

/// The streams that layers have sections of and to which a type belongs: types for which they are the same have the same policy.
pub(super) fn sections_of(layers: &[&Layer], event_type: EventType) -> Vec<Stream> {
    let named = layers.iter().flat_map(|layer| &layer.streams).map(|(stream, _)| *stream);
    let mut sections: Vec<Stream> = Vec::new();
    for stream in named.filter(|stream| stream.has(event_type)) {
        if !sections.contains(&stream) {
            sections.push(stream);
        }
    }
    // A family's before a type's.
    sections.sort_by_key(|stream| matches!(stream, Stream::Type(_)));
    sections
}

/// Puts the layers upon each other, as far as they concern these streams.
pub(super) fn lay(
    layers: &[&Layer],
    sections: &[Stream],
    address: Option<AddressPolicy>,
    problems: &mut Vec<PolicyError>,
) -> CompiledPolicy {
    let mut draft = Draft::of(preset_of(layers));
    layers.iter().for_each(|layer| draft.lay(&layer.all, problems));
    for section in sections {
        for (_, written) in layers.iter().flat_map(|layer| &layer.streams).filter(|(stream, _)| stream == section) {
            draft.lay(written, problems);
        }
    }
    draft.compile(address)
}

impl Draft {
    fn of(preset: Preset) -> Draft {
        let (address, prefixes) = match preset.address() {
            AddressPolicy::Drop => (AddressWord::Drop, Prefixes::DEFAULT),
            AddressPolicy::Truncate(prefixes) => (AddressWord::Truncate, prefixes),
            AddressPolicy::Pseudonymize => (AddressWord::Pseudonymize, Prefixes::DEFAULT),
        };
        let rule = |kind: Kind| Rule {
            id: kind.name().into(),
            what: What::Detectors(vec![kind]),
            selector: Selector::everywhere(),
            method: preset.method(kind),
            placeholder: kind.placeholder().into(),
        };
        Draft {
            address,
            prefixes,
            geo: preset.geo(),
            user: UserPolicy::Pseudonymize,
            rotation_days: preset.user_rotation_days(),
            consent: preset.consent(),
            mode: Mode::Deny,
            keep: None,
            drop: None,
            rules: Kind::ALL.into_iter().map(|kind| DraftRule { rule: rule(kind), enabled: true }).collect(),
        }
    }

    /// Puts a layer's section upon what is there.
    fn lay(&mut self, written: &Written, problems: &mut Vec<PolicyError>) {
        self.address = written.address.word.unwrap_or(self.address);
        self.prefixes.v4 = written.address.v4.unwrap_or(self.prefixes.v4);
        self.prefixes.v6 = written.address.v6.unwrap_or(self.prefixes.v6);
        self.geo.country = written.address.country.unwrap_or(self.geo.country);
        self.geo.region = written.address.region.unwrap_or(self.geo.region);
        self.user = written.user.unwrap_or(self.user);
        self.rotation_days = written.rotation_days.unwrap_or(self.rotation_days);
        self.consent.gpc = written.gpc.unwrap_or(self.consent.gpc);
        self.consent.dnt = written.dnt.unwrap_or(self.consent.dnt);
        self.consent.minimize = written.minimize.unwrap_or(self.consent.minimize);
        self.lay_fields(written, problems);
        for rule in &written.rules {
            if let Err((key, problem)) = self.lay_rule(rule) {
                note(problems, &rule.place, key, problem);
            }
        }
    }

    fn lay_fields(&mut self, written: &Written, problems: &mut Vec<PolicyError>) {
        let fields = &written.fields;
        let place = join(&written.place, "fields");
        self.mode = fields.mode.unwrap_or(self.mode);
        if fields.keep.is_some() {
            self.keep.clone_from(&fields.keep);
        }
        if fields.drop.is_some() {
            self.drop.clone_from(&fields.drop);
        }
        if fields.keep.is_some() && self.mode == Mode::Deny {
            note(problems, &place, "keep", "belongs to the mode `allow`".to_owned());
        }
        if fields.mode == Some(Mode::Allow) && self.keep.is_none() {
            note(problems, &place, "mode", "`allow` needs `keep`: the fields that stay".to_owned());
        }
    }

    /// Changes the rule of that id, or adds one.
    fn lay_rule(&mut self, written: &WrittenRule) -> Result<(), (&'static str, String)> {
        let known = self.rules.iter_mut().find(|draft| *draft.rule.id == *written.id);
        if let Some(draft) = known {
            let rule = &mut draft.rule;
            if written.looks {
                let problem = "is a rule already; it can be changed, but not made to look for something else";
                return Err(("id", problem.to_owned()));
            }
            if let Some(method) = &written.method {
                rule.method = method.resolve(&rule.what, &rule.placeholder)?;
            }
            if let Some(selector) = &written.selector {
                rule.selector = selector.clone();
            }
            draft.enabled = written.enabled.unwrap_or(draft.enabled);
            return Ok(());
        }
        if self.rules.len() >= RULES_MAX + Kind::ALL.len() {
            return Err(("id", format!("more than {RULES_MAX} rules")));
        }
        let Some(what) = &written.what else {
            // If it is said and not understood, that is noted already.
            let problem = "is no rule that is there already, so it needs `detector`, `pattern` or `keys`";
            return if written.looks { Ok(()) } else { Err(("id", problem.to_owned())) };
        };
        let placeholder: Box<str> = match what {
            What::Detectors(kinds) => match kinds.as_slice() {
                [kind] => kind.placeholder().into(),
                _ => format!("[{}]", written.id).into(),
            },
            What::Pattern(..) | What::Names(_) => format!("[{}]", written.id).into(),
        };
        let method = match &written.method {
            Some(method) => method.resolve(what, &placeholder)?,
            None => Method::Replace(placeholder.clone()),
        };
        let rule = Rule {
            id: written.id.as_str().into(),
            what: what.clone(),
            selector: written.selector.clone().unwrap_or_else(Selector::everywhere),
            method,
            placeholder,
        };
        self.rules.push(DraftRule { rule, enabled: written.enabled.unwrap_or(true) });
        Ok(())
    }

    fn compile(self, address: Option<AddressPolicy>) -> CompiledPolicy {
        let written = match self.address {
            AddressWord::Drop => AddressPolicy::Drop,
            AddressWord::Truncate => AddressPolicy::Truncate(self.prefixes),
            AddressWord::Pseudonymize => AddressPolicy::Pseudonymize,
        };
        let keep = self.keep.filter(|_| self.mode == Mode::Allow);
        let fields = FieldPolicy { keep, drop: self.drop };
        let address = (address.unwrap_or(written), self.geo);
        let mut policy = CompiledPolicy::new(address, (self.user, self.rotation_days), self.consent, fields);
        for draft in self.rules.into_iter().filter(|draft| draft.enabled) {
            policy.add(draft.rule);
        }
        policy
    }
}

impl WrittenMethod {
    fn resolve(&self, what: &What, placeholder: &str) -> Result<Method, (&'static str, String)> {
        Ok(match self {
            WrittenMethod::Remove => Method::Remove,
            WrittenMethod::Replace(text) => Method::Replace(text.as_deref().unwrap_or(placeholder).into()),
            WrittenMethod::Mask { keep } => Method::Mask { keep: *keep },
            WrittenMethod::Truncate(Some(length)) => Method::Truncate { length: *length },
            WrittenMethod::Truncate(None) => match what {
                What::Detectors(kinds) if kinds.as_slice() == [Kind::Ip] => Method::Network(Prefixes::DEFAULT),
                What::Detectors(_) | What::Pattern(..) | What::Names(_) => {
                    return Err(("method", "`truncate` needs `length`".to_owned()));
                }
            },
            WrittenMethod::Pseudonymize => Method::Pseudonymize,
        })
    }
}

fn join(place: &str, key: &str) -> String {
    if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") }
}

/// Notes a problem, once: a section is laid anew for every combination of streams.
fn note(problems: &mut Vec<PolicyError>, place: &str, key: &str, problem: String) {
    let error = PolicyError { place: join(place, key), problem };
    if !problems.contains(&error) {
        problems.push(error);
    }
}
