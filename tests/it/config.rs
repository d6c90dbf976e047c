//! Settings do what their names say, wherever they are written, and a mistake stops the start instead of being guessed at.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;

use reqwest::blocking::Client;
use serde_json::{Value, json};
use tidegate::clock::{Clock, MINUTE_MS, SystemClock};

use crate::gateway::{Gateway, PATIENCE, Setup, poll};

/// A tenant's key and a token that reads its rows.
fn tenant(gateway: &Gateway) -> (String, String) {
    gateway.tenant("acme");
    (gateway.key("acme"), gateway.token("acme", "query,export"))
}

/// What is kept of one event.
fn kept(setup: Setup, event: &Value) -> Value {
    let gateway = setup.start();
    let (key, reader) = tenant(&gateway);
    assert_eq!(gateway.post_events(&key, event).expect(200).json()["accepted"], 1);
    gateway.get_json("/api/export", &reader)["data"]["requests"][0].clone()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The binary's answer to `check-config` with these lines in its file.
fn check(toml: &str, env: &[(&str, &str)]) -> Output {
    let gateway = env.iter().fold(Setup::new().config(toml), |setup, (name, value)| setup.env(name, value)).prepare();
    gateway.run(&["check-config"])
}

#[test]
fn enable_user_tracking_false_rejects_every_event_and_says_why() {
    let gateway = Setup::new().env("ENABLE_USER_TRACKING", "false").start();
    let (key, reader) = tenant(&gateway);
    let answer = gateway.post_events(&key, &json!([{ "type": "custom" }, { "type": "metric" }])).expect(200).json();
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(0), &json!(2)));
    assert_eq!(answer["results"][0], json!({ "index": 0, "result": "rejected", "reason": "tracking_off" }));
    assert_eq!(gateway.get_json("/v1/query/summary", &reader)["events"], 0);
}

#[test]
fn anonymize_ips_chooses_between_pseudonyms_and_networks_and_never_keeps_an_address() {
    let event = json!({ "type": "custom", "ip": "203.0.113.77" });
    let address = |setup: Setup| kept(setup, &event)["ipAddress"].as_str().expect("an address").to_owned();
    assert_eq!(address(Setup::new()), "203.0.113.0");
    assert_eq!(address(Setup::new().env("ANONYMIZE_IPS", "false")), "203.0.113.0");
    let pseudonym = address(Setup::new().env("ANONYMIZE_IPS", "true"));
    assert!(pseudonym.starts_with("a_") && pseudonym.len() == 34, "a keyed hash, not {pseudonym}");
    let warned = check("", &[("ANONYMIZE_IPS", "false")]);
    assert!(text(&warned.stderr).contains("warning"), "asking for full addresses is warned about");
}

#[test]
fn track_user_agents_false_drops_them() {
    let event = json!({ "type": "custom", "user_agent": "Mozilla/5.0 (X11; Linux x86_64)" });
    let agent = |setup: Setup| kept(setup, &event)["attributes"]["user_agent"].clone();
    assert!(agent(Setup::new()).as_str().is_some_and(|agent| agent.starts_with("Mozilla/5.0")));
    assert_eq!(agent(Setup::new().env("TRACK_USER_AGENTS", "false")), Value::Null);
}

#[test]
fn session_timeout_minutes_says_when_a_session_ends() {
    let now = SystemClock.now();
    let event = |minutes: i64| json!({ "type": "mcp.tool_call", "name": "t", "session": "s", "timestamp": now.plus(-minutes * MINUTE_MS).to_string() });
    let sessions = |setup: Setup| {
        let gateway = setup.start();
        let (key, reader) = tenant(&gateway);
        gateway.post_events(&key, &json!([event(20), event(11), event(2)])).expect(200);
        let sessions = gateway.get_json("/api/sessions", &reader)["count"].clone();
        (sessions, gateway.get_json("/v1/query/summary", &reader)["sessions"].clone())
    };
    assert_eq!(sessions(Setup::new()), (json!(1), json!(1)));
    assert_eq!(sessions(Setup::new().env("SESSION_TIMEOUT_MINUTES", "5")), (json!(3), json!(3)));
}

#[test]
fn every_setting_has_a_name_in_the_environment() {
    let output = check(
        "",
        &[
            ("TRACKING_RETENTION_HOURS", "2"),
            ("TIDEGATE__LIMITS__DEPTH_MAX", "17"),
            ("TIDEGATE__STORE__RETENTION__MCP", "7d"),
        ],
    );
    assert!(output.status.success(), "{}", text(&output.stderr));
    let resolved: toml::Table = text(&output.stdout).parse().expect("what is printed is TOML");
    assert_eq!(resolved["store"]["retention"]["http"].as_str(), Some("2h"));
    assert_eq!(resolved["store"]["retention"]["mcp"].as_str(), Some("7d"));
    assert_eq!(resolved["limits"]["depth_max"].as_integer(), Some(17));

    let gateway = Setup::new().env("TIDEGATE__LIMITS__EVENTS_MAX", "2").start();
    let (key, _) = tenant(&gateway);
    let event = json!({ "type": "custom" });
    gateway.post_events(&key, &json!([event, event, event])).expect(413);
}

#[test]
fn all_mistakes_are_reported_at_once_and_nothing_is_started() {
    let toml = "[server]\nworkers = \"many\"\nbody_timeout = \"30\"\n[limits]\nbody_max = \"64MiB\"\nbodymax = 1\n[nonsense]\nx = 1\n[log]\nformat = \"xml\"";
    let mut gateway =
        Setup::new().config(toml).env("TIDEGATE__NO__SUCH", "1").env("SESSION_TIMEOUT_MINUTES", "soon").prepare();
    let refused = gateway.try_restart().expect_err("the start is refused");
    let checked = gateway.run(&["check-config"]);
    assert!(!checked.status.success() && checked.stdout.is_empty());
    for report in [refused, text(&checked.stderr)] {
        for place in [
            "server.workers",
            "server.body_timeout",
            "limits.body_max",
            "limits.bodymax",
            "nonsense",
            "log.format",
            "no",
            "SESSION_TIMEOUT_MINUTES",
        ] {
            assert!(report.contains(place), "{place} is not reported:\n{report}");
        }
        for value in ["many", "xml", "soon"] {
            assert!(
                !report.contains(&format!("\"{value}\"")),
                "a value is repeated; it may be a secret in the wrong place:\n{report}"
            );
        }
    }
    assert!(!gateway.data().exists(), "a refused start leaves nothing behind");
}

#[test]
fn check_config_prints_what_holds_and_masks_what_is_secret() {
    let toml = "[auth]\njwks_url_allow = [\"login.example.com\"]\n[[auth.issuers]]\nissuer = \"https://login.example.com/\"\njwks_url = \"https://login.example.com/keys?token=hunter2\"\ntenant = \"acme\"";
    let output = check(toml, &[("TIDEGATE__SERVER__WORKERS", "3")]);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{err}");
    assert!(!format!("{out}{err}").contains("hunter2"), "{out}{err}");
    assert!(out.contains("https://login.example.com/keys") && out.contains("workers = 3"), "{out}");
}

#[test]
fn a_policy_that_is_edited_holds_without_a_restart_and_is_on_record() {
    let mut gateway = Setup::new().config("[privacy]\npolicy = \"policy.toml\"").prepare();
    let policy = gateway.root().join("policy.toml");
    let write = |text: &str| fs::write(&policy, text).expect("the policy");
    write("preset = \"strict\"");
    gateway.restart();
    let (key, reader) = tenant(&gateway);
    let event = json!({ "type": "custom", "attributes": { "salary": 5000, "note": "mail ana@example.com" } });
    let loaded = || {
        let meta = gateway.get_json("/v1/audit/records?tenant=gateway&limit=1000", &gateway.admin_key());
        let records = meta["records"].as_array().expect("records");
        records
            .iter()
            .filter(|record| record["leaf"]["action"] == "policy.loaded")
            .map(|record| record["leaf"]["params"]["hash"].clone())
            .collect::<Vec<_>>()
    };
    let hash = || gateway.post_events(&key, &event).expect(200).json()["receipt"]["policy"].clone();
    let first = hash();
    assert_eq!(loaded(), std::slice::from_ref(&first));

    write("preset = \"strict\"\n[[rules]]\nid = \"payroll\"\nkeys = [\"salary\"]\nmethod = \"remove\"\n");
    let second = poll("the new policy", || Some(hash()).filter(|hash| *hash != first));
    assert_eq!(poll("its record", || Some(loaded()).filter(|loaded| loaded.len() > 1)), [first, second.clone()]);

    write("preset = \"strict\"\n[[rules]]\nid = \"payroll\"\nmethod = \"eat\"\n[nonsense]\n");
    poll("the refusal in the log", || gateway.stderr().contains("the old one stays in force").then_some(()));
    assert_eq!(hash(), second, "a policy that is not understood changes nothing");

    let requests = gateway.get_json("/api/export", &reader)["data"]["requests"].clone();
    let attributes: Vec<&Value> =
        requests.as_array().expect("requests").iter().map(|request| &request["attributes"]).collect();
    assert_eq!(attributes[0], &json!({ "salary": 5000, "note": "mail [email]" }));
    assert_eq!(attributes[attributes.len() - 1], &json!({ "note": "mail [email]" }));

    gateway.stop();
    let refused = gateway.try_restart().expect_err("with such a policy nothing is started");
    assert!(refused.contains("rules[0]") || refused.contains("payroll"), "the place is named: {refused}");
    assert!(refused.contains("nonsense"), "all mistakes are reported: {refused}");
}

#[test]
fn secrets_lie_in_files_that_nobody_else_may_read() {
    let mut gateway = Gateway::start();
    let mode = |name: &str| fs::metadata(gateway.data().join(name)).expect("its metadata").permissions().mode() & 0o777;
    assert_eq!((mode(""), mode("keys"), mode("admin.key"), mode("control.sock")), (0o700, 0o600, 0o600, 0o600));
    gateway.stop();
    for name in ["keys", "admin.key"] {
        let path = gateway.data().join(name);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("its permissions");
        let refused = gateway.try_restart().expect_err("a secret that others may read stops the start");
        assert!(refused.contains(name), "{refused}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its permissions");
    }
    gateway.restart();
}

#[test]
fn one_directory_has_one_gateway_and_its_files_go_with_it() {
    let mut gateway = Gateway::start();
    let second = gateway.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert!(!second.status.success());
    assert!(text(&second.stderr).contains("in use"), "{}", text(&second.stderr));
    gateway.get("/v1/admin/tenants", &gateway.admin_key()).expect(200);
    gateway.stop();
    for name in ["address", "control.sock"] {
        assert!(!gateway.data().join(name).exists(), "{name} is left behind");
    }
}

#[test]
fn with_a_certificate_the_listener_speaks_tls_only() {
    let tls = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls");
    let gateway = Setup::new()
        .config(&format!("[server]\ntls_certificate = \"{tls}/certificate.pem\"\ntls_key = \"{tls}/key.pem\""))
        .start();
    let client =
        Client::builder().no_proxy().timeout(PATIENCE).tls_danger_accept_invalid_certs(true).build().expect("a client");
    let health = client.get(format!("https://{}/healthz", gateway.address())).send().expect("an answer over TLS");
    assert_eq!(health.status(), 200);
    let plain = gateway.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(!plain.contains("200 OK"), "plain HTTP is answered on a TLS listener: {plain}");
    // The control socket is not the network: commands go on working.
    gateway.value_of(&["tenant", "create", "acme"]);

    let mut half = Setup::new().config(&format!("[server]\ntls_certificate = \"{tls}/certificate.pem\"")).prepare();
    assert!(half.try_restart().expect_err("half a configuration").contains("tls_key"));
}

/// Whoever sees the address may send a signal at once.
#[test]
fn a_gateway_that_has_just_started_stops_in_good_order_too() {
    let mut gateway = Gateway::start();
    gateway.stop();
    for _ in 0..10 {
        gateway.restart();
        gateway.stop();
    }
    for signal in ["INT", "HUP"] {
        gateway.restart();
        gateway.signal(signal);
        if signal == "HUP" {
            poll("the reload", || gateway.stderr().contains("loaded anew").then_some(()));
        }
        gateway.stop();
    }
}
