//! A privacy policy is the tenant's, takes effect at the next event and for good, is refused whole or not at all, and can be tried out without a trace.

use std::fs;

use reqwest::Method;
use serde_json::{Value, json};

use crate::gateway::{Answer, Gateway, Setup, poll, send};

const ROUTE: &str = "/v1/privacy/policy";
/// Stands in samples and refused policies; it must be found nowhere.
const MARKER: &str = "mArKeR-91c07e";

struct House {
    gateway: Gateway,
    admin: String,
}

impl House {
    fn open() -> House {
        House::of(Setup::new())
    }

    fn of(setup: Setup) -> House {
        let gateway = setup.start();
        gateway.tenant("acme");
        gateway.tenant("rival");
        House { admin: gateway.admin_key(), gateway }
    }

    fn put_as(&self, credential: &str, path: &str, headers: &[(&str, &str)], policy: &str) -> Answer {
        let request = self.gateway.request(Method::PUT, path).bearer_auth(credential).body(policy.to_owned());
        send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)))
    }

    fn put(&self, policy: &str) -> Answer {
        self.put_as(&self.admin, &format!("{ROUTE}?tenant=acme"), &[], policy)
    }

    fn policy(&self, tenant: &str) -> Value {
        self.gateway.get_json(&format!("{ROUTE}?tenant={tenant}"), &self.admin)
    }

    /// Sends an event with that note; the hash of the policy it went through, and the note as it is kept.
    fn note(&self, tenant: &str, note: &str) -> (String, String) {
        let event = json!({ "type": "custom", "attributes": { "note": note } });
        let answer = self.gateway.post_events(&self.gateway.key(tenant), &event).expect(200).json();
        assert_eq!(answer["accepted"], 1, "{answer}");
        let reader = self.gateway.token(tenant, "export");
        let rows = self.gateway.get("/v1/export?format=ndjson", &reader).expect(200).text();
        let last: Value = serde_json::from_str(rows.lines().last().expect("a row")).expect("JSON");
        let attributes = &last["attributes"];
        let attributes: Value = match attributes.as_str() {
            Some(text) => serde_json::from_str(text).expect("JSON"),
            None => attributes.clone(),
        };
        let kept = attributes["note"].as_str().unwrap_or_default().to_owned();
        (answer["receipt"]["policy"].as_str().expect("a hash").to_owned(), kept)
    }

    /// The actions of a tenant's audit log that are about policies, oldest first: action and parameters.
    fn recorded(&self, tenant: &str) -> Vec<Value> {
        let reader = self.gateway.token(tenant, "compliance");
        let records = self.gateway.get_json("/v1/audit/records?limit=1000", &reader);
        let records = records["records"].as_array().expect("records").clone();
        let is_policy = |record: &Value| record["leaf"]["action"].as_str().is_some_and(|a| a.starts_with("policy."));
        records.into_iter().filter(is_policy).collect()
    }
}

#[test]
fn a_policy_holds_from_the_next_event_on_for_its_tenant_alone_and_survives_a_restart() {
    let mut house = House::open();
    let gateways = house.policy("acme");
    assert_eq!((&gateways["source"], &gateways["version"]), (&json!("gateway"), &Value::Null));
    let (before, kept) = house.note("acme", "KD-123456 ann@example.com");
    assert_eq!((kept.as_str(), &json!(before)), ("KD-123456 [email]", &gateways["hash"]));

    let text = "# ours\n[[rules]]\nid = 'customer'\npattern = 'KD-\\d{6}'\n";
    let put = house.put(text).expect(200);
    let own = put.json();
    assert_eq!((&own["source"], &own["version"], &own["text"]), (&json!("tenant"), &json!(1), &json!(text)));
    assert_eq!(own["format"], "toml");
    assert!(own["principal"].is_string() && own["changed"].is_string(), "{own}");
    let rules = own["resolved"]["streams"][0]["rules"].as_array().expect("rules").clone();
    assert!(rules.iter().any(|rule| rule["id"] == "customer") && rules.iter().any(|rule| rule["id"] == "person"));

    let (hash, kept) = house.note("acme", "KD-123456 ann@example.com");
    assert_eq!(kept, "[customer] [email]");
    assert_eq!(json!(hash), own["hash"]);
    assert_ne!(hash, before);
    assert_eq!(house.note("rival", "KD-123456"), (before.clone(), "KD-123456".to_owned()), "nobody else's changed");

    house.gateway.stop();
    house.gateway.restart();
    assert_eq!(house.policy("acme"), own);
    assert_eq!(house.note("acme", "KD-654321").1, "[customer]");

    let deleted = house.gateway.delete(&format!("{ROUTE}?tenant=acme"), &house.admin).expect(200).json();
    assert_eq!(
        (&deleted["source"], &deleted["version"], &deleted["hash"]),
        (&json!("gateway"), &json!(2), &json!(before))
    );
    assert_eq!(house.note("acme", "KD-654321").1, "KD-654321");
    assert_eq!(house.gateway.get_json(&format!("{ROUTE}?tenant=acme&version=1"), &house.admin)["text"], json!(text));
    house.gateway.get(&format!("{ROUTE}?tenant=acme&version=9"), &house.admin).expect(404);

    let recorded = house.recorded("acme");
    let told: Vec<_> = recorded
        .iter()
        .map(|record| {
            (record["leaf"]["action"].as_str().unwrap(), record["leaf"]["params"]["version"].as_str().unwrap())
        })
        .collect();
    assert_eq!(told, [("policy.changed", "1"), ("policy.changed", "2")]);
    assert_eq!(recorded[0]["leaf"]["params"]["hash"], own["hash"]);
    assert!(house.recorded("rival").is_empty());
}

#[test]
fn a_policy_that_is_not_understood_is_refused_whole_with_every_place_and_no_value() {
    let house = House::open();
    house.put("[user]\npolicy = 'remove'").expect(200);
    let before = house.policy("acme");
    let bad = format!(
        "preset = '{MARKER}'\n[adress]\n[address]\nv4 = 99\n[[rules]]\nid = '{MARKER}'\n[[rules]]\nid = 'own'\npattern = '({MARKER}'\n\
         [[rules]]\nid = 'nobody'\n[streams.logs]\n[[tests]]\nname = 'x'\ninput = '{MARKER}'\n"
    );
    let answer = house.put(&bad).expect(422);
    assert!(!answer.everything().contains(MARKER), "{}", answer.text());
    let problem = answer.json();
    let places: Vec<&str> =
        problem["problems"].as_array().unwrap().iter().map(|problem| problem["place"].as_str().unwrap()).collect();
    assert_eq!(
        places,
        [
            "preset",
            "address.v4",
            "rules[0].id",
            "rules[1].pattern",
            "streams.logs",
            "tests[0].expect",
            "adress",
            "rules[2].id"
        ]
    );
    for (bad, place) in [
        ("= 1", "line 1, column 1"),
        (
            "[[rules]]\nid = 'email'\nenabled = false\n[[tests]]\nname = 't'\ninput = 'a@example.com'\nfires = 'email'",
            "tests[0]",
        ),
    ] {
        assert_eq!(house.put(bad).expect(422).json()["problems"][0]["place"], place);
    }
    assert_eq!(house.policy("acme"), before, "nothing of it is in force");
    assert!(!house.gateway.stderr().contains(MARKER));
}

#[test]
fn changes_by_two_people_do_not_undo_each_other_unseen() {
    let house = House::open();
    let path = format!("{ROUTE}?tenant=acme");
    let put = |headers: &[(&str, &str)], policy: &str| house.put_as(&house.admin, &path, headers, policy);
    put(&[("If-Match", "*")], "name = 'a'").expect(412);
    let first = put(&[("If-None-Match", "*")], "name = 'a'").expect(200).header("etag").to_owned();
    put(&[("If-None-Match", "*")], "name = 'b'").expect(412);
    let second = put(&[("If-Match", &first)], "name = 'b'").expect(200).header("etag").to_owned();
    assert_ne!(first, second);
    put(&[("If-Match", &first)], "name = 'c'").expect(412);
    let read = house.gateway.get(&path, &house.admin).expect(200);
    assert_eq!((read.header("etag"), &read.json()["text"]), (second.as_str(), &json!("name = 'b'")));
    let known = house.gateway.request(Method::GET, &path).bearer_auth(&house.admin).header("If-None-Match", &second);
    assert!(send(known).expect(304).body.is_empty());
    let delete = house.gateway.request(Method::DELETE, &path).bearer_auth(&house.admin).header("If-Match", &first);
    send(delete).expect(412);
    put(&[("If-Match", &second)], "name = 'd'").expect(200);
}

#[test]
fn only_who_may_reads_or_changes_a_policy() {
    let house = House::open();
    let gateway = &house.gateway;
    let named = format!("{ROUTE}?tenant=acme");
    let (officer, analyst, key) =
        (gateway.token("acme", "compliance"), gateway.token("acme", "query,export,subjects"), gateway.key("acme"));
    let own_admin = gateway.token("acme", "admin");
    gateway.get(ROUTE, &officer).expect(200);
    gateway.get(&named, &officer).expect(200);
    gateway.get(ROUTE, &own_admin).expect(200);
    gateway.get(&format!("{ROUTE}?tenant=rival"), &officer).expect(403);
    gateway.get(&format!("{ROUTE}?tenant=nobody"), &house.admin).expect(404);
    assert_eq!(gateway.get_json(ROUTE, &house.admin)["source"], "gateway", "an operator who names nobody sees its own");
    for (credential, status) in [(&analyst, 403), (&key, 403), (&"nonsense".to_owned(), 401)] {
        gateway.get(ROUTE, credential).expect(status);
        house.put_as(credential, ROUTE, &[], "").expect(status);
        gateway.delete(ROUTE, credential).expect(status);
        gateway.post_json("/v1/privacy/preview", credential, &json!({ "events": [] })).expect(status);
    }
    house.put_as(&officer, ROUTE, &[], "").expect(403);
    gateway.delete(ROUTE, &officer).expect(403);
    house.put_as(&own_admin, &format!("{ROUTE}?tenant=rival"), &[], "").expect(403);
    house.put_as(&house.admin, ROUTE, &[], "").expect(400);
    house.put_as(&own_admin, ROUTE, &[], "[user]\npolicy = 'remove'").expect(200);
    assert_eq!(house.policy("acme")["source"], "tenant");
    assert_eq!(house.policy("rival")["source"], "gateway");
}

#[test]
fn what_is_sent_in_a_wrong_form_or_size_is_refused() {
    let house = House::open();
    let path = format!("{ROUTE}?tenant=acme");
    let put = |headers: &[(&str, &str)], policy: &str| house.put_as(&house.admin, &path, headers, policy);
    let large = format!("# {}\n", "x".repeat(300 << 10));
    assert_eq!(put(&[], &large).expect(413).json()["limit_bytes"], 256 << 10);
    put(&[("Content-Type", "application/xml")], "").expect(415);
    put(&[("Content-Type", "application/json")], "preset = 'strict'").expect(422);
    put(&[("Content-Type", "application/json")], &"[".repeat(100_000)).expect(422);
    house.put_as(&house.admin, &format!("{path}&dry_run=maybe"), &[], "").expect(400);
    house.put_as(&house.admin, &format!("{path}&dryrun=true"), &[], "").expect(400);
    let request = house.gateway.request(Method::PUT, &path).bearer_auth(&house.admin);
    send(request.body(vec![b'#', 0xff])).expect(400);
    assert_eq!(house.policy("acme")["source"], "gateway");

    let tried = house.put_as(&house.admin, &format!("{path}&dry_run=true"), &[], "[user]\npolicy = 'remove'");
    assert_eq!(tried.expect(200).json()["resolved"]["streams"][0]["user"], "remove");
    assert_eq!(house.policy("acme")["source"], "gateway", "a dry run changes nothing");

    let json = put(&[("Content-Type", "application/json")], r#"{"user":{"policy":"remove"}}"#).expect(200).json();
    assert_eq!((&json["format"], &json["resolved"]["streams"][0]["user"]), (&json!("json"), &json!("remove")));

    let preview = |body: &Value| house.gateway.post_json("/v1/privacy/preview?tenant=acme", &house.admin, body);
    for body in [json!([]), json!({}), json!({ "events": [], "more": 1 })] {
        preview(&body).expect(400);
    }
    assert_eq!(
        preview(&json!({ "events": [], "policy": "preset = 'x'" })).expect(422).json()["problems"][0]["place"],
        "preset"
    );
    preview(&json!({ "events": vec![json!({}); 1001] })).expect(413);
    preview(&json!({ "events": [{ "name": "x".repeat(1 << 20) }] })).expect(413);
}

#[test]
fn a_preview_says_what_would_change_and_leaves_nothing_behind() {
    let mut house = House::open();
    let gateway = &house.gateway;
    let leaves = || house.recorded("acme").len();
    let (officer, before) = (gateway.token("acme", "compliance"), leaves());
    let sample = json!({
        "policy": "[[rules]]\nid = 'customer'\npattern = 'KD-\\d{6}'\n[consent]\ngpc = 'reject'\n[fields]\ndrop = 'attributes.gone'",
        "events": [
            { "type": "custom", "name": "same", "user": MARKER },
            { "type": "custom", "user": MARKER, "attributes": { "note": "KD-123456", "mail": format!("{MARKER}@example.com"), "gone": 1 } },
            { "type": "custom", "status": "wrong" },
        ],
    });
    let told = gateway.post_json("/v1/privacy/preview", &officer, &sample).expect(200);
    assert!(!told.everything().contains(MARKER), "{}", told.text());
    let told = told.json();
    assert_eq!((&told["events"], &told["changed"]), (&json!(3), &json!(1)));
    assert_eq!(told["base"]["hash"], house.policy("acme")["hash"]);
    assert_eq!(told["base"]["redactions"], json!({ "user": 2, "email": 1 }));
    assert_eq!(told["candidate"]["redactions"], json!({ "user": 2, "email": 1, "customer": 1, "fields": 1 }));
    assert_eq!((&told["base"]["refused"], &told["candidate"]["refused"]), (&json!(1), &json!(1)));
    let difference = &told["differences"][0];
    assert_eq!(
        (&difference["index"], &difference["places"]),
        (&json!(1), &json!(["attributes.gone", "attributes.note"]))
    );
    assert_eq!(difference["base"]["attributes"], json!({ "note": "KD-123456", "mail": "[email]", "gone": 1 }));
    assert_eq!(difference["candidate"]["attributes"], json!({ "note": "[customer]", "mail": "[email]" }));
    assert_eq!(difference["base"]["user"], difference["candidate"]["user"], "both pseudonyms are made with one key");

    let with_signal = json!({ "policy": { "consent": { "gpc": "reject" } }, "base": "preset = 'balanced'", "signals": { "gpc": true }, "events": [{ "type": "custom" }] });
    let told = gateway.post_json("/v1/privacy/preview", &officer, &with_signal).expect(200).json();
    assert_eq!(told["differences"][0]["candidate"], json!({ "refused": "consent_denied" }));

    assert_eq!(house.policy("acme")["source"], "gateway");
    assert_eq!(leaves(), before);
    let reader = gateway.token("acme", "query");
    assert_eq!(gateway.get_json("/v1/query/summary", &reader)["events"], 0);
    assert_eq!(gateway.get_json("/v1/admin/quarantine?tenant=acme", &house.admin)["events"], json!([]));
    house.gateway.stop();
    let mut folders = vec![house.gateway.data()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = fs::read(&path).unwrap();
                assert!(!bytes.windows(MARKER.len()).any(|part| part == MARKER.as_bytes()), "{}", path.display());
            }
        }
    }
    assert!(!house.gateway.stderr().contains(MARKER));
}

#[test]
fn streams_and_allow_mode_decide_what_is_kept() {
    let house = House::open();
    let policy = "[fields]\nmode = 'allow'\nkeep = ['name', 'attributes.note']\n[[streams.log.rules]]\nid = 'email'\nmethod = 'remove'\n\
                  [streams.log.fields]\nkeep = ['body']";
    house.put(policy).expect(200);
    let (key, reader) = (house.gateway.key("acme"), house.gateway.token("acme", "export"));
    let event = |event_type: &str| {
        json!({ "type": event_type, "name": "t", "session": "s-1", "user": "ann", "ip": "203.0.113.7", "body": "to ann@example.com",
                "attributes": { "note": "bob@example.com", "other": 1 } })
    };
    let answer = house.gateway.post_events(&key, &json!([event("custom"), event("log")])).expect(200).json();
    assert_eq!(answer["accepted"], 2);
    assert!(answer["receipt"]["redactions"]["fields"].as_u64().is_some_and(|n| n > 6), "{answer}");
    let rows = house.gateway.get("/v1/export?format=ndjson", &reader).expect(200).text();
    for gone in ["s-1", "203.0.113", "u_", "s_", "other", "example.com"] {
        assert!(!rows.contains(gone), "{gone} is kept in {rows}");
    }
    assert!(rows.contains("[email]") && rows.contains("to "), "{rows}");
}

#[test]
fn a_new_policy_of_the_gateway_lies_under_the_tenants_and_is_refused_if_one_does_not_go_with_it() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let file = folder.path().join("privacy.toml");
    let write = |text: &str| {
        let fresh = folder.path().join("new");
        fs::write(&fresh, text).and_then(|()| fs::rename(&fresh, &file)).expect("the file");
    };
    write("[[rules]]\nid = 'house'\nkeys = 'badge'\n");
    let mut house = House::of(Setup::new().config(&format!("[privacy]\npolicy = {:?}", file.display().to_string())));
    house.put("[[rules]]\nid = 'house'\nmethod = 'remove'\n[[rules]]\nid = 'own'\npattern = 'KD-\\d{6}'").expect(200);
    let first = house.policy("acme")["hash"].clone();

    write("[[rules]]\nid = 'house'\nkeys = ['badge', 'desk']\n");
    house.gateway.signal("HUP");
    let second = poll("the new policy", || Some(house.policy("acme")["hash"].clone()).filter(|hash| *hash != first));
    let loaded = house.recorded("acme").pop().expect("a record");
    assert_eq!((&loaded["leaf"]["action"], &loaded["leaf"]["params"]["hash"]), (&json!("policy.loaded"), &second));

    write("preset = 'balanced'\n");
    house.gateway.signal("HUP");
    poll("the refusal", || house.gateway.stderr().contains("rules[0].id").then_some(()));
    assert_eq!(house.policy("acme")["hash"], second, "what held still holds");

    // A start cannot refuse it: the tenant's events are, until somebody mends the policy.
    house.gateway.stop();
    house.gateway.restart();
    let broken = house.policy("acme");
    assert_eq!((&broken["problems"][0]["place"], &broken["resolved"]), (&json!("rules[0].id"), &Value::Null));
    let key = house.gateway.key("acme");
    house.gateway.post_events(&key, &json!({ "type": "custom" })).expect(503);
    house.note("rival", "fine");
    house.put("[[rules]]\nid = 'own'\npattern = 'KD-\\d{6}'").expect(200);
    assert_eq!(house.note("acme", "KD-123456").1, "[own]");
}

#[test]
fn the_tests_inside_a_policy_file_are_run_by_check_config_and_scrub_takes_a_stream() {
    let gateway = Setup::new().prepare();
    let file = gateway.root().join("privacy.toml");
    let check = |policy: &str| {
        fs::write(&file, policy).expect("the file");
        gateway.write_config(&format!("[privacy]\npolicy = {:?}", file.display().to_string()));
        gateway.run(&["check-config"])
    };
    let policy = "[[streams.log.rules]]\nid = 'email'\nmethod = 'remove'\n[[tests]]\nname = 'gone'\nstream = 'log'\ninput = 'a@example.com'\nexpect = ";
    assert!(check(&format!("{policy}''")).status.success());
    let refused = check(&format!("{policy}'[email]'"));
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && words.contains("tests[0]: the test fails") && !words.contains("a@example"),
        "{words}"
    );

    fs::write(&file, format!("{policy}''")).expect("the file");
    let input = gateway.root().join("in");
    fs::write(&input, "\"a@example.com\"\n").expect("the file");
    let scrub = |args: &[&str]| {
        let mut all = vec!["scrub", "--policy", file.to_str().unwrap()];
        all.extend(args);
        let output = gateway.command(&all).stdin(fs::File::open(&input).unwrap()).output().expect("it runs");
        String::from_utf8_lossy(if output.status.success() { &output.stdout } else { &output.stderr }).into_owned()
    };
    assert_eq!(scrub(&[]), "\"[email]\"\n");
    assert_eq!(scrub(&["--stream", "log"]), "\"\"\n");
    assert!(scrub(&["--stream", "logs"]).contains("expected one of http, mcp"));
}
