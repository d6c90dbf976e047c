//! A policy as it runs, told as JSON: what is in force, whoever said it.

use serde_json::{Value, json};

use super::{Compiled, CompiledPolicy, Rule, UserPolicy, What};
use crate::privacy::address::AddressPolicy;
use crate::privacy::event::EventType;
use crate::privacy::redaction::Method;
use crate::privacy::selector::Selector;

impl Compiled {
    /// Name, preset, and what holds for which types of events.
    pub(in crate::privacy) fn told(&self) -> Value {
        let all: Vec<EventType> =
            EventType::ALL.into_iter().filter(|t| !self.streams.iter().any(|(types, _)| types.contains(t))).collect();
        let streams = self.streams.iter().map(|(types, policy)| policy.told(types));
        let told: Vec<Value> = std::iter::once(self.main.told(&all)).chain(streams).collect();
        json!({ "name": self.name, "preset": self.preset.name(), "streams": told })
    }
}

impl CompiledPolicy {
    fn told(&self, types: &[EventType]) -> Value {
        let types: Vec<&str> = types.iter().map(|t| t.name()).collect();
        let shown = |selector: &Option<Selector>| selector.as_ref().map(Selector::to_string);
        json!({
            "types": types,
            "address": match self.address {
                AddressPolicy::Drop => json!({ "policy": "drop" }),
                AddressPolicy::Truncate(prefixes) => json!({ "policy": "truncate", "v4": prefixes.v4, "v6": prefixes.v6 }),
                AddressPolicy::Pseudonymize => json!({ "policy": "pseudonymize" }),
            },
            "user": match self.user {
                UserPolicy::Pseudonymize => "pseudonymize",
                UserPolicy::Remove => "remove",
            },
            "consent": { "gpc": self.consent.gpc.name(), "dnt": self.consent.dnt.name() },
            "fields": {
                "mode": if self.fields.keep.is_some() { "allow" } else { "deny" },
                "keep": shown(&self.fields.keep),
                "drop": shown(&self.fields.drop),
            },
            "rules": self.rules.iter().map(Rule::told).collect::<Vec<_>>(),
        })
    }
}

impl Rule {
    fn told(&self) -> Value {
        let (looks_for, value) = match &self.what {
            What::Detectors(kinds) => ("detector", json!(kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>())),
            What::Pattern(_, source) => ("pattern", json!(source)),
            What::Names(names) => ("keys", json!(names)),
        };
        let (method, detail) = match &self.method {
            Method::Remove => ("remove", None),
            Method::Replace(text) => ("replace", Some(("text", json!(text)))),
            Method::Mask { keep } => ("mask", Some(("keep", json!(keep)))),
            Method::Truncate { length } => ("truncate", Some(("length", json!(length)))),
            Method::Network(prefixes) => {
                ("truncate", Some(("network", json!({ "v4": prefixes.v4, "v6": prefixes.v6 }))))
            }
            Method::Pseudonymize => ("pseudonymize", None),
        };
        let mut told =
            json!({ "id": *self.id, looks_for: value, "selector": self.selector.to_string(), "method": method });
        if let (Some(object), Some((name, value))) = (told.as_object_mut(), detail) {
            object.insert(name.to_owned(), value);
        }
        told
    }
}
