//! From a policy file to rules: what the operator wrote, laid over a preset, checked as a whole.

use regex_automata::meta::Regex;
use toml::Table;

use super::section::Section;
use super::{CompiledPolicy, PolicyError, Rule, UserPolicy, What, fold_name};
use crate::privacy::address::{AddressPolicy, Prefixes};
use crate::privacy::consent::{ConsentPolicy, Droppable, Dropped, SignalPolicy};
use crate::privacy::detect::Kind;
use crate::privacy::geo::GeoPolicy;
use crate::privacy::preset::Preset;
use crate::privacy::redaction::{Method, is_placeholder};
use crate::privacy::selector::Selector;

/// A compiled pattern may take this much memory; more would make a text's scan slow.
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// Thirteen months, the longest that regulators of audience measurement allow an identifier to live.
const ROTATION_DAYS_MAX: i64 = 395;
/// More rules than this are a mistake.
const RULES_MAX: usize = 256;
/// Ids of what the pipeline does to an event's own members; no rule may be called so.
const RESERVED: [&str; 9] =
    ["user", "address", "session", "user_agent", "consent", "consent_flag", "consent_gpc", "consent_dnt", "removed"];

/// Reads a whole file. What it returns may run only if no problem was noted.
pub(super) fn read(table: &Table, address: Option<AddressPolicy>, problems: &mut Vec<PolicyError>) -> CompiledPolicy {
    let mut top = Section::new("", table, problems);
    let preset = top.choice("preset", &Preset::ALL.map(|p| (p.name(), p))).unwrap_or(Preset::Strict);
    let name = top.text("name").unwrap_or(preset.name()).to_owned();
    let (written, geo) = top
        .section("address", |section| (read_address(section, preset.address()), read_geo(section, preset.geo())))
        .unwrap_or((preset.address(), preset.geo()));
    let user = [("pseudonymize", UserPolicy::Pseudonymize), ("remove", UserPolicy::Remove)];
    let (user, rotation) = top
        .section("user", |section| {
            let days = section.integer("rotate_days", 0, ROTATION_DAYS_MAX).and_then(|days| u16::try_from(days).ok());
            (section.choice("policy", &user), days)
        })
        .unwrap_or_default();
    let user = user.unwrap_or(UserPolicy::Pseudonymize);
    let consent = top.section("consent", |section| read_consent(section, preset.consent())).unwrap_or(preset.consent());
    let mut drafts = preset_rules(preset);
    top.list("rules", |section| read_rule(section, &mut drafts));
    top.finish();

    let mut policy = CompiledPolicy::new(name, preset, address.unwrap_or(written), user, consent);
    policy.geo = geo;
    policy.user_rotation_days = rotation.unwrap_or(policy.user_rotation_days);
    for draft in drafts.into_iter().filter(|draft| draft.enabled) {
        policy.add(draft.rule);
    }
    policy
}

/// A rule while the file is read.
struct Draft {
    rule: Rule,
    enabled: bool,
}

fn preset_rules(preset: Preset) -> Vec<Draft> {
    let rule = |kind: Kind| Rule {
        id: kind.name().into(),
        what: What::Detector(kind),
        selector: Selector::everywhere(),
        method: preset.method(kind),
        placeholder: kind.placeholder().into(),
    };
    Kind::ALL.into_iter().map(|kind| Draft { rule: rule(kind), enabled: true }).collect()
}

fn read_address(section: &mut Section<'_>, preset: AddressPolicy) -> AddressPolicy {
    let defaults = match preset {
        AddressPolicy::Truncate(prefixes) => prefixes,
        AddressPolicy::Drop | AddressPolicy::Pseudonymize => Prefixes::DEFAULT,
    };
    let v4 = section.integer("v4", 0, i64::from(Prefixes::V4_MAX)).and_then(|n| u8::try_from(n).ok());
    let v6 = section.integer("v6", 0, i64::from(Prefixes::V6_MAX)).and_then(|n| u8::try_from(n).ok());
    let truncate = AddressPolicy::Truncate(Prefixes { v4: v4.unwrap_or(defaults.v4), v6: v6.unwrap_or(defaults.v6) });
    let choices =
        [("drop", AddressPolicy::Drop), ("truncate", truncate), ("pseudonymize", AddressPolicy::Pseudonymize)];
    section.choice("policy", &choices).unwrap_or(truncate)
}

fn read_geo(section: &mut Section<'_>, preset: GeoPolicy) -> GeoPolicy {
    GeoPolicy {
        country: section.boolean("country").unwrap_or(preset.country),
        region: section.boolean("region").unwrap_or(preset.region),
    }
}

fn read_consent(section: &mut Section<'_>, preset: ConsentPolicy) -> ConsentPolicy {
    let choices = [SignalPolicy::Ignore, SignalPolicy::Minimize, SignalPolicy::Reject].map(|p| (p.name(), p));
    ConsentPolicy {
        gpc: section.choice("gpc", &choices).unwrap_or(preset.gpc),
        dnt: section.choice("dnt", &choices).unwrap_or(preset.dnt),
        minimize: read_dropped(section).unwrap_or(preset.minimize),
    }
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

/// Reads one `[[rules]]` entry: changes the rule of that id, or adds one.
fn read_rule(section: &mut Section<'_>, drafts: &mut Vec<Draft>) {
    let id = read_id(section);
    let enabled = section.boolean("enabled");
    let what = read_what(section);
    let selector = read_selector(section);
    let known = id.as_ref().and_then(|id| drafts.iter().position(|draft| *draft.rule.id == **id));
    let kind = match (&what, known.and_then(|at| drafts.get(at)).map(|draft| &draft.rule.what)) {
        (Some(What::Detector(kind)), _) | (None, Some(What::Detector(kind))) => Some(*kind),
        (Some(What::Pattern(..) | What::Names(_)), _) | (None, Some(What::Pattern(..) | What::Names(_)) | None) => None,
    };
    let method = read_method(section, id.as_deref().unwrap_or("rule"), kind);
    let Some(id) = id else { return };
    if let Some(draft) = known.and_then(|at| drafts.get_mut(at)) {
        if what.is_some() {
            section.problem(
                "id",
                format!("`{id}` is a rule already; it can be changed, but not made to look for something else"),
            );
        }
        draft.enabled = enabled.unwrap_or(draft.enabled);
        draft.rule.selector = selector.unwrap_or_else(|| draft.rule.selector.clone());
        draft.rule.method = method.unwrap_or_else(|| draft.rule.method.clone());
        return;
    }
    if drafts.len() == RULES_MAX {
        section.problem("id", format!("more than {RULES_MAX} rules"));
        return;
    }
    let Some(what) = what else {
        if !section.has("detector") && !section.has("pattern") && !section.has("keys") {
            section
                .problem("id", format!("`{id}` is no rule of the preset, so it needs `detector`, `pattern` or `keys`"));
        }
        return;
    };
    let placeholder: Box<str> = format!("[{id}]").into();
    let rule = Rule {
        id: id.into(),
        what,
        selector: selector.unwrap_or_else(Selector::everywhere),
        method: method.unwrap_or_else(|| Method::Replace(placeholder.clone())),
        placeholder,
    };
    drafts.push(Draft { rule, enabled: enabled.unwrap_or(true) });
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
        section.problem("id", format!("`{id}` is reserved"));
        return None;
    }
    Some(id.to_owned())
}

fn read_what(section: &mut Section<'_>) -> Option<What> {
    let given = ["detector", "pattern", "keys"].into_iter().filter(|key| section.has(key)).count();
    if given > 1 {
        section.problem("detector", "a rule has one of `detector`, `pattern` and `keys`");
    }
    let detector = section.choice("detector", &Kind::ALL.map(|kind| (kind.name(), kind))).map(What::Detector);
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

fn read_pattern(section: &mut Section<'_>, source: String) -> Option<What> {
    let config = Regex::config().nfa_size_limit(Some(PATTERN_BYTES_MAX));
    match Regex::builder().configure(config).build(&source) {
        Ok(regex) if regex.is_match("") => {
            section.problem("pattern", "must not match the empty text");
            None
        }
        Ok(regex) => Some(What::Pattern(Box::new(regex), source)),
        Err(error) => {
            let cause = std::error::Error::source(&error).map_or_else(|| error.to_string(), |cause| cause.to_string());
            section.problem("pattern", format!("is not a regular expression: {}", cause.replace('\n', " ")));
            None
        }
    }
}

fn read_selector(section: &mut Section<'_>) -> Option<Selector> {
    let texts = section.texts("selector")?;
    let mut selectors = Vec::new();
    for text in texts {
        match Selector::parse(&text) {
            Ok(selector) => selectors.push(selector),
            Err(invalid) => section.problem("selector", format!("`{text}` is not a selector: {invalid}")),
        }
    }
    match selectors.len() {
        0 => None,
        1 => selectors.pop(),
        _ => Some(Selector::any_of(selectors)),
    }
}

fn read_method(section: &mut Section<'_>, id: &str, kind: Option<Kind>) -> Option<Method> {
    let names = ["remove", "replace", "mask", "truncate", "pseudonymize"];
    let chosen = section.choice("method", &names.map(|name| (name, name)));
    let text = section.text("text").map(str::to_owned);
    let keep = section.integer("keep", 0, 8).and_then(|n| usize::try_from(n).ok());
    let length = section.integer("length", 1, 64).and_then(|n| usize::try_from(n).ok());
    for (key, owner) in [("text", "replace"), ("keep", "mask"), ("length", "truncate")] {
        if section.has(key) && chosen.is_some_and(|chosen| chosen != owner) {
            section.problem(key, format!("belongs to the method `{owner}`"));
        }
    }
    if let Some(text) = text.as_deref().filter(|text| !is_placeholder(text)) {
        section.problem(
            "text",
            format!("`{text}` could be mistaken for data: write letters, `_` and `-` in brackets, such as `[{id}]`"),
        );
    }
    let default = || kind.map_or_else(|| format!("[{id}]"), |kind| kind.placeholder().to_owned());
    match chosen {
        Some("remove") => Some(Method::Remove),
        Some("replace") => Some(Method::Replace(text.unwrap_or_else(default).into())),
        Some("mask") => Some(Method::Mask { keep: keep.unwrap_or(4) }),
        Some("truncate") => match (length, kind) {
            (None, Some(Kind::Ip)) => Some(Method::Network(Prefixes::DEFAULT)),
            (Some(length), _) => Some(Method::Truncate { length }),
            (None, _) => {
                if !section.has("length") {
                    section.problem("method", "`truncate` needs `length`");
                }
                None
            }
        },
        Some("pseudonymize") => Some(Method::Pseudonymize),
        Some(_) | None => text.map(|text| Method::Replace(text.into())),
    }
}
