//! Pseudonyms over days: who can be linked with whom, for how long, and what the audit log says of it.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::ingest::epoch::UserKeys;
use crate::store::row::TextColumn;

/// A gateway under a policy of its own.
fn house_under(dir: &Path, policy: &str, now: Millis) -> House {
    let path = dir.join("privacy.toml");
    fs::write(&path, policy).unwrap();
    let mut config = config_of(&dir.join("data"));
    config.privacy.policy = Some(path);
    House::open_with(config, now).unwrap()
}

/// What a visit of a user from an address is stored as: user, session, address.
fn visit(house: &House, tenant: TenantId, user: &str, ip: &str) -> [String; 3] {
    static VISITS: AtomicU64 = AtomicU64::new(0);
    let n = VISITS.fetch_add(1, Ordering::Relaxed);
    let event = json!({ "type": "mcp.tool_call", "name": format!("visit-{n}"), "user": user, "ip": ip });
    assert_eq!(house.send_as(tenant, &event).accepted, 1);
    let mut found = Vec::new();
    for part in house.gateway.services.ingest.store.read(tenant, EVER.0, EVER.1, house.now()) {
        let rows = part.load(&Need::all()).unwrap();
        let text = |column, row| rows.columns().text(column, row).unwrap_or_default().to_owned();
        let mine = |row: &usize| text(TextColumn::Name, *row) == format!("visit-{n}");
        let of = |row| [TextColumn::User, TextColumn::Session, TextColumn::Ip].map(|column| text(column, row));
        found.extend(rows.rows().filter(mine).map(of));
    }
    assert_eq!(found.len(), 1);
    found.remove(0)
}

/// One round of the keeper.
fn destroy_old(house: &House, rotation_days: u16, held: bool) -> usize {
    let users = UserKeys { rotation_days, keep_days: (!held).then_some(90) };
    house.gateway.services.ingest.epochs.destroy_old(house.tenant(), house.now(), users).unwrap()
}

/// What the tenant's log says of keys: action, outcome, kind and epoch.
fn told(house: &House) -> Vec<String> {
    let records = house.records(Subject::Tenant(house.tenant()));
    let of_keys = records.iter().filter(|record| record.action.starts_with("pseudonym_key."));
    let text = |record: &StoredRecord| {
        let outcome = format!("{:?}", record.outcome).to_lowercase();
        format!("{} {outcome} {} {}", record.action, record.params["kind"], record.params["epoch"])
    };
    of_keys.map(text).collect()
}

#[test]
fn addresses_and_sessions_are_linkable_within_a_day_and_users_beyond() {
    let dir = tempfile::tempdir().unwrap();
    let house = house_under(dir.path(), "[address]\npolicy = 'pseudonymize'", NOW);
    let tenant = house.tenant();
    let first = visit(&house, tenant, "ann", "192.0.2.7");
    assert_eq!(visit(&house, tenant, "ann", "192.0.2.7"), first);
    assert_eq!(visit(&house, tenant, "ann", "::ffff:192.0.2.7"), first);
    house.close();
    let house = house_under(dir.path(), "[address]\npolicy = 'pseudonymize'", NOW.plus(HOUR_MS));
    assert_eq!(visit(&house, tenant, "ann", "192.0.2.7"), first, "over a restart");
    let another = house.another_tenant();
    let foreign = visit(&house, another, "ann", "192.0.2.7");
    assert!(foreign.iter().zip(&first).all(|(foreign, own)| foreign != own), "every tenant has its own keys");
    house.clock.advance(DAY_MS);
    let next = visit(&house, tenant, "ann", "192.0.2.7");
    assert_eq!(next[0], first[0]);
    assert!(next[1] != first[1] && next[2] != first[2]);
}

#[test]
fn daily_keys_are_destroyed_when_they_are_two_days_old_and_the_log_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let house = house_under(dir.path(), "", NOW);
    let tenant = house.tenant();
    for day in 0..3 {
        visit(&house, tenant, "ann", "192.0.2.7");
        assert_eq!(destroy_old(&house, 0, false), if day < 2 { 0 } else { 2 });
        house.clock.advance(DAY_MS);
    }
    let kinds = [KeyKind::Address, KeyKind::Session];
    assert_eq!(kinds.map(|kind| house.gateway.key_file.list(kind, tenant.0)), [[20_001, 20_002], [20_001, 20_002]]);
    let expected: Vec<String> =
        ["user 0", "address 20000", "session 20000"]
            .into_iter()
            .chain(["address 20001", "session 20001", "address 20002", "session 20002"])
            .map(|key| format!("pseudonym_key.created success {key}"))
            .chain(["address 20000", "session 20000"].into_iter().flat_map(|key| {
                ["intent", "success"].map(|outcome| format!("pseudonym_key.destroyed {outcome} {key}"))
            }))
            .collect();
    assert_eq!(told(&house), expected);
}

#[test]
fn the_keys_of_the_next_day_are_made_before_it_for_whoever_is_there_at_the_price_of_one() {
    let dir = tempfile::tempdir().unwrap();
    let house = house_under(dir.path(), "[user]\nrotate_days = 1", NOW);
    let (tenant, another) = (house.tenant(), house.another_tenant());
    visit(&house, tenant, "ann", "192.0.2.7");
    visit(&house, another, "ann", "192.0.2.7");
    let epochs = &house.gateway.services.ingest.epochs;
    assert_eq!(epochs.prepare_next_day(house.now()).unwrap(), 0, "it is morning");
    house.clock.advance(18 * HOUR_MS + 1);
    let syncs = house.gateway.key_file.syncs();
    assert_eq!(epochs.prepare_next_day(house.now()).unwrap(), 6);
    assert!(house.gateway.key_file.syncs() - syncs <= 4);
    assert_eq!(epochs.prepare_next_day(house.now()).unwrap(), 0);
    house.clock.advance(HOUR_MS);
    visit(&house, tenant, "ann", "192.0.2.7");
    // Records are written in order, so those of the keys are there now.
    assert!(told(&house).contains(&"pseudonym_key.created success session 20001".to_owned()));
    assert_eq!(told(&house).len(), 6, "nothing was left to be made");
}

#[test]
fn users_change_their_pseudonyms_when_the_policy_says_so_and_old_keys_live_as_long_as_their_rows() {
    let dir = tempfile::tempdir().unwrap();
    let house = house_under(dir.path(), "[user]\nrotate_days = 10", Millis(20_000 * DAY_MS));
    let tenant = house.tenant();
    let user = |house: &House| visit(house, tenant, "ann", "192.0.2.7")[0].clone();
    let first = user(&house);
    house.clock.advance(9 * DAY_MS);
    assert_eq!(user(&house), first, "until the period ends");
    house.clock.advance(DAY_MS);
    let second = user(&house);
    assert_ne!(second, first);
    house.clock.advance(91 * DAY_MS);
    destroy_old(&house, 10, false);
    assert_eq!(house.gateway.key_file.list(KeyKind::User, tenant.0).len(), 2, "a row of the first key may be there");
    house.clock.advance(DAY_MS);
    destroy_old(&house, 10, true);
    assert_eq!(house.gateway.key_file.list(KeyKind::User, tenant.0).len(), 2, "while the tenant is on hold");
    destroy_old(&house, 10, false);
    assert_eq!(house.gateway.key_file.list(KeyKind::User, tenant.0).len(), 1);
    assert!(told(&house).contains(&"pseudonym_key.destroyed success user 20000".to_owned()));
}

#[test]
fn an_erasure_finds_a_user_under_every_key_that_lives_and_keeps_it_out_under_every_later_one() {
    let dir = tempfile::tempdir().unwrap();
    let house = house_under(dir.path(), "[user]\nrotate_days = 1", NOW);
    house.send(0..30);
    house.clock.advance(DAY_MS);
    house.send(30..60);
    house.clock.advance(DAY_MS);
    house.send(60..90);
    house.ask_erasure("user-1");
    let left: Vec<u64> = not_of("user-1", 90).into_iter().filter(|n| n % 3 != 1 || *n >= 30).collect();
    assert_eq!(house.rows(), left, "at once, and http of two days before has expired");
    house.erase();
    assert_eq!(house.rows(), left);
    house.close();
    // The list of whom nothing is taken is under a key that stays.
    let house = house_under(dir.path(), "[user]\nrotate_days = 1", NOW.plus(40 * DAY_MS));
    destroy_old(&house, 1, false);
    let refused = house.send_as(house.tenant(), &json!([event(93)]));
    assert_eq!((user(93).as_str(), refused.accepted), ("user-3", 1));
    let refused = house.send_as(house.tenant(), &json!([event(99)]));
    assert_eq!((user(99).as_str(), refused.rejected), ("user-1", 1));
    assert_eq!(house.gateway.key_file.list(KeyKind::Suppression, house.tenant().0), [0]);
}
