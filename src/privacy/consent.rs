//! The subject's wishes: the event's own flag, and the signals that a browser sends.
//!
//! Owns the decision, not the doing: `decide` says whether an event is refused, minimized or kept; the pipeline acts.

use super::event::Consent;

/// Signals that came with the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signals {
    /// `Sec-GPC: 1` (Global Privacy Control).
    pub gpc: bool,
    /// `DNT: 1` (Do Not Track).
    pub dnt: bool,
}

/// What a signal leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SignalPolicy {
    /// The signal changes nothing.
    Ignore,
    /// The event is kept without user, address, agent and derived session.
    Minimize,
    /// The event is refused.
    Reject,
}

impl SignalPolicy {
    /// The policy of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "ignore" => Some(SignalPolicy::Ignore),
            "minimize" => Some(SignalPolicy::Minimize),
            "reject" => Some(SignalPolicy::Reject),
            _ => None,
        }
    }

    /// The name in a policy file.
    pub fn name(self) -> &'static str {
        match self {
            SignalPolicy::Ignore => "ignore",
            SignalPolicy::Minimize => "minimize",
            SignalPolicy::Reject => "reject",
        }
    }
}

/// What each signal leads to. A refused consent always refuses the event; no policy can change that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsentPolicy {
    /// On `Sec-GPC: 1`.
    pub gpc: SignalPolicy,
    /// On `DNT: 1`.
    pub dnt: SignalPolicy,
}

/// The strictest of what the flag and the signals ask for.
pub(super) fn decide(policy: ConsentPolicy, flag: Option<Consent>, signals: Signals) -> SignalPolicy {
    let on = |signal: bool, policy| if signal { policy } else { SignalPolicy::Ignore };
    let flagged = match flag {
        Some(Consent::Denied) => SignalPolicy::Reject,
        Some(Consent::Granted) | None => SignalPolicy::Ignore,
    };
    flagged.max(on(signals.gpc, policy.gpc)).max(on(signals.dnt, policy.dnt))
}

#[cfg(test)]
mod tests {
    use super::*;

    const IGNORANT: ConsentPolicy = ConsentPolicy { gpc: SignalPolicy::Ignore, dnt: SignalPolicy::Ignore };

    #[test]
    fn a_denied_consent_refuses_under_every_policy() {
        assert_eq!(decide(IGNORANT, Some(Consent::Denied), Signals::default()), SignalPolicy::Reject);
    }

    #[test]
    fn the_strictest_wish_wins_and_a_granted_consent_does_not_undo_a_signal() {
        let policy = ConsentPolicy { gpc: SignalPolicy::Minimize, dnt: SignalPolicy::Reject };
        let both = Signals { gpc: true, dnt: true };
        assert_eq!(decide(policy, Some(Consent::Granted), both), SignalPolicy::Reject);
        assert_eq!(decide(policy, None, Signals { gpc: true, dnt: false }), SignalPolicy::Minimize);
        assert_eq!(decide(IGNORANT, None, both), SignalPolicy::Ignore);
    }
}
