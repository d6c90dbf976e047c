//! A second opinion on clean text: does anything personal stand in it all the same?
//!
//! Written apart from the detectors of `privacy` and sharing nothing with them: patterns by a library, checks of its own. It looks for little, namely
//! what has a form that can be told for sure (check digits, parsers, prefixes that nothing else has), since a finding is somebody's work; it is stricter in
//! that no word around a find excuses it, but for the few that make four numbers a version. What stands in for data (placeholders, asterisks, pseudonyms)
//! and what names nobody (networks, loopback) has none of these forms.

use std::net::{Ipv4Addr, Ipv6Addr};

use regex_automata::meta::Regex;

use super::check;

/// Longer texts are looked at up to here: a sample need not be whole.
const TEXT_BYTES_MAX: usize = 64 << 10;
/// How far before four numbers a word may stand that makes them a version.
const VERSION_NEAR_BYTES: usize = 32;

/// What can slip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Slip {
    /// An e-mail address.
    Email = 0,
    /// A payment card number.
    Card = 1,
    /// A bank account.
    Iban = 2,
    /// A network address.
    Ip = 3,
    /// A US social security number.
    Ssn = 4,
    /// An international telephone number.
    Phone = 5,
    /// A JSON Web Token.
    Jwt = 6,
    /// A private key.
    PrivateKey = 7,
    /// A provider's key.
    ApiKey = 8,
}

impl Slip {
    /// Everything that can.
    pub const ALL: [Slip; 9] = [
        Slip::Email,
        Slip::Card,
        Slip::Iban,
        Slip::Ip,
        Slip::Ssn,
        Slip::Phone,
        Slip::Jwt,
        Slip::PrivateKey,
        Slip::ApiKey,
    ];

    /// Its name: that of the detector that should have found it.
    pub fn name(self) -> &'static str {
        match self {
            Slip::Email => "email",
            Slip::Card => "card",
            Slip::Iban => "iban",
            Slip::Ip => "ip",
            Slip::Ssn => "ssn",
            Slip::Phone => "phone",
            Slip::Jwt => "jwt",
            Slip::PrivateKey => "private_key",
            Slip::ApiKey => "api_key",
        }
    }

    /// The one of that name.
    pub fn from_name(name: &str) -> Option<Slip> {
        Slip::ALL.into_iter().find(|slip| slip.name() == name)
    }
}

/// Which are looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watched(u16);

impl Watched {
    /// These.
    pub fn of(slips: impl IntoIterator<Item = Slip>) -> Watched {
        Watched(slips.into_iter().fold(0, |bits, slip| bits | 1 << slip as u16))
    }

    /// These and those.
    #[must_use]
    pub fn and(self, other: Watched) -> Watched {
        Watched(self.0 | other.0)
    }

    /// Whether it is looked for.
    pub fn has(self, slip: Slip) -> bool {
        self.0 & 1 << slip as u16 != 0
    }
}

/// The compiled patterns.
pub struct Scanner {
    patterns: Vec<(Slip, Regex)>,
    version: Regex,
}

/// By kind; candidates only, which [`Scanner::is_slip`] decides about. ASCII throughout: counted classes of Unicode take megabytes.
const PATTERNS: [(Slip, &str); 10] = [
    (Slip::Email, r"@|%40"),
    (Slip::Card, r"(?:[0-9][ -]?){12,18}[0-9]"),
    (Slip::Iban, r"[A-Za-z]{2}[0-9]{2}(?:[ -]?[A-Za-z0-9]){11,40}"),
    (Slip::Ip, r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}"),
    (Slip::Ip, r"[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:(?:\.[0-9]{1,3}){3})?"),
    (Slip::Ssn, r"[0-9]{3}-[0-9]{2}-[0-9]{4}"),
    (Slip::Phone, r"\+[1-9](?:[ .()/-]{0,2}[0-9]){7,14}"),
    (Slip::Jwt, r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}"),
    (Slip::PrivateKey, r"-----BEGIN (?:[A-Z0-9]{1,16} ){0,3}PRIVATE KEY-----"),
    (
        Slip::ApiKey,
        concat!(
            r"(?:AKIA|ASIA)[A-Z2-7]{16}|gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{50}|glpat-[A-Za-z0-9_-]{20}",
            r"|sk-ant-[A-Za-z0-9_-]{32}|sk-proj-[A-Za-z0-9_-]{40}|[rs]k_live_[A-Za-z0-9]{16}|xox[abprs]-[A-Za-z0-9-]{20}",
            r"|AIza[A-Za-z0-9_-]{35}|npm_[A-Za-z0-9]{36}|dop_v1_[0-9a-f]{64}|SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}",
            r"|shpat_[0-9a-fA-F]{32}|hf_[A-Za-z0-9]{34}|pypi-AgE[A-Za-z0-9_-]{50}|tg_[0-9a-f]{8,32}_[0-9a-f]{32}",
        ),
    ),
];

/// What makes four numbers a version: a word not far before them, or a product's name or a `v` right before.
const VERSION: &str = concat!(
    r"(?i-u:\b(?:ver|versions?|build|release|firmware|driver|sdk|revision|rev|patch|oid|upgraded?)\b)",
    r"|(?:(?i-u:\bv)[ ,:=/_-]{0,4}|[A-Z][A-Za-z0-9_.-]{0,24}/)$",
);

impl Default for Scanner {
    fn default() -> Self {
        let compile = |pattern: &str| Regex::new(pattern).expect("constant patterns compile; every test builds them");
        let patterns = PATTERNS.into_iter().map(|(slip, pattern)| (slip, compile(pattern))).collect();
        Scanner { patterns, version: compile(VERSION) }
    }
}

impl Scanner {
    /// Calls `found` for everything of the `watched` kinds in `text`.
    pub fn scan(&self, text: &str, watched: Watched, mut found: impl FnMut(Slip)) {
        let text = head(text);
        for (slip, pattern) in self.patterns.iter().filter(|(slip, _)| watched.has(*slip)) {
            let mut at = 0;
            while let Some(hit) = pattern.find(regex_automata::Input::new(text).range(at..)) {
                let (before, after) = (text.get(..hit.start()).unwrap_or(""), text.get(hit.end()..).unwrap_or(""));
                let matched = text.get(hit.range()).unwrap_or("");
                if self.is_slip(*slip, before, matched, after) {
                    found(*slip);
                    at = hit.end();
                } else {
                    // What is none as a whole may hold one behind its first part.
                    at = hit.start() + first_part(matched);
                }
            }
        }
    }

    /// Whether a candidate is one.
    fn is_slip(&self, slip: Slip, before: &str, matched: &str, after: &str) -> bool {
        let stands_alone = !before.ends_with(is_word) && !after.starts_with(is_word);
        match slip {
            Slip::Email => check::is_email(before, after),
            Slip::Card => {
                stands_alone
                    && !before.ends_with(['.', '-'])
                    && !after.starts_with(['.', '-'])
                    && check::is_card(matched)
            }
            Slip::Iban => !before.ends_with(is_word) && check::is_iban(matched, after),
            Slip::Ip => stands_alone && self.is_address(before, matched, after),
            Slip::Ssn => stands_alone && !before.ends_with('-') && !after.starts_with('-') && check::is_ssn(matched),
            Slip::Phone => {
                !before.ends_with(is_word)
                    && !before.ends_with(['+', '/'])
                    && !after.starts_with(is_word)
                    && check::is_phone(matched)
            }
            Slip::Jwt | Slip::ApiKey => !before.ends_with(is_word),
            Slip::PrivateKey => true,
        }
    }

    fn is_address(&self, before: &str, matched: &str, after: &str) -> bool {
        if let Ok(v4) = matched.parse::<Ipv4Addr>() {
            let near = before.char_indices().rev().find(|(at, _)| before.len() - at >= VERSION_NEAR_BYTES);
            let near = before.get(near.map_or(0, |(at, _)| at)..).unwrap_or(before);
            // One that is mapped into IPv6 is found as such.
            let longer = before.ends_with(['.'])
                || before.ends_with("ffff:")
                || before.ends_with("FFFF:")
                || after.strip_prefix('.').is_some_and(|rest| rest.starts_with(is_word));
            let revised = after.strip_prefix('-').is_some_and(|rest| rest.starts_with(is_word));
            return !longer && !revised && check::names_somebody_v4(v4) && !self.version.is_match(near);
        }
        let matched = if matched.ends_with("::") { matched } else { matched.trim_end_matches(':') };
        let glued = before.ends_with([':', '.']) || after.starts_with(':');
        let address = matched.parse::<Ipv6Addr>();
        !glued && address.is_ok_and(|v6| check::names_somebody_v6(v6) && check::is_like_v6(matched))
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The first bytes of a text, whole characters.
fn head(text: &str) -> &str {
    let end = text.len().min(TEXT_BYTES_MAX);
    (0..=end).rev().find_map(|end| text.get(..end)).unwrap_or("")
}

/// Bytes up to the next place where a find may begin: behind the first run of letters and digits and what follows it.
fn first_part(matched: &str) -> usize {
    let word = matched.find(|c: char| !c.is_alphanumeric()).unwrap_or(matched.len());
    let rest = matched.get(word..).unwrap_or("");
    let gap = rest.find(char::is_alphanumeric).unwrap_or(rest.len());
    (word + gap).max(matched.chars().next().map_or(1, char::len_utf8))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::privacy::json::Json;
    use crate::privacy::{DEFAULT_POLICY, Receipt, Scrubber, Settings};

    fn found(text: &str) -> Vec<Slip> {
        let mut slips = Vec::new();
        Scanner::default().scan(text, Watched::of(Slip::ALL), |slip| slips.push(slip));
        slips
    }

    #[test]
    fn what_can_be_told_for_sure_is_found() {
        let key = ["AKIA", "IOSFODNN7EXAMPLE"].concat();
        let token = ["ghp", "_", &"a1B2".repeat(9)].concat();
        let pem = ["-----BEGIN RSA ", "PRIVATE KEY-----"].concat();
        for (text, slip) in [
            ("write to ann@example.com, please", Slip::Email),
            ("to=ann%40example.com&x=1", Slip::Email),
            ("jörg@müller.example", Slip::Email),
            ("paid with 4111 1111 1111 1111 today", Slip::Card),
            ("4111-1111-1111-1111", Slip::Card),
            ("378282246310005", Slip::Card),
            ("order 12 4111111111111111", Slip::Card),
            ("DE89 3704 0044 0532 0130 00 is the account", Slip::Iban),
            ("gb82west12345698765432", Slip::Iban),
            ("client 203.0.113.7 refused", Slip::Ip),
            ("203.0.113.7:443", Slip::Ip),
            ("[2001:db8::7]:443", Slip::Ip),
            ("from 2001:db8:1:2:3:4:5:6", Slip::Ip),
            ("::ffff:203.0.113.7", Slip::Ip),
            ("ssn 123-45-6789", Slip::Ssn),
            ("call +49 30 901820", Slip::Phone),
            ("+14155552671", Slip::Phone),
            ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NSJ9.c2lnbmF0dXJl", Slip::Jwt),
            (&pem, Slip::PrivateKey),
            (&key, Slip::ApiKey),
            (&token, Slip::ApiKey),
        ] {
            assert_eq!(found(text), [slip], "{text}");
        }
        assert_eq!(found("a@b.example c@d.example"), [Slip::Email; 2]);
        assert_eq!(found("x".repeat(TEXT_BYTES_MAX).as_str()), []);
    }

    #[test]
    fn what_stands_in_for_data_and_what_names_nobody_is_not_found() {
        let pseudonym = format!("u_{}", "4111111111111111".repeat(2));
        for text in [
            "[email] [card] [ip] [phone] ************1111 <redacted>",
            &pseudonym,
            "192.0.2.0 and 2001:db8:1:: are networks, 127.0.0.1 and ::1 nobody",
            "Chrome/120.0.6099.109 version 1.2.3.4, v10.0.2.15, firmware 4.3.2.1-beta",
            "4111111111111112 has a wrong check digit; so has DE88 3704 0044 0532 0130 00",
            "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
            "2026-11-24T17:56:40.123Z 12:34:56 1795543000123 1795543000123456789",
            "std::collections::BTreeMap a::b c::d::e face::cafe",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "000-12-3456 666-12-3456 900-12-3456 123-00-4567 123-45-0000 2026-11-24-1234",
            "+1234 1e+10 5+12345678 +12345678.5 UTC+01:00",
            "git@github.com:org/repo.git logo@2x.png pkg@1.2.3",
            "eyJ.eyJ ghp_short AKIA",
            "1.3.6.1.4.1.311.21.20",
            "driver version 6.8.14.9 (min 7.11.8.1)",
            "trace ad3461ac22085a3c67b23191ef9dd9ec",
        ] {
            assert_eq!(found(text), [], "{text}");
        }
    }

    #[test]
    fn only_what_is_watched_is_found() {
        let mut slips = Vec::new();
        let text = "ann@example.com 4111111111111111";
        Scanner::default().scan(text, Watched::of([Slip::Card]), |slip| slips.push(slip));
        assert_eq!(slips, [Slip::Card]);
        for slip in Slip::ALL {
            assert_eq!(Slip::from_name(slip.name()), Some(slip));
        }
    }

    /// Names are those of detectors: otherwise nobody would know that a policy looks for it.
    #[test]
    fn every_kind_is_one_that_the_default_policy_looks_for() {
        let scrubber = Scrubber::from_toml(DEFAULT_POLICY, &Settings::default()).unwrap();
        for slip in Slip::ALL {
            assert!(scrubber.looks_for(slip.name()), "{}", slip.name());
            let without = format!("[[rules]]\nid = '{}'\nenabled = false", slip.name());
            assert!(!Scrubber::from_toml(&without, &Settings::default()).unwrap().looks_for(slip.name()));
        }
    }

    proptest! {
        /// The gateway's own scrubber leaves nothing that this finds, whatever is around it.
        #[test]
        fn scrubbed_text_has_no_finds(words in proptest::collection::vec(proptest::sample::select(&[
            "ann@example.com", "4111 1111 1111 1111", "DE89370400440532013000", "203.0.113.7", "2001:db8::7", "123-45-6789", "+49 30 901820",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NSJ9.c2lnbmF0dXJl", "call", "card", "x=", "(", ",", "\n", "ok", "7",
        ][..]), 0..12), glue in proptest::sample::select(&[" ", ", ", ";", "\t"][..])) {
            let scrubber = Scrubber::from_toml(DEFAULT_POLICY, &Settings::default()).unwrap();
            let text = words.join(glue);
            let json = serde_json::to_string(&text).unwrap();
            let mut out = Vec::new();
            scrubber.scrub_value(Json::parse(json.as_bytes(), 8).unwrap(), &mut Receipt::default()).write_to(&mut out);
            let clean: String = serde_json::from_slice(&out).unwrap();
            prop_assert_eq!(found(&clean), vec![], "{}", clean);
        }

        #[test]
        fn any_text_is_scanned_without_panic(text in "\\PC{0,200}") {
            found(&text);
        }
    }
}
