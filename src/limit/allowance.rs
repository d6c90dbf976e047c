//! What a check says, in the words of the `RateLimit` header fields.
//!
//! The syntax is that of draft-ietf-httpapi-ratelimit-headers-10, an Internet-Draft: lists of quoted policy names with
//! parameters. governor refills steadily and knows no fixed window; the draft's quota and window are therefore published as
//! the burst and the time in which it refills, and the reset as the time until the burst is whole again or, in a refusal,
//! until the request would be let through. `Retry-After` is never earlier than that.

use std::fmt::Write as _;

/// What a policy counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Requests, the draft's default.
    Requests,
    /// Events; not a unit of the draft, but a client must not take it for requests.
    Events,
}

/// One policy and where a caller stands with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The policy's name: lower-case letters and `-`.
    pub policy: &'static str,
    /// What it counts.
    pub unit: Unit,
    /// How much it allows in a window (`q`).
    pub quota: u64,
    /// The window (`w`), in seconds, rounded up.
    pub window_s: u64,
    /// How much is left (`r`).
    pub remaining: u64,
    /// Seconds until the quota is whole again or, in a refusal, until it suffices (`t`), rounded up.
    pub reset_s: u64,
}

impl Standing {
    fn write_policy(&self, out: &mut String) {
        let unit = match self.unit {
            Unit::Requests => "",
            Unit::Events => ";qu=\"events\"",
        };
        let Standing { policy, quota, window_s, .. } = self;
        write!(out, "\"{policy}\";q={quota}{unit};w={window_s}").expect("writing into a string cannot fail");
    }

    fn write_limit(&self, out: &mut String) {
        let Standing { policy, remaining, reset_s, .. } = self;
        write!(out, "\"{policy}\";r={remaining};t={reset_s}").expect("writing into a string cannot fail");
    }
}

/// A request that may pass, and what is left after it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Allowance {
    standings: Vec<Standing>,
}

impl Allowance {
    pub(super) fn add(&mut self, standing: Option<Standing>) {
        self.standings.extend(standing);
    }

    /// This allowance and another one, for the same answer.
    pub fn and(mut self, other: Allowance) -> Allowance {
        self.standings.extend(other.standings);
        self
    }

    /// Where the caller stands, policy by policy; empty if nothing limits it.
    pub fn standings(&self) -> &[Standing] {
        &self.standings
    }

    /// The value of `RateLimit-Policy`; `None` if nothing limits the caller.
    pub fn policy_header(&self) -> Option<String> {
        list(&self.standings, Standing::write_policy)
    }

    /// The value of `RateLimit`; `None` if nothing limits the caller.
    pub fn limit_header(&self) -> Option<String> {
        list(&self.standings, Standing::write_limit)
    }
}

/// A request that may not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The quota is used up; the same request may pass later.
    #[error("the limit {} is reached; try again in {} s", .0.policy, .0.reset_s.max(1))]
    Later(Standing),
    /// The request asks for more than the policy ever allows at once; it must be split.
    #[error("the request is larger than the limit {policy} ever allows at once ({most})")]
    TooMany {
        /// The policy's name.
        policy: &'static str,
        /// The most that one request may ask for.
        most: u64,
    },
}

impl Refused {
    /// The violated policy's name, for `violated-policies` of the problem document.
    pub fn policy(&self) -> &'static str {
        match self {
            Refused::Later(standing) => standing.policy,
            Refused::TooMany { policy, .. } => policy,
        }
    }

    /// The value of `Retry-After`, in seconds: at least one, never below `t`. `None` if retrying cannot help.
    pub fn retry_after_s(&self) -> Option<u64> {
        match self {
            Refused::Later(standing) => Some(standing.reset_s.max(1)),
            Refused::TooMany { .. } => None,
        }
    }

    /// The value of `RateLimit-Policy`.
    pub fn policy_header(&self) -> Option<String> {
        self.standing().and_then(|standing| list(&[standing], Standing::write_policy))
    }

    /// The value of `RateLimit`.
    pub fn limit_header(&self) -> Option<String> {
        self.standing().and_then(|standing| list(&[standing], Standing::write_limit))
    }

    fn standing(&self) -> Option<Standing> {
        match self {
            Refused::Later(standing) => Some(*standing),
            Refused::TooMany { .. } => None,
        }
    }
}

fn list(standings: &[Standing], write: impl Fn(&Standing, &mut String)) -> Option<String> {
    let mut out = String::new();
    for (index, standing) in standings.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        write(standing, &mut out);
    }
    (!out.is_empty()).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUESTS: Standing = Standing {
        policy: "tenant-requests",
        unit: Unit::Requests,
        quota: 100,
        window_s: 60,
        remaining: 50,
        reset_s: 30,
    };
    const EVENTS: Standing =
        Standing { policy: "key-events", unit: Unit::Events, quota: 5_000, window_s: 1, remaining: 0, reset_s: 0 };

    #[test]
    fn the_fields_have_the_drafts_syntax() {
        let mut one = Allowance::default();
        assert_eq!((one.policy_header(), one.limit_header()), (None, None));
        one.add(Some(REQUESTS));
        let mut two = Allowance::default();
        two.add(Some(EVENTS));
        let both = one.and(two);
        let policies = r#""tenant-requests";q=100;w=60, "key-events";q=5000;qu="events";w=1"#;
        assert_eq!(both.policy_header().unwrap(), policies);
        assert_eq!(both.limit_header().unwrap(), r#""tenant-requests";r=50;t=30, "key-events";r=0;t=0"#);
    }

    #[test]
    fn a_refusal_says_when_to_come_back_and_never_at_once() {
        assert_eq!(Refused::Later(REQUESTS).retry_after_s(), Some(30));
        assert_eq!(Refused::Later(EVENTS).retry_after_s(), Some(1));
        assert_eq!(Refused::Later(REQUESTS).limit_header().unwrap(), r#""tenant-requests";r=50;t=30"#);
        let never = Refused::TooMany { policy: "key-events", most: 5_000 };
        assert_eq!((never.retry_after_s(), never.limit_header()), (None, None));
    }
}
