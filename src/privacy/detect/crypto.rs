//! Addresses of crypto currencies: Base58 and Bech32 with their checksums; Ethereum's and Monero's by their form, which hardly anything
//! else has.

use aws_lc_rs::digest::{SHA256, digest};

use super::context::Lazy;
use super::topics::Topic;
use super::{Kind, Scan};

const BASE58: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// Ripple's order of the same characters.
const RIPPLE: &[u8; 58] = b"rpshnaf39wBUDNEGHJKLM4PQRST7VWXYZ2bcdeCg65jkm8oFqi1tuvAxyz";

/// A version, twenty bytes of a hash, a checksum.
const ADDRESS_BYTES: usize = 25;

/// The address that is the word from `start` to `end`.
pub(super) fn find(scan: &Scan<'_>, start: usize, end: usize, context: &Lazy<'_, '_>) -> Option<(Kind, usize)> {
    let word = scan.slice(start, end);
    let found = match (word.len(), word) {
        (42, [b'0', b'x' | b'X', hex @ ..]) => hex.iter().all(u8::is_ascii_hexdigit) && hex.iter().any(|b| *b != b'0'),
        (25..=35, [b'r', ..]) => is_base58_check(word, RIPPLE, |version| version == 0),
        (25..=35, [first, ..]) => is_currency(*first) && is_base58_check(word, BASE58, is_version),
        (95 | 106, [b'4' | b'8', ..]) => is_base58(word),
        (32..=44, _) => is_base58(word) && is_mixed(word) && context.get().tells_near(Topic::Wallet),
        (14..=110, _) => is_bech32(word),
        _ => false,
    };
    found.then_some((Kind::CryptoAddress, end))
}

/// First characters of addresses: Bitcoin, Litecoin, Dogecoin, Dash, Tron, Zcash.
fn is_currency(first: u8) -> bool {
    matches!(first, b'1' | b'3' | b'2' | b'm' | b'n' | b'L' | b'M' | b'D' | b'A' | b'9' | b'X' | b'7' | b'T' | b't')
}

/// Version bytes of the same currencies.
fn is_version(version: u8) -> bool {
    matches!(version, 0 | 5 | 22 | 28 | 30 | 48 | 50 | 58 | 65 | 76 | 16 | 111 | 196)
}

fn is_base58(word: &[u8]) -> bool {
    word.iter().all(|b| BASE58.contains(b))
}

/// Small and capital letters and digits: no word of a language, no hexadecimal.
fn is_mixed(word: &[u8]) -> bool {
    word.iter().any(u8::is_ascii_digit)
        && word.iter().any(u8::is_ascii_lowercase)
        && word.iter().any(u8::is_ascii_uppercase)
}

/// Base58Check: 25 bytes, of which the last four are the start of the doubled SHA-256 of the others.
fn is_base58_check(word: &[u8], alphabet: &[u8; 58], is_version: impl Fn(u8) -> bool) -> bool {
    let Some(bytes) = base58(word, alphabet) else { return false };
    let Some((payload, checksum)) = bytes.split_at_checked(ADDRESS_BYTES - 4) else { return false };
    let version = payload.first().is_some_and(|version| is_version(*version));
    version && digest(&SHA256, digest(&SHA256, payload).as_ref()).as_ref().starts_with(checksum)
}

fn base58(word: &[u8], alphabet: &[u8; 58]) -> Option<[u8; ADDRESS_BYTES]> {
    let mut bytes = [0u8; ADDRESS_BYTES];
    for b in word {
        let mut carry = alphabet.iter().position(|letter| letter == b)?;
        for byte in bytes.iter_mut().rev() {
            carry += usize::from(*byte) * 58;
            *byte = u8::try_from(carry % 256).ok()?;
            carry /= 256;
        }
        if carry > 0 {
            return None;
        }
    }
    Some(bytes)
}

/// Bech32 and Bech32m (BIP 173 and 350), for the prefixes of currencies.
fn is_bech32(word: &[u8]) -> bool {
    const ALPHABET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    const PREFIXES: [&[u8]; 9] = [b"bc", b"tb", b"ltc", b"addr", b"stake", b"cosmos", b"osmo", b"terra", b"bnb"];
    const BECH32: u32 = 1;
    const BECH32M: u32 = 0x2bc8_30a3;
    let Some(one) = word.iter().position(|b| *b == b'1') else { return false };
    let Some((prefix, data)) = word.split_at_checked(one) else { return false };
    if !PREFIXES.iter().any(|known| prefix.eq_ignore_ascii_case(known)) {
        return false;
    }
    let mut sum = Polymod(1);
    for b in prefix {
        sum.push(u32::from(b.to_ascii_lowercase() >> 5));
    }
    sum.push(0);
    for b in prefix {
        sum.push(u32::from(b & 31));
    }
    for b in data.iter().skip(1) {
        let Some(value) = ALPHABET.iter().position(|letter| *letter == b.to_ascii_lowercase()) else { return false };
        sum.push(u32::try_from(value).unwrap_or(0));
    }
    sum.0 == BECH32 || sum.0 == BECH32M
}

/// The checksum of Bech32: a polynomial over the field of 32 elements.
struct Polymod(u32);

impl Polymod {
    fn push(&mut self, value: u32) {
        const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
        let top = self.0 >> 25;
        self.0 = (self.0 & 0x01ff_ffff) << 5 ^ value;
        for (bit, generator) in GENERATOR.iter().enumerate() {
            if top >> bit & 1 == 1 {
                self.0 ^= generator;
            }
        }
    }
}
