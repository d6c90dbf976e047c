//! One text: find, replace, and look again.
//!
//! Replacing changes what a neighbour stands beside, so the result is scanned again, until nothing fires or what fires changes nothing.
//! That makes scrubbing idempotent by construction, whatever the detectors and the operator's patterns are. A text without finds costs one
//! scan and no memory.

use std::cmp::Reverse;
use std::sync::Arc;

use super::detect::view::View;
use super::detect::{self, Hit, Kinds, Names};
use super::policy::{CompiledPolicy, Rule, What};
use super::pseudonym::PseudonymKeys;
use super::receipt::Receipt;
use super::selector::{Place, ValueType};

/// After so many rounds a text that still fires was made to; it is dropped.
const ROUNDS_MAX: usize = 8;

/// What stands in for a text that was dropped.
const REMOVED: &str = "[removed]";

/// The work on one event or value: a policy, the keys for pseudonyms if there are any, and the count.
pub(super) struct Job<'j> {
    pub(super) policy: &'j CompiledPolicy,
    pub(super) keys: Option<PseudonymKeys<'j>>,
    pub(super) receipt: &'j mut Receipt,
    /// How many documents within texts enclose what is being scrubbed.
    pub(super) nesting: usize,
}

impl<'j> Job<'j> {
    pub(super) fn new(policy: &'j CompiledPolicy, keys: Option<PseudonymKeys<'j>>, receipt: &'j mut Receipt) -> Self {
        Job { policy, keys, receipt, nesting: 0 }
    }
}

/// A piece of a text and the rule for it.
struct Edit<'p> {
    start: usize,
    end: usize,
    rule: &'p Rule,
}

impl<'j> Job<'j> {
    /// The text scrubbed; `None` when nothing changed. `place` is where it stands (`None`: alone).
    pub(super) fn text(&mut self, text: &str, place: Option<&Place<'_>>, value: ValueType) -> Option<String> {
        let policy = self.policy;
        let announced = || value != ValueType::Key && place.is_some_and(Place::is_announced);
        if policy.patterns.is_empty() && (detect::is_id_or_time(text) || detect::is_dull(text) && !announced()) {
            return None;
        }
        let wanted = policy.wanted(place, value);
        let mut scrubbed: Option<String> = None;
        for round in 0..ROUNDS_MAX {
            let seen = scrubbed.as_deref().unwrap_or(text);
            match self.pass(seen, wanted, place, value, round > 0) {
                Some(again) => scrubbed = Some(again),
                None => return scrubbed,
            }
        }
        Some(REMOVED.to_owned())
    }

    /// One round over a text; `None` when it changes nothing. What a round leaves may be a document where its text was none.
    fn pass(
        &mut self,
        text: &str,
        wanted: Kinds,
        place: Option<&Place<'_>>,
        value: ValueType,
        again: bool,
    ) -> Option<String> {
        if value == ValueType::String
            && let Some(scrubbed) = self.document(text, place)
        {
            return scrubbed;
        }
        let edits = find(self.policy, wanted, text, place, value);
        if !edits.is_empty() {
            self.receipt.stand(place, value);
        }
        self.replace(text, &edits, again)
    }

    /// The text with its edits made and counted; `None` when none of them changes anything. In later rounds placeholders replace
    /// what a milder method left.
    fn replace(&mut self, text: &str, edits: &[Edit<'_>], again: bool) -> Option<String> {
        if edits.is_empty() {
            return None;
        }
        let mut out = String::new();
        let mut copied = 0;
        let mut changed = false;
        for edit in edits {
            let matched = text.get(edit.start..edit.end)?;
            let applied = edit.rule.method.apply(matched, &edit.rule.placeholder, self.keys);
            let Some(replacement) = applied else { continue };
            let replacement = if again { &*edit.rule.placeholder } else { &*replacement };
            if replacement == matched {
                continue;
            }
            self.receipt.count(&edit.rule.id);
            out.push_str(text.get(copied..edit.start)?);
            out.push_str(replacement);
            copied = edit.end;
            changed = true;
        }
        out.push_str(text.get(copied..)?);
        changed.then_some(out)
    }

    /// Counts one redaction by a rule.
    pub(super) fn count(&mut self, rule: &Arc<str>) {
        self.receipt.count(rule);
    }
}

/// What the policy's rules find in a text, in order and without overlaps; of two that overlap, the one that starts first, of two that
/// start together the longer one. A text in which something is encoded is read both ways.
fn find<'p>(
    policy: &'p CompiledPolicy,
    wanted: Kinds,
    text: &str,
    place: Option<&Place<'_>>,
    value: ValueType,
) -> Vec<Edit<'p>> {
    let names = place.filter(|_| value != ValueType::Key).map_or(Names::default(), Place::names);
    let mut hits: Vec<Hit> = Vec::new();
    detect::scan(text, names, wanted, &mut hits);
    let view = View::of(text);
    if let Some(view) = &view {
        let mut seen = Vec::new();
        detect::scan(view.text(), names, wanted, &mut seen);
        hits.extend(seen.iter().map(|hit| Hit { start: view.source(hit.start), end: view.source(hit.end), ..*hit }));
    }
    let ruled =
        |hit: Hit| Some(Edit { start: hit.start, end: hit.end, rule: policy.rule_for(hit.kind, place, value)? });
    let mut edits: Vec<Edit<'p>> = hits.into_iter().filter_map(ruled).collect();
    add_patterns(policy, text, place, value, &mut edits);
    if view.is_some() || !policy.patterns.is_empty() {
        settle(&mut edits);
    }
    edits
}

fn add_patterns<'p>(
    policy: &'p CompiledPolicy,
    text: &str,
    place: Option<&Place<'_>>,
    value: ValueType,
    edits: &mut Vec<Edit<'p>>,
) {
    for rule in policy.patterns.iter().filter_map(|index| policy.rules.get(*index)) {
        let What::Pattern(regex, _) = &rule.what else { continue };
        if rule.selector.matches(place, value) {
            edits.extend(regex.find_iter(text).map(|found| Edit { start: found.start(), end: found.end(), rule }));
        }
    }
}

/// Puts edits in order and drops those that overlap an earlier or longer one.
fn settle(edits: &mut Vec<Edit<'_>>) {
    edits.sort_by_key(|edit| (edit.start, Reverse(edit.end)));
    let mut floor = 0;
    edits.retain(|edit| {
        let free = edit.start >= floor && edit.start < edit.end;
        if free {
            floor = edit.end;
        }
        free
    });
}
