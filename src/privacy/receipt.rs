//! What was done, in numbers: how often each rule changed something.
//!
//! A receipt holds rule ids and counts and never a value, so it may be shown, logged, stored and signed.

use std::sync::Arc;

/// How often each rule fired, in the order in which rules first fired.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    counts: Vec<(Arc<str>, u64)>,
}

impl Receipt {
    /// Counts one redaction by `rule`.
    pub(super) fn count(&mut self, rule: &Arc<str>) {
        self.add(rule, 1);
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
}
