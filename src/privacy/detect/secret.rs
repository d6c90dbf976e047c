//! Secrets of providers, known by prefix, alphabet and length; and private keys.
//!
//! To add a provider, add a line to [`PREFIXES`]. A prefix alone is never enough: the body must have the provider's alphabet and length, end
//! where it should, and, where words could be mistaken for it, hold digits and capitals.

use super::{Scan, is_word};

/// The form of one provider's keys.
pub(super) struct Prefix {
    /// What the key begins with; at least two characters.
    pub(super) text: &'static str,
    body: Alphabet,
    min: usize,
    max: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Alphabet {
    /// Letters and digits.
    Word,
    /// Letters, digits, `-` and `_`, among them a digit and a capital letter.
    Url,
    /// The same and dots.
    Dotted,
    /// Capital letters and digits.
    Upper,
    /// Lower-case hexadecimal digits.
    Hex,
}

const fn prefix(text: &'static str, body: Alphabet, min: usize, max: usize) -> Prefix {
    Prefix { text, body, min, max }
}

use Alphabet::{Dotted, Hex, Upper, Url, Word};

/// Providers' keys, longest prefix first where one begins another.
pub(super) const PREFIXES: &[Prefix] = &[
    prefix("AKIA", Upper, 16, 16), // Amazon Web Services: access keys, temporary keys, bearer tokens, users, roles
    prefix("ASIA", Upper, 16, 16),
    prefix("ABIA", Upper, 16, 16),
    prefix("ACCA", Upper, 16, 16),
    prefix("AIza", Url, 33, 37), // Google
    prefix("AGE-SECRET-KEY-1", Upper, 50, 62),
    prefix("CCIPAT_", Url, 30, 80),          // CircleCI
    prefix("EAACEdEose0cBA", Word, 20, 250), // Facebook
    prefix("EAAA", Url, 56, 70),             // Square
    prefix("GOCSPX-", Url, 24, 40),          // Google OAuth client
    prefix("NRAK-", Upper, 20, 32),          // New Relic
    prefix("PMAK-", Url, 50, 70),            // Postman
    prefix("SG.", Dotted, 40, 80),           // SendGrid
    prefix("SK", Hex, 32, 32),               // Twilio
    prefix("atlasv1.", Url, 50, 80),         // HashiCorp
    prefix("ATATT3", Url, 100, 250),         // Atlassian
    prefix("ccipat_", Url, 30, 80),
    prefix("dapi", Hex, 32, 34), // Databricks
    prefix("dckr_pat_", Url, 20, 40),
    prefix("doo_v1_", Hex, 64, 64), // DigitalOcean
    prefix("dop_v1_", Hex, 64, 64),
    prefix("dor_v1_", Hex, 64, 64),
    prefix("dp.pt.", Word, 40, 44), // Doppler
    prefix("fio-u-", Url, 40, 80),  // Frame.io
    prefix("flb_live_", Word, 16, 40),
    prefix("ghp_", Word, 30, 255), // GitHub
    prefix("gho_", Word, 30, 255),
    prefix("ghu_", Word, 30, 255),
    prefix("ghs_", Word, 30, 255),
    prefix("ghr_", Word, 30, 255),
    prefix("github_pat_", Url, 40, 255),
    prefix("glpat-", Url, 18, 64), // GitLab
    prefix("gldt-", Url, 18, 64),
    prefix("glrt-", Url, 18, 64),
    prefix("glsa_", Url, 32, 64), // Grafana
    prefix("glc_", Word, 32, 400),
    prefix("gsk_", Word, 40, 64), // Groq
    prefix("hf_", Word, 30, 44),  // Hugging Face
    prefix("hvs.", Url, 24, 250), // HashiCorp Vault
    prefix("key-", Hex, 32, 32),  // Mailgun
    prefix("lin_api_", Word, 32, 64),
    prefix("ltai", Word, 16, 30), // Alibaba
    prefix("LTAI", Word, 12, 26),
    prefix("nfp_", Word, 30, 60), // Netlify
    prefix("npm_", Word, 36, 40),
    prefix("ntn_", Word, 40, 60), // Notion
    prefix("phc_", Word, 32, 60), // PostHog
    prefix("phx_", Word, 32, 60),
    prefix("pat-na1-", Url, 30, 60),
    prefix("pplx-", Word, 40, 64),
    prefix("pscale_tkn_", Dotted, 30, 64),
    prefix("pscale_pw_", Dotted, 30, 64),
    prefix("pul-", Hex, 40, 40), // Pulumi
    prefix("pypi-", Url, 50, 400),
    prefix("r8_", Word, 36, 40),       // Replicate
    prefix("rk_live_", Word, 20, 250), // Stripe
    prefix("rk_test_", Word, 20, 250),
    prefix("sk_live_", Word, 20, 250),
    prefix("sk_test_", Word, 20, 250),
    prefix("whsec_", Word, 20, 80),
    prefix("rubygems_", Hex, 48, 48),
    prefix("sbp_", Hex, 40, 40),    // Supabase
    prefix("shpat_", Word, 32, 32), // Shopify
    prefix("shpca_", Word, 32, 32),
    prefix("shppa_", Word, 32, 32),
    prefix("shpss_", Word, 32, 32),
    prefix("sk-", Url, 20, 250), // OpenAI, Anthropic and others
    prefix("sl.", Url, 60, 250), // Dropbox
    prefix("sntrys_", Url, 50, 250),
    prefix("sq0atp-", Url, 22, 22), // Square
    prefix("sq0csp-", Url, 43, 43),
    prefix("tg_", Word, 50, 96), // Tidegate: id, `_`, secret
    prefix("tfp_", Url, 40, 64),
    prefix("xai-", Word, 60, 90),
    prefix("xapp-", Url, 30, 250), // Slack
    prefix("xoxa-", Url, 20, 250),
    prefix("xoxb-", Url, 20, 250),
    prefix("xoxe-", Url, 20, 250),
    prefix("xoxe.xox", Dotted, 40, 250),
    prefix("xoxo-", Url, 20, 250),
    prefix("xoxp-", Url, 20, 250),
    prefix("xoxr-", Url, 20, 250),
    prefix("xoxs-", Url, 20, 250),
    prefix("ya29.", Url, 30, 400), // Google OAuth
];

/// The end of the provider's key at `i`.
pub(super) fn api_key(scan: &Scan<'_>, i: usize) -> Option<usize> {
    if scan.continues(i) {
        return None;
    }
    let start = [scan.at(i), scan.at(i + 1)];
    PREFIXES.iter().filter(|prefix| prefix.text.as_bytes().starts_with(&start)).find_map(|prefix| prefix.end(scan, i))
}

impl Prefix {
    fn end(&self, scan: &Scan<'_>, i: usize) -> Option<usize> {
        let start = i + self.text.len();
        if scan.slice(i, start) != self.text.as_bytes() {
            return None;
        }
        let mut end = scan.run_end(start, start + self.max + 1, |b| self.body.holds(b));
        while end > start && scan.at(end - 1) == b'.' {
            end -= 1;
        }
        let body = scan.slice(start, end);
        let sized = (self.min..=self.max).contains(&body.len()) && !is_word(scan.at(end));
        (sized && self.body.is_random(body)).then_some(end)
    }
}

impl Alphabet {
    fn holds(self, b: u8) -> bool {
        match self {
            Word => is_word(b),
            Url => is_word(b) || b == b'-',
            Dotted => is_word(b) || matches!(b, b'-' | b'.'),
            Upper => b.is_ascii_uppercase() || b.is_ascii_digit(),
            Hex => b.is_ascii_digit() || (b'a'..=b'f').contains(&b),
        }
    }

    /// Whether a body of this alphabet was drawn at random rather than written by somebody.
    fn is_random(self, body: &[u8]) -> bool {
        let digits = body.iter().filter(|b| b.is_ascii_digit()).count();
        match self {
            Upper => true,
            Hex => digits > 0,
            Word => digits > 0 || case_changes(body) >= CASE_CHANGES_MIN,
            Url | Dotted => digits > 0 && body.iter().any(u8::is_ascii_uppercase) || digits > 4,
        }
    }
}

/// How often a body without digits must change between small and capital letters to be no words.
const CASE_CHANGES_MIN: usize = 6;

fn case_changes(body: &[u8]) -> usize {
    body.windows(2).filter(|pair| matches!(pair, [a, b] if a.is_ascii_lowercase() != b.is_ascii_lowercase())).count()
}

/// The end of the bot token (Telegram: 8 to 10 digits, a colon, 35 characters) whose digits are `start..colon`.
pub(super) fn bot_token(scan: &Scan<'_>, start: usize, colon: usize) -> Option<usize> {
    let end = scan.run_end(colon + 1, colon + 64, |b| is_word(b) || b == b'-');
    let digits = scan.slice(start, colon).iter().all(u8::is_ascii_digit);
    (digits && scan.slice(colon + 1, colon + 3) == b"AA" && (30..=40).contains(&(end - colon - 1))).then_some(end)
}

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
/// Longer labels are no labels.
const LABEL_MAX: usize = 48;
/// A 16,384-bit RSA key takes 13 kB; a longer text is cut at this place and the rest scanned on its own.
const KEY_MAX: usize = 16 * 1024;

/// The end of the private key in PEM form that starts with the hyphen at `i`; without its closing line, the end of what can belong to
/// it.
pub(super) fn private_key(scan: &Scan<'_>, i: usize) -> Option<usize> {
    if scan.slice(i, i + BEGIN.len()) != BEGIN {
        return None;
    }
    let label = scan.slice(i + BEGIN.len(), (i + BEGIN.len() + LABEL_MAX).min(scan.bytes.len()));
    let closing = memchr::memmem::find(label, b"-----")?;
    memchr::memmem::find(label.get(..closing)?, b"PRIVATE KEY")?;
    let body = i + BEGIN.len() + closing + 5;
    let limit = scan.bytes.len().min(body + KEY_MAX);
    if let Some(at) = memchr::memmem::find(scan.slice(body, limit), END) {
        let line = body + at + END.len();
        let end = memchr::memmem::find(scan.slice(line, limit.min(line + LABEL_MAX)), b"-----");
        return Some(end.map_or(line, |at| line + at + 5));
    }
    let end =
        scan.run_end(body, limit, |b| b.is_ascii_alphanumeric() || b.is_ascii_whitespace() || b"+/=\\:,-".contains(&b));
    Some(end)
}
