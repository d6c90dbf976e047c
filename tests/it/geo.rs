//! Where an address is: looked up before it is cut, kept as far as the policy says, and answered under disclosure control.

use std::fs;
use std::path::PathBuf;

use reqwest::Method;
use serde_json::{Value, json};

use crate::gateway::{Gateway, Setup, poll, send};
use crate::mmdb::{Mmdb, place};

const CONFIG: &str = "[privacy]\ngeo_database = \"geo.mmdb\"\npolicy = \"privacy.toml\"";

struct Site {
    gateway: Gateway,
    key: String,
}

impl Site {
    /// A gateway whose database is `mmdb`, before its start.
    fn prepare(mmdb: &[u8], policy: &str, config: &str) -> Gateway {
        let gateway = Setup::new().config(&format!("{CONFIG}\n{config}")).prepare();
        fs::write(gateway.root().join("geo.mmdb"), mmdb).unwrap();
        fs::write(gateway.root().join("privacy.toml"), policy).unwrap();
        gateway
    }

    fn start(mmdb: &Mmdb, policy: &str, config: &str) -> Site {
        let mut gateway = Site::prepare(&mmdb.bytes(), policy, config);
        gateway.restart();
        let key = gateway.key("default");
        Site { gateway, key }
    }

    fn database(&self) -> PathBuf {
        self.gateway.root().join("geo.mmdb")
    }

    /// Puts another file in the database's place.
    fn replace(&self, bytes: &[u8]) {
        let fresh = self.database().with_extension("new");
        fs::write(&fresh, bytes).and_then(|()| fs::rename(&fresh, self.database())).unwrap();
    }

    fn report(&self, user: &str, ip: &str) {
        let event = json!({ "type": "custom", "name": "visit", "user": user, "ip": ip });
        self.gateway.post_events(&self.key, &event).expect(200);
    }

    fn geo(&self, scopes: &str, query: &str) -> Value {
        self.gateway.get_json(&format!("/v1/query/geo{query}"), &self.gateway.token("default", scopes))
    }

    fn countries(&self) -> Vec<(String, u64)> {
        let listed =
            |country: &Value| (country["country"].as_str().unwrap().to_owned(), country["events"].as_u64().unwrap());
        self.geo("query,export", "")["countries"].as_array().unwrap().iter().map(listed).collect()
    }
}

fn two_countries() -> Mmdb {
    Mmdb::new()
        .with("192.0.2.64/26", place("DE", Some("BY")))
        .with("198.51.100.0/24", place("FR", Some("75C")))
        .with("2001:db8:7::/48", place("JP", Some("13")))
}

#[test]
fn every_written_form_of_an_address_is_located_and_none_is_kept_whole() {
    let site = Site::start(&two_countries(), "", "");
    let forms = ["192.0.2.77", "192.0.2.78:8080", "::ffff:192.0.2.79", "[::ffff:192.0.2.80]:443", "\"192.0.2.81:1\""];
    forms.iter().for_each(|ip| site.report("ann", ip));
    ["[2001:db8:7::1%eth0]:443", "2001:db8:7::2%25en1", "[2001:db8:7::3]"].iter().for_each(|ip| site.report("bob", ip));
    assert_eq!(site.countries(), [("DE".to_owned(), 5), ("JP".to_owned(), 3)]);
    let export =
        site.gateway.get("/v1/export?format=ndjson", &site.gateway.token("default", "export")).expect(200).text();
    let ips: Vec<Value> =
        export.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["ip"].clone()).collect();
    assert_eq!(ips.iter().filter(|ip| *ip == "192.0.2.0").count(), 5);
    assert_eq!(ips.iter().filter(|ip| *ip == "2001:db8:7::").count(), 3);
    assert!(!export.contains("geo.region"), "strict keeps no region");
}

#[test]
fn a_forwarded_client_is_located_and_not_its_proxy() {
    let proxy = "[proxy]\ntrusted = [\"127.0.0.0/8\"]\nheader = \"forwarded\"";
    let site = Site::start(&two_countries(), "", proxy);
    let event = json!({ "type": "custom", "name": "visit" }).to_string();
    for node in ["192.0.2.77", "\"192.0.2.77:4711\"", "\"[::ffff:192.0.2.77]:4711\""] {
        let request = site.gateway.request(Method::POST, "/v1/events").bearer_auth(&site.key);
        let request = request.header("Content-Type", "application/json").body(event.clone());
        send(request.header("Forwarded", format!("for={node};proto=https"))).expect(200);
    }
    assert_eq!(site.countries(), [("DE".to_owned(), 3)]);
}

#[test]
fn regions_are_answered_where_the_policy_keeps_them_and_small_ones_are_hidden() {
    let site = Site::start(&two_countries(), "preset = 'balanced'", "[query]\ndisclosure_k = 3");
    (0..4).for_each(|n| site.report(&format!("german {n}"), "192.0.2.77"));
    (0..4).for_each(|n| site.report(&format!("french {n}"), "198.51.100.9"));
    (0..2).for_each(|n| site.report(&format!("japanese {n}"), "2001:db8:7::9"));
    let all = site.geo("query,export", "?by=region");
    let regions: Vec<&str> = all["regions"].as_array().unwrap().iter().map(|r| r["region"].as_str().unwrap()).collect();
    assert_eq!(regions, ["DE-BY", "FR-75C", "JP-13"]);
    let guarded = site.geo("query", "?by=region").to_string();
    assert!(guarded.contains("-") && !guarded.contains("JP-13"), "{guarded}");
    let guarded = site.geo("query", "?by=country").to_string();
    assert!(!guarded.contains("\"JP\""), "{guarded}");
    site.gateway.get("/v1/query/geo?by=city", &site.gateway.token("default", "query")).expect(400);
}

#[test]
fn a_new_database_is_taken_and_a_damaged_one_is_refused_while_the_old_one_stays() {
    let site = Site::start(&two_countries(), "", "");
    site.report("ann", "192.0.2.77");
    let whole = Mmdb::new().with("192.0.2.0/24", place("SE", None)).bytes();
    site.replace(&whole);
    poll("the new database", || {
        site.report("ann", "192.0.2.77");
        site.countries().iter().any(|(country, _)| country == "SE").then_some(())
    });
    site.replace(&whole[..whole.len() / 2]);
    poll("the refusal", || site.gateway.stderr().contains("no whole MMDB file").then_some(()));
    let log = site.gateway.stderr();
    let refusal = log.lines().find(|line| line.contains("no whole MMDB file")).unwrap();
    assert!(refusal.contains("the old one stays in force") && refusal.contains("geo.mmdb"), "{refusal}");
    let before = site.countries();
    site.report("ann", "192.0.2.77");
    let of = |list: &[(String, u64)], code: &str| list.iter().find(|(country, _)| country == code).unwrap().1;
    assert_eq!(of(&site.countries(), "SE"), of(&before, "SE") + 1);
}

#[test]
fn a_missing_or_damaged_database_stops_the_start() {
    for (bytes, reason) in
        [(&b"not a database"[..], "no whole MMDB file"), (&two_countries().bytes()[..40], "no whole")]
    {
        let mut gateway = Site::prepare(bytes, "", "");
        let refusal = gateway.try_restart().expect_err("must not start");
        assert!(refusal.contains(reason) && refusal.contains("geo.mmdb"), "{refusal}");
    }
    let mut gateway = Setup::new().config("[privacy]\ngeo_database = \"nowhere.mmdb\"").prepare();
    let refusal = gateway.try_restart().expect_err("must not start");
    assert!(refusal.contains("cannot be read") && refusal.contains("nowhere.mmdb"), "{refusal}");
}
