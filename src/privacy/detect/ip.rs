//! IPv4 and IPv6 addresses in texts: found by shape, decided by the standard library's parser.
//!
//! Not addresses: versions of four parts, times of day, `::` between names of a program, and addresses that name nobody (loopback,
//! unspecified, broadcast, a network's own address, well-known public resolvers).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::number::{self, Number};
use super::topics::Topic;
use super::{Scan, is_word};

/// Longest written IPv6 address, with an embedded IPv4 part.
const V6_MAX: usize = 45;

/// The end of the IPv4 address that the number begins.
pub(super) fn v4(number: &Number<'_, '_>) -> Option<usize> {
    let Number { scan, start, groups, .. } = number;
    let dotted = groups.count() >= 4 && (1..4).all(|k| groups.separator(k) == b'.') && groups.length(3) <= 3;
    if !dotted || groups.count() > 4 && groups.separator(4) == b'.' {
        return None;
    }
    let end = groups.end(3);
    let address: Ipv4Addr = scan.str(*start, end).parse().ok()?;
    (!is_word(scan.at(end)) && !is_revised(scan, end) && names_somebody(IpAddr::V4(address)) && !is_version(number))
        .then_some(end)
}

/// Whether a revision follows, as in `1.2.5.1-beta` and `1.2.5.1-2`, and not the end of a range of addresses.
fn is_revised(scan: &Scan<'_>, end: usize) -> bool {
    let after = scan.digits_end(end + 1);
    let range = after > end + 1 && scan.at(after) == b'.';
    scan.at(end) == b'-' && is_word(scan.at(end + 1)) && !range
}

fn is_version(number: &Number<'_, '_>) -> bool {
    let Number { scan, start, .. } = number;
    // `Chrome/115.0.6.50`
    let product = number::product_before(scan, *start).is_some();
    product || scan.before(*start) == b'~' || number.is_told(Topic::Version)
}

/// The end of the IPv6 address at `start`, without zone and prefix length.
pub(super) fn v6(scan: &Scan<'_>, start: usize) -> Option<usize> {
    if matches!(scan.before(start), b':' | b'.') {
        return None;
    }
    let mut end = scan.run_end(start, start + V6_MAX, |b| b.is_ascii_hexdigit() || b == b':' || b == b'.');
    while end > start && (scan.at(end - 1) == b'.' || scan.at(end - 1) == b':' && scan.at(end.wrapping_sub(2)) != b':')
    {
        end -= 1;
    }
    if is_word(scan.at(end)) {
        return None;
    }
    // A port of five digits may follow without brackets; a shorter one reads as a part of the address.
    let port = scan.behind(end, 6);
    if end - start > 6 && port.first() == Some(&b':') && port.iter().skip(1).all(u8::is_ascii_digit) {
        end -= 6;
    }
    let text = scan.str(start, end);
    // Behind eight groups it cannot.
    let text = match text.rsplit_once(':') {
        Some((whole, port)) if port.bytes().all(|b| b.is_ascii_digit()) && whole.split(':').count() == 8 => whole,
        _ => text,
    };
    let end = start + text.len();
    let address: Ipv6Addr = text.parse().ok()?;
    let groups = text.split(':').filter(|group| !group.is_empty()).count();
    let plausible = groups >= 3 || text.contains('.') || is_routable_start(text);
    (plausible && names_somebody(IpAddr::V6(address).to_canonical())).then_some(end)
}

/// Two groups only, such as `fe80::1`: told from `a::b` by a first group of four digits in a range that is in use.
fn is_routable_start(text: &str) -> bool {
    match text.as_bytes() {
        [first, second, third, fourth, b':', ..] => {
            let digit = [first, second, third, fourth].iter().any(|b| b.is_ascii_digit());
            digit
                && matches!(
                    (first.to_ascii_lowercase(), second.to_ascii_lowercase()),
                    (b'2' | b'3', _) | (b'f', b'c' | b'd' | b'e')
                )
        }
        _ => false,
    }
}

fn names_somebody(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => match v4.octets() {
            [0 | 127 | 255, ..] | [169, 254, 169, 254] => false,
            [.., 0] => false,
            [8, 8, 8, 8] | [8, 8, 4, 4] | [1, 1, 1, 1] | [1, 0, 0, 1] | [9, 9, 9, 9] => false,
            _ => !v4.is_multicast(),
        },
        IpAddr::V6(v6) => {
            let host = v6.to_bits() & (u128::MAX >> 48);
            !v6.is_loopback() && !v6.is_multicast() && host != 0
        }
    }
}
