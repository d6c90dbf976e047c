//! What was done: how often each rule changed something and, for whoever asks, where.
//!
//! A receipt holds rule ids, counts and places, and never a value, so it may be shown, logged, stored and signed. Places are made of names that were
//! scrubbed before; the name of a member in which something was found is a `*`. Counting costs nothing to speak of; a receipt that also
//! says where ([`Receipt::traced`]) is made on request only, and bounded.

use std::sync::Arc;

use super::selector::{Place, ValueType};

/// Redactions that one receipt lists; more are only counted.
pub const LISTED_MAX: usize = 1000;
/// Bytes of one place; what is longer ends in `.**`, which still matches it.
const PATH_BYTES_MAX: usize = 256;

/// How often each rule fired, in the order in which rules first fired.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    counts: Vec<(Arc<str>, u64)>,
    trace: Option<Box<Trace>>,
}

/// One redaction, and where it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redaction {
    /// Which event or value, from 0.
    pub index: usize,
    /// Where in it, in the form of a selector; empty for a value that stands alone.
    pub path: Arc<str>,
    /// By which rule.
    pub rule: Arc<str>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Trace {
    index: usize,
    path: Arc<str>,
    listed: Vec<Redaction>,
    omitted: u64,
}

impl Receipt {
    /// A receipt that also lists where.
    pub fn traced() -> Receipt {
        Receipt { counts: Vec::new(), trace: Some(Box::default()) }
    }

    /// Says that what comes now is of the event or value of that index.
    pub fn begin(&mut self, index: usize) {
        if let Some(trace) = &mut self.trace {
            trace.index = index;
        }
    }

    /// Says that what is counted now is at a place.
    pub(super) fn stand(&mut self, place: Option<&Place<'_>>, value: ValueType) {
        if let Some(trace) = &mut self.trace {
            let mut path = place.map_or_else(String::new, |place| place.path(value));
            if path.len() > PATH_BYTES_MAX {
                let whole = path.match_indices('.').map(|(dot, _)| dot).take_while(|dot| *dot <= PATH_BYTES_MAX).last();
                path.truncate(whole.unwrap_or(0));
                path.push_str(if path.is_empty() { "**" } else { ".**" });
            }
            trace.path = path.into();
        }
    }

    /// Counts one redaction by `rule`.
    pub(super) fn count(&mut self, rule: &Arc<str>) {
        self.add(rule, 1);
        if let Some(trace) = &mut self.trace {
            if trace.listed.len() < LISTED_MAX {
                let Trace { index, path, .. } = &**trace;
                let redaction = Redaction { index: *index, path: Arc::clone(path), rule: Arc::clone(rule) };
                trace.listed.push(redaction);
            } else {
                trace.omitted += 1;
            }
        }
    }

    /// Counts one redaction of a member of an event.
    pub(super) fn count_member(&mut self, member: &'static str, rule: &Arc<str>) {
        self.stand(Some(&Place::root(member)), ValueType::String);
        self.count(rule);
    }

    /// Takes out the redactions that were listed since the last time, and how many were counted only.
    pub fn take_listed(&mut self) -> (Vec<Redaction>, u64) {
        self.trace.as_mut().map_or_else(Default::default, |trace| {
            (std::mem::take(&mut trace.listed), std::mem::take(&mut trace.omitted))
        })
    }

    /// Adds the counts of `other`, which may stem from another policy.
    pub fn merge(&mut self, other: &Receipt) {
        for (rule, n) in &other.counts {
            self.add(rule, *n);
        }
    }

    /// The rules that fired and how often.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.counts.iter().map(|(rule, n)| (&**rule, *n))
    }

    /// The same, with ids that can be kept at no cost.
    pub fn shared(&self) -> impl Iterator<Item = (&Arc<str>, u64)> {
        self.counts.iter().map(|(rule, n)| (rule, *n))
    }

    /// Redactions altogether.
    pub fn total(&self) -> u64 {
        self.counts.iter().map(|(_, n)| n).sum()
    }

    /// Whether nothing was redacted.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    fn add(&mut self, rule: &Arc<str>, n: u64) {
        match self.counts.iter_mut().find(|(known, _)| Arc::ptr_eq(known, rule) || known == rule) {
            Some((_, count)) => *count += n,
            None => self.counts.push((Arc::clone(rule), n)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receipts_of_two_policies_merge_by_rule_id() {
        let mut one = Receipt::default();
        one.count(&"email".into());
        let mut two = Receipt::default();
        two.count(&"email".into());
        two.count(&"card".into());
        one.merge(&two);
        assert_eq!(one.iter().collect::<Vec<_>>(), [("email", 2), ("card", 1)]);
        assert_eq!(one.total(), 3);
    }

    #[test]
    fn a_traced_receipt_lists_as_much_as_it_may_and_counts_the_rest() {
        let rule: Arc<str> = "email".into();
        let mut receipt = Receipt::traced();
        for index in 0..LISTED_MAX + 5 {
            receipt.begin(index);
            receipt.count_member("body", &rule);
        }
        let (listed, omitted) = receipt.take_listed();
        assert_eq!((listed.len(), omitted, receipt.total()), (LISTED_MAX, 5, LISTED_MAX as u64 + 5));
        assert_eq!((listed[7].index, &*listed[7].path, &*listed[7].rule), (7, "body", "email"));
        assert_eq!(receipt.take_listed(), (Vec::new(), 0));
    }

    #[test]
    fn a_place_that_is_too_long_is_cut_to_a_selector_that_matches_it() {
        use super::super::selector::Selector;
        let name = "n".repeat(100);
        let (one, rule) = (Place::root(&name), "email".into());
        let two = Place::member(Some(&one), "with.dots");
        let three = Place::member(Some(&two), &name);
        let four = Place::member(Some(&three), &name);
        for place in [two, three, four, Place::item(Some(&four), 3)] {
            let mut receipt = Receipt::traced();
            receipt.stand(Some(&place), ValueType::String);
            receipt.count(&rule);
            let (listed, _) = receipt.take_listed();
            assert!(listed[0].path.len() <= PATH_BYTES_MAX + 3);
            assert!(Selector::parse(&listed[0].path).unwrap().matches(Some(&place), ValueType::String));
        }
    }
}
