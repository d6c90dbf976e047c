//! The airlock's machine: a raw event goes in, a clean one comes out, or a refusal.
//!
//! Owns the order of things: consent first, then who (user, address, session), then every text. Everything that an event holds passes
//! here; a member added to [`Fields`] must be named in [`scrub_texts`](Work::scrub_texts), or it does not compile.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use crate::clock::Millis;
use crate::outcome::{Reason, Refusal};

use super::address::{self, AddressPolicy};
use super::consent::{CONSENT_ATTRIBUTE, Decision, Droppable, Dropped, SignalPolicy, Signals, decide};
use super::detect::Kind;
use super::event::{CleanEvent, EventType, Fields, Provenance, RawEvent};
use super::geo::{GeoDatabase, REGION_ATTRIBUTE};
use super::json::{CleanJson, Json, Text};
use super::leaf::Job;
use super::policy::stream::Stream;
use super::policy::written::Layer;
use super::policy::{Compiled, CompiledPolicy, Form, PolicyError, PolicyErrors, UserPolicy, compile, parse};
use super::pseudonym::{PseudonymKeys, SESSION, USER, pseudonym};
use super::receipt::Receipt;
use super::selector::{Place, ValueType};

/// A compiled policy and the settings around it; immutable, to be shared in an `Arc` and swapped as a whole.
pub struct Scrubber {
    policy: Compiled,
    /// What the policy was made of, for those that extend it.
    layers: Vec<Arc<Layer>>,
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
    fields: Arc<str>,
}

impl OwnRules {
    fn new() -> Self {
        OwnRules {
            user: "user".into(),
            address: "address".into(),
            session: "session".into(),
            user_agent: "user_agent".into(),
            consent: ["consent_flag".into(), "consent_gpc".into(), "consent_dnt".into()],
            fields: "fields".into(),
        }
    }

    fn ids(&self) -> [&str; 8] {
        let [flag, gpc, dnt] = &self.consent;
        [&self.user, &self.address, &self.session, &self.user_agent, flag, gpc, dnt, &self.fields]
    }
}

impl Scrubber {
    /// Compiles a policy file, such as [`DEFAULT_POLICY`](super::DEFAULT_POLICY), and runs its tests.
    pub fn from_toml(text: &str, settings: &Settings) -> Result<Scrubber, PolicyErrors> {
        Scrubber::alone(text, Form::Toml, settings)
    }

    /// The same with the settings of this one, to be tried in its place.
    pub fn instead(&self, text: &str, form: Form) -> Result<Scrubber, PolicyErrors> {
        Scrubber::alone(text, form, &self.settings)
    }

    fn alone(text: &str, form: Form, settings: &Settings) -> Result<Scrubber, PolicyErrors> {
        let (layer, mut problems) = parse(text, form)?;
        if layer.extends_gateway() {
            let problem = "only a tenant's policy has the gateway's to extend".to_owned();
            problems.push(PolicyError { place: "extends".to_owned(), problem });
        }
        Scrubber::of(vec![Arc::new(layer)], settings, problems)
    }

    /// Compiles a tenant's policy over this one, the gateway's, unless it starts from a preset of its own; and runs its tests.
    pub fn with_tenant(&self, text: &str, form: Form) -> Result<Scrubber, PolicyErrors> {
        let (layer, problems) = parse(text, form)?;
        let layer = Arc::new(layer);
        let base = if layer.starts_anew() { &[][..] } else { &self.layers[..] };
        Scrubber::of(base.iter().cloned().chain([layer]).collect(), &self.settings, problems)
    }

    fn of(layers: Vec<Arc<Layer>>, settings: &Settings, problems: Vec<PolicyError>) -> Result<Scrubber, PolicyErrors> {
        let policy = compile(&layers.iter().map(|layer| &**layer).collect::<Vec<_>>(), settings.address, problems)?;
        let own = OwnRules::new();
        let mut rule_ids: Vec<String> = own.ids().into_iter().map(str::to_owned).collect();
        for rule in policy.all().flat_map(|policy| &policy.rules) {
            if !rule_ids.iter().any(|known| **known == *rule.id) {
                rule_ids.push(rule.id.to_string());
            }
        }
        let hash = blake3::hash(format!("{}{}", policy.canonical(), settings.track_user_agents).as_bytes());
        let hash_text = Arc::from(hash.to_hex().as_str());
        // Tests are about what would be taken, also where nothing is taken at the time.
        let trying = Settings { tracking: true, ..*settings };
        let mut scrubber =
            Scrubber { policy, layers, settings: trying, hash: *hash.as_bytes(), hash_text, rule_ids, own };
        scrubber.pass_trials()?;
        scrubber.settings = *settings;
        Ok(scrubber)
    }

    /// Runs the tests of the last layer; those of the layers below speak of policies that it may change.
    fn pass_trials(&self) -> Result<(), PolicyErrors> {
        let trials = self.layers.last().map_or(&[][..], |layer| &layer.trials);
        let failed: Vec<_> = trials.iter().filter_map(|trial| trial.run(self)).collect();
        if failed.is_empty() { Ok(()) } else { Err(PolicyErrors(failed)) }
    }

    /// The policy as it was written.
    pub fn text(&self) -> &str {
        self.layers.last().map_or("", |layer| layer.text())
    }

    /// Whether a rule of that id may show up in a receipt.
    pub fn has_rule(&self, id: &str) -> bool {
        self.rule_ids.iter().any(|known| known == id)
    }

    /// What the policy says, resolved, as JSON.
    pub fn told(&self) -> serde_json::Value {
        self.policy.told()
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
        let rules = self.policy.all().flat_map(|policy| &policy.rules);
        rules.into_iter().find(|known| *known.id == *rule).map(|rule| rule.method.name())
    }

    /// The name of the preset that the policy starts from.
    pub fn preset(&self) -> &'static str {
        self.policy.preset.name()
    }

    /// The address policy in force, the override included; streams may have others.
    pub fn address_policy(&self) -> AddressPolicy {
        self.policy.main.address
    }

    /// Days after which users' pseudonyms change; 0: they do not.
    pub fn user_rotation_days(&self) -> u16 {
        self.policy.main.user_rotation_days
    }

    /// Whether a detector of that name is at work everywhere, whatever is done with its finds.
    pub fn looks_for(&self, detector: &str) -> bool {
        let kind = Kind::ALL.into_iter().find(|kind| kind.name() == detector);
        kind.is_some_and(|kind| self.policy.main.wanted(None, ValueType::String).contains(kind))
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
        let policy = self.policy.of(fields.event_type.unwrap_or(EventType::Custom));
        let (decision, dropped) = self.admit(policy, &fields, context.signals, receipt)?;
        fields.id = None;
        drop_members(&mut fields, dropped);
        self.scrub_user(policy, &mut fields, context, receipt);
        let address = client_address(&fields, context);
        let derives = !dropped.has(Droppable::Session) && !dropped.has(Droppable::DerivedSession);
        let mut session_derived = derives && self.derive_session(&mut fields, address, context, receipt);
        let located = !dropped.has(Droppable::Country);
        let region = if located { locate(policy, &mut fields, address, context) } else { None };
        self.scrub_address(policy, &mut fields, address.filter(|_| !dropped.has(Droppable::Address)), context, receipt);
        self.keep_user_agent(&mut fields, receipt);
        if !policy.fields.keeps_all() {
            policy.fields.trim_event(&mut fields, &self.own.fields, receipt);
            session_derived &= fields.session.is_some();
        }
        if !policy.finds_nothing() {
            let mut work = Work { job: Job::new(policy, Some(context.keys), receipt) };
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
        self.scrub_value_of(None, value, receipt)
    }

    /// The same by what the policy says of a stream.
    pub fn scrub_value_of<'a>(&self, stream: Option<Stream>, value: Json<'a>, receipt: &mut Receipt) -> CleanJson<'a> {
        let policy = stream.map_or(&self.policy.main, |stream| self.policy.of(stream.example()));
        let mut value = value;
        if !policy.fields.keeps_all() {
            policy.fields.trim_value(&mut value, &self.own.fields, receipt);
        }
        Job::new(policy, None, receipt).value(&mut value, None);
        CleanJson::new(value)
    }

    /// Makes a text clean that stands alone, such as a parameter of an audit record.
    pub fn scrub_text<'t>(&self, text: &'t str, receipt: &mut Receipt) -> Cow<'t, str> {
        let scrubbed = Job::new(&self.policy.main, None, receipt).text(text, None, ValueType::String);
        scrubbed.map_or(Cow::Borrowed(text), Cow::Owned)
    }

    /// Every form in which events may keep a session that senders call so: the rules for it may differ from stream to stream.
    pub fn sessions_kept(&self, session: &str, keys: PseudonymKeys<'_>) -> BTreeSet<String> {
        let place = Place::root("session");
        let kept = |policy| {
            let mut receipt = Receipt::default();
            let mut job = Job::new(policy, Some(keys), &mut receipt);
            job.text(session, Some(&place), ValueType::String).unwrap_or_else(|| session.to_owned())
        };
        self.policy.all().map(kept).collect()
    }

    /// Whether the event may be taken, and without what.
    fn admit(
        &self,
        policy: &CompiledPolicy,
        fields: &Fields<'_>,
        signals: Signals,
        receipt: &mut Receipt,
    ) -> Result<(Decision, Dropped), Refusal> {
        if !self.settings.tracking {
            return Err(Refusal::whole(Reason::TrackingOff));
        }
        let decision = decide(policy.consent, fields.consent, signals);
        for (rule, led_to) in self.own.consent.iter().zip(decision.parts()) {
            if led_to.is_some_and(|led_to| led_to != SignalPolicy::Ignore) {
                receipt.count_member("consent", rule);
            }
        }
        match decision.effect() {
            SignalPolicy::Reject => Err(Refusal::whole(Reason::ConsentDenied)),
            SignalPolicy::Minimize => Ok((decision, policy.consent.minimize)),
            SignalPolicy::Ignore => Ok((decision, Dropped::NOTHING)),
        }
    }

    /// A user is always hashed or dropped, even one that looks like a pseudonym: senders cannot choose pseudonyms.
    fn scrub_user(
        &self,
        policy: &CompiledPolicy,
        fields: &mut Fields<'_>,
        context: &Context<'_>,
        receipt: &mut Receipt,
    ) {
        let Some(user) = fields.user.take() else { return };
        receipt.count_member("user", &self.own.user);
        fields.user = match policy.user {
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
        policy: &CompiledPolicy,
        fields: &mut Fields<'_>,
        address: Option<IpAddr>,
        context: &Context<'_>,
        receipt: &mut Receipt,
    ) {
        if address.is_some() || fields.ip.is_some() {
            receipt.count_member("ip", &self.own.address);
        }
        fields.ip = address.and_then(|address| policy.address.apply(address, context.keys.address)).map(Cow::Owned);
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

/// Sets the country as far as the policy keeps it, and answers the region.
fn locate(
    policy: &CompiledPolicy,
    fields: &mut Fields<'_>,
    address: Option<IpAddr>,
    context: &Context<'_>,
) -> Option<String> {
    let found = context.geo.zip(address).map(|(geo, address)| geo.look_up(address, policy.geo))?;
    fields.country = found.country.map(Cow::Owned).or_else(|| fields.country.take());
    found.region
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
