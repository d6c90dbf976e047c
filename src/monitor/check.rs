//! The checks behind the patterns of [`super::scan`]: digits, ranges, parsers.
//!
//! Small, pure, and written from the standards and not from `privacy`, so that a mistake there is not repeated here.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Endings of files that look like those of domains.
const FILE_ENDINGS: [&str; 12] =
    ["png", "jpg", "jpeg", "gif", "svg", "webp", "css", "js", "json", "html", "xml", "tgz"];

/// Characters of a name and of a domain (RFC 5321).
const NAME_MAX: usize = 64;
const DOMAIN_MAX: usize = 255;

/// Lengths of IBANs by country (ISO 13616, registry release 99).
const IBAN_LENGTHS: &str = "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24 FI18 FK18 FO18 \
FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 \
MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30";

/// Whether a name and a domain stand around an `@`.
pub(super) fn is_email(before: &str, after: &str) -> bool {
    let is_name = |c: &char| c.is_alphanumeric() || ".%+'_-".contains(*c);
    let name: Vec<char> = before.chars().rev().take(NAME_MAX).take_while(is_name).collect();
    let of_domain = |c: &char| c.is_alphanumeric() || matches!(c, '-' | '.');
    let length = after.chars().take(DOMAIN_MAX).take_while(of_domain).map(char::len_utf8).sum();
    let (domain, rest) = after.split_at_checked(length).unwrap_or((after, ""));
    let domain = domain.trim_end_matches(['.', '-']);
    let Some((host, ending)) = domain.rsplit_once('.') else { return false };
    let letters = ending.chars().take_while(|c| c.is_alphabetic()).count();
    let is_file = FILE_ENDINGS.iter().any(|file| ending.eq_ignore_ascii_case(file));
    let is_repository = name == ['t', 'i', 'g'] && rest.starts_with([':', '/']);
    name.iter().any(|c| c.is_alphanumeric())
        && host.starts_with(char::is_alphanumeric)
        && !domain.contains("..")
        && letters >= 2
        && !is_file
        && !is_repository
}

/// Whether a number is of a card brand's range and length, and passes Luhn's check (ISO/IEC 7812-1).
pub(super) fn is_card(text: &str) -> bool {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(10)).collect();
    let prefix = |n: usize| digits.iter().take(n).fold(0, |number, digit| number * 10 + digit);
    let brand = match (prefix(1), prefix(2), prefix(4)) {
        (4, ..) => [13, 16, 19].contains(&digits.len()),
        (_, 34 | 37, _) => digits.len() == 15,
        (_, 51..=55, _) | (.., 2221..=2720) => digits.len() == 16,
        (.., 6011) | (_, 65, _) | (.., 6440..=6499) | (.., 3528..=3589) => [16, 19].contains(&digits.len()),
        (_, 62, _) => (16..=19).contains(&digits.len()),
        (_, 36 | 38 | 39, _) | (.., 3000..=3059) => digits.len() == 14,
        _ => false,
    };
    // Longer plain numbers are ids of other things more often than cards.
    let is_plain = text.bytes().all(|b| b.is_ascii_digit());
    brand && !(is_plain && digits.len() > 16) && grouped(text) && luhn(&digits)
}

/// Whether a number is written in one piece, or in groups of which each has three digits at least, all with the same separator.
fn grouped(text: &str) -> bool {
    let separators: Vec<char> = text.chars().filter(|c| !c.is_ascii_digit()).collect();
    let one_kind = separators.windows(2).all(|pair| pair.first() == pair.last());
    one_kind
        && (separators.is_empty() || text.split([' ', '-']).all(|group| (3..=13).contains(&group.len())))
        && separators.len() <= 4
}

fn luhn(digits: &[u32]) -> bool {
    let doubled = |digit: u32| if digit > 4 { 2 * digit - 9 } else { 2 * digit };
    let weigh = |(place, digit): (usize, &u32)| if place % 2 == 1 { doubled(*digit) } else { *digit };
    digits.iter().rev().enumerate().map(weigh).sum::<u32>().is_multiple_of(10)
}

/// Whether a text begins with an IBAN of its country's length whose check digits are right (ISO 7064, modulo 97), and that ends where a word ends.
pub(super) fn is_iban(text: &str, after: &str) -> bool {
    let country = text.get(..2).unwrap_or_default().to_ascii_uppercase();
    let entry = IBAN_LENGTHS.split_ascii_whitespace().find(|entry| entry.starts_with(&country));
    let Some(length) = entry.and_then(|entry| entry.get(2..)?.parse::<usize>().ok()) else { return false };
    let account: Vec<u8> = text.bytes().filter(u8::is_ascii_alphanumeric).take(length).collect();
    let (head, rest) = account.split_at(4.min(account.len()));
    let value = |byte: &u8| match byte {
        b'0'..=b'9' => u32::from(byte - b'0'),
        _ => u32::from(byte.to_ascii_uppercase() - b'A') + 10,
    };
    let remainder = rest.iter().chain(head).map(value).fold(0, |remainder, value| {
        let shifted = if value > 9 { remainder * 100 } else { remainder * 10 };
        (shifted + value) % 97
    });
    let last = text.char_indices().filter(|(_, c)| c.is_ascii_alphanumeric()).nth(length.saturating_sub(1));
    let mut behind = last.and_then(|(at, _)| text.get(at + 1..)).unwrap_or_default().chars().chain(after.chars());
    let ends = !behind.next().is_some_and(|c| c.is_alphanumeric() || c == '_');
    account.len() == length && remainder == 1 && ends
}

/// Whether area, group and serial number are given out (SSA: no area 000, 666 or above 899, no zeros elsewhere).
pub(super) fn is_ssn(text: &str) -> bool {
    let mut parts = text.split('-').map(|part| part.parse::<u32>().unwrap_or_default());
    let (area, group, serial) = (parts.next(), parts.next(), parts.next());
    area.is_some_and(|area| (1..900).contains(&area) && area != 666) && group > Some(0) && serial > Some(0)
}

/// Whether a number behind a `+` has the length of a telephone number (E.164), and that of North America if it is one.
pub(super) fn is_phone(text: &str) -> bool {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_digit).collect();
    let is_decimal = text.matches('.').count() == 1 && !text.contains([' ', '(', '-']);
    let length = match digits.as_slice() {
        [b'1', area, ..] => digits.len() == 11 && (b'2'..=b'9').contains(area),
        _ => (8..=15).contains(&digits.len()),
    };
    length && !is_decimal
}

/// Whether an address is somebody's: no network, loopback, broadcast, multicast or public resolver.
pub(super) fn names_somebody_v4(address: Ipv4Addr) -> bool {
    const RESOLVERS: [[u8; 4]; 6] =
        [[8, 8, 8, 8], [8, 8, 4, 4], [1, 1, 1, 1], [1, 0, 0, 1], [9, 9, 9, 9], [169, 254, 169, 254]];
    let octets = address.octets();
    let [first, .., last] = octets;
    last != 0 && ![0, 127, 255].contains(&first) && !address.is_multicast() && !RESOLVERS.contains(&octets)
}

/// The same of IPv6; a network is what has nothing below its first 48 bits.
pub(super) fn names_somebody_v6(address: Ipv6Addr) -> bool {
    if let Some(v4) = address.to_ipv4_mapped() {
        return names_somebody_v4(v4);
    }
    let below = address.to_bits() << 48;
    below != 0 && !address.is_loopback() && !address.is_multicast()
}

/// Whether it is written like an address and not like a path in a program: three groups at least, or a first group that networks have.
pub(super) fn is_like_v6(text: &str) -> bool {
    let groups: Vec<&str> = text.split(':').filter(|group| !group.is_empty()).collect();
    let first = groups.first().copied().unwrap_or_default().to_ascii_lowercase();
    let has_digit = first.bytes().any(|b| b.is_ascii_digit());
    let is_used = first.len() == 4
        && has_digit
        && (first.starts_with(['2', '3']) || first.starts_with("fe") || first.starts_with("fd"));
    let words = groups.iter().all(|group| group.bytes().all(|b| b.is_ascii_alphabetic()));
    is_used || text.contains('.') || groups.len() >= 3 && !words
}
