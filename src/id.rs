//! Identifiers, and the randomness that they are made of.
//!
//! Identifiers say nothing about whom they name: a tenant's id is random, never its name, so that ids may stand in file
//! names, log lines and metric labels. Randomness enters through [`Entropy`] only.

use std::fmt;
use std::str::FromStr;

/// A source of cryptographically secure random bytes.
pub trait Entropy: Send + Sync {
    /// Fills `out` with random bytes.
    fn fill(&self, out: &mut [u8]);
}

/// Draws `N` random bytes.
pub fn random<const N: usize>(entropy: &dyn Entropy) -> [u8; N] {
    let mut out = [0u8; N];
    entropy.fill(&mut out);
    out
}

/// The operating system's generator.
#[derive(Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[expect(clippy::disallowed_methods, reason = "this is the one place where randomness comes in")]
    fn fill(&self, out: &mut [u8]) {
        aws_lc_rs::rand::fill(out)
            .expect("the operating system's random generator answers; nothing can be safe without it");
    }
}

/// A text is not an identifier of the expected kind.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a valid {kind}: expected {shape}")]
pub struct Malformed {
    kind: &'static str,
    shape: &'static str,
}

/// A tenant: 8 random bytes, written `tn_` and 16 lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(pub [u8; 8]);

impl TenantId {
    /// Draws a new id.
    pub fn random(entropy: &dyn Entropy) -> Self {
        TenantId(random(entropy))
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tn_{}", hex::encode(self.0))
    }
}

impl FromStr for TenantId {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let bad = || Malformed { kind: "tenant id", shape: "tn_ and 16 hex digits" };
        let digits = text.strip_prefix("tn_").ok_or_else(bad)?;
        let mut bytes = [0u8; 8];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| bad())?;
        Ok(TenantId(bytes))
    }
}

/// The public half of an ingest key: 8 random bytes, written as 16 lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl FromStr for KeyId {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let mut bytes = [0u8; 8];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| Malformed { kind: "key id", shape: "16 hex digits" })?;
        Ok(KeyId(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_from_its_text() {
        let tenant = TenantId::random(&SystemEntropy);
        assert_eq!(tenant.to_string().parse(), Ok(tenant));
        assert!("tn_0011".parse::<TenantId>().is_err());
        assert!("0011223344556677".parse::<TenantId>().is_err());
    }
}
