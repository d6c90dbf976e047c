//! The airlock's machine: a raw event goes in, a clean one comes out, or a refusal.
//!
//! Owns the order of things: consent first, then who (user, address, session), then every text. Everything that an event holds passes
//! here; a member added to [`Fields`] must be named in [`scrub_texts`](Work::scrub_texts), or it does not compile.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use crate::clock::Millis;
use crate::outcome::{Reason, Refusal};

use super::address::{self, AddressPolicy};
use super::consent::{CONSENT_ATTRIBUTE, Decision, Droppable, Dropped, SignalPolicy, Signals, decide};
use super::detect::Kind;
use super::event::{CleanEvent, Fields, Provenance, RawEvent};
use super::geo::{GeoDatabase, REGION_ATTRIBUTE};
use super::json::{CleanJson, Json, Text};
use super::leaf::Job;
use super::policy::{CompiledPolicy, PolicyErrors, UserPolicy, compile};
use super::pseudonym::{PseudonymKeys, SESSION, USER, pseudonym};
use super::receipt::Receipt;
use super::selector::{Place, ValueType};

/// A compiled policy and the settings around it; immutable, to be shared in an `Arc` and swapped as a whole.
pub struct Scrubber {
    policy: CompiledPolicy,
    settings: Settings,
    hash: [u8; 32],
    hash_text: Arc<str>,
    rule_ids: Vec<String>,
    own: OwnRules,
}

/// What configuration and environment say beside the policy file.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Overrides the policy's `[address]` (`ANONYMIZE_IPS`: `true` pseudonymizes, `false` truncates).
    pub address: Option<AddressPolicy>,
    /// Whether user agents are kept (`TRACK_USER_AGENTS`).
    pub track_user_agents: bool,
    /// Whether events are taken at all (`ENABLE_USER_TRACKING`).
    pub tracking: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { address: None, track_user_agents: true, tracking: true }
    }
}

/// What the request around an event tells.
pub struct Context<'c> {
    /// Keys of the tenant's current epochs.
    pub keys: PseudonymKeys<'c>,
    /// The client's address, if the event names none of its own.
    pub client_address: Option<IpAddr>,
    /// Where addresses are, if the operator has a database.
    pub geo: Option<&'c GeoDatabase>,
    /// The request's `User-Agent`; tells sessions apart and is not kept.
    pub user_agent: Option<&'c str>,
    /// The request's privacy signals.
    pub signals: Signals,
    /// When the request arrived.
    pub received: Millis,
}

/// Ids under which the pipeline counts what it does to an event's own members.
struct OwnRules {
    user: Arc<str>,
    address: Arc<str>,
    session: Arc<str>,
    user_agent: Arc<str>,
    /// Of an event's own flag, GPC and DNT: what they refused or minimized.
    consent: [Arc<str>; 3],
}

impl OwnRules {
    fn new() -> Self {
        OwnRules {
            user: "user".into(),
            address: "address".into(),
            session: "session".into(),
            user_agent: "user_agent".into(),
            consent: ["consent_flag".into(), "consent_gpc".into(), "consent_dnt".into()],
        }
    }

    fn ids(&self) -> [&str; 7] {
        let [flag, gpc, dnt] = &self.consent;
        [&self.user, &self.address, &self.session, &self.user_agent, flag, gpc, dnt]
    }
}

impl Scrubber {
    /// Compiles a policy file, such as [`DEFAULT_POLICY`](super::DEFAULT_POLICY).
    pub fn from_toml(text: &str, settings: &Settings) -> Result<Scrubber, PolicyErrors> {
        let policy = compile(text, settings.address)?;
        let own = OwnRules::new();
        let rules = policy.rules.iter().map(|rule| rule.id.to_string());
        let rule_ids = own.ids().into_iter().map(str::to_owned).chain(rules).collect();
        let hash = blake3::hash(format!("{}{}", policy.canonical(), settings.track_user_agents).as_bytes());
        let hash_text = Arc::from(hash.to_hex().as_str());
        Ok(Scrubber { policy, settings: *settings, hash: *hash.as_bytes(), hash_text, rule_ids, own })
    }

    /// A hash of what the policy means: equal for policies that differ in layout and comments only.
    pub fn policy_hash(&self) -> [u8; 32] {
        self.hash
    }

    /// The same hash in hex.
    pub fn policy_hash_text(&self) -> &Arc<str> {
        &self.hash_text
    }

    /// The policy's name; its preset's unless the file names it.
    pub fn policy_name(&self) -> &str {
        &self.policy.name
    }

    /// How the rule of that id changes what it finds; `None` for what the pipeline does to an event's own members.
    pub fn method_of(&self, rule: &str) -> Option<&'static str> {
        self.policy.rules.iter().find(|known| *known.id == *rule).map(|rule| rule.method.name())
    }

    /// The name of the preset that the policy starts from.
    pub fn preset(&self) -> &'static str {
        self.policy.preset.name()
    }

    /// The address policy in force, the override included.
    pub fn address_policy(&self) -> AddressPolicy {
        self.policy.address
    }

    /// Days after which users' pseudonyms change; 0: they do not.
    pub fn user_rotation_days(&self) -> u16 {
        self.policy.user_rotation_days
    }

    /// Whether a detector of that name is at work everywhere, whatever is done with its finds.
    pub fn looks_for(&self, detector: &str) -> bool {
        let kind = Kind::ALL.into_iter().find(|kind| kind.name() == detector);
        kind.is_some_and(|kind| self.policy.wanted(None, ValueType::String).contains(kind))
    }

    /// Every id that a receipt may name.
    pub fn rule_ids(&self) -> &[String] {
        &self.rule_ids
    }

    /// Makes a raw event clean, or refuses it.
    pub fn scrub<'a>(
        &self,
        raw: RawEvent<'a>,
        context: &Context<'_>,
        receipt: &mut Receipt,
    ) -> Result<CleanEvent<'a>, Refusal> {
        let mut fields = raw.into_fields();
        let (decision, dropped) = self.admit(&fields, context.signals, receipt)?;
        fields.id = None;
        drop_members(&mut fields, dropped);
        self.scrub_user(&mut fields, context, receipt);
        let address = client_address(&fields, context);
        let derives = !dropped.has(Droppable::Session) && !dropped.has(Droppable::DerivedSession);
        let session_derived = derives && self.derive_session(&mut fields, address, context, receipt);
        let region = if dropped.has(Droppable::Country) { None } else { self.locate(&mut fields, address, context) };
        self.scrub_address(&mut fields, address.filter(|_| !dropped.has(Droppable::Address)), context, receipt);
        self.keep_user_agent(&mut fields, receipt);
        if !self.policy.finds_nothing() {
            let mut work = Work { job: Job::new(&self.policy, Some(context.keys), receipt) };
            work.scrub_texts(&mut fields);
        }
        // Behind the rules: codes and words of ours are no data of anybody, and no rule may take them for such.
        set_attribute(&mut fields, REGION_ATTRIBUTE, region);
        fields.attributes.retain(|(name, _)| name != CONSENT_ATTRIBUTE);
        set_attribute(&mut fields, CONSENT_ATTRIBUTE, decision.provenance());
        Ok(CleanEvent::new(fields, Provenance { session_derived }))
    }

    /// Makes any JSON value clean, without an event's rules for users, addresses and sessions.
    pub fn scrub_value<'a>(&self, value: Json<'a>, receipt: &mut Receipt) -> CleanJson<'a> {
        let mut value = value;
        Job::new(&self.policy, None, receipt).value(&mut value, None);
        CleanJson::new(value)
    }

    /// Makes a text clean that stands alone, such as a parameter of an audit record.
    pub fn scrub_text<'t>(&self, text: &'t str, receipt: &mut Receipt) -> Cow<'t, str> {
        let scrubbed = Job::new(&self.policy, None, receipt).text(text, None, ValueType::String);
        scrubbed.map_or(Cow::Borrowed(text), Cow::Owned)
    }

    /// Whether the event may be taken, and without what.
    fn admit(
        &self,
        fields: &Fields<'_>,
        signals: Signals,
        receipt: &mut Receipt,
    ) -> Result<(Decision, Dropped), Refusal> {
        if !self.settings.tracking {
            return Err(Refusal::whole(Reason::TrackingOff));
        }
        let decision = decide(self.policy.consent, fields.consent, signals);
        for (rule, led_to) in self.own.consent.iter().zip(decision.parts()) {
            if led_to.is_some_and(|led_to| led_to != SignalPolicy::Ignore) {
                receipt.count_member("consent", rule);
            }
        }
        match decision.effect() {
            SignalPolicy::Reject => Err(Refusal::whole(Reason::ConsentDenied)),
            SignalPolicy::Minimize => Ok((decision, self.policy.consent.minimize)),
            SignalPolicy::Ignore => Ok((decision, Dropped::NOTHING)),
        }
    }

    /// Sets the country as far as the policy keeps it, and answers the region.
    fn locate(&self, fields: &mut Fields<'_>, address: Option<IpAddr>, context: &Context<'_>) -> Option<String> {
        let found = context.geo.zip(address).map(|(geo, address)| geo.look_up(address, self.policy.geo))?;
        fields.country = found.country.map(Cow::Owned).or_else(|| fields.country.take());
        found.region
    }

    /// A user is always hashed or dropped, even one that looks like a pseudonym: senders cannot choose pseudonyms.
    fn scrub_user(&self, fields: &mut Fields<'_>, context: &Context<'_>, receipt: &mut Receipt) {
        let Some(user) = fields.user.take() else { return };
        receipt.count_member("user", &self.own.user);
        fields.user = match self.policy.user {
            UserPolicy::Pseudonymize if !user.is_empty() => {
                Some(Cow::Owned(pseudonym(context.keys.user, USER, user.as_bytes())))
            }
            UserPolicy::Pseudonymize | UserPolicy::Remove => None,
        };
    }

    /// Gives an event without a session one that lasts as long as the key: a keyed hash of address and agent.
    fn derive_session(
        &self,
        fields: &mut Fields<'_>,
        address: Option<IpAddr>,
        context: &Context<'_>,
        receipt: &mut Receipt,
    ) -> bool {
        let (None, Some(address)) = (&fields.session, address) else { return false };
        let agent = fields.user_agent.as_deref().or(context.user_agent).unwrap_or("");
        let mut value = Vec::with_capacity(16 + agent.len());
        value.extend_from_slice(&address::bytes(address));
        value.extend_from_slice(agent.as_bytes());
        fields.session = Some(Cow::Owned(pseudonym(context.keys.session, SESSION, &value)));
        receipt.count_member("session", &self.own.session);
        true
    }

    fn scrub_address(
        &self,
        fields: &mut Fields<'_>,
        address: Option<IpAddr>,
        context: &Context<'_>,
        receipt: &mut Receipt,
    ) {
        if address.is_some() || fields.ip.is_some() {
            receipt.count_member("ip", &self.own.address);
        }
        fields.ip =
            address.and_then(|address| self.policy.address.apply(address, context.keys.address)).map(Cow::Owned);
    }

    /// Moves the event's own agent to the attributes, where it is scrubbed like them, or drops it.
    fn keep_user_agent(&self, fields: &mut Fields<'_>, receipt: &mut Receipt) {
        let Some(agent) = fields.user_agent.take() else { return };
        if !self.settings.track_user_agents {
            receipt.count_member("user_agent", &self.own.user_agent);
        } else if !fields.attributes.iter().any(|(name, _)| name == "user_agent") {
            fields.attributes.push((Cow::Borrowed("user_agent"), Json::Str(agent)));
        }
    }
}

/// Takes away what a wish of the subject asks for. The address goes later: others are made of it before.
fn drop_members(fields: &mut Fields<'_>, dropped: Dropped) {
    if dropped.has(Droppable::User) {
        fields.user = None;
    }
    if dropped.has(Droppable::Country) {
        fields.country = None;
        fields.attributes.retain(|(name, _)| name != REGION_ATTRIBUTE);
    }
    if dropped.has(Droppable::UserAgent) {
        fields.user_agent = None;
    }
    if dropped.has(Droppable::Session) {
        fields.session = None;
    }
    if dropped.has(Droppable::Attributes) {
        fields.attributes.clear();
    }
}

/// Sets an attribute of ours, whatever the sender called so.
fn set_attribute(fields: &mut Fields<'_>, name: &'static str, value: Option<String>) {
    let Some(value) = value else { return };
    fields.attributes.retain(|(known, _)| known != name);
    fields.attributes.push((Cow::Borrowed(name), Json::Str(Cow::Owned(value))));
}

/// The address that the event names, or else the client's. What is no address counts as none.
fn client_address(fields: &Fields<'_>, context: &Context<'_>) -> Option<IpAddr> {
    match &fields.ip {
        Some(text) => address::parse(text),
        None => context.client_address.map(|address| address.to_canonical()),
    }
}

/// The scrubbing of one event's texts.
struct Work<'j> {
    job: Job<'j>,
}

impl Work<'_> {
    /// Scrubs every text. The pattern names every member of an event, so that a new one cannot be forgotten.
    fn scrub_texts(&mut self, fields: &mut Fields<'_>) {
        let Fields {
            event_type: _,
            id: _,
            name,
            timestamp: _,
            session,
            user: _, // A pseudonym by now, or nothing.
            ip: _,   // Truncated by now, a pseudonym, or nothing.
            country,
            user_agent: _, // Moved to the attributes by now, or dropped.
            client_name,
            client_version,
            server_name,
            server_version,
            model,
            language,
            duration_ms: _,
            ok: _,
            error_type,
            error_message,
            method,
            path,
            status: _,
            value,
            unit,
            severity,
            body,
            trace_id,
            span_id,
            parent_id,
            consent: _,
            attributes,
        } = fields;
        self.number("value", value);
        self.text("name", name);
        self.text("session", session);
        self.text("country", country);
        self.text("client_name", client_name);
        self.text("client_version", client_version);
        self.text("server_name", server_name);
        self.text("server_version", server_version);
        self.text("model", model);
        self.text("language", language);
        self.text("error_type", error_type);
        self.text("error_message", error_message);
        self.text("method", method);
        self.text("path", path);
        self.text("unit", unit);
        self.text("severity", severity);
        self.text("body", body);
        self.text("trace_id", trace_id);
        self.text("span_id", span_id);
        self.text("parent_id", parent_id);
        self.job.members(attributes, Some(&Place::root("attributes")));
    }

    /// A number in which something personal is found goes: its column holds no text that could take its place.
    fn number(&mut self, name: &'static str, field: &mut Option<f64>) {
        let Some(number) = field else { return };
        if self.job.text(&number.to_string(), Some(&Place::root(name)), ValueType::Number).is_some() {
            *field = None;
        }
    }

    fn text(&mut self, name: &'static str, field: &mut Option<Text<'_>>) {
        let Some(text) = field else { return };
        if let Some(scrubbed) = self.job.text(text, Some(&Place::root(name)), ValueType::String) {
            *text = Cow::Owned(scrubbed);
        }
    }
}

#[cfg(test)]
mod tests;
