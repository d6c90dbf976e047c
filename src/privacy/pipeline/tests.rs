//! The promises of the airlock, through its front.

use proptest::prelude::*;

use super::super::event::Consent;
use super::super::pseudonym::is_pseudonym;
use super::super::{DEFAULT_POLICY, detect, json::Members};
use super::*;

const USER_KEY: [u8; 32] = [1; 32];

fn context<'c>() -> Context<'c> {
    Context {
        keys: PseudonymKeys { user: &USER_KEY, address: &[2; 32], session: &[3; 32] },
        client_address: "198.51.100.7".parse().ok(),
        geo: None,
        user_agent: Some("agent/1"),
        signals: Signals::default(),
        received: Millis(0),
    }
}

fn scrubber(policy: &str) -> Scrubber {
    Scrubber::from_toml(policy, &Settings::default()).unwrap()
}

fn clean<'a>(fields: Fields<'a>, context: &Context<'_>) -> CleanEvent<'a> {
    scrubber("").scrub(RawEvent::new(fields), context, &mut Receipt::default()).unwrap()
}

fn scrub_json(scrubber: &Scrubber, text: &str) -> (String, Receipt) {
    let mut receipt = Receipt::default();
    let mut out = Vec::new();
    scrubber.scrub_value(Json::parse(text.as_bytes(), 32).unwrap(), &mut receipt).write_to(&mut out);
    (String::from_utf8(out).unwrap(), receipt)
}

fn attributes(event: &CleanEvent<'_>) -> String {
    let mut out = Vec::new();
    event.write_attributes(&mut out);
    String::from_utf8(out).unwrap()
}

fn scrubbed(policy: &str, text: &str) -> String {
    scrub_json(&scrubber(policy), text).0
}

#[test]
fn who_is_pseudonymized_truncated_or_gone() {
    let fields = Fields {
        id: Some("e1".into()),
        user: Some("ann@example.com".into()),
        ip: Some("[2001:db8:1:2::7]:443".into()),
        user_agent: Some("Mozilla/5.0 (ann@example.com)".into()),
        ..Fields::default()
    };
    let event = clean(fields, &context());
    let fields = event.fields();
    assert_eq!(fields.id, None);
    assert_eq!(fields.user.as_deref(), Some(pseudonym(&USER_KEY, USER, b"ann@example.com").as_str()));
    assert_eq!(fields.ip.as_deref(), Some("2001:db8:1::"));
    assert_eq!(fields.user_agent, None);
    assert!(fields.session.as_deref().is_some_and(|session| session.starts_with("s_") && is_pseudonym(session)));
    assert!(event.provenance().session_derived);
    let mut attributes = Vec::new();
    event.write_attributes(&mut attributes);
    assert_eq!(attributes, br#"{"user_agent":"Mozilla/5.0 ([email])"}"#);
}

#[test]
fn a_sender_cannot_choose_a_pseudonym() {
    let chosen = pseudonym(&USER_KEY, USER, b"somebody else");
    let event = clean(Fields { user: Some(chosen.clone().into()), ..Fields::default() }, &context());
    assert_ne!(event.fields().user.as_deref(), Some(chosen.as_str()));
}

#[test]
fn what_is_no_address_is_not_kept_and_not_replaced_by_the_clients() {
    let event = clean(Fields { ip: Some("ann at home".into()), ..Fields::default() }, &context());
    assert_eq!(event.fields().ip, None);
    let event = clean(Fields::default(), &context());
    assert_eq!(event.fields().ip.as_deref(), Some("198.51.100.0"));
}

#[test]
fn a_session_that_was_sent_is_kept_as_text() {
    let event = clean(Fields { session: Some("mcp_1_1693234567890".into()), ..Fields::default() }, &context());
    assert_eq!(event.fields().session.as_deref(), Some("mcp_1_1693234567890"));
    assert!(!event.provenance().session_derived);
}

#[test]
fn consent_and_signals() {
    let refused = |settings: &Settings, policy: &str, fields: Fields<'static>, signals: Signals| {
        let scrubber = Scrubber::from_toml(policy, settings).unwrap();
        let context = Context { signals, ..context() };
        scrubber.scrub(RawEvent::new(fields), &context, &mut Receipt::default()).err().map(|refusal| refusal.reason)
    };
    let denied = || Fields { consent: Some(Consent::Denied), ..Fields::default() };
    let gpc = Signals { gpc: true, dnt: false };
    let on = Settings::default();
    let off = Settings { tracking: false, ..on };
    assert_eq!(refused(&off, "", Fields::default(), Signals::default()), Some(Reason::TrackingOff));
    assert_eq!(refused(&on, "", denied(), Signals::default()), Some(Reason::ConsentDenied));
    assert_eq!(refused(&on, "preset = 'cnil-audience'", Fields::default(), gpc), Some(Reason::ConsentDenied));
    assert_eq!(refused(&on, "", Fields::default(), gpc), None);

    let fields = Fields {
        user: Some("ann".into()),
        user_agent: Some("x".into()),
        name: Some("tool".into()),
        ..Fields::default()
    };
    let event = clean(fields, &Context { signals: gpc, ..context() });
    let fields = event.fields();
    assert!(fields.user.is_none() && fields.ip.is_none() && fields.session.is_none());
    assert_eq!(attributes(&event), r#"{"privacy.consent":"gpc:minimize"}"#);
    assert_eq!(fields.name.as_deref(), Some("tool"));
}

/// An event that names everything that may be dropped.
fn talkative() -> Fields<'static> {
    Fields {
        user: Some("ann".into()),
        ip: Some("192.0.2.77".into()),
        session: Some("s1".into()),
        user_agent: Some("agent/2".into()),
        attributes: vec![("plan".into(), Json::Str("pro".into()))],
        ..Fields::default()
    }
}

#[test]
fn what_minimize_drops_is_policy() {
    let signals = Signals { gpc: true, dnt: true };
    let kept = |minimize: &str| {
        let scrubber = scrubber(&format!("[consent]\nminimize = {minimize}"));
        let mut receipt = Receipt::default();
        let context = Context { signals, ..context() };
        let event = scrubber.scrub(RawEvent::new(talkative()), &context, &mut receipt).unwrap();
        let fields = event.fields();
        let there = [fields.user.is_some(), fields.ip.is_some(), fields.session.is_some()];
        let counts: Vec<(&str, u64)> = receipt.iter().filter(|(rule, _)| rule.starts_with("consent")).collect();
        assert_eq!(counts, [("consent_gpc", 1), ("consent_dnt", 1)]);
        (there, attributes(&event))
    };
    let mark = r#""privacy.consent":"gpc:minimize,dnt:minimize""#;
    assert_eq!(kept("[]"), ([true; 3], format!(r#"{{"plan":"pro","user_agent":"agent/2",{mark}}}"#)));
    assert_eq!(kept("['user', 'user_agent']"), ([false, true, true], format!(r#"{{"plan":"pro",{mark}}}"#)));
    assert_eq!(kept("['address', 'session']").0, [true, false, false]);
    assert_eq!(kept("'attributes'"), ([true; 3], format!(r#"{{"user_agent":"agent/2",{mark}}}"#)));
    // A session that is derived would bring the address back.
    let scrubber = scrubber("[consent]\nminimize = ['session']");
    let context = Context { signals, ..context() };
    let event = scrubber.scrub(RawEvent::new(talkative()), &context, &mut Receipt::default()).unwrap();
    assert!(event.fields().session.is_none() && !event.provenance().session_derived);
    assert!(Scrubber::from_toml("[consent]\nminimize = ['everything']", &Settings::default()).is_err());
}

#[test]
fn a_sender_cannot_write_what_led_to_what() {
    let forged = |signals| {
        let attributes = vec![("privacy.consent".into(), Json::Str("flag:granted".into()))];
        let event = clean(Fields { attributes, ..Fields::default() }, &Context { signals, ..context() });
        super::tests::attributes(&event)
    };
    assert_eq!(forged(Signals::default()), "{}");
    assert_eq!(forged(Signals { gpc: false, dnt: true }), r#"{"privacy.consent":"dnt:minimize"}"#);
    let granted = clean(Fields { consent: Some(Consent::Granted), ..Fields::default() }, &context());
    assert_eq!(attributes(&granted), r#"{"privacy.consent":"flag:granted"}"#);
}

#[test]
fn country_and_region_are_looked_up_before_the_address_is_cut_as_far_as_the_policy_says() {
    use super::super::geo::mmdb::{Mmdb, place};
    // The network that is stored is in another country than the address.
    let mmdb = Mmdb::new().with("192.0.2.64/26", place("DE", Some("BY"))).with("192.0.2.0/26", place("FR", None));
    let geo = GeoDatabase::from_bytes(mmdb.bytes()).unwrap();
    let found = |policy: &str, signals: Signals, geo: Option<&GeoDatabase>| {
        let context = Context { geo, signals, ..context() };
        let event = scrubber(policy).scrub(RawEvent::new(talkative()), &context, &mut Receipt::default()).unwrap();
        let region = attributes(&event).contains(r#""geo.region.iso_code":"DE-BY""#);
        (event.fields().ip.as_deref().map(str::to_owned), event.fields().country.as_deref().map(str::to_owned), region)
    };
    let (ip, de) = (Some("192.0.2.0".to_owned()), Some("DE".to_owned()));
    let silent = Signals::default();
    assert_eq!(found("", silent, Some(&geo)), (ip.clone(), de.clone(), false));
    assert_eq!(found("preset = 'balanced'", silent, Some(&geo)), (ip.clone(), de.clone(), true));
    assert_eq!(
        found("preset = 'cnil-audience'", silent, Some(&geo)),
        (Some("192.0.0.0".to_owned()), de.clone(), false)
    );
    assert_eq!(found("[address]\ncountry = false\nregion = true", silent, Some(&geo)), (ip.clone(), None, true));
    assert_eq!(found("[address]\npolicy = 'drop'", silent, Some(&geo)), (None, de.clone(), false));
    assert_eq!(found("", silent, None), (ip, None, false));
    let gpc = Signals { gpc: true, dnt: false };
    assert_eq!(found("preset = 'balanced'", gpc, Some(&geo)), (None, None, false));
    assert_eq!(found("[consent]\nminimize = ['address']", gpc, Some(&geo)), (None, de, false));
}

#[test]
fn a_traced_receipt_says_where_each_rule_fired_and_never_on_what() {
    let fields = Fields {
        user: Some("ann@example.com".into()),
        ip: Some("192.0.2.77".into()),
        body: Some("mail ann@example.com and bob@example.com".into()),
        attributes: vec![
            ("ann@example.com".into(), Json::Str("carl@example.com".into())),
            ("http.url".into(), Json::Array(vec![Json::Str("x".into()), Json::Str("dora@example.com".into())])),
            ("password".into(), Json::Str("hunter2hunter2".into())),
        ],
        ..Fields::default()
    };
    let mut receipt = Receipt::traced();
    receipt.begin(7);
    scrubber("").scrub(RawEvent::new(fields), &context(), &mut receipt).unwrap();
    let (listed, omitted) = receipt.take_listed();
    let found: Vec<(&str, &str)> = listed.iter().map(|redaction| (&*redaction.path, &*redaction.rule)).collect();
    assert_eq!(
        found,
        [
            ("user", "user"),
            ("session", "session"),
            ("ip", "address"),
            ("body", "email"),
            ("body", "email"),
            ("attributes.*", "email"),
            ("attributes.'[email]'", "email"),
            ("attributes.'http.url'.1", "email"),
            ("attributes.password", "secret_key"),
        ]
    );
    assert!(omitted == 0 && listed.iter().all(|redaction| redaction.index == 7));
    assert_eq!(listed.len() as u64, receipt.total());
}

#[test]
fn every_text_of_an_event_passes_the_rules() {
    let leak = || Some(Cow::Borrowed("x ann@example.com"));
    let fields = Fields {
        name: leak(),
        session: leak(),
        country: leak(),
        client_name: leak(),
        client_version: leak(),
        server_name: leak(),
        server_version: leak(),
        model: leak(),
        language: leak(),
        error_type: leak(),
        error_message: leak(),
        method: leak(),
        path: leak(),
        unit: leak(),
        severity: leak(),
        body: leak(),
        trace_id: leak(),
        span_id: leak(),
        parent_id: leak(),
        attributes: vec![("ann@example.com".into(), Json::Array(vec![Json::Str("ann@example.com".into())]))],
        ..Fields::default()
    };
    let mut receipt = Receipt::default();
    let event = scrubber("").scrub(RawEvent::new(fields), &context(), &mut receipt).unwrap();
    assert_eq!(receipt.iter().find(|(rule, _)| *rule == "email"), Some(("email", 21)));
    let mut attributes = Vec::new();
    event.write_attributes(&mut attributes);
    assert_eq!(attributes, br#"{"[email]":["[email]"]}"#);
    assert_eq!(event.fields().parent_id.as_deref(), Some("x [email]"));
}

#[test]
fn credentials_go_wherever_they_stand_and_structure_stays() {
    for (text, expected) in [
        (
            r#"{"headers":{"authorization":"Bearer user-token-SECRET","Cookie":"a=bc; c=de","host":"x"}}"#,
            r#"{"headers":{"authorization":"Bearer [secret]","Cookie":"a=[cookie]; c=[cookie]","host":"x"}}"#,
        ),
        (
            r#"{"headers":[["Authorization","Basic x"],["accept","*/*"]]}"#,
            r#"{"headers":[["Authorization","Basic [secret]"],["accept","*/*"]]}"#,
        ),
        (r#"["cookie","sid=12","host","x"]"#, r#"["cookie","sid=[cookie]","host","x"]"#),
        (r#"["authorization","content-type"]"#, r#"["authorization","content-type"]"#),
        (
            r#"[{"name":"set-cookie","value":"a=bc"},{"key":"http.header.x-api-key","value":{"stringValue":"k"}}]"#,
            r#"[{"name":"set-cookie","value":"a=[cookie]"},{"key":"http.header.x-api-key","value":{"stringValue":"[secret]"}}]"#,
        ),
        (
            r#"{"password":123456,"secret":{"a":["x",1]},"apiKey":null,"has_password":true}"#,
            r#"{"password":"[secret]","secret":{"a":["[secret]","[secret]"]},"apiKey":null,"has_password":true}"#,
        ),
        (
            r#"{"properties":{"password":{"type":"string","description":"at least 8"}}}"#,
            r#"{"properties":{"password":{"type":"string","description":"at least 8"}}}"#,
        ),
        (
            r#"{"max_tokens":4096,"token_count":17,"author":"x","tokens":5,"primary_key":"17"}"#,
            r#"{"max_tokens":4096,"token_count":17,"author":"x","tokens":5,"primary_key":"17"}"#,
        ),
        (
            r#"{"acct":4111111111111111,"ts":1693234567890,"n":18446744073709551615}"#,
            r#"{"acct":"[card]","ts":1693234567890,"n":18446744073709551615}"#,
        ),
    ] {
        assert_eq!(scrubbed("", text), expected);
    }
}

#[test]
fn the_operators_rules_do_what_they_say_where_they_say() {
    let policy = r#"
        [[rules]]
        id = "order"
        pattern = 'ORD-\d+'
        selector = "a.**"
        [[rules]]
        id = "payroll"
        keys = ["employee-number"]
        method = "remove"
        [[rules]]
        id = "email"
        selector = "!free"
        [[rules]]
        id = "card"
        method = "mask"
        [[rules]]
        id = "ip"
        method = "truncate"
    "#;
    let text = r#"{"a":{"b":"ORD-17"},"c":"ORD-17","employeeNumber":7,"free":"x@y.zz","d":"x@y.zz","e":"4111111111111111","f":"from 192.0.2.77"}"#;
    let expected = r#"{"a":{"b":"[order]"},"c":"ORD-17","free":"x@y.zz","d":"[email]","e":"************1111","f":"from 192.0.2.0"}"#;
    assert_eq!(scrubbed(policy, text), expected);
    assert_eq!(scrubbed(policy, expected), expected);
}

#[test]
fn a_clean_text_is_handed_through_without_a_copy() {
    let scrubber = scrubber("");
    let text = "GET /tools/list took 135.375ms at 2026-11-22T13:15:00Z for 018d948b-d264-7102-8c36-ec7e95a6ad20";
    assert!(
        matches!(scrubber.scrub_text(text, &mut Receipt::default()), Cow::Borrowed(same) if std::ptr::eq(same, text))
    );
}

#[test]
fn the_hash_tells_policies_and_settings_apart() {
    let hash = |policy, settings: Settings| Scrubber::from_toml(policy, &settings).unwrap().policy_hash();
    let base = Settings::default();
    assert_eq!(hash("", base), hash("# a comment\npreset = 'strict'", base));
    assert_eq!(hash("", base), hash(DEFAULT_POLICY, base));
    assert_ne!(hash("", base), hash("preset = 'balanced'", base));
    assert_ne!(hash("", base), hash("", Settings { address: Some(AddressPolicy::Drop), ..base }));
}

/// Texts made of what detectors look at, glued together without regard.
fn hostile_text() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "ann@example.com",
        "4111111111111111",
        "4111 1111 1111 1111",
        "+1 415 555 2671",
        "(415) 555-2671",
        "DE89370400440532013000",
        "192.0.2.7",
        "2001:db8::7",
        "349-59-9109",
        "eyJhbGciOiJI.eyJzdWIiOiI5.pfec4TY0",
        "Bearer ",
        "Basic YW5uOnNlY3JldA==",
        "AKIAIOSFODNN7EXAMPLE",
        "-----BEGIN PRIVATE KEY-----",
        "-----END PRIVATE KEY-----",
        "https://",
        "u:pw@h/",
        "?token=",
        "password=",
        "password: ",
        "\"secret\":\"",
        "Cookie: a=b; ",
        "Authorization: ",
        "/home/",
        "C:\\Users\\",
        "cc:20:a5:b8:f8:51",
        "%40",
        "@",
        ".",
        "-",
        ":",
        "::",
        "=",
        " ",
        "\"",
        "\\",
        "'",
        "[",
        "]",
        "[email]",
        "<",
        ">",
        "1",
        "12",
        "555",
        "a",
        "ff",
        "é",
        "名",
        "\u{1f600}",
        "\n",
        "phone ",
        "ssn ",
        "card ",
        "password is ",
        "the token was set to ",
        "--password ",
        "curl -u a:",
        "<password>",
        "</password>",
        "IDENTIFIED BY '",
        "name=\"secret\" value=\"",
        "verification code: ",
        "123456 is your code",
        "set-cookie: sid=",
        "hunter2x",
        "AzcD8fGh1JkLm2NoPq3RsTuV",
        "xoxb-123456789012-AzcD8fGh1JkLm2NoPq3RsTuV",
        "-----END PRIVATE KEY-----",
        "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7",
        "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
        "a:pw@tcp(db)",
        "\t",
        "**",
        "<b>",
        "|",
        "x@",
        "&",
        ";",
        ",",
    ]);
    let any = prop_oneof![4 => pieces.prop_map(str::to_owned), 1 => "\\PC{0,8}", 1 => "[0-9 .:-]{1,12}"];
    prop::collection::vec(any, 0..24).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn nothing_fires_on_what_was_scrubbed(text in hostile_text()) {
        let scrubber = scrubber("");
        let once = scrubber.scrub_text(&text, &mut Receipt::default()).into_owned();
        let mut receipt = Receipt::default();
        let twice = scrubber.scrub_text(&once, &mut receipt);
        prop_assert_eq!(&*twice, once.as_str());
        prop_assert!(receipt.is_empty());
        let mut hits = Vec::new();
        detect::scan(&once, detect::Names::default(), detect::Kinds::ALL, &mut hits);
        prop_assert!(hits.is_empty());
    }

    #[test]
    fn scrubbing_a_value_twice_changes_nothing_under_any_method(
        text in hostile_text(), key in "(password|authorization|x-api-key|name|phone|[a-z@.]{0,12})", number in any::<i64>(),
        method in prop::sample::select(vec!["remove", "replace", "mask", "pseudonymize"]),
    ) {
        let mut policy = String::new();
        for kind in detect::Kind::ALL {
            policy.push_str(&format!("[[rules]]\nid = '{}'\nmethod = '{method}'\n", kind.name()));
        }
        let scrubber = scrubber(&policy);
        let quoted = serde_json::to_string(&text).unwrap();
        let json = format!(r#"{{"{key}":{quoted},"n":{number},"list":["{key}",{quoted},{{"name":"{key}","value":{quoted}}}]}}"#);
        let (once, _) = scrub_json(&scrubber, &json);
        let (twice, _) = scrub_json(&scrubber, &once);
        prop_assert_eq!(twice, once);
    }

    #[test]
    fn an_address_of_any_kind_never_leaves_in_full(bits in any::<u128>(), v4 in any::<u32>(), six in any::<bool>()) {
        let address: IpAddr = if six { std::net::Ipv6Addr::from_bits(bits | 1).into() } else { std::net::Ipv4Addr::from_bits(v4 | 1).into() };
        let event = clean(Fields { ip: Some(address.to_string().into()), ..Fields::default() }, &context());
        let full = address.to_canonical().to_string();
        prop_assert_ne!(event.fields().ip.as_deref(), Some(full.as_str()));
    }
}

#[test]
fn a_member_found_by_name_keeps_its_neighbours() {
    let mut members: Members<'_> =
        vec![("".into(), Json::Null), ("password".into(), Json::Str("x".into())), ("b".into(), Json::Bool(true))];
    let policy = scrubber("[[rules]]\nid = 'secret_key'\nmethod = 'remove'");
    let mut receipt = Receipt::default();
    Job::new(&policy.policy.main, None, &mut receipt).members(&mut members, None);
    assert_eq!(members.iter().map(|(name, _)| &**name).collect::<Vec<_>>(), ["", "b"]);
}

#[test]
fn a_member_that_is_called_a_persons_name_loses_it_and_other_names_stay() {
    let text = r#"{"user_name":"Elif Gupta","x":[{"fullName":"A B"}],"name":"scan_directory","file_name":"a.txt"}"#;
    let expected =
        r#"{"user_name":"[person]","x":[{"fullName":"[person]"}],"name":"scan_directory","file_name":"a.txt"}"#;
    assert_eq!(scrubbed(DEFAULT_POLICY, text), expected);
}

#[test]
fn a_measured_value_stays_and_a_card_number_in_its_place_goes() {
    let value_of = |value| clean(Fields { value: Some(value), ..Fields::default() }, &context()).fields().value;
    assert_eq!(value_of(4_111_111_111_111_111.0), None);
    for measured in [0.0, -12.5, 42.0, 1_795_353_300_000.0, 123_456_789.25, 4_111_111_111_111_112.0, f64::MAX] {
        assert_eq!(value_of(measured), Some(measured), "{measured}");
    }
}

#[test]
fn numbers_under_the_names_of_coordinates_are_found_and_measured_ones_stay() {
    let text = r#"{"pos":{"latitude":-58.18648,"lng":57.42391},"coordinates":[-57.237,26.5445],"load":0.123456,"avg_lat_ms":12.3456}"#;
    let expected = r#"{"pos":{"latitude":"[geo]","lng":"[geo]"},"coordinates":["[geo]","[geo]"],"load":0.123456,"avg_lat_ms":12.3456}"#;
    assert_eq!(scrubbed("", text), expected);
}

fn clean_json(policy: &str, fields: Fields<'_>) -> (serde_json::Value, Receipt) {
    let mut receipt = Receipt::default();
    let clean = scrubber(policy).scrub(RawEvent::new(fields), &context(), &mut receipt).unwrap();
    (clean.into_json(), receipt)
}

#[test]
fn in_allow_mode_only_named_fields_survive_and_they_are_still_scrubbed() {
    let policy = "[fields]\nmode = 'allow'\nkeep = ['name', 'duration_ms', 'attributes.args']\ndrop = '**.raw'";
    let attributes = br#"{"args":{"to":"ann@example.com","raw":"x","n":1},"other":["y"]}"#;
    let Json::Object(attributes) = Json::parse(attributes, 8).unwrap() else { panic!("an object") };
    let fields = Fields {
        event_type: Some(EventType::McpToolCall),
        name: Some("send to bob@example.com".into()),
        user: Some("ann".into()),
        body: Some("text".into()),
        duration_ms: Some(1.5),
        ok: Some(true),
        user_agent: Some("x/1".into()),
        attributes,
        ..Fields::default()
    };
    let (clean, receipt) = clean_json(policy, fields);
    assert_eq!(
        clean,
        serde_json::json!({
            "type": "mcp.tool_call", "name": "send to [email]", "duration_ms": 1.5,
            "attributes": { "args": { "to": "[email]", "n": 1 } },
        })
    );
    let gone = receipt.iter().find(|(rule, _)| *rule == "fields").unwrap();
    // body, user, ip, session, ok, raw, other, user_agent
    assert_eq!(gone.1, 8);
}

#[test]
fn events_of_a_stream_obey_its_section() {
    let policy = "[[streams.log.rules]]\nid = 'email'\nmethod = 'remove'\n[streams.metric.fields]\ndrop = 'attributes'";
    let body = |event_type| {
        let fields = Fields { event_type: Some(event_type), body: Some("a@example.com".into()), ..Fields::default() };
        clean_json(policy, fields).0["body"].clone()
    };
    assert_eq!(body(EventType::Log), "");
    assert_eq!(body(EventType::Span), "[email]");
    let value = |stream: &str, text: &str| {
        let mut out = Vec::new();
        let json = Json::parse(text.as_bytes(), 8).unwrap();
        scrubber(policy).scrub_value_of(Stream::from_name(stream), json, &mut Receipt::default()).write_to(&mut out);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(value("log", r#"["a@example.com"]"#), r#"[""]"#);
    assert_eq!(value("mcp", r#"["a@example.com"]"#), r#"["[email]"]"#);
    assert_eq!(value("metric", r#"{"attributes":{"a":1},"value":2}"#), r#"{"value":2}"#);
}

#[test]
fn a_policy_whose_own_tests_fail_is_refused_without_a_value() {
    let tested = |tests: &str| {
        let policy = format!("[[rules]]\nid = 'customer'\npattern = 'KD-\\d{{6}}'\n{tests}");
        Scrubber::from_toml(&policy, &Settings { tracking: false, ..Settings::default() })
    };
    let good = r#"
        [[tests]]
        name = "text"
        input = "call KD-123456 or ann@example.com"
        expect = "call [customer] or [email]"
        fires = ["email", "customer"]
        [[tests]]
        name = "JSON"
        input = { password = "hunter22", n = [1, 2.5, true] }
        expect = { password = "[secret]", n = [1, 2.5, true] }
        [[tests]]
        name = "event"
        event = { type = "log", body = "KD-123456", user = "ann", ip = "192.0.2.7" }
        expect = { type = "log", body = "[customer]", user = "u_*", ip = "192.0.2.0", session = "s_*" }
        [[tests]]
        name = "refused"
        event = { consent = "denied" }
        expect = "refused"
        [[tests]]
        name = "nothing happens"
        input = "order 17"
        fires = []
    "#;
    assert!(tested(good).is_ok(), "{}", tested(good).err().unwrap());
    let bad = r#"
        [[tests]]
        name = "secretword"
        input = { a = "KD-123456", b = "x" }
        expect = { a = "KD-123456", b = "x" }
        [[tests]]
        name = "secretword"
        input = "KD-123456"
        fires = ["email"]
        [[tests]]
        name = "secretword"
        event = { bodyy = "KD-123456" }
        fires = []
    "#;
    let errors = tested(bad).err().unwrap();
    let lines: Vec<String> = errors.to_string().lines().map(str::to_owned).collect();
    assert_eq!(
        lines,
        [
            "tests[0]: the test fails: what comes out differs at a; fired: customer",
            "tests[1]: the test fails: fired: customer, expected: email",
            "tests[2]: `event` has a member that is unknown or of the wrong type",
        ]
    );
}

#[test]
fn a_tenants_policy_lies_over_the_gateways_or_starts_anew() {
    let gateway = scrubber(
        "[[rules]]\nid = 'house'\nkeys = 'badge'\n[[tests]]\nname = 'b'\ninput = { badge = 'x1' }\nfires = 'house'",
    );
    let tenant = |text: &str| gateway.with_tenant(text, Form::Toml);
    let extended = tenant("extends = 'gateway'\n[[rules]]\nid = 'house'\nenabled = false").unwrap();
    assert_ne!(extended.policy_hash(), gateway.policy_hash());
    assert_eq!(tenant("").unwrap().policy_hash(), gateway.policy_hash(), "nothing said, nothing changed");
    let anew = tenant("preset = 'balanced'").unwrap();
    assert_eq!(anew.policy_hash(), scrubber("preset = 'balanced'").policy_hash());
    assert!(anew.rule_ids().iter().all(|id| id != "house"));
    assert_eq!(tenant("extends = 'gateway'\npreset = 'strict'").err().unwrap().0[0].place, "extends");
    assert_eq!(Scrubber::from_toml("extends = 'gateway'", &Settings::default()).err().unwrap().0[0].place, "extends");
}

#[test]
fn a_name_in_a_pair_that_goes_does_not_speak_for_its_value() {
    let policy = "[[rules]]\nid = 'email'\nmethod = 'remove'";
    let once = scrubbed(policy, r#"{"name":"v@a.aa","value":"192.0.2.7"}"#);
    assert_eq!(once, r#"{"name":"","value":"[ip]"}"#);
    assert_eq!(scrubbed(policy, &once), once);
}
