//! Names that declare their value a secret: of a JSON member, a header, a parameter, a variable, an element, a column.
//!
//! Names are compared as whole words (`client_secret`, `clientSecret`, `X-Client-Secret`), never as parts of words: `max_tokens`, `author` and
//! `monkey` declare nothing. The last word decides; where it says little (`key`, `token`, `code`) the one before it does too. [`grade`] says how
//! sure a name makes us, [`secret_start`](super::secret_value::secret_start) what a value must be like then.

use super::key_words::{
    Word, code_grade, is_header_word, is_pass_word, key_grade, meaning, session_grade, token_grade,
};

pub(super) use super::key_words::may_be_graded;

/// What a name says about its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::privacy) enum Grade {
    /// A header with credentials: its whole value is secret, but for the scheme before it.
    Authorization,
    /// A header with cookies.
    Cookie,
    /// Secret whatever it is.
    Secret,
    /// Secret if it looks like one.
    Likely,
    /// The same, or several words.
    Phrase,
    /// A code to be typed: secret if it is short and holds a digit.
    Code,
    /// Secret if it is long and random.
    Weak,
    /// The same, and only in the parameters of a URL, a cookie or the like.
    Query,
}

impl Grade {
    /// Whether what a name of this grade says holds for a member below it. What is merely likely does only where that member is a wrapping.
    pub(in crate::privacy) fn reaches(self, member: &str) -> bool {
        const WRAPPINGS: [&str; 9] = ["value", "stringValue", "val", "v", "old", "new", "before", "after", "raw"];
        match self {
            Grade::Authorization | Grade::Cookie | Grade::Secret => true,
            Grade::Likely | Grade::Phrase | Grade::Code | Grade::Weak | Grade::Query => WRAPPINGS.contains(&member),
        }
    }
}

/// Longer names are not looked at.
pub(super) const NAME_MAX: usize = 64;

/// Longer words are not known.
const WORD_MAX: usize = 24;

/// The words of a name from its end.
struct Words<'n> {
    name: &'n [u8],
    buffer: [u8; WORD_MAX],
}

impl<'n> Words<'n> {
    /// The last word not yet read, lower-cased; empty when there is none, or it is too long to be known.
    fn next(&mut self) -> &[u8] {
        let letter = |b: &u8| is_name_letter(*b);
        let end = self.name.iter().rposition(letter).map_or(0, |at| at + 1);
        let mut start = end;
        while start > 0 && self.name.get(start - 1).is_some_and(letter) && !(start < end && is_hump(self.name, start)) {
            start -= 1;
        }
        let word = self.name.get(start..end).unwrap_or(&[]);
        self.name = self.name.get(..start).unwrap_or(&[]);
        let Some(slots) = self.buffer.get_mut(..word.len()) else { return &[] };
        for (slot, b) in slots.iter_mut().zip(word) {
            *slot = b.to_ascii_lowercase();
        }
        slots
    }
}

/// Whether a byte belongs to a name's words: letters of any script, and digits.
pub(super) fn is_name_letter(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b >= 0x80
}

/// Whether a word starts at `i` inside a run of letters: a capital after a small letter, or the last capital of several before a small one.
fn is_hump(name: &[u8], i: usize) -> bool {
    let at = |k: usize| name.get(k).copied().unwrap_or(0);
    let upper = at(i).is_ascii_uppercase();
    upper && i > 0 && (!at(i - 1).is_ascii_uppercase() || at(i + 1).is_ascii_lowercase())
}

/// What the name says about its value.
pub(in crate::privacy) fn grade(name: &str) -> Option<Grade> {
    let name = name.as_bytes();
    if !may_be_graded(name) || name.len() > NAME_MAX {
        return None;
    }
    let mut words = Words { name, buffer: [0; WORD_MAX] };
    let mut word = meaning(words.next())?;
    for _ in 0..2 {
        if !matches!(word, Word::Trailing) {
            break;
        }
        word = meaning(words.next())?;
    }
    let grade = match word {
        Word::Is(grade) => grade,
        Word::Header(grade) => return is_header_word(words.next()).then_some(grade),
        Word::Token => return token_grade(words.next()),
        Word::Key => return key_grade(words.next()),
        Word::Code => return code_grade(words.next()),
        Word::Pass => return is_pass_word(words.next()).then_some(Grade::Secret),
        Word::Passe => {
            return Some(if matches!(words.next(), b"de" | b"palavra") { Grade::Secret } else { Grade::Phrase });
        }
        Word::Session => return Some(session_grade(words.next())),
        Word::Sid => {
            let cookie = matches!(words.next(), b"connect" | b"express" | b"koa" | b"login" | b"auth");
            return Some(if cookie { Grade::Weak } else { Grade::Query });
        }
        Word::Id => return (words.next() == b"session").then(|| session_grade(words.next())),
        Word::Trailing => return None,
    };
    // `clear text password` is one, `no password` and `has_secret` say whether there is one, `existingSecret` which one it is.
    (!matches!(
        words.next(),
        b"has"
            | b"is"
            | b"no"
            | b"use"
            | b"needs"
            | b"requires"
            | b"without"
            | b"show"
            | b"hide"
            | b"forgot"
            | b"existing"
            | b"pull"
    ))
    .then_some(grade)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_declare_a_secret() {
        for name in [
            "password",
            "PASSWORD",
            "dbPassword",
            "db.password",
            "new_password",
            "password_confirmation",
            "password2",
            "PGPASSWORD",
            "Kennwort",
            "contraseña",
            "MOT_DE_PASSE_MDP",
            "пароль",
            "密码",
            "client_secret",
            "X-Api-Key",
            "AWS_SECRET_ACCESS_KEY",
            "app_key",
            "secretString",
            "spring.datasource.password",
            "wifi_key",
            "accessToken",
            "passPhrase",
            "motDePasse",
            "SNYK_TOKEN",
            "SECRET_KEY_BASE",
        ] {
            assert_eq!(grade(name), Some(Grade::Secret), "{name}");
        }
        for (name, expected) in [
            ("otp", Grade::Code),
            ("verification_code", Grade::Code),
            ("smsCode", Grade::Code),
            ("cvv", Grade::Code),
            ("stripe_key", Grade::Likely),
            ("token", Grade::Likely),
            ("pass", Grade::Phrase),
            ("auth", Grade::Likely),
            ("key", Grade::Weak),
            ("signature", Grade::Weak),
            ("session_id", Grade::Query),
            ("laravel_session", Grade::Weak),
            ("connect.sid", Grade::Weak),
            ("MessageSid", Grade::Query),
            ("Authorization", Grade::Authorization),
            ("http.request.header.authorization", Grade::Authorization),
            ("set-cookie", Grade::Cookie),
        ] {
            assert_eq!(grade(name), Some(expected), "{name}");
        }
    }

    #[test]
    fn names_that_declare_nothing() {
        for name in [
            "max_tokens",
            "token_count",
            "author",
            "monkey",
            "primary_keys",
            "cache_key",
            "partitionKey",
            "next_page_token",
            "password_length",
            "secret_name",
            "token_type",
            "has_password",
            "auth.existingSecret",
            "imagePullSecrets",
            "status_code",
            "zip_code",
            "country_code",
            "error.code",
            "keyboard",
            "compass",
            "bypass",
            "tokenizer",
            "access_key_id",
            "user_id",
            "idempotency_key",
            "public_key",
            "",
            "x",
            "-",
        ] {
            assert_eq!(grade(name), None, "{name}");
        }
    }
}
