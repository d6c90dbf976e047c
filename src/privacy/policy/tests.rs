//! What a policy file means, and what it does not get away with.

use super::*;
use crate::privacy::DEFAULT_POLICY;

fn compile(text: &str, address: Option<AddressPolicy>) -> Result<Compiled, PolicyErrors> {
    let (layer, problems) = parse(text, Form::Toml)?;
    super::compile(&[&layer], address, problems)
}

fn over(base: &str, text: &str) -> Result<Compiled, PolicyErrors> {
    let (lower, _) = parse(base, Form::Toml)?;
    let (upper, problems) = parse(text, Form::Toml)?;
    super::compile(&[&lower, &upper], None, problems)
}

fn places(compiled: Result<Compiled, PolicyErrors>) -> Vec<String> {
    match compiled {
        Ok(_) => vec![],
        Err(errors) => errors.0.into_iter().map(|error| error.place).collect(),
    }
}

fn problems(text: &str) -> Vec<String> {
    places(compile(text, None))
}

fn rule<'p>(policy: &'p CompiledPolicy, id: &str) -> Option<&'p Rule> {
    policy.rules.iter().find(|rule| &*rule.id == id)
}

#[test]
fn the_default_policy_is_strict_and_is_its_preset() {
    let default = compile(DEFAULT_POLICY, None).unwrap();
    assert_eq!(default.preset, Preset::Strict);
    assert_eq!(compile("", None).unwrap().canonical(), default.canonical());
}

#[test]
fn the_manual_names_every_detector() {
    let words: Vec<&str> = DEFAULT_POLICY.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    for kind in Kind::ALL {
        assert!(words.contains(&kind.name()), "{}", kind.name());
    }
}

#[test]
fn every_problem_is_reported_with_its_place_and_none_is_passed_over() {
    let text = r#"
        preset = "stict"
        adress = 1
        [address]
        policy = "mask"
        v4 = 32
        [user]
        policy = "keep"
        [consent]
        gpc = true
        [fields]
        mode = "allow"
        kept = "x"
        [[rules]]
        id = "emial"
        [[rules]]
        id = "orders"
        pattern = "("
        [[rules]]
        id = "any"
        pattern = "x*"
        [[rules]]
        id = "email"
        method = "hash"
        selector = ["a..b", "ok"]
        [[rules]]
        id = "both"
        detector = "email"
        keys = ["x"]
        [[rules]]
        id = "unknown_detector"
        detector = ["phone", "emial"]
        [[rules]]
        id = "card"
        method = "replace"
        text = "4111"
        keep = 2
        [[rules]]
        method = "remove"
        [[rules]]
        id = "user"
        [[rules]]
        id = "email"
        detector = "email"
        [[rules]]
        id = "card"
        method = "truncate"
        [streams.mcp.address]
        v6 = 64
        [streams.logs]
        [[streams.log.rules]]
        id = "who"
        [streams."mcp.tool_call".fields]
        keep = "name"
        [[tests]]
        input = "x"
        [[tests]]
        name = "both"
        input = "x"
        event = { name = "x" }
        expect = "x"
        stream = "nowhere"
    "#;
    let places = problems(text);
    assert_eq!(
        places,
        [
            "preset",
            "address.v4",
            "address.policy",
            "user.policy",
            "consent.gpc",
            "fields.kept",
            "rules[1].pattern",
            "rules[2].pattern",
            "rules[3].selector",
            "rules[3].method",
            "rules[4].detector",
            "rules[5].detector",
            "rules[6].keep",
            "rules[6].text",
            "rules[7].id",
            "rules[8].id",
            "streams.logs",
            "streams.mcp.address.v6",
            "tests[0].name",
            "tests[0].expect",
            "tests[1].stream",
            "tests[1].input",
            "adress",
            "fields.mode",
            "rules[0].id",
            "rules[9].id",
            "rules[10].method",
            "streams.log.rules[0].id",
        ]
    );
    assert_eq!(problems("preset = "), ["line 1, column 10"]);
    assert_eq!(problems("[fields]\nkeep = 'name'"), ["fields.keep"]);
    assert_eq!(problems("[fields]\nmode = 'allow'\nkeep = []"), ["fields.keep", "fields.mode"]);
}

#[test]
fn a_problem_never_repeats_what_was_written() {
    const MARKER: &str = "mArKeR";
    let text = format!(
        r#"
        preset = "{MARKER}"
        "{MARKER} ann@example.com" = 1
        [[rules]]
        id = "{MARKER}"
        [[rules]]
        id = "orders"
        pattern = "({MARKER}"
        [[rules]]
        id = "email"
        selector = "{MARKER}..b"
        text = "{MARKER} 4111"
        [[rules]]
        id = "some"
        detector = "{MARKER}"
        [[tests]]
        name = "{MARKER}"
        input = "{MARKER}"
        expect = "{MARKER} x"
    "#
    );
    let Err(errors) = compile(&text, None) else { panic!("it is refused") };
    assert_eq!(errors.0.len(), 7, "{errors}");
    assert!(!errors.to_string().contains(MARKER), "{errors}");
}

#[test]
fn a_later_entry_changes_a_rule_and_leaves_the_rest_of_it() {
    let text = r#"
        [[rules]]
        id = "email"
        method = "mask"
        keep = 2
        [[rules]]
        id = "email"
        selector = "attributes.**"
        [[rules]]
        id = "phone"
        enabled = false
    "#;
    let policy = compile(text, None).unwrap().main;
    let email = rule(&policy, "email").unwrap();
    assert_eq!(email.method, Method::Mask { keep: 2 });
    assert!(!email.selector.is_everywhere());
    assert!(rule(&policy, "phone").is_none());
    assert!(!policy.wanted(None, ValueType::String).contains(Kind::Phone));
    assert!(!policy.wanted(None, ValueType::String).contains(Kind::Email));
}

#[test]
fn one_rule_may_be_for_several_detectors() {
    let text = "[[rules]]\nid = 'numbers'\ndetector = ['card', 'iban']\nselector = 'body'\nmethod = 'mask'";
    let policy = compile(text, None).unwrap().main;
    let id =
        |place: &str| policy.rule_for(Kind::Card, Some(&Place::root(place)), ValueType::String).unwrap().id.clone();
    assert_eq!((&*id("body"), &*id("name")), ("numbers", "card"));
}

#[test]
fn a_stream_has_what_is_said_of_all_and_then_what_is_said_of_it_the_narrower_the_later() {
    let text = r#"
        [user]
        policy = "remove"
        [streams.custom.address]
        policy = "drop"
        [streams.log.consent]
        dnt = "reject"
        [streams.log.address]
        policy = "truncate"
        [[streams.mcp.rules]]
        id = "email"
        enabled = false
    "#;
    let policy = compile(text, None).unwrap();
    let (custom, log, mcp) =
        (policy.of(EventType::Custom), policy.of(EventType::Log), policy.of(EventType::McpToolCall));
    assert_eq!(custom.address, AddressPolicy::Drop);
    assert_eq!(policy.of(EventType::Span).address, AddressPolicy::Drop);
    assert_ne!(log.address, AddressPolicy::Drop);
    assert_eq!(log.consent.dnt.name(), "reject");
    assert_eq!(custom.consent.dnt.name(), "minimize");
    assert!(rule(mcp, "email").is_none() && rule(custom, "email").is_some());
    assert!(policy.all().all(|policy| policy.user == UserPolicy::Remove));
    assert_eq!(policy.streams.len(), 3, "types with the same sections share a policy");
    assert_eq!(policy.of(EventType::HttpRequest).address, policy.main.address);
}

#[test]
fn a_tenants_layer_changes_what_it_names_and_leaves_a_streams_section_below_it_alone() {
    let base = r#"
        name = "house"
        [[rules]]
        id = "customer"
        pattern = 'KD-\d{6}'
        [[streams.http.rules]]
        id = "customer"
        method = "remove"
    "#;
    let policy = over(base, "[[rules]]\nid = 'customer'\nmethod = 'mask'\n[[rules]]\nid = 'own'\nkeys = 'x'").unwrap();
    let method = |event_type| rule(policy.of(event_type), "customer").unwrap().method.clone();
    assert_eq!(method(EventType::Custom), Method::Mask { keep: 4 });
    assert_eq!(method(EventType::HttpRequest), Method::Remove);
    assert!(rule(policy.of(EventType::HttpRequest), "own").is_some());
    assert_eq!(policy.name, "house");
    let unknown = places(over(base, "[[rules]]\nid = 'custommer'\nmethod = 'mask'"));
    assert_eq!(unknown, ["rules[0].id"], "once, however many streams there are");
}

#[test]
fn the_hash_covers_meaning_and_not_layout() {
    let canonical = |text: &str, address| compile(text, address).unwrap().canonical();
    let plain = canonical("", None);
    assert_eq!(canonical("# a comment\npreset='strict'", None), plain);
    assert_eq!(canonical("[streams]", None), plain);
    for (text, address) in [
        ("[address]\nv4=16", None),
        ("", Some(AddressPolicy::Pseudonymize)),
        ("[[rules]]\nid='email'\nmethod='remove'", None),
        ("[streams.mcp.user]\npolicy='remove'", None),
        ("[fields]\ndrop='body'", None),
        ("[fields]\nmode='allow'\nkeep='**'", None),
    ] {
        assert_ne!(canonical(text, address), plain, "{text}");
    }
    let spaced = canonical("[fields]\ndrop=' body&&$string '", None);
    assert_eq!(spaced, canonical("[fields]\ndrop='body  &&  $string'", None));
}

#[test]
fn json_means_the_same_as_toml_and_is_read_as_strictly() {
    let json = r#"{"user":{"policy":"remove"},"rules":[{"id":"email","method":"mask","keep":2}]}"#;
    let (layer, problems) = parse(json, Form::Json).unwrap();
    let canonical = super::compile(&[&layer], None, problems).unwrap().canonical();
    let toml = "[user]\npolicy='remove'\n[[rules]]\nid='email'\nmethod='mask'\nkeep=2";
    assert_eq!(canonical, compile(toml, None).unwrap().canonical());
    let place = |text: &str| parse(text, Form::Json).err().map(|errors| errors.0[0].place.clone());
    assert_eq!(place("{\"user\":\n {\"policy\": x}}").as_deref(), Some("line 2, column 13"));
    for text in ["[]", "{\"user\":null}", "{\"user\":{},\"user\":{}}", &"[".repeat(100_000)] {
        assert_eq!(place(text).as_deref(), Some("file"));
    }
    assert_eq!(parse(&" ".repeat(POLICY_BYTES_MAX + 1), Form::Toml).err().unwrap().0[0].place, "file");
}
