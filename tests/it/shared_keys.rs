//! Several gateways, each with a data directory of its own, that share a file of pseudonym keys.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tidegate::id::SystemEntropy;
use tidegate::keys::KeyFile;

use crate::gateway::{Gateway, Setup};

fn setup(shared: &Path) -> Setup {
    let privacy = "[privacy]\nanonymize_ips = true";
    Setup::new().config(&format!("[keys]\nshared = \"{}\"\n{privacy}", shared.display()))
}

/// Who visits a tenant: the same in every gateway.
fn visits(tenant: &str) -> Value {
    let visit = |n: u32| {
        let (user, ip) = (format!("{tenant}-user-{}", n % 4), format!("198.51.100.{}", n % 3 + 1));
        json!({ "type": "custom", "name": format!("visit-{n}"), "user": user, "ip": ip })
    };
    (0..12).map(visit).collect()
}

/// What each visit is stored as: user, session and address.
fn stored(gateway: &Gateway, tenant: &str) -> BTreeMap<String, [String; 3]> {
    let export = gateway.get("/v1/export?format=ndjson", &gateway.token(tenant, "export")).expect(200).text();
    let text =
        |row: &Value, member: &str| row[member].as_str().unwrap_or_else(|| panic!("{member} in {row}")).to_owned();
    let rows = export.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    rows.map(|row| (text(&row, "name"), ["user", "session", "ip"].map(|member| text(&row, member)))).collect()
}

fn leaves(gateway: &Gateway, tenant: &str) -> usize {
    let token = gateway.token(tenant, "compliance");
    let records = gateway.get(&format!("/v1/audit/records?tenant={tenant}&limit=1000"), &token).expect(200).text();
    records.matches("pseudonym_key.created").count()
}

#[test]
fn the_same_user_is_the_same_pseudonym_in_every_gateway_also_when_all_begin_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let shared = dir.path().join("pseudonyms");
    let gateways: Vec<Gateway> = std::thread::scope(|scope| {
        let starting: Vec<_> = (0..3).map(|_| scope.spawn(|| setup(&shared).start())).collect();
        starting.into_iter().map(|gateway| gateway.join().unwrap()).collect()
    });
    let tenants: Vec<String> = (0..12).map(|n| format!("tenant-{n}")).collect();
    let keys: Vec<Vec<String>> = gateways
        .iter()
        .map(|gateway| {
            tenants.iter().for_each(|tenant| drop(gateway.tenant(tenant)));
            tenants.iter().map(|tenant| gateway.key(tenant)).collect()
        })
        .collect();
    // The first events of every tenant meet: whoever makes a key, there is one.
    std::thread::scope(|scope| {
        for (gateway, keys) in gateways.iter().zip(&keys) {
            scope.spawn(move || {
                for (tenant, key) in tenants_of(keys) {
                    gateway.post_events(key, &visits(&tenant)).expect(200);
                }
            });
        }
    });
    let mut seen: Vec<BTreeMap<String, [String; 3]>> = Vec::new();
    for tenant in &tenants {
        let all: Vec<_> = gateways.iter().map(|gateway| stored(gateway, tenant)).collect();
        assert_eq!(all[0].len(), 12);
        assert!(all.iter().all(|stored| *stored == all[0]), "{tenant}: {all:?}");
        let users = all[0].values().map(|[user, ..]| user).collect::<std::collections::BTreeSet<_>>();
        assert_eq!(users.len(), 4);
        assert!(!seen.contains(&all[0]), "tenants share nothing");
        seen.push(all[0].clone());
        let created: usize = gateways.iter().map(|gateway| leaves(gateway, tenant)).sum();
        assert_eq!(created, 3, "each key was made once, and whoever made it recorded it");
    }
    // Nobody keeps the file to itself.
    assert!(KeyFile::open(&shared, &SystemEntropy).is_ok());
}

fn tenants_of(keys: &[String]) -> impl Iterator<Item = (String, &String)> {
    keys.iter().enumerate().map(|(n, key)| (format!("tenant-{n}"), key))
}

#[test]
fn pseudonyms_survive_kills_and_a_gateway_that_comes_later_joins_in() {
    let dir = tempfile::tempdir().unwrap();
    let shared = dir.path().join("pseudonyms");
    let mut first = setup(&shared).start();
    let key = first.key("default");
    first.post_events(&key, &visits("default")).expect(200);
    let before = stored(&first, "default");
    first.kill();
    let second = setup(&shared).start();
    second.post_events(&second.key("default"), &visits("default")).expect(200);
    assert_eq!(stored(&second, "default"), before);
    assert_eq!(leaves(&second, "default"), 0, "it made no key");
    first.restart();
    first.post_events(&key, &visits("default")).expect(200);
    assert_eq!(stored(&first, "default"), before);
}

#[test]
fn a_user_is_erased_under_the_key_of_before_the_file_was_shared_too() {
    let dir = tempfile::tempdir().unwrap();
    let shared = dir.path().join("pseudonyms");
    let mut gateway = Setup::new().prepare();
    gateway.restart();
    let key = gateway.key("default");
    let visit = json!({ "type": "custom", "name": "visit", "user": "ann" });
    gateway.post_events(&key, &visit).expect(200);
    gateway.stop();
    gateway.write_config(&format!("[keys]\nshared = \"{}\"", shared.display()));
    gateway.restart();
    gateway.post_events(&key, &visit).expect(200);
    let rows = |gateway: &Gateway| {
        let export = gateway.get("/v1/export?format=ndjson", &gateway.token("default", "export")).expect(200).text();
        export.lines().count()
    };
    assert_eq!(rows(&gateway), 2);
    let order = json!({ "type": "erasure", "user": "ann" });
    gateway.post_json("/v1/subjects/requests", &gateway.token("default", "subjects"), &order).expect(202);
    assert_eq!(rows(&gateway), 0);
}

#[test]
fn a_shared_file_that_is_gone_or_another_stops_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let (shared, moved) = (dir.path().join("pseudonyms"), dir.path().join("moved"));
    let mut gateway = setup(&shared).start();
    gateway.stop();
    fs::rename(&shared, &moved).unwrap();
    let refusal = gateway.try_restart().expect_err("must not start");
    assert!(refusal.contains("not the file of shared keys") && !shared.exists(), "{refusal}");
    let other = setup(&shared).start();
    let refusal = gateway.try_restart().expect_err("must not start");
    assert!(refusal.contains("not the file of shared keys"), "{refusal}");
    drop(other);
    fs::rename(&moved, &shared).unwrap();
    gateway.restart();
    gateway.stop();
    let own = gateway.data().join("keys");
    let refusal = setup(&own).prepare().try_restart().expect_err("must not start");
    assert!(refusal.contains("is the key file of a gateway"), "{refusal}");
}
