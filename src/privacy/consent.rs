//! The subject's wishes: the event's own flag, and the signals that a browser sends.
//!
//! Owns the decision, not the doing: [`decide`] says whether an event is refused, minimized or kept, and because of what; the pipeline acts. What led to
//! what is stored with the event (the attribute [`CONSENT_ATTRIBUTE`]) and counted in the receipt.

use std::fmt::Write;

use super::event::Consent;

/// The attribute that says which wishes came with an event and what each led to, such as `gpc:minimize,dnt:ignore` or `flag:granted`. A sender cannot
/// write it.
pub const CONSENT_ATTRIBUTE: &str = "privacy.consent";

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
    /// The event is kept without what points to its subject.
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

/// What can be dropped from a minimized event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Droppable {
    /// The user.
    User = 0,
    /// The address.
    Address = 1,
    /// Country and region.
    Country = 2,
    /// The user's agent.
    UserAgent = 3,
    /// A session that would be derived from address and agent.
    DerivedSession = 4,
    /// Any session.
    Session = 5,
    /// Everything beside the members that every event has.
    Attributes = 6,
}

impl Droppable {
    /// Everything that can be dropped.
    pub const ALL: [Droppable; 7] = [
        Droppable::User,
        Droppable::Address,
        Droppable::Country,
        Droppable::UserAgent,
        Droppable::DerivedSession,
        Droppable::Session,
        Droppable::Attributes,
    ];

    /// The name in a policy file.
    pub fn name(self) -> &'static str {
        match self {
            Droppable::User => "user",
            Droppable::Address => "address",
            Droppable::Country => "country",
            Droppable::UserAgent => "user_agent",
            Droppable::DerivedSession => "derived_session",
            Droppable::Session => "session",
            Droppable::Attributes => "attributes",
        }
    }

    /// What is dropped by that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Droppable::ALL.into_iter().find(|droppable| droppable.name() == name)
    }
}

/// What is dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped(u8);

impl Dropped {
    /// Nothing.
    pub const NOTHING: Dropped = Dropped(0);
    /// What points to the subject and was not given by the sender on purpose: all but a session that the sender names, and the attributes.
    pub const SUBJECT: Dropped = Dropped(0b1_1111);

    /// These.
    pub fn of(members: impl IntoIterator<Item = Droppable>) -> Dropped {
        Dropped(members.into_iter().fold(0, |bits, member| bits | 1 << member as u8))
    }

    /// Whether it is dropped.
    pub fn has(self, member: Droppable) -> bool {
        self.0 & 1 << member as u8 != 0
    }
}

/// What each signal leads to. A refused consent always refuses the event; no policy can change that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsentPolicy {
    /// On `Sec-GPC: 1`.
    pub gpc: SignalPolicy,
    /// On `DNT: 1`.
    pub dnt: SignalPolicy,
    /// What a minimized event is kept without.
    pub minimize: Dropped,
}

/// What becomes of an event, and because of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decision {
    flag: Option<Consent>,
    gpc: Option<SignalPolicy>,
    dnt: Option<SignalPolicy>,
}

/// The wishes that came with an event, and what the policy says of each.
pub(super) fn decide(policy: ConsentPolicy, flag: Option<Consent>, signals: Signals) -> Decision {
    Decision { flag, gpc: signals.gpc.then_some(policy.gpc), dnt: signals.dnt.then_some(policy.dnt) }
}

impl Decision {
    /// The strictest of what they lead to.
    pub(super) fn effect(self) -> SignalPolicy {
        self.parts().into_iter().flatten().max().unwrap_or(SignalPolicy::Ignore)
    }

    /// What the flag, GPC and DNT lead to, of those that were given.
    pub(super) fn parts(self) -> [Option<SignalPolicy>; 3] {
        let flag = self.flag.map(|flag| match flag {
            Consent::Denied => SignalPolicy::Reject,
            Consent::Granted => SignalPolicy::Ignore,
        });
        [flag, self.gpc, self.dnt]
    }

    /// What is stored with the event; `None` when nobody wished anything.
    pub(super) fn provenance(self) -> Option<String> {
        let mut text = String::new();
        let flag = self.flag.map(|flag| match flag {
            Consent::Denied => "denied",
            Consent::Granted => "granted",
        });
        let [_, gpc, dnt] = self.parts().map(|part| part.map(SignalPolicy::name));
        for (name, led_to) in [("flag", flag), ("gpc", gpc), ("dnt", dnt)] {
            if let Some(led_to) = led_to {
                let comma = if text.is_empty() { "" } else { "," };
                // Writing to a string does not fail.
                let _ = write!(text, "{comma}{name}:{led_to}");
            }
        }
        (!text.is_empty()).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(gpc: SignalPolicy, dnt: SignalPolicy) -> ConsentPolicy {
        ConsentPolicy { gpc, dnt, minimize: Dropped::SUBJECT }
    }

    const BOTH: Signals = Signals { gpc: true, dnt: true };

    #[test]
    fn a_denied_consent_refuses_under_every_policy() {
        let ignorant = policy(SignalPolicy::Ignore, SignalPolicy::Ignore);
        assert_eq!(decide(ignorant, Some(Consent::Denied), Signals::default()).effect(), SignalPolicy::Reject);
        assert_eq!(decide(ignorant, None, BOTH).effect(), SignalPolicy::Ignore);
    }

    #[test]
    fn the_strictest_wish_wins_and_a_granted_consent_does_not_undo_a_signal() {
        let policy = policy(SignalPolicy::Minimize, SignalPolicy::Reject);
        assert_eq!(decide(policy, Some(Consent::Granted), BOTH).effect(), SignalPolicy::Reject);
        assert_eq!(decide(policy, None, Signals { gpc: true, dnt: false }).effect(), SignalPolicy::Minimize);
    }

    #[test]
    fn provenance_says_which_wish_led_to_what_and_nothing_where_nobody_wished() {
        let policy = policy(SignalPolicy::Minimize, SignalPolicy::Ignore);
        let told = |flag, signals| decide(policy, flag, signals).provenance();
        assert_eq!(told(None, Signals::default()), None);
        assert_eq!(told(None, BOTH).as_deref(), Some("gpc:minimize,dnt:ignore"));
        assert_eq!(told(Some(Consent::Granted), Signals::default()).as_deref(), Some("flag:granted"));
        let gpc = Signals { gpc: true, dnt: false };
        assert_eq!(told(Some(Consent::Granted), gpc).as_deref(), Some("flag:granted,gpc:minimize"));
    }

    #[test]
    fn what_can_be_dropped_reads_back_from_its_name() {
        for member in Droppable::ALL {
            assert_eq!(Droppable::from_name(member.name()), Some(member));
            assert!(Dropped::of([member]).has(member) && !Dropped::NOTHING.has(member));
        }
        let subject = Droppable::ALL.into_iter().filter(|member| Dropped::SUBJECT.has(*member));
        assert_eq!(
            subject.map(Droppable::name).collect::<Vec<_>>(),
            ["user", "address", "country", "user_agent", "derived_session"]
        );
    }
}
