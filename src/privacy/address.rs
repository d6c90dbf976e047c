//! Network addresses: read in whatever form they come, kept only as the policy allows.
//!
//! A text that is not an address is never kept in an address's place. The full address leaves this module in one form only: its
//! bytes, for a keyed hash.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::pseudonym::{ADDRESS, pseudonym};

/// What is kept of a client's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressPolicy {
    /// Nothing.
    Drop,
    /// The network, printed as its first address.
    Truncate(Prefixes),
    /// A keyed hash (`a_...`).
    Pseudonymize,
}

/// How many leading bits of an address a network keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefixes {
    /// Of an IPv4 address, at most [`Prefixes::V4_MAX`].
    pub v4: u8,
    /// Of an IPv6 address, at most [`Prefixes::V6_MAX`].
    pub v6: u8,
}

impl Prefixes {
    /// More bits than these would single out a household.
    pub const V4_MAX: u8 = 24;
    /// A provider hands out /56 to /64 per household, so a site's /48 is the most.
    pub const V6_MAX: u8 = 48;
    /// The last byte of IPv4 and the last ten of IPv6 go.
    pub const DEFAULT: Prefixes = Prefixes { v4: Self::V4_MAX, v6: Self::V6_MAX };
    /// Half of IPv4 goes, as regulators ask of audience measurement.
    pub const COARSE: Prefixes = Prefixes { v4: 16, v6: 48 };
}

/// Reads an address in any of its written forms: quotes, brackets, a port, a zone id; IPv4 mapped into IPv6 becomes IPv4.
pub fn parse(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    if let Ok(socket) = text.parse::<SocketAddr>() {
        return Some(socket.ip().to_canonical());
    }
    let inner = match text.strip_prefix('[') {
        Some(rest) => {
            let (inner, port) = rest.split_once(']')?;
            let digits = port.strip_prefix(':').unwrap_or(port);
            if !digits.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            inner
        }
        None => text,
    };
    let bare = inner.split_once('%').map_or(inner, |(bare, _zone)| bare);
    bare.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// The first address of the network that `address` lies in.
pub fn truncate(address: IpAddr, prefixes: Prefixes) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefixes.v4.min(32))).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask))
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefixes.v6.min(128))).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
        }
    }
}

/// The 16 bytes that stand for `address` in a keyed hash; the same for an IPv4 address and its IPv6-mapped form.
pub(super) fn bytes(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// As text. Most addresses are of the old kind, for which the library's way through its formatter takes longer than everything else here.
fn print(address: IpAddr) -> String {
    let IpAddr::V4(v4) = address else { return address.to_string() };
    let mut text = String::with_capacity("255.255.255.255".len());
    for (index, octet) in v4.octets().into_iter().enumerate() {
        if index > 0 {
            text.push('.');
        }
        text.push_str(itoa::Buffer::new().format(octet));
    }
    text
}

impl AddressPolicy {
    /// What is kept of `address`.
    pub fn apply(self, address: IpAddr, key: &[u8; 32]) -> Option<String> {
        match self {
            AddressPolicy::Drop => None,
            AddressPolicy::Truncate(prefixes) => Some(print(truncate(address, prefixes))),
            AddressPolicy::Pseudonymize => Some(pseudonym(key, ADDRESS, &bytes(address))),
        }
    }

    /// The prefixes by which addresses inside texts are truncated.
    pub(super) fn prefixes(self) -> Prefixes {
        match self {
            AddressPolicy::Truncate(prefixes) => prefixes,
            AddressPolicy::Drop | AddressPolicy::Pseudonymize => Prefixes::DEFAULT,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_written_form_of_an_address_is_read() {
        let v4: IpAddr = "192.0.2.7".parse().unwrap();
        for text in [
            "192.0.2.7",
            " 192.0.2.7:443",
            "::ffff:192.0.2.7",
            "::FFFF:c000:207",
            "[::ffff:192.0.2.7]:80",
            "[::ffff:192.0.2.7%eth0]:80",
            "\"192.0.2.7\"",
            "\"192.0.2.7:8080\"",
        ] {
            assert_eq!(parse(text), Some(v4), "{text}");
        }
        let v6: IpAddr = "2001:db8::7".parse().unwrap();
        for text in [
            "2001:DB8::7",
            "2001:0db8:0:0:0:0:0:7",
            "[2001:db8::7]",
            "[2001:db8::7]:8080",
            "2001:db8::7%eth0",
            "[2001:db8::7%25en1]:1",
            "[2001:db8::7%eth0]:443",
            "\"[2001:db8::7]:4711\"",
        ] {
            assert_eq!(parse(text), Some(v6), "{text}");
        }
        let nothing =
            ["", "unknown", "_hidden", "1.2.3", "1.2.3.4.5", "[2001:db8::7]x", "[2001:db8::7", "ann@example.com"];
        for text in nothing {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn truncation_prints_the_network() {
        let cut =
            |text: &str, prefixes| AddressPolicy::Truncate(prefixes).apply(parse(text).unwrap(), &[0; 32]).unwrap();
        assert_eq!(cut("192.168.1.77", Prefixes::DEFAULT), "192.168.1.0");
        assert_eq!(cut("192.168.1.77", Prefixes::COARSE), "192.168.0.0");
        assert_eq!(cut("2001:db8:1:2:3:4:5:6", Prefixes::DEFAULT), "2001:db8:1::");
        assert_eq!(cut("192.168.1.77", Prefixes { v4: 0, v6: 0 }), "0.0.0.0");
    }

    #[test]
    fn mapped_and_plain_addresses_share_a_pseudonym() {
        let hash = |text| AddressPolicy::Pseudonymize.apply(parse(text).unwrap(), &[3; 32]);
        assert_eq!(hash("192.0.2.7"), hash("::ffff:192.0.2.7"));
        assert_ne!(hash("192.0.2.7"), hash("192.0.2.8"));
        assert_eq!(AddressPolicy::Drop.apply(parse("192.0.2.7").unwrap(), &[3; 32]), None);
    }
}
