//! The presets: what a policy says before the operator's file adds to it.

use super::address::{AddressPolicy, Prefixes};
use super::consent::{ConsentPolicy, Dropped, SignalPolicy};
use super::detect::Kind;
use super::geo::GeoPolicy;
use super::redaction::Method;

/// A named starting point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Preset {
    /// Everything that is found is replaced; signals minimize. The default.
    Strict,
    /// Addresses in texts keep their network; only GPC counts.
    Balanced,
    /// As audience measurement without consent asks for: half of an IPv4 address, and whoever objects is not measured.
    CnilAudience,
}

impl Preset {
    /// Every preset.
    pub(super) const ALL: [Preset; 3] = [Preset::Strict, Preset::Balanced, Preset::CnilAudience];

    /// The name in a policy file.
    pub(super) fn name(self) -> &'static str {
        match self {
            Preset::Strict => "strict",
            Preset::Balanced => "balanced",
            Preset::CnilAudience => "cnil-audience",
        }
    }

    /// What is kept of an event's address.
    pub(super) fn address(self) -> AddressPolicy {
        AddressPolicy::Truncate(match self {
            Preset::Strict | Preset::Balanced => Prefixes::DEFAULT,
            Preset::CnilAudience => Prefixes::COARSE,
        })
    }

    /// What is kept of where an address is, if there is a database. A region with a truncated address beside it is a small crowd.
    pub(super) fn geo(self) -> GeoPolicy {
        match self {
            Preset::Strict | Preset::CnilAudience => GeoPolicy { country: true, region: false },
            Preset::Balanced => GeoPolicy { country: true, region: true },
        }
    }

    /// After how many days a user's pseudonym changes; 0: it stays. Regulators of audience measurement allow thirteen months.
    pub(super) fn user_rotation_days(self) -> u16 {
        match self {
            Preset::Strict | Preset::Balanced => 0,
            Preset::CnilAudience => 390,
        }
    }

    /// What signals lead to.
    pub(super) fn consent(self) -> ConsentPolicy {
        let (gpc, dnt) = match self {
            Preset::Strict => (SignalPolicy::Minimize, SignalPolicy::Minimize),
            Preset::Balanced => (SignalPolicy::Minimize, SignalPolicy::Ignore),
            Preset::CnilAudience => (SignalPolicy::Reject, SignalPolicy::Reject),
        };
        ConsentPolicy { gpc, dnt, minimize: Dropped::SUBJECT }
    }

    /// What happens to a find of `kind`.
    pub(super) fn method(self, kind: Kind) -> Method {
        match (self, kind == Kind::Ip) {
            (Preset::Balanced, true) => Method::Network(Prefixes::DEFAULT),
            (Preset::Strict | Preset::Balanced | Preset::CnilAudience, _) => Method::Replace(kind.placeholder().into()),
        }
    }
}
