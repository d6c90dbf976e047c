//! The client's address behind proxies.
//!
//! A forwarding header is a list to which every proxy appends the address that it saw; whatever stood there before was
//! written by the client and may be a lie. So the list is read from the right, as long as the address at hand is that of a
//! trusted proxy: the first address that is not is the client's. A request whose peer is not trusted has no say at all.
//!
//! One header is configured, `Forwarded` (RFC 7239) or `X-Forwarded-For`, never both: a proxy that writes one passes the
//! other on as the client sent it. An element that cannot be read or hides its address (`unknown`, `_name`) ends the walk
//! without an address; the caller must not take the proxy's instead.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;

/// Most proxies in a row; a longer way is a loop or a lie.
const HOPS_MAX: usize = 32;

/// Which header the trusted proxies write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardingHeader {
    /// None: the peer is the client.
    #[default]
    None,
    /// `Forwarded`.
    Forwarded,
    /// `X-Forwarded-For`.
    XForwardedFor,
}

impl ForwardingHeader {
    /// The header's name, in lower case.
    pub fn name(self) -> Option<&'static str> {
        match self {
            ForwardingHeader::None => None,
            ForwardingHeader::Forwarded => Some("forwarded"),
            ForwardingHeader::XForwardedFor => Some("x-forwarded-for"),
        }
    }
}

/// How client addresses are found.
#[derive(Clone, Debug, Default)]
pub struct AddressRule {
    /// The networks of the trusted proxies.
    pub trusted_proxies: Vec<IpNet>,
    /// The header that they write.
    pub header: ForwardingHeader,
}

impl AddressRule {
    /// The client's address: of a connection from `peer` whose configured header has these lines, in the order in which
    /// they came. `None` if a trusted proxy forwarded a client whose address cannot be read.
    pub fn client<'a, I>(&self, peer: IpAddr, lines: I) -> Option<IpAddr>
    where
        I: IntoIterator<Item = &'a [u8], IntoIter: DoubleEndedIterator>,
    {
        let mut address = peer.to_canonical();
        if self.header == ForwardingHeader::None || !self.trusts(address) {
            return Some(address);
        }
        let elements = lines.into_iter().rev().flat_map(|line| rsplit_unquoted(line, b','));
        for (hops, element) in elements.map(<[u8]>::trim_ascii).filter(|element| !element.is_empty()).enumerate() {
            if hops >= HOPS_MAX {
                return None;
            }
            address = self.read(element)?.to_canonical();
            if !self.trusts(address) {
                break;
            }
        }
        Some(address)
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(&address))
    }

    fn read(&self, element: &[u8]) -> Option<IpAddr> {
        match self.header {
            ForwardingHeader::None => None,
            ForwardingHeader::Forwarded => forwarded_for(element).and_then(read_node),
            ForwardingHeader::XForwardedFor => read_node(element),
        }
    }
}

/// The value of the one `for` parameter of an element of `Forwarded`.
fn forwarded_for(element: &[u8]) -> Option<&[u8]> {
    let mut found = None;
    for pair in rsplit_unquoted(element, b';').map(<[u8]>::trim_ascii).filter(|pair| !pair.is_empty()) {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        let (name, value) = pair.split_at_checked(equals)?;
        if name.eq_ignore_ascii_case(b"for") && found.replace(value.get(1..)?).is_some() {
            return None;
        }
    }
    found
}

/// Reads `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`, quoted or not; an IPv6 address may have a zone id
/// (RFC 4007), which says nothing beyond the proxy.
fn read_node(node: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(node).ok()?;
    let text = text.strip_prefix('"').map_or(Some(text), |rest| rest.strip_suffix('"'))?;
    if let Some(bracketed) = text.strip_prefix('[') {
        let (address, port) = bracketed.split_once(']')?;
        let port_fits = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return read_v6(address).filter(|_| port_fits);
    }
    let plain = text.parse::<IpAddr>().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|with_port| with_port.ip()));
    plain.or_else(|| read_v6(text))
}

/// Reads `2001:db8::1` or `2001:db8::1%eth0`.
fn read_v6(text: &str) -> Option<IpAddr> {
    let (address, zone) = text.split_once('%').map_or((text, None), |(address, zone)| (address, Some(zone)));
    address.parse::<Ipv6Addr>().ok().filter(|_| zone != Some("")).map(IpAddr::V6)
}

/// A port, or an obfuscated one (RFC 7239 section 6).
fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok() || (text.starts_with('_') && text.len() > 1)
}

/// Splits at `separator`, from the right, where it does not stand between quotes.
///
/// Reading from the right is what keeps an unbalanced quote of the client from swallowing what the proxy has appended.
fn rsplit_unquoted(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let line = rest?;
        let mut quoted = false;
        let cut = line.iter().rposition(|byte| {
            quoted ^= *byte == b'"';
            !quoted && *byte == separator
        });
        match cut {
            Some(cut) => {
                rest = line.get(..cut);
                line.get(cut + 1..)
            }
            None => rest.take(),
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PROXY: &str = "10.0.0.1";

    fn rule(header: ForwardingHeader) -> AddressRule {
        let trusted_proxies = ["10.0.0.0/8", "fd00::/8"].map(|text| text.parse().unwrap()).to_vec();
        AddressRule { trusted_proxies, header }
    }

    fn client(header: ForwardingHeader, peer: &str, lines: &[&str]) -> Option<String> {
        let lines = lines.iter().map(|line| line.as_bytes());
        rule(header).client(peer.parse().unwrap(), lines).map(|address| address.to_string())
    }

    fn forwarded(lines: &[&str]) -> Option<String> {
        client(ForwardingHeader::Forwarded, PROXY, lines)
    }

    fn x_forwarded_for(lines: &[&str]) -> Option<String> {
        client(ForwardingHeader::XForwardedFor, PROXY, lines)
    }

    fn is(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn a_header_from_an_untrusted_peer_is_ignored() {
        for header in [ForwardingHeader::Forwarded, ForwardingHeader::XForwardedFor, ForwardingHeader::None] {
            assert_eq!(client(header, "203.0.113.9", &["1.1.1.1", "for=1.1.1.1"]), is("203.0.113.9"));
        }
        assert_eq!(client(ForwardingHeader::None, PROXY, &["1.1.1.1"]), is(PROXY));
    }

    #[test]
    fn the_first_untrusted_address_from_the_right_is_the_client() {
        assert_eq!(x_forwarded_for(&["1.1.1.1, 203.0.113.7, 10.0.0.3"]), is("203.0.113.7"));
        assert_eq!(x_forwarded_for(&["1.1.1.1", "203.0.113.7", "10.0.0.3"]), is("203.0.113.7"));
        assert_eq!(
            forwarded(&["for=1.1.1.1, for=203.0.113.7;proto=https;by=10.0.0.3, For=10.0.0.3"]),
            is("203.0.113.7")
        );
        assert_eq!(client(ForwardingHeader::XForwardedFor, "::ffff:10.0.0.1", &["203.0.113.7"]), is("203.0.113.7"));
    }

    #[test]
    fn a_way_of_trusted_proxies_only_ends_at_its_first() {
        assert_eq!(x_forwarded_for(&["10.0.0.9, 10.0.0.8"]), is("10.0.0.9"));
        assert_eq!(x_forwarded_for(&[]), is(PROXY));
        assert_eq!(x_forwarded_for(&["", " , "]), is(PROXY));
    }

    #[test]
    fn every_form_of_an_address_is_read() {
        for (text, expected) in [
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1:4711", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("\"[2001:db8::1]:4711\"", "2001:db8::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("\"[::ffff:192.0.2.1]:4711\"", "192.0.2.1"),
            ("fe80::1%eth0", "fe80::1"),
            ("[2001:db8::1%eth0]:443", "2001:db8::1"),
            ("\"[2001:db8::1%25en1]\"", "2001:db8::1"),
        ] {
            assert_eq!(x_forwarded_for(&[text]), is(expected), "{text}");
            assert_eq!(forwarded(&[&format!("proto=http; for={text} ;host=\"a,b;c\"")]), is(expected), "{text}");
        }
    }

    #[test]
    fn a_hidden_or_unreadable_address_is_no_address() {
        for text in [
            "unknown",
            "_hidden",
            "example.org",
            "1.2.3",
            "1.2.3.4:99999",
            "[::1",
            "[::1]x",
            "[1.2.3.4]",
            "fe80::1%",
            "1.2.3.4%eth0",
            "[fe80::1%eth0",
            "\"1.1.1.1",
            "1.1.1.1\"",
            "-",
        ] {
            assert_eq!(x_forwarded_for(&["203.0.113.7", text]), None, "{text}");
            assert_eq!(forwarded(&[&format!("for=203.0.113.7, for={text}")]), None, "{text}");
        }
        assert_eq!(forwarded(&["for=203.0.113.7, proto=https"]), None);
        assert_eq!(forwarded(&["for=203.0.113.7, for=1.1.1.1;for=2.2.2.2"]), None);
        assert_eq!(forwarded(&["203.0.113.7"]), None);
        let not_text: &[u8] = b"\xff\xfe";
        assert_eq!(rule(ForwardingHeader::XForwardedFor).client(PROXY.parse().unwrap(), [not_text]), None);
    }

    #[test]
    fn an_endless_way_has_no_client() {
        assert_eq!(x_forwarded_for(&["10.0.0.2,".repeat(33).as_str()]), None);
        assert_eq!(x_forwarded_for(&["10.0.0.2,".repeat(32).as_str()]), is("10.0.0.2"));
    }

    proptest! {
        /// Whatever a client writes, the address that the proxy appended stands.
        #[test]
        fn a_client_cannot_change_what_the_proxy_appends(
            lie in "[ -~]{0,60}", ip: [u8; 4], v6: [u16; 8], own_line: bool, which in 0..3usize,
        ) {
            let real: IpAddr = if which == 0 { IpAddr::from(ip) } else { IpAddr::from(v6) };
            let header = if which == 2 { ForwardingHeader::Forwarded } else { ForwardingHeader::XForwardedFor };
            prop_assume!(!rule(header).trusts(real.to_canonical()));
            let element = if which == 2 { format!("for=\"[{real}]:80\";proto=\"https\"") } else { real.to_string() };
            let joined = format!("{lie}, {element}");
            let lines = if own_line { vec![lie.as_str(), element.as_str()] } else { vec![joined.as_str()] };
            prop_assert_eq!(client(header, PROXY, &lines), is(&real.to_canonical().to_string()));
        }

        #[test]
        fn any_bytes_are_read_without_panic(lines: Vec<Vec<u8>>) {
            for header in [ForwardingHeader::Forwarded, ForwardingHeader::XForwardedFor] {
                let _ = rule(header).client(PROXY.parse().unwrap(), lines.iter().map(Vec::as_slice));
            }
        }
    }
}
