//! Every question about events has its shape, its scope and its refusals, and tells nothing about few people to who may not read rows.

use serde_json::{Value, json};
use tidegate::clock::{Clock, DAY_MS, HOUR_MS, Millis, SystemClock};

use crate::gateway::{Answer, Gateway, Setup};

/// Whatever is sent in a wrong place; it must never come back.
const MARKER: &str = "mArKeR-2c91e7";
const AGGREGATES: [&str; 6] = [
    "/v1/query/series?by=name&interval=1h",
    "/v1/query/series?group=hour_of_week",
    "/v1/query/geo",
    "/v1/query/funnel?steps=open,pay",
    "/v1/query/retention",
    "/v1/query/journeys",
];
const ROWS: [&str; 4] = [
    "/v1/query/users",
    "/v1/query/errors",
    "/v1/query/sessions/shop-1",
    "/v1/query/traces/0af7651916cd43dd8448eb211c80319c",
];

/// A shop: in each session a user looks, some put something into the cart, fewer pay; one payment fails.
struct Shop {
    gateway: Gateway,
    /// May read rows.
    clerk: String,
    /// May read aggregates only.
    analyst: String,
    /// When the first event happened.
    start: Millis,
}

impl Shop {
    fn open(users: u32) -> Shop {
        let gateway = Setup::new().config("[query]\ndisclosure_k = 5").start();
        gateway.tenant("acme");
        let key = gateway.key("acme");
        let start = Millis(SystemClock.now().0 - HOUR_MS);
        let mut events = Vec::new();
        for number in 1..=users {
            let begin = start.0 + i64::from(number) * 1000;
            let event = |after: i64, name: &str| {
                json!({
                    "type": "custom", "name": name, "session": format!("shop-{number}"), "user": format!("user-{number}"),
                    "timestamp": begin + after, "duration_ms": 20, "ok": name != "pay" || number > 1, "attributes": { "n": number },
                    "trace_id": "0af7651916cd43dd8448eb211c80319c",
                })
            };
            events.push(event(0, "open"));
            events.extend((number % 2 == 1).then(|| event(60_000, "cart")));
            events.extend((number % 3 == 1).then(|| event(120_000, "pay")));
        }
        gateway.post_events(&key, &json!(events)).expect(200);
        let (clerk, analyst) = (gateway.token("acme", "query,export"), gateway.token("acme", "query"));
        Shop { gateway, clerk, analyst, start }
    }

    fn as_clerk(&self, path: &str) -> Value {
        self.gateway.get_json(path, &self.clerk)
    }

    fn as_analyst(&self, path: &str) -> Value {
        self.gateway.get_json(path, &self.analyst)
    }

    fn get(&self, path: &str) -> Answer {
        self.gateway.get(path, &self.clerk)
    }
}

/// Names of an object's members, sorted.
fn names(value: &Value) -> Vec<&str> {
    let mut names: Vec<&str> =
        value.as_object().unwrap_or_else(|| panic!("not an object: {value}")).keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

fn list<'v>(value: &'v Value, member: &str) -> &'v Vec<Value> {
    value[member].as_array().unwrap_or_else(|| panic!("no list `{member}` in {value}"))
}

#[test]
fn every_answer_has_the_members_that_are_promised() {
    let shop = Shop::open(6);
    let cells = ["error_rate", "errors", "events", "last_seen", "mean_ms", "p95_ms"];
    let lines = shop.as_clerk("/v1/query/series?by=name&interval=1h&from=-2h");
    assert_eq!(names(&lines), ["absent", "by", "from", "interval_ms", "other", "rows", "to"]);
    assert_eq!(names(&lines["rows"][0]), ["events", "key", "points"]);
    assert_eq!((&lines["rows"][0]["key"], &lines["rows"][0]["events"]), (&json!("open"), &json!(6)));
    assert_eq!(names(&lines["rows"][0]["points"][0]), ["error_rate", "errors", "events", "mean_ms", "p95_ms", "time"]);

    let week = shop.as_clerk("/v1/query/series?group=hour_of_week");
    assert_eq!(names(&week), ["from", "group", "points", "to"]);
    assert_eq!(list(&week, "points").len(), 7 * 24);
    assert_eq!(names(&week["points"][0]), ["error_rate", "errors", "events", "hour", "mean_ms", "p95_ms", "weekday"]);

    let geo = shop.as_clerk("/v1/query/geo");
    assert_eq!(names(&geo), ["countries", "from", "other", "to", "total", "unknown"]);
    assert_eq!(names(&geo["total"]), [&cells[..], &["users"]].concat());
    assert_eq!(geo["total"]["users"], 6);

    let retention = shop.as_clerk("/v1/query/retention?from=-2d");
    assert_eq!(names(&retention), ["from", "period", "periods", "to"]);
    assert_eq!(names(&retention["periods"][0]), ["new", "retained", "returning", "start"]);
    let new = list(&retention, "periods").iter().filter_map(|period| period["new"].as_u64()).sum::<u64>();
    assert_eq!(new, 6);

    let journeys = shop.as_clerk("/v1/query/journeys?length=2");
    assert_eq!(names(&journeys), ["from", "journeys", "length", "other", "sessions", "to"]);
    assert_eq!(journeys["journeys"][0], json!({ "names": ["open", "cart"], "sessions": 3, "share": 0.5 }));

    let users = shop.as_clerk("/v1/query/users?limit=4");
    assert_eq!(names(&users), ["next_cursor", "users"]);
    assert_eq!(names(&users["users"][0]), ["errors", "events", "first_seen", "last_seen", "sessions", "user"]);
    let rest =
        shop.as_clerk(&format!("/v1/query/users?cursor={}", users["next_cursor"].as_str().expect("another page")));
    assert_eq!((list(&rest, "users").len(), &rest["next_cursor"]), (2, &Value::Null));
}

#[test]
fn a_funnel_counts_those_who_came_as_far() {
    let shop = Shop::open(6);
    let funnel = shop.as_analyst("/v1/query/funnel?steps=open,custom:cart,pay&within=30m");
    assert_eq!(names(&funnel), ["by", "conversion", "from", "steps", "to", "within_ms"]);
    let steps = list(&funnel, "steps").iter().map(|step| (step["step"].as_str(), step["reached"].as_u64()));
    assert_eq!(
        steps.collect::<Vec<_>>(),
        [(Some("open"), Some(6)), (Some("custom:cart"), Some(3)), (Some("pay"), Some(1))]
    );
    let median = funnel["steps"][1]["median_ms"].as_f64().expect("a time");
    assert!((median - 60_000.0).abs() <= 600.0, "{median}");
    let hasty = shop.as_analyst("/v1/query/funnel?steps=open,pay&within=90s&by=user");
    assert_eq!((&hasty["steps"][1]["reached"], &hasty["by"]), (&json!(0), &json!("user")));
}

#[test]
fn a_session_is_replayed_in_order_and_in_full() {
    let shop = Shop::open(3);
    let replay = shop.as_clerk("/v1/query/sessions/shop-1");
    assert_eq!(names(&replay), ["events", "next_cursor"]);
    let told = list(&replay, "events").iter().map(|event| event["name"].as_str().expect("a name"));
    assert_eq!(told.collect::<Vec<_>>(), ["open", "cart", "pay"]);
    let first = &replay["events"][0];
    assert_eq!(
        names(first),
        [
            "attributes",
            "duration_ms",
            "ip",
            "name",
            "ok",
            "received",
            "session",
            "timestamp",
            "trace_id",
            "type",
            "user"
        ]
    );
    assert_eq!(first["timestamp"], Millis(shop.start.0 + 1000).to_string());
    assert_eq!((&first["attributes"]["n"], &first["session"]), (&json!(1), &json!("shop-1")));

    let page = shop.as_clerk("/v1/query/sessions/shop-1?limit=2");
    let cursor = page["next_cursor"].as_str().expect("another page");
    let rest = shop.as_clerk(&format!("/v1/query/sessions/shop-1?limit=2&cursor={cursor}"));
    assert_eq!([list(&page, "events").clone(), list(&rest, "events").clone()].concat(), *list(&replay, "events"));

    let trace = shop.as_clerk("/v1/query/traces/0af7651916cd43dd8448eb211c80319c");
    assert_eq!(list(&trace, "events").len(), 6);
    for nothing in ["/v1/query/sessions/shop-9", "/v1/query/traces/0af7", "/v1/query/sessions/shop-1?to=-2d"] {
        assert_eq!(shop.get(nothing).status, 404, "{nothing}");
    }
}

#[test]
fn the_newest_errors_come_first() {
    let shop = Shop::open(3);
    let errors = shop.as_clerk("/v1/query/errors");
    assert_eq!(names(&errors), ["events", "next_cursor"]);
    assert_eq!(list(&errors, "events").len(), 1);
    assert_eq!((&errors["events"][0]["name"], &errors["events"][0]["ok"]), (&json!("pay"), &json!(false)));
    assert_eq!(list(&shop.as_clerk("/v1/query/errors?name=open"), "events").len(), 0);
}

#[test]
fn who_may_read_aggregates_learns_nothing_of_few_people() {
    let shop = Shop::open(6);
    let top = shop.as_analyst("/v1/query/top?by=user");
    assert_eq!(top["rows"], json!([]), "a user is one person");
    assert_eq!(top["disclosure"], json!({ "k": 5, "merged": 6 }));
    assert_eq!((&top["other"]["keys"], &top["total"]["events"]), (&json!(6), &json!(11)));
    let journeys = shop.as_analyst("/v1/query/journeys?length=2");
    assert_eq!((&journeys["journeys"], &journeys["sessions"]), (&json!([]), &json!(6)));
    assert_eq!(shop.as_analyst("/v1/query/geo")["unknown"]["users"], 6, "six people of no country are enough");
    assert_eq!(shop.as_analyst("/v1/query/top?by=name").get("disclosure"), None, "a tool is nobody");
    assert_eq!(list(&shop.as_clerk("/v1/query/top?by=user"), "rows").len(), 6, "who may read rows sees them");

    let few = Shop::open(3);
    for path in ["/v1/query/geo", "/v1/query/top?by=country"] {
        let answer = few.as_analyst(path);
        assert_eq!((&answer["total"], &answer["other"]), (&Value::Null, &Value::Null), "{path}");
        assert_eq!(answer["disclosure"]["withheld"], true, "{path}");
    }
    let one = few.as_analyst("/v1/query/summary?session=shop-1");
    assert_eq!(names(&one), ["disclosure", "from", "to"], "one session is one person");
    assert_eq!(one["disclosure"], json!({ "k": 5, "merged": 0, "withheld": true }));
    assert_eq!(few.as_clerk("/v1/query/summary?session=shop-1")["events"], 3);
    let retention = few.as_analyst("/v1/query/retention?from=-2d");
    assert!(
        list(&retention, "periods").iter().all(|period| period["new"] == 0 || period["new"].is_null()),
        "{retention}"
    );
}

#[test]
fn rows_and_what_singles_out_need_export() {
    let shop = Shop::open(1);
    for path in AGGREGATES {
        assert_eq!(shop.gateway.get(path, &shop.analyst).status, 200, "{path}");
        assert_eq!(shop.get(path).status, 200, "{path}");
    }
    for path in ROWS {
        assert_eq!(shop.gateway.get(path, &shop.analyst).status, 403, "{path}");
        assert_eq!(shop.get(path).status, 200, "{path}");
    }
    for path in [
        "/v1/query/series?by=user",
        "/v1/query/top?by=user&session=shop-1",
        "/v1/query/top?by=country&type=custom",
        "/v1/query/geo?name=open",
        "/v1/query/retention?name=open",
        "/v1/query/journeys?type=custom",
    ] {
        assert_eq!(shop.gateway.get(path, &shop.analyst).status, 403, "{path}");
        assert_eq!(shop.get(path).status, 200, "{path}");
    }
}

#[test]
fn what_cannot_be_heeded_is_refused_by_the_name_of_the_parameter() {
    let shop = Shop::open(1);
    for (path, parameter) in [
        ("/v1/query/funnel", "steps"),
        ("/v1/query/funnel?steps=M", "steps"),
        ("/v1/query/funnel?steps=M,,M", "steps"),
        ("/v1/query/funnel?steps=a,b&within=M", "within"),
        ("/v1/query/funnel?steps=a,b&by=M", "by"),
        ("/v1/query/retention?period=M", "period"),
        ("/v1/query/retention?from=M", "from"),
        ("/v1/query/journeys?length=M", "length"),
        ("/v1/query/journeys?limit=M", "limit"),
        ("/v1/query/series?by=M", "by"),
        ("/v1/query/series?group=M", "group"),
        ("/v1/query/series?group=hour_of_week&by=name", "group"),
        ("/v1/query/top?by=M", "by"),
        ("/v1/query/users?cursor=M", "cursor"),
        ("/v1/query/errors?cursor=M", "cursor"),
        ("/v1/query/errors?type=M", "type"),
        ("/v1/query/sessions/shop-1?cursor=M", "cursor"),
        ("/v1/query/traces/M?limit=M", "limit"),
        ("/v1/query/geo?M=M", "parameter"),
    ] {
        let answer = shop.get(&path.replace('M', MARKER)).expect(400);
        let detail = answer.json()["detail"].as_str().expect("a detail").to_owned();
        assert!(detail.contains(parameter), "{path}: {detail}");
        assert!(!answer.everything().contains(MARKER), "{path} repeats what was sent");
    }
    let days = |days: i64| Millis(SystemClock.now().0 - days * DAY_MS);
    let too_long = format!("/v1/query/retention?from={}", days(80).0);
    assert!(shop.get(&too_long).expect(400).text().contains("points"));
}

#[test]
fn every_reading_of_rows_is_on_record_without_what_was_asked_for() {
    let shop = Shop::open(1);
    ROWS.iter().for_each(|path| _ = shop.get(path).expect(200));
    let officer = shop.gateway.token("acme", "compliance");
    let records = shop.gateway.get_json("/v1/audit/records?limit=1000", &officer);
    let rows = list(&records, "records").iter().filter(|record| record["leaf"]["action"] == "query.rows");
    let told: Vec<String> = rows.map(|record| record["leaf"].to_string()).collect();
    for what in ["users", "errors", "sessions/{id}", "traces/{id}"] {
        assert_eq!(told.iter().filter(|leaf| leaf.contains(&format!("\"{what}\""))).count(), 1, "{what} in {told:?}");
    }
    assert!(!told.concat().contains("shop-1") && !told.concat().contains("0af76519"), "{told:?}");
}
