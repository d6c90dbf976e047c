//! What a value looks like that a name or a word declares a secret, and what says that there is none.

use super::key_name::Grade;
use super::key_words::{Word, meaning};
use super::random::{is_hex_key, is_mixed, variety};
use super::{cookie, shape};
use crate::privacy::redaction::is_settled;

/// Where the secret starts in a text that a name of this grade declares: behind a scheme. `None` when there is none.
pub(in crate::privacy) fn secret_start(text: &str, grade: Grade) -> Option<usize> {
    let scheme = scheme_length(text, grade);
    let rest = text.get(scheme..)?;
    let secret = if scheme > 0 { !is_dull_value(rest) } else { is_secret_text(rest, grade) };
    secret.then_some(scheme)
}

fn is_secret_text(text: &str, grade: Grade) -> bool {
    let looks = match grade {
        Grade::Authorization => !is_word_of_status(text),
        Grade::Secret => true,
        Grade::Cookie => cookie::values(text).next().is_some() || !text.contains('=') && looks_secret(text),
        Grade::Likely => looks_secret(text),
        Grade::Phrase => looks_secret(text) || is_phrase(text),
        Grade::Code => looks_like_code(text),
        Grade::Weak => is_mixed(text.as_bytes()) && !text.contains('/'),
        Grade::Query => false,
    };
    looks && !is_dull_value(text)
}

/// What an authorization is said to be, where it is not given.
fn is_word_of_status(text: &str) -> bool {
    text.len() <= 16 && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b == b' ')
}

/// Whether a value looks like a code that somebody is to type: `483920`, `12-34-56`, `AB12-CD34`.
pub(in crate::privacy) fn looks_like_code(value: &str) -> bool {
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    let short = (3..=10).contains(&value.len());
    let alphabet = value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b' ');
    short && alphabet && digits >= 2 || looks_secret(value)
}

/// Whether a value without quotes or structure around it looks like a secret and not like a word, number or id.
pub(in crate::privacy) fn looks_secret(value: &str) -> bool {
    let bytes = value.as_bytes();
    let path = value.contains('/') && !bytes.iter().any(u8::is_ascii_uppercase);
    let code = path || value.contains("::") || value.contains('(') || value.ends_with(':');
    if bytes.len() < 6 || bytes.contains(&b' ') || code || value.contains("://") || shape::is_uuid(bytes, 0) {
        return false;
    }
    let digits = bytes.iter().filter(|b| b.is_ascii_digit()).count();
    let letters = bytes.iter().filter(|b| b.is_ascii_alphabetic() || **b >= 0x80).count();
    let hump = bytes.windows(2).any(|pair| matches!(pair, [a, b] if a.is_ascii_lowercase() && b.is_ascii_uppercase()));
    let dotted = bytes.iter().filter(|b| **b == b'.').count() >= 2 && letters < digits;
    // A mark inside a word that no language and no program puts there.
    let inner = bytes.get(1..bytes.len() - 1).unwrap_or(&[]);
    let marked = hump_or_mixed_case(bytes) && inner.iter().any(|b| b"!@#$%^&*?".contains(b));
    // Nor behind two words that are written as one.
    let marked = marked || hump && bytes.last().is_some_and(|b| b"!@#$%^&*".contains(b));
    let long = bytes.len() >= 20 && hump && !value.contains('/');
    letters > 0 && !dotted && (digits > 0 || marked || long) && !is_term(value)
}

/// Whether a value with a digit is a word of the trade: `sha256`, `base64-encoded`, `2048-bit`.
fn is_term(value: &str) -> bool {
    const ENDINGS: [&str; 8] =
        ["-encoded", "-hashed", "-encrypted", "-bit", "-based", "-protected", "-only", "-compatible"];
    const TERMS: [&str; 24] = [
        "sha256",
        "sha512",
        "sha-256",
        "sha-512",
        "sha3-256",
        "base64",
        "bcrypt2",
        "argon2",
        "argon2id",
        "argon2i",
        "pbkdf2",
        "aes256",
        "aes-256",
        "ed25519",
        "oauth2",
        "oauth2.0",
        "utf-8",
        "rs256",
        "hs256",
        "es256",
        "aes128",
        "secp256k1",
        "kerberos5",
        "ntlmv2",
    ];
    if value.len() > 32 {
        return false;
    }
    let ends = |ending: &str| {
        let at = value.len().checked_sub(ending.len());
        at.and_then(|at| value.get(at..)).is_some_and(|end| end.eq_ignore_ascii_case(ending))
    };
    ENDINGS.iter().any(|ending| ends(ending)) || TERMS.iter().any(|term| value.eq_ignore_ascii_case(term))
}

/// Whether a value is a password of several words: `violet-drift-basil`.
pub(super) fn is_phrase(value: &str) -> bool {
    let word = |word: &str| word.len() >= 3 && word.chars().all(char::is_alphabetic);
    value.len() <= 80 && value.split(['-', '_', '.']).count() >= 3 && value.split(['-', '_', '.']).all(word)
}

fn hump_or_mixed_case(bytes: &[u8]) -> bool {
    bytes.iter().any(u8::is_ascii_uppercase) && bytes.iter().any(u8::is_ascii_lowercase)
}

/// Whether a value is long and random enough to be a secret in a URL or cookie, under a name that may mean anything.
pub(super) fn is_parameter(value: &str) -> bool {
    let bytes = value.as_bytes();
    let alphabet = bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"_-+/=%.~".contains(b));
    bytes.len() >= 16 && alphabet && variety(bytes) >= 8 && looks_secret(value) || is_hex_key(bytes)
}

/// Whether a value says that there is no secret: a constant, a template, a placeholder, a word about one, a public key.
pub(in crate::privacy) fn is_dull_value(value: &str) -> bool {
    const CONSTANTS: [&str; 67] = [
        "null",
        "none",
        "nil",
        "undefined",
        "true",
        "false",
        "yes",
        "no",
        "string",
        "required",
        "optional",
        "redacted",
        "empty",
        "masked",
        "incorrect",
        "wrong",
        "invalid",
        "expired",
        "missing",
        "changed",
        "updated",
        "reset",
        "ok",
        "failed",
        "failure",
        "success",
        "set",
        "unset",
        "present",
        "provided",
        "hidden",
        "removed",
        "deleted",
        "filtered",
        "enabled",
        "disabled",
        "unknown",
        "n/a",
        "unauthorized",
        "denied",
        "str",
        "bytes",
        "bool",
        "boolean",
        "number",
        "integer",
        "int",
        "object",
        "array",
        "any",
        "not_set",
        "absent",
        "include",
        "omit",
        "same-origin",
        "inherit",
        "default",
        "basic",
        "bearer",
        "digest",
        "oauth",
        "oidc",
        "saml",
        "ldap",
        "anonymous",
        "interactive",
        "managed",
    ];
    let bare = value.strip_prefix(['[', '(']).and_then(|rest| rest.strip_suffix([']', ')'])).unwrap_or(value);
    value.is_empty()
        || is_settled(value)
        || is_label(value)
        || CONSTANTS.iter().any(|constant| bare.eq_ignore_ascii_case(constant))
        || value.starts_with(['$', '<', '{']) && !is_crypt(value)
        || is_stand_in(value)
        || matches!(value.as_bytes(), [b'%', b's' | b'd' | b'v' | b'(', ..])
        || ["ssh-", "ecdsa-sha2", "-----BEGIN PUBLIC", "-----BEGIN CERT"].iter().any(|public| value.starts_with(public))
        || value.len() >= 3 && bare.chars().all(|c| matches!(c, '*' | 'x' | 'X' | '.' | '-' | '•' | '●' | '…'))
}

/// Whether a value is what a form or a translation calls a secret: `Password`, `Choose a password`, `API key`, `Mot de passe`. In small letters a
/// single word is a poor password, and several are a phrase unless a word for a secret is among them.
fn is_label(value: &str) -> bool {
    const LABEL_MAX: usize = 48;
    const WORD_MAX: usize = 24;
    let written =
        |c: char| c.is_alphabetic() || matches!(c, ' ' | '\'' | '’' | '?' | ':' | '*' | '…' | '.' | '(' | ')');
    let capital = value.chars().next().is_some_and(char::is_uppercase);
    let several = value.contains(' ');
    if value.len() > LABEL_MAX || !(capital || several) || !value.chars().all(written) {
        return false;
    }
    let names_secret = |word: &str| {
        let mut lower = [0; WORD_MAX];
        let Some(slots) = lower.get_mut(..word.len()) else { return false };
        slots.copy_from_slice(word.as_bytes());
        slots.make_ascii_lowercase();
        match meaning(slots) {
            Some(Word::Is(Grade::Secret) | Word::Passe) => true,
            Some(Word::Is(_) | Word::Token | Word::Key | Word::Code) => capital,
            Some(Word::Header(_) | Word::Pass | Word::Session | Word::Sid | Word::Id | Word::Trailing) | None => false,
        }
    };
    value.split(|c: char| !c.is_alphabetic()).any(names_secret)
}

/// Whether a value is what manuals put where a secret goes: `YOUR_API_KEY`, `your-token-here`.
fn is_stand_in(value: &str) -> bool {
    let bytes = value.as_bytes();
    let constant = bytes.contains(&b'_') && bytes.iter().all(|b| b.is_ascii_uppercase() || *b == b'_');
    let yours = |start: &str| value.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start));
    constant
        || ["your_", "your-", "my-secret", "<your", "insert-", "replace-", "replace_"].iter().any(|start| yours(start))
}

/// Whether a value is a password's hash as `crypt` writes it: `$2b$12$...`.
pub(super) fn is_crypt(value: &str) -> bool {
    const SCHEMES: [&str; 12] =
        ["$1$", "$2a$", "$2b$", "$2y$", "$5$", "$6$", "$7$", "$y$", "$apr1$", "$argon2", "$pbkdf2", "$scrypt$"];
    value.len() >= 30 && SCHEMES.iter().any(|scheme| value.starts_with(scheme))
}

/// The bytes at the start of an authorization header's value that name the scheme, and the blank after them.
pub(in crate::privacy) fn scheme_length(value: &str, grade: Grade) -> usize {
    const SCHEMES: [&str; 24] = [
        "bearer",
        "basic",
        "digest",
        "negotiate",
        "token",
        "apikey",
        "api-key",
        "hmac",
        "dpop",
        "key",
        "bot",
        "ssws",
        "oauth",
        "ntlm",
        "splunk",
        "geniekey",
        "aws4-hmac-sha256",
        "sharedkey",
        "sharedkeylite",
        "sharedaccesssignature",
        "hawk",
        "snowflake",
        "jwt",
        "mac",
    ];
    match value.split_once(' ') {
        Some((scheme, _))
            if grade == Grade::Authorization && SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known)) =>
        {
            scheme.len() + 1
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_secret() {
        for value in ["hunter2", "correct-8361k9", "Blue!341", "Sommer!Regen", "pässword9"] {
            assert!(looks_secret(value), "{value}");
        }
        for value in [
            "hunter",
            "must",
            "018d948b-d264-7102-8c36-ec7e95a6ad20",
            "f(x1)",
            "a::b1c2",
            "1.2.3.4-rc",
            "12345678",
            "wrong!",
            "SHA256",
            "oauth2",
        ] {
            assert!(!looks_secret(value), "{value}");
        }
        for value in ["violet-drift-basil", "wharf.velvet.thicket"] {
            assert!(is_phrase(value), "{value}");
        }
        for value in ["case-sensitive", "end-to-end", "out-of-date", "violet", "one-two-3"] {
            assert!(!is_phrase(value), "{value}");
        }
        for value in ["YOUR_API_KEY", "your-token-here", "xxxx-xxxx", "${X}", "ssh-ed25519 AAAA", "[secret]", "None"] {
            assert!(is_dull_value(value), "{value}");
        }
        assert!(
            looks_like_code("483920")
                && looks_like_code("123")
                && !looks_like_code("abc")
                && !looks_like_code("not valid 12345")
        );
    }
}
