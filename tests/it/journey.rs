//! One story, from a new tenant to a proof that holds: a real process, real HTTP, real commands.

use reqwest::Method;
use serde_json::{Value, json};
use tidegate::audit::note::{Checkpoint, VerifierKey};
use tidegate::audit::tree::{Frontier, leaf_hash};
use tidegate::clock::{Clock, MINUTE_MS, Millis, SystemClock};
use tidegate::keys::{KeyKind, SigningKey};

use crate::gateway::{Gateway, send};
use crate::pack::{ENCODINGS, packed};

const USER: &str = "ana.kovacs@example.com";
const ADDRESS: &str = "203.0.113.77";
const CARD: &str = "4111 1111 1111 1111";

#[test]
fn from_a_new_tenant_to_a_proof_that_holds() {
    let mut gateway = Gateway::start();
    let story = Story::begin(&gateway);

    story.events_go_in_in_every_form(&gateway);
    let answers = story.answers(&gateway);
    story.the_answers_are_right(&answers);
    story.nothing_personal_is_left(&answers);
    story.the_trail_names_every_access(&gateway);
    story.the_proof_holds(&gateway);
    assert!(gateway.run(&["fsck"]).status.success(), "a running gateway's directory is in order");

    gateway.stop();
    assert!(gateway.run(&["fsck"]).status.success(), "a stopped gateway's directory is in order");
    story.commands_work_on_a_stopped_directory(&gateway);

    gateway.restart();
    assert_eq!(story.answers(&gateway), answers, "a restart changes no answer");
    let again = gateway.post_events(&story.key, &story.tool_call(0)).expect(200).json();
    assert_eq!((&again["accepted"], &again["duplicates"]), (&json!(0), &json!(1)), "ids are remembered over a restart");
    story.the_proof_holds(&gateway);
    gateway.stop();
}

struct Story {
    tenant: String,
    key: String,
    analyst: String,
    officer: String,
    /// When the first event happened.
    start: Millis,
}

impl Story {
    /// An operator makes a tenant, a key and two tokens on the command line, while the gateway runs.
    fn begin(gateway: &Gateway) -> Story {
        let tenant = gateway.value_of(&["tenant", "create", "acme"]);
        assert!(tenant.starts_with("tn_"), "the tenant's id, not {tenant}");
        let key = gateway.value_of(&["key", "create", "--tenant", "acme", "--label", "website"]);
        assert!(key.starts_with("tg_"), "the key's secret");
        let token = |scopes, subject| {
            gateway.value_of(&["token", "issue", "--tenant", &tenant, "--scope", scopes, "--subject", subject])
        };
        let start = SystemClock.now().plus(-10 * MINUTE_MS);
        Story { analyst: token("query,export", "eve"), officer: token("compliance", "omar"), tenant, key, start }
    }

    fn time(&self, minutes: i64) -> String {
        self.start.plus(minutes * MINUTE_MS).to_string()
    }

    fn tool_call(&self, number: i64) -> Value {
        json!({
            "id": format!("call-{number}"), "type": "mcp.tool_call", "name": "scan_directory",
            "timestamp": self.time(number), "session": "session-one", "user": USER, "ip": ADDRESS,
            "client": { "name": "Claude Desktop", "version": "1.0" },
            "duration_ms": 100 + number, "ok": number != 2,
            "attributes": { "note": format!("please bill {CARD} and write to {USER}"), "depth": 3 },
        })
    }

    fn request(&self, number: i64) -> Value {
        json!({
            "id": format!("request-{number}"), "type": "http.request", "name": "list", "timestamp": self.time(number),
            "session": "session-two", "user": "bob", "method": "GET", "path": format!("/users/{USER}"), "status": 500, "duration_ms": 20,
        })
    }

    /// An object, an array, lines, and each of them again in every encoding: one protocol.
    fn events_go_in_in_every_form(&self, gateway: &Gateway) {
        let first = gateway.post_events(&self.key, &self.tool_call(0)).expect(200);
        assert_eq!(first.header("tidegate-outcome"), "accepted=1, duplicate=0, rejected=0, quarantined=0");
        let first = first.json();
        assert_eq!(first["durability"], "synced");
        assert_eq!(first["results"], json!([]));
        let receipt = &first["receipt"];
        assert_eq!(receipt["policy"].as_str().map(str::len), Some(64), "the policy's hash");
        for rule in ["user", "address", "email", "card"] {
            assert!(receipt["redactions"][rule].as_u64() >= Some(1), "the receipt counts {rule}: {receipt}");
        }

        let array = json!([self.tool_call(0), self.tool_call(1), self.request(3), { "type": "no.such.type" }, { "name": "untyped" }]);
        let second = gateway.post_events(&self.key, &array).expect(200).json();
        assert_eq!(
            (&second["accepted"], &second["duplicates"], &second["rejected"]),
            (&json!(2), &json!(1), &json!(2))
        );
        let results = json!([
            { "index": 0, "result": "duplicate" },
            { "index": 3, "result": "rejected", "reason": "type_unknown", "place": "/type" },
            { "index": 4, "result": "rejected", "reason": "type_missing" },
        ]);
        assert_eq!(second["results"], results);

        let lines = format!("{}\n\n{}\nnot JSON\n", self.tool_call(2), self.request(4));
        let request = gateway.request(Method::POST, "/v1/events").bearer_auth(&self.key);
        let third = send(request.header("Content-Type", "application/x-ndjson").body(lines)).expect(200).json();
        assert_eq!((&third["accepted"], &third["rejected"]), (&json!(2), &json!(1)));

        for (number, encoding) in (5..).zip(ENCODINGS) {
            let body = packed(encoding, json!([self.tool_call(number)]).to_string().as_bytes());
            let request = gateway.request(Method::POST, "/v1/events").header("X-Api-Key", &self.key);
            let answer = send(request.header("Content-Encoding", encoding).body(body)).expect(200).json();
            assert_eq!(answer["accepted"], 1, "{encoding}");
        }

        let late = json!({ "id": "future", "type": "custom", "name": "tomorrow", "timestamp": self.start.plus(72 * 60 * MINUTE_MS).to_string() });
        let late = gateway.post_events(&self.key, &late).expect(200).json();
        assert_eq!(
            late["results"],
            json!([{ "index": 0, "result": "quarantined", "reason": "timestamp_future", "place": "/timestamp" }])
        );
        let kept = gateway.get_json("/v1/admin/quarantine?tenant=acme", &gateway.admin_key());
        assert_eq!(kept["events"][0]["name"], "tomorrow");
    }

    /// Every answer about the events, without the moment at which it was given.
    fn answers(&self, gateway: &Gateway) -> Value {
        let range = format!("from={}&to={}", self.time(-1), self.time(10));
        let get = |route: &str| {
            let mut answer = gateway.get_json(route, &self.analyst);
            if let Some(answer) = answer.as_object_mut() {
                answer.remove("timestamp");
            }
            answer
        };
        json!({
            "summary": get(&format!("/v1/query/summary?{range}")),
            "series": get(&format!("/v1/query/series?{range}&interval=1m")),
            "top": get(&format!("/v1/query/top?{range}")),
            "sessions": get(&format!("/v1/query/sessions?{range}")),
            "one session": get(&format!("/v1/query/summary?{range}&session=session-one")),
            "analytics": get("/api/analytics"),
            "api sessions": get("/api/sessions"),
            "export": get("/api/export"),
        })
    }

    /// Six tool calls (one failed) and two requests (both failed).
    fn the_answers_are_right(&self, answers: &Value) {
        let summary = &answers["summary"];
        assert_eq!(
            (&summary["events"], &summary["errors"], &summary["error_rate"]),
            (&json!(8), &json!(3), &json!(0.375))
        );
        assert_eq!((&summary["users"], &summary["sessions"]), (&json!(2), &json!(2)));
        assert_eq!(
            summary["types"][0],
            json!({ "type": "mcp.tool_call", "events": 6, "errors": 1, "error_rate": 0.1667 })
        );
        let points = answers["series"]["points"].as_array().expect("points");
        assert_eq!(points.iter().filter_map(|point| point["events"].as_u64()).sum::<u64>(), 8);
        assert_eq!(answers["top"]["rows"][0]["key"], "scan_directory");
        assert_eq!((&answers["top"]["rows"][0]["events"], &answers["top"]["total"]["events"]), (&json!(6), &json!(8)));
        assert_eq!(answers["sessions"]["sessions"].as_array().map(Vec::len), Some(2));
        assert_eq!(answers["one session"]["events"], 6);

        let analytics = &answers["analytics"]["data"];
        assert_eq!(
            (&analytics["totalUsers"], &analytics["totalRequests"], &analytics["errorRate"]),
            (&json!(2), &json!(8), &json!(0.375))
        );
        let tool = &analytics["popularTools"][0];
        assert_eq!(
            (&tool["toolName"], &tool["usageCount"], &tool["errorCount"]),
            (&json!("scan_directory"), &json!(6), &json!(1))
        );
        assert_eq!(analytics["topUsers"].as_array().map(Vec::len), Some(2));
        let export = &answers["export"]["data"];
        assert_eq!(export["requests"].as_array().map(Vec::len), Some(8));
        assert_eq!(export["requests"][0]["attributes"]["depth"], 3, "what is not personal is kept");
        let session =
            export["sessions"].as_array().expect("sessions").iter().find(|session| session["id"] == "session-one");
        let session = session.expect("the session of the tool calls");
        assert_eq!(
            (&session["clientInfo"], &session["ipAddress"]),
            (&json!("Claude Desktop v1.0"), &json!("203.0.113.0"))
        );
    }

    fn nothing_personal_is_left(&self, answers: &Value) {
        let text = answers.to_string();
        for personal in [USER, ADDRESS, CARD, "ana.kovacs", "\"bob\""] {
            assert!(!text.contains(personal), "{personal} is in an answer");
        }
    }

    /// What was done by whom, in the tenant's log and in the gateway's.
    fn the_trail_names_every_access(&self, gateway: &Gateway) {
        let own = gateway.get_json("/v1/audit/records?limit=1000", &self.officer);
        let records = own["records"].as_array().expect("records");
        let of = |action: &str| records.iter().filter(|record| record["leaf"]["action"] == action).collect::<Vec<_>>();
        for (action, outcome, principal) in [
            ("key.created", "success", "admin-key"),
            ("token.issued", "success", "admin-key"),
            ("query.aggregate", "intent", "tidegate|eve"),
            ("query.rows", "intent", "tidegate|eve"),
            ("export", "intent", "tidegate|eve"),
            ("quarantine.read", "intent", "admin-key"),
            ("audit.read", "intent", "tidegate|omar"),
        ] {
            let found = of(action);
            assert!(!found.is_empty(), "{action} left no record");
            for record in found {
                assert_eq!(
                    (&record["leaf"]["outcome"], &record["principal"]),
                    (&json!(outcome), &json!(principal)),
                    "{action}"
                );
            }
        }
        assert!(!of("pseudonym_key.created").is_empty(), "keys that make pseudonyms are on record");
        let leaves: String = records.iter().map(|record| record["leaf"].to_string()).collect();
        for personal in ["eve", "omar", USER, "admin-key", "session-one"] {
            assert!(!leaves.contains(personal), "{personal} stands in a leaf");
        }

        let meta = gateway.get_json("/v1/audit/records?tenant=gateway&limit=1000", &gateway.admin_key());
        let actions: Vec<_> = meta["records"]
            .as_array()
            .expect("records")
            .iter()
            .map(|record| record["leaf"]["action"].clone())
            .collect();
        for action in ["service.started", "policy.loaded", "tenant.created"] {
            assert!(actions.contains(&json!(action)), "{action} left no record");
        }
    }

    /// The signed root is the root of the leaves as everybody can read them, in the tenant's log and in the gateway's.
    fn the_proof_holds(&self, gateway: &Gateway) {
        let public = SigningKey::from_seed(&gateway.secret(KeyKind::AuditSigning)).public();
        let logs = [
            (self.tenant.as_str(), format!("tidegate/audit/{}", self.tenant), &self.officer),
            ("gateway", "tidegate/audit".to_owned(), &gateway.admin_key()),
        ];
        for (log, origin, token) in logs {
            let signed = gateway.get(&format!("/v1/audit/tlog/{log}/checkpoint"), token).expect(200);
            let verifier = VerifierKey::new(&origin, public).expect("a key");
            assert_eq!(signed.header("tidegate-verifier-key"), verifier.to_string(), "an auditor can get the key");
            let note = signed.text();
            let checkpoint = Checkpoint::open(&note, &verifier).expect("a checkpoint with a good signature");
            let leaves = leaves(gateway, log, token);
            let mut tree = Frontier::default();
            for leaf in leaves.iter().take(usize::try_from(checkpoint.size).expect("a size")) {
                tree.push(leaf_hash(leaf.as_bytes()), |_, _, _| {});
            }
            assert_eq!((tree.size(), tree.root()), (checkpoint.size, checkpoint.root), "{log}");
        }
    }

    fn commands_work_on_a_stopped_directory(&self, gateway: &Gateway) {
        let tenant = gateway.value_of(&["tenant", "create", "later"]);
        assert!(tenant.starts_with("tn_"));
        let key = gateway.value_of(&["key", "create", "--tenant", "later"]);
        let id = key.split('_').nth(1).expect("a key has an id");
        assert_eq!(gateway.value_of(&["key", "revoke", id]), id);
        let token = gateway.value_of(&["token", "issue", "--tenant", "later", "--scope", "query"]);
        assert_eq!(token.split('.').count(), 3);
        let listed = gateway.run(&["tenant", "list"]);
        let names: Vec<String> = String::from_utf8_lossy(&listed.stdout).lines().map(str::to_owned).collect();
        assert!(names.contains(&format!("{tenant}\tlater")), "{names:?}");
    }
}

/// Every leaf of a log as its bytes are hashed.
fn leaves(gateway: &Gateway, log: &str, token: &str) -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct Page {
        records: Vec<Listed>,
        next: Option<u64>,
    }
    #[derive(serde::Deserialize)]
    struct Listed {
        index: u64,
        leaf: Box<serde_json::value::RawValue>,
    }
    let mut leaves = Vec::new();
    let mut from = Some(0);
    while let Some(start) = from {
        let answer = gateway.get(&format!("/v1/audit/records?tenant={log}&from={start}&limit=7"), token).expect(200);
        let page: Page = serde_json::from_slice(&answer.body).expect("a page of records");
        for listed in page.records {
            assert_eq!(listed.index, leaves.len() as u64, "records come in order, none left out");
            leaves.push(listed.leaf.get().to_owned());
        }
        // Reading a page adds one record, and a page holds more than one: this ends.
        from = page.next;
    }
    leaves
}
