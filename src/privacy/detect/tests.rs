//! What is found and, as important, what is not.

use super::*;

mod ids;
mod secrets;

fn found(text: &str) -> Vec<(Kind, &str)> {
    found_under("", text)
}

pub(super) fn found_under<'t>(key: &str, text: &'t str) -> Vec<(Kind, &'t str)> {
    let mut hits = Vec::new();
    scan(text, Names::of(key), Kinds::ALL, &mut hits);
    hits.iter().map(|hit| (hit.kind, &text[hit.start..hit.end])).collect()
}

/// The text of each case holds its data between `«` and `»`, or none.
fn check(kind: Kind, cases: &[&str]) {
    for case in cases {
        let text = case.replace(['«', '»'], "");
        let expected: Vec<(Kind, &str)> =
            case.split('«').skip(1).map(|part| (kind, part.split_once('»').expect("every « has its »").0)).collect();
        assert_eq!(found(&text), expected, "{case}");
    }
}

#[test]
fn email_addresses() {
    check(
        Kind::Email,
        &[
            "to=<«ann@example.com»> in 3 ms",
            "write to «Ann.B-c_d+tag@mail.example.co.uk».",
            "連絡先は«foo@example.com»です",
            "«jürgen@müller-söhne.de», sofort",
            "GET /u?email=«ann%40example.com»&x=1",
            "mailto:«ann@example.com»?subject=x",
            "git clone git@github.com:acme/year.git",
            "npm i @acme/cost@11.7.7 --save-exact",
            "registry.example.com/prove@sha256:6758ca",
            "@app.route('/health') user@localhost a@b logo@2x.png",
            "@@@@ @. .@. a@.com a@b..com",
            "mail «ann.lee [at] example [dot] com» or «ben(at)example.org», «cy [AT] mail.example.net», «di {at} example.com»",
            "reach me: «ann dot lee at example dot co dot uk» please",
            "at com.example.Main.run(Main.java:12) at 12.30 pm, look at example.com, meet at noon dot",
            "array[at] index (at) line 3",
        ],
    );
}

#[test]
fn telephone_numbers() {
    check(
        Kind::Phone,
        &[
            "from «+49717163213»: hi",
            "tel:«+55 11 5160-4349» clicked",
            "«+1 (602) 891-3784» or «831.542.5531».",
            "My number is «(504) 786-2092».",
            "at «415-555-2671» or «1-279-555-0100»",
            "Call me back on «08-36 98 32» after 5pm",
            "Phone «04774 424420».",
            "mobile: «6505551234»",
            "at 12345678 and 04774 424420",
            "timezone +0200, offset +05:30, delta +12345.678",
            "headphones 6505551234 sold",
            "order 123-456-7890 and 2022-555-2671-999",
            "sms queue took 536916225 ns",
        ],
    );
    assert_eq!(found_under("phoneNumber", "026 426 4905"), [(Kind::Phone, "026 426 4905")]);
    assert_eq!(found_under("count", "0264264905"), []);
    // `text` says nothing where it is the name of every text.
    assert_eq!(found_under("text", "rates 1661.475087, 2785.826377 on 04.09.2025"), []);
}

#[test]
fn payment_cards() {
    check(
        Kind::Card,
        &[
            "value '«4111111111111111»' for",
            "PAN «3782-822463-10005» exp 04/29",
            "«4111 1111 1111 1111», «3056 930902 5904»",
            "new range «2221000000000009»",
            "wrong check digit 4111111111111112",
            "no issuer 9111111111111115",
            "fraction 0.4111111111111111 id-4111111111111111 x4111111111111111",
            "epoch 1684641478 / 1601046026987 / 1776954851034007 / 1604183116937594035",
            "4111 1111 1111 1111 1111",
        ],
    );
}

#[test]
fn bank_accounts() {
    check(
        Kind::Iban,
        &[
            "IBAN: «DE89 3704 0044 0532 0130 00», reference",
            "iban=«GB82WEST12345698765432» amount",
            "«fr1420041010050500013m02606» ok",
            "to «DE89 3704 0044 0532 0130 00» instead",
            "DE89 3704 0044 0532 0130 01 has a wrong check digit",
            "DE893704004405320130001 is too long",
        ],
    );
}

#[test]
fn addresses_of_machines() {
    check(
        Kind::Ip,
        &[
            "«44.112.51.25» - - [25/Nov/2026]",
            "peer [«2600:1700:1f24:4ef5:79aa:648a:78f1:59f5»]:3000",
            "client «2401:4900:742c:ddae::599:e106», «fe80::1»%eth0",
            "via «::ffff:192.0.2.7» to /«10.1.2.3»:9092",
            "from «10.0.0.1»-«10.0.0.9»",
            "dial «2a01:cb04::d8cd»:63096 or «2003:e5:78a0::e340:1889»:15172",
            "see section 10.4.2.1",
            "driver version 6.8.14.9 (min 7.11.8.1), v1.2.3.4, amd64~~6.1.1.9, Chrome/91.0.44.12, libx 1.2.5.1-2, 1.2.3.4.5",
            "at 12:34:56 on ::1, 127.0.0.1 or 0.0.0.0; 10.0.0.0/8; a::b(1); std::fmt; ad::Bed; dead::beef; :: b::",
            "999.1.1.1 1.2.3 00:11:22",
        ],
    );
    check(
        Kind::Mac,
        &[
            "to «cc:20:a5:b8:f8:51» via",
            "«4C-6B-B9-55-25-5B»",
            "arp «b046.192c.022f» on",
            "diff: -«d8-16-c7-19-4d-6b» +(empty)",
            "wlan0 hwaddr «b046192c022f» up, rejected:«d8:37:26:90:ed:e7»",
            "ff:ff:ff:ff:ff:ff 0f d2 4a 1.2.3 commit b046192c022f at 12-b0-46-19-2c-02-2f",
        ],
    );
}

#[test]
fn social_security_numbers() {
    check(
        Kind::Ssn,
        &[
            "near \"«349-59-9109»\" line 11",
            "my social security number is «405 41 3697»",
            "ssn=«405413697»",
            "405 41 3697 and 405413697 alone",
            "000-12-3456 666-12-3456 912-12-3456 349-00-9109 349-59-0000",
            "part 1-349-59-9109-2",
        ],
    );
}

#[test]
fn telemetry_survives() {
    for text in [
        "018d948b-d264-7102-8c36-ec7e95a6ad20",
        "4408b8f8d70701f5fcb57a53a1499074",
        "sha256:ba074f683721d65f4a35f0a2a0f39798835fc1ab2843eb7889359dbf3c6cca4d verified",
        "2026-11-22T13:15:00.488577+02:00",
        "Expires: Wed, 20 Jan 2021 12:00:00 GMT",
        "p50=2318.985 p95=457.1 n=56219 in 135.375ms",
        "invoice total $4,973.71 for ORD-2022-5276368, tracking 1ZUQDCARGYQVLRQ5L3",
        "a::b(1) at src/main.rs:4785:82 port 8080",
        "Mozilla/5.0 (X11; Linux x86_64; rv:110.0) Gecko/20100101 Chrome/115.0.6741.50 Firefox/108.0",
        "so4uaLCl4QNxCBGHqNKSm7IKAoIDNpecRtbprahzOFYFdDbZvrkxMnF4FoBGY1aDEb3XhJNzbH2SvfnXgPlQzwipD58pjEd/eNM9mg1ppf1nCJwtq3I+TalJ",
        "mcp_1_1693234567890",
    ] {
        assert_eq!(found(text), [], "{text}");
    }
}

#[test]
fn what_lies_behind_a_hit_is_not_read_again() {
    let text = "ann@example.com@example.org 4111111111111111@x.org";
    let hits = found(text);
    assert!(hits.windows(2).all(|pair| pair[0].1.as_ptr() as usize + pair[0].1.len() <= pair[1].1.as_ptr() as usize));
    assert!(!hits.is_empty());
}

#[test]
fn cells_of_a_row_are_no_decimals() {
    check(Kind::Ssn, &["3370,«563-16-3460»,pro,8752", "1,563 items"]);
    check(Kind::Card, &["1348,«4111 1111 1111 1111»,pro", "0,4111 1111"]);
}

#[test]
fn what_may_follow_an_address() {
    check(Kind::Mac, &["skipping «02:DD:0D:0E:BF:69»: synced", "02:DD:0D:0E:BF:69:11"]);
    check(Kind::Ip, &["haproxy: «2800:a4:58aa:3a71:1756:8232:1476:585d»:8176 [x]"]);
    check(Kind::Phone, &["wa.me/«+37163125310»", "a/+1234567/b", "mask (999) 999-9999"]);
}
