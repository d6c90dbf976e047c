//! Fetching a key set: the one place of this folder that touches file and network.
//!
//! A request leaves only to an address that is neither this machine nor a private network, whatever the name resolves to:
//! the name is resolved once, every address is checked, and the connection is pinned to them. No redirects, no proxy, five
//! seconds to answer and five to transfer, one mebibyte. It blocks: never call it from a request.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use reqwest::Url;
use reqwest::blocking::Client;
use reqwest::redirect::Policy;

use super::issuer::JwksSource;

const TIMEOUT: Duration = Duration::from_secs(5);
/// Key sets have a few kilobytes.
const DOCUMENT_BYTES_MAX: usize = 1024 * 1024;

/// Why a document could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The file cannot be opened.
    #[error("the key set's file cannot be opened")]
    File(#[source] std::io::Error),
    /// File or transfer broke off.
    #[error("the key set could not be read to its end")]
    Broken(#[source] std::io::Error),
    /// The name does not resolve.
    #[error("the key set's host is not known")]
    HostUnknown,
    /// The name leads to this machine or into a private network.
    #[error("the key set's host leads to this machine or into a private network")]
    Private,
    /// Another answer than 200; redirects are not followed.
    #[error("the key set's host answered with status {0}")]
    Status(u16),
    /// Nobody answers in time, or not in the language of HTTP and TLS.
    #[error("the key set's host did not answer")]
    Transfer(#[source] reqwest::Error),
    /// Above 1 MiB.
    #[error("the key set is larger than 1 MiB")]
    TooLarge,
}

/// The document at `source`.
pub fn load(source: &JwksSource, allow_insecure: bool) -> Result<Vec<u8>, FetchError> {
    match source {
        JwksSource::File(path) => read(File::open(path).map_err(FetchError::File)?),
        JwksSource::Url(url) => get(url, allow_insecure),
    }
}

fn get(url: &str, allow_insecure: bool) -> Result<Vec<u8>, FetchError> {
    let url = Url::parse(url).map_err(|_| FetchError::HostUnknown)?;
    let host = url.host_str().ok_or(FetchError::HostUnknown)?;
    let addresses = resolve(&url, allow_insecure)?;
    let client = Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .timeout(TIMEOUT)
        .https_only(!allow_insecure)
        .resolve_to_addrs(host, &addresses)
        .build()
        .map_err(FetchError::Transfer)?;
    let answer = client.get(url).send().map_err(FetchError::Transfer)?;
    if answer.status().as_u16() == 200 { read(answer) } else { Err(FetchError::Status(answer.status().as_u16())) }
}

/// The addresses of the URL's host; an error if any of them is not public.
fn resolve(url: &Url, allow_insecure: bool) -> Result<Vec<SocketAddr>, FetchError> {
    let addresses = url.socket_addrs(|| None).map_err(|_| FetchError::HostUnknown)?;
    if addresses.is_empty() {
        return Err(FetchError::HostUnknown);
    }
    if !allow_insecure && addresses.iter().any(|address| !is_public(address.ip())) {
        return Err(FetchError::Private);
    }
    Ok(addresses)
}

fn read(mut from: impl Read) -> Result<Vec<u8>, FetchError> {
    let started = Instant::now();
    let (mut document, mut chunk) = (Vec::new(), [0; 16 * 1024]);
    loop {
        let count = from.read(&mut chunk).map_err(FetchError::Broken)?;
        document.extend(chunk.iter().take(count));
        if document.len() > DOCUMENT_BYTES_MAX {
            return Err(FetchError::TooLarge);
        }
        // The client's timeout is for each read: a host that drips must not hold the thread.
        if started.elapsed() > TIMEOUT {
            return Err(FetchError::Broken(ErrorKind::TimedOut.into()));
        }
        if count == 0 {
            return Ok(document);
        }
    }
}

/// Whether an address is one of the public internet (IANA special-purpose registries).
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or_else(|| is_public_v6(v6), is_public_v4),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let shared = a == 100 && (64..128).contains(&b);
    let protocol = a == 192 && b == 0 && c == 0;
    let benchmark = a == 198 && (b == 18 || b == 19);
    !(a == 0
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || shared
        || protocol
        || benchmark
        || a >= 224)
}

/// Only global unicast, 2000::/3, without what embeds or documents other addresses.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    let global = a & 0xe000 == 0x2000;
    let teredo_or_orchid = a == 0x2001 && b < 0x200;
    let documentation = (a == 0x2001 && b == 0xdb8) || (a == 0x3fff && b < 0x1000);
    let six_to_four = a == 0x2002;
    global && !teredo_or_orchid && !documentation && !six_to_four
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// A server that answers one request with `answer`.
    fn serve_once(answer: Vec<u8>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/jwks", listener.local_addr().unwrap());
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).unwrap();
            let _ = stream.write_all(&answer);
        });
        url
    }

    fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
        let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        [head.as_bytes(), body].concat()
    }

    #[test]
    fn special_addresses_are_not_public() {
        for text in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "192.0.0.8",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "::127.0.0.1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        for text in ["1.1.1.1", "100.128.0.1", "172.32.0.1", "2606:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8"] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn a_document_is_fetched_only_where_that_is_allowed() {
        let url = serve_once(answer("200 OK", "", b"{\"keys\":[]}"));
        assert!(matches!(get(&url.replace("http", "https"), false), Err(FetchError::Private)));
        assert_eq!(get(&url, true).unwrap(), b"{\"keys\":[]}");
    }

    #[test]
    fn redirects_and_oversized_documents_are_refused() {
        let url = serve_once(answer("302 Found", "Location: http://127.0.0.1:9/\r\n", b""));
        assert!(matches!(get(&url, true), Err(FetchError::Status(302))));
        let url = serve_once(answer("200 OK", "", &vec![b' '; DOCUMENT_BYTES_MAX + 1]));
        assert!(matches!(get(&url, true), Err(FetchError::TooLarge)));
    }

    #[test]
    fn a_file_is_read_and_a_missing_one_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("jwks.json");
        assert!(matches!(load(&JwksSource::File(path.clone()), false), Err(FetchError::File(_))));
        std::fs::write(&path, b"{}").unwrap();
        assert_eq!(load(&JwksSource::File(path), false).unwrap(), b"{}");
    }
}
