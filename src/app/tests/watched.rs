//! The leak monitor on the whole gateway: what slips is found, what does not is not, and no value goes anywhere.

use super::*;
use crate::monitor::finding::{self, Listed, PLACES_MAX};
use crate::monitor::scan::{Slip, Watched};
use crate::monitor::{Monitor, Rooms, Settings};

/// A gateway under a policy of its own, watched from its beginning.
fn house_under(dir: &Path, policy: &str) -> House {
    let path = dir.join("privacy.toml");
    fs::write(&path, policy).unwrap();
    let mut config = config_of(&dir.join("data"));
    config.privacy.policy = Some(path);
    let house = House::open_with(config, NOW).unwrap();
    assert_eq!(look(&house, &[]), 0);
    house
}

/// A round over all tenants; how many finds.
fn look(house: &House, watched: &[Slip]) -> u64 {
    look_with(house, Settings { one_in: 1, watched: Watched::of(watched.iter().copied()) })
}

fn look_with(house: &House, settings: Settings) -> u64 {
    house.clock.advance(10_000);
    let services = &house.gateway.services;
    let tenants: Vec<TenantId> = house.gateway.desk.directory.tenants().iter().map(|tenant| tenant.id).collect();
    let policy = |_| services.ingest.policies.gateway();
    services.monitor.round(settings, &tenants, &policy, house.now()).unwrap()
}

fn findings(house: &House) -> Vec<Listed> {
    finding::list(&house.gateway.services.kv, &house.vault(), house.tenant(), (0, u32::MAX), usize::MAX).unwrap()
}

/// Kind, stream, column, path and count of every finding, sorted.
fn told(house: &House) -> Vec<String> {
    let text = |Listed { finding, .. }: Listed| {
        format!("{} {} {} {} {}", finding.kind, finding.stream, finding.column, finding.path, finding.count)
    };
    let mut told: Vec<String> = findings(house).into_iter().map(text).collect();
    told.sort();
    told
}

const BLIND: &str = "[[rules]]\nid = 'email'\nenabled = false\n[[rules]]\nid = 'card'\nenabled = false";

#[test]
fn what_a_policy_lets_pass_is_found_where_somebody_watches_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let house = house_under(dir.path(), BLIND);
    let leaky = json!([
        { "type": "log", "body": "mail ann@example.com and bob@example.com" },
        { "type": "custom", "name": "buy", "attributes": { "items": [{ "note": "4111 1111 1111 1111" }], "ann@example.com": true } },
        { "type": "custom", "name": "buy", "attributes": { "items": [{ "note": "5555 5555 5555 4444" }], "number": 4111111111111111u64 } },
    ]);
    house.send_as(house.tenant(), &leaky);
    assert_eq!(look(&house, &[]), 0, "the policy lets it pass, so nothing slipped");
    house.send_as(house.tenant(), &leaky);
    assert_eq!(look(&house, &[Slip::Email, Slip::Card]), 6);
    let expected = [
        "card events attributes items.*.note 2",
        "card events attributes number 1",
        "email events attributes * 1",
        "email logs body  2",
    ];
    assert_eq!(told(&house), expected);
    assert_eq!(look(&house, &[Slip::Email, Slip::Card]), 0, "nothing is looked at twice");
    house.send_as(house.tenant(), &leaky);
    house.seal();
    assert_eq!(look(&house, &[Slip::Card]), 3, "sealed or not");
    let again = findings(&house);
    let card = again.iter().find(|listed| listed.finding.path == "items.*.note").unwrap();
    assert_eq!((card.finding.count, card.day), (4, 20_000));
    assert!(card.finding.first < card.finding.last);
    // One record for each place, and nothing else grows with the count.
    assert_eq!(house.count_records(Action::LeakFound), 4);
    let counted: Vec<(&str, u64)> = house.gateway.services.monitor.found().filter(|(_, n)| *n > 0).collect();
    assert_eq!(counted, [("email", 3), ("card", 6)]);
    assert_eq!(house.gateway.services.monitor.rows(), 9);
}

#[test]
fn no_value_and_no_name_is_in_the_clear_in_what_is_kept_of_a_finding() {
    let dir = tempfile::tempdir().unwrap();
    let house = house_under(dir.path(), BLIND);
    let event = json!({ "type": "custom", "attributes": { "unmistakable_name": "ann@unmistakable.example" } });
    house.send_as(house.tenant(), &event);
    assert_eq!(look(&house, &[Slip::Email]), 1);
    let listed = findings(&house);
    assert_eq!(listed[0].finding.path, "unmistakable_name");
    assert!(!serde_json::to_string(&listed[0].finding).unwrap().contains("@"));
    let leaves: String =
        house.records(Subject::Tenant(house.tenant())).iter().map(|leaf| format!("{leaf:?}")).collect();
    assert!(leaves.contains("leak.found") && !leaves.contains("unmistakable"));
    house.close();
    for file in files_below(dir.path()) {
        let bytes = fs::read(&file).unwrap();
        let found = bytes.windows(12).any(|window| window == b"unmistakable");
        assert!(!found, "{}", file.display());
    }
}

#[test]
fn under_the_presets_nothing_of_a_lively_sample_is_found() {
    for preset in ["strict", "balanced", "cnil-audience"] {
        let dir = tempfile::tempdir().unwrap();
        let house = house_under(dir.path(), &format!("preset = '{preset}'"));
        let lively = json!([
            { "type": "log", "body": "ann@example.com 4111 1111 1111 1111 from 203.0.113.7 or 2001:db8::7, DE89370400440532013000", "user": "ann@example.com" },
            { "type": "mcp.tool_call", "name": "find", "ip": "203.0.113.7", "user_agent": "Mozilla/5.0 (X11) Chrome/120.0.0.0", "user": "4111111111111111" },
            { "type": "http.request", "path": "/u/ann%40example.com", "ip": "[2001:db8:1:2::7%eth0]:443", "attributes": { "phone": "+49 30 901820" } },
            { "type": "span", "trace_id": "4111111111111111aaaaaaaaaaaaaaaa", "span_id": "4111111111111111", "attributes": {
                "net.peer.ip": "203.0.113.9", "version": "v1.2.3.4", "auth": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NSJ9.c2lnbmF0dXJl" } },
            { "type": "metric", "name": "latency", "value": 12.5, "attributes": { "host": "10.1.2.0", "id": "3f2504e0-4f89-11d3-9a0c-0305e82c3301" } },
        ]);
        assert_eq!(house.send_as(house.tenant(), &lively).accepted, 5);
        house.send(0..200);
        assert_eq!((look(&house, &Slip::ALL), told(&house)), (0, Vec::new()), "{preset}");
        assert_eq!(house.gateway.services.monitor.rows(), 205);
    }
}

#[test]
fn pseudonyms_and_masked_values_are_no_findings() {
    let dir = tempfile::tempdir().unwrap();
    let rule = |id: &str, method: &str| format!("[[rules]]\nid = '{id}'\nmethod = '{method}'\n");
    let policy =
        [("email", "pseudonymize"), ("card", "mask"), ("phone", "mask"), ("ip", "truncate"), ("iban", "remove")];
    let policy: String = policy.map(|(id, method)| rule(id, method)).concat();
    let house = house_under(dir.path(), &format!("{policy}[address]\npolicy = 'pseudonymize'"));
    let body = "ann@example.com 4111 1111 1111 1111 +14155552671 203.0.113.7 DE89370400440532013000";
    house.send_as(house.tenant(), &json!({ "type": "log", "body": body, "ip": "203.0.113.7" }));
    assert_eq!((look(&house, &Slip::ALL), told(&house)), (0, Vec::new()));
}

#[test]
fn rows_of_before_a_change_of_policy_are_not_the_new_ones_fault() {
    let dir = tempfile::tempdir().unwrap();
    let mut house = house_under(dir.path(), BLIND);
    let leaky = json!({ "type": "log", "body": "ann@example.com" });
    house.send_as(house.tenant(), &leaky);
    fs::write(dir.path().join("privacy.toml"), "").unwrap();
    house.config.privacy.policy = Some(dir.path().join("privacy.toml"));
    house.gateway.reload(&house.config).unwrap();
    assert_eq!(look(&house, &[]), 0);
    house.clock.advance(1);
    house.send_as(house.tenant(), &leaky);
    assert_eq!(look(&house, &[]), 0);
    assert_eq!(house.gateway.services.monitor.rows(), 1, "what arrived since is looked at");
}

#[test]
fn a_tenant_has_so_many_findings_a_day_and_old_ones_go() {
    let dir = tempfile::tempdir().unwrap();
    let house = house_under(dir.path(), BLIND);
    let many = PLACES_MAX + 50;
    let events: Value = (0..many)
        .map(|n| json!({ "type": "custom", "attributes": { format!("place-{n}"): "ann@example.com" } }))
        .collect();
    house.send_as(house.tenant(), &events);
    assert_eq!(look(&house, &[Slip::Email]), many as u64);
    let listed = findings(&house);
    assert_eq!(listed.len(), PLACES_MAX + 1);
    assert_eq!(listed.iter().map(|listed| listed.finding.count).sum::<u64>(), many as u64);
    let rest = listed.iter().find(|listed| listed.finding.column == "*").unwrap();
    assert_eq!((rest.finding.count, rest.finding.path.as_str()), (50, ""));
    let prune = |days: i64| {
        let (tenant, at) = (house.tenant(), house.now().plus(days * DAY_MS));
        house.gateway.services.ingest.writer.commit(move |batch| finding::stage_prune(batch, tenant, at)).unwrap();
        findings(&house).len()
    };
    assert_eq!((prune(400), prune(401)), (PLACES_MAX + 1, 0));
}

#[test]
fn a_round_is_bounded_and_a_rate_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let house = house_under(dir.path(), "");
    for batch in 0..6 {
        house.send(batch * 1000..(batch + 1) * 1000);
    }
    look(&house, &[]);
    assert_eq!(house.gateway.services.monitor.rows(), 2000, "no more than a round may have");
    house.send(6000..7000);
    look_with(&house, Settings { one_in: 10, watched: Watched::default() });
    let sampled = house.gateway.services.monitor.rows() - 2000;
    assert!((40..200).contains(&sampled), "{sampled} of 1000, one in 10");
    house.send(7000..7100);
    assert_eq!(look_with(&house, Settings { one_in: 0, watched: Watched::of(Slip::ALL) }), 0);
    assert_eq!(house.gateway.services.monitor.rows(), 2000 + sampled, "switched off");
}

/// A monitor of its own sees what the gateway's sees: it keeps nothing but where it was.
#[test]
fn a_restart_begins_with_what_comes() {
    let dir = tempfile::tempdir().unwrap();
    let house = house_under(dir.path(), BLIND);
    house.send_as(house.tenant(), &json!({ "type": "log", "body": "ann@example.com" }));
    let services = &house.gateway.services;
    let monitor = Monitor::new(Rooms {
        store: Arc::clone(&services.ingest.store),
        kv: Arc::clone(&services.kv),
        vault: Arc::clone(&house.gateway.vault),
        writer: services.ingest.writer.clone(),
        trail: Arc::clone(&services.trail),
        entropy: Arc::new(SystemEntropy),
    });
    let settings = Settings { one_in: 1, watched: Watched::of([Slip::Email]) };
    let policy = |_| services.ingest.policies.gateway();
    let round = || {
        house.clock.advance(10_000);
        monitor.round(settings, &[house.tenant()], &policy, house.now()).unwrap()
    };
    assert_eq!(round(), 0);
    house.send_as(house.tenant(), &json!({ "type": "log", "body": "bob@example.com" }));
    assert_eq!(round(), 1);
}
