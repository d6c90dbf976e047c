//! The words that declare a secret, in all languages that we know them in, and what each says at the end of a name.
//!
//! To teach a name, add its last word to the table, in lower case. Words that say little (`key`, `token`, `code`) have a list of the words that
//! may stand before them. Looking a word up takes one hash; a bit for each three last letters spares most names that.

use super::key_name::{Grade, is_name_letter};

/// What a word says at the end of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// The same whatever is before it.
    Is(Grade),
    /// A header's name, alone or after a word that goes with one.
    Header(Grade),
    Token,
    Key,
    Code,
    /// A password, after `pass` and the like.
    Pass,
    /// The same in Romance languages, after `mot de` and the like.
    Passe,
    /// A session's id: data in telemetry, unless a cookie is called so.
    Session,
    /// The same, and the id of other things.
    Sid,
    Id,
    /// Nothing: the words before it count.
    Trailing,
}

macro_rules! words {
    ($($meaning:expr => $($word:literal)*;)*) => {
        const WORDS: &[(&str, Word)] = &[$($(($word, $meaning)),*),*];
    };
}

#[rustfmt::skip]
words! {
    Word::Header(Grade::Authorization) => "authorisation" "authorization";
    Word::Header(Grade::Cookie) => "cookie" "cookies";
    Word::Is(Grade::Secret) => "accesskey" "accesstoken" "accountkey" "adgangskode" "apikey" "apikeys" "apitoken"
        "appsecret" "authkey" "authpass" "authpassword" "authtoken" "awssecretaccesskey" "bearertoken" "bindpw"
        "clientsecret" "contrasena" "contrasenha" "contrasenya" "contraseña" "credential" "credentials"
        "csrfmiddlewaretoken" "csrftoken" "dbpass" "dbpassword" "encryptionkey" "geslo" "haslo" "hasło" "heslo" "htpasswd"
        "idtoken" "jelszo" "jelszó" "jwt" "kennwort" "kennworte" "keypass" "keystorepassword" "ldappassword" "losenord"
        "lozinka" "lösenord" "masterauth" "masterkey" "mdp" "mnemonic" "motdepasse" "mysqlpwd" "palabrapaso" "palavrapasse"
        "parola" "parole" "parool" "passcode" "passord" "passphrase" "passw" "passwd" "passwoerter" "password"
        "passwordhash" "passwords" "passwort" "pgpassword" "privatekey" "psk" "pswd" "pwd" "refreshtoken" "requirepass"
        "rootpassword" "rootpw" "salasana" "samlassertion" "samlresponse" "secret" "secretaccesskey" "secretkey"
        "seedphrase" "senha" "servicekey" "sessiontoken" "sharedaccesskey" "sharedaccesssignature" "sharedsecret" "sifre"
        "signingkey" "slaptazodis" "slaptažodis" "smtppassword" "sshpass" "storepass" "subscriptionkey" "userpass"
        "userpassword" "userpwd" "wachtwoord" "webhooksecret" "wpapsk" "xapikey" "xsrftoken" "şifre" "гасло" "лозинка"
        "парола" "пароль" "パスワード" "口令" "密码" "密碼" "비밀번호" "암호";
    Word::Is(Grade::Likely) => "aspsessionid" "auth" "authn" "bearer" "connectionstring" "creds" "csrf" "dsn" "jsessionid"
        "loginpassword" "pat" "phpsessid" "secrets" "sessid" "xsrf";
    Word::Is(Grade::Phrase) => "clave" "pass" "pw" "pword";
    Word::Is(Grade::Code) => "csc" "cvc" "cvc2" "cvv" "cvv2" "hotp" "mfa" "otc" "otp" "pin" "tan" "tfa" "totp";
    Word::Is(Grade::Weak) => "assertion" "hmac" "sig" "signature" "ticket";
    Word::Is(Grade::Query) => "sessionid";
    Word::Token => "token";
    Word::Key => "key";
    Word::Code => "code";
    Word::Pass => "paso" "phrase" "word" "words";
    Word::Passe => "passe";
    Word::Session => "session";
    Word::Sid => "sid";
    Word::Id => "id";
    Word::Trailing => "1" "2" "3" "again" "b64" "base" "base64" "bytes" "confirm" "confirmation" "confirmed" "current" "dev"
        "digest" "enc" "encrypted" "env" "hash" "hashed" "new" "old" "plain" "prod" "production" "raw" "repeat" "repeated"
        "staging" "str" "string" "val" "value" "verify";
}

/// A bit for each three letters (by their low five bits) with which a name may end that ends with a word in [`WORDS`].
static ENDS: [u64; 512] = ends();

#[expect(clippy::indexing_slicing, reason = "evaluated at compile time: an overrun stops the build")]
const fn ends() -> [u64; 512] {
    let mut table = [0u64; 512];
    let mut i = 0;
    while i < WORDS.len() {
        let word = WORDS[i].0.as_bytes();
        let length = word.len();
        // A short word goes with any letter before it; but an id is only looked at behind a session.
        let mut any = 0;
        while any < 32 {
            let third = if length > 2 { word[length - 3] } else { any };
            let second = if length > 1 { word[length - 2] } else { any };
            let mut last_any = 0;
            while last_any < 32 {
                let third = if length == 1 { last_any } else { third };
                let place = place(third, second, word[length - 1]);
                if !matches!(WORDS[i].1, Word::Id) || third == b'n' & 31 {
                    table[place >> 6] |= 1 << (place & 63);
                }
                last_any += 1;
            }
            any += 1;
        }
        i += 1;
    }
    table
}

const fn place(third: u8, second: u8, last: u8) -> usize {
    ((third & 31) as usize) << 10 | ((second & 31) as usize) << 5 | (last & 31) as usize
}

/// Whether a name may have a grade at all, by its last three letters; spares nearly all names the rest.
pub(super) fn may_be_graded(name: &[u8]) -> bool {
    if let [.., third, second, last] = name
        && is_name_letter(*third)
        && is_name_letter(*second)
        && is_name_letter(*last)
    {
        return may_end(*third, *second, *last);
    }
    let mut letters = name.iter().rev().copied().filter(|b| is_name_letter(*b));
    let mut next = || letters.next().unwrap_or(0);
    let (last, second, third) = (next(), next(), next());
    may_end(third, second, last)
}

/// Whether a name may end in these letters that has a grade.
#[inline]
pub(super) fn may_end(third: u8, second: u8, last: u8) -> bool {
    let place = place(third, second, last);
    ENDS.get(place >> 6).is_some_and(|bits| bits & (1 << (place & 63)) != 0)
}

/// By a word's hash: one more than the index of the first word in [`WORDS`] with that hash.
static HEADS: [u8; 1024] = heads().0;

/// By a word's index: one more than the index of the next word with the same hash.
static NEXT: [u8; WORDS.len()] = heads().1;

#[expect(clippy::indexing_slicing, reason = "evaluated at compile time: an overrun stops the build")]
const fn heads() -> ([u8; 1024], [u8; WORDS.len()]) {
    assert!(WORDS.len() < 255, "an index must fit");
    let mut heads = [0; 1024];
    let mut next = [0; WORDS.len()];
    let mut i = WORDS.len();
    while i > 0 {
        i -= 1;
        let slot = slot(WORDS[i].0.as_bytes());
        next[i] = heads[slot];
        heads[slot] = i as u8 + 1;
    }
    (heads, next)
}

#[expect(clippy::indexing_slicing, reason = "the index is below the length")]
const fn slot(word: &[u8]) -> usize {
    let mut hash = word.len() as u32;
    let mut i = 0;
    while i < word.len() {
        hash = (hash ^ word[i] as u32).wrapping_mul(0x0100_0193);
        i += 1;
    }
    ((hash ^ (hash >> 12)) & 1023) as usize
}

/// What a word says at the end of a name.
pub(super) fn meaning(word: &[u8]) -> Option<Word> {
    // `password2` is a password.
    known(word).or_else(|| known(word.strip_suffix(b"2").or_else(|| word.strip_suffix(b"1"))?))
}

fn known(word: &[u8]) -> Option<Word> {
    let mut next = HEADS.get(slot(word)).copied().unwrap_or(0);
    while let Some(index) = next.checked_sub(1) {
        let (known, meaning) = WORDS.get(usize::from(index))?;
        if known.as_bytes() == word {
            return Some(*meaning);
        }
        next = NEXT.get(usize::from(index)).copied().unwrap_or(0);
    }
    None
}

/// Whether a value by the side of a name that [`Word::Pass`] ends is a password: `pass word`, `pass phrase`, `seed phrase`.
pub(super) fn is_pass_word(before: &[u8]) -> bool {
    matches!(before, b"pass" | b"seed" | b"recovery" | b"secret" | b"mnemonic" | b"palavra")
}

/// A session that a name before it makes somebody's own: `laravel_session`, `connect.sid`.
pub(super) fn session_grade(before: &[u8]) -> Grade {
    match before {
        b"" | b"mcp" | b"agent" | b"chat" | b"current" | b"trace" | b"gen" | b"client" | b"server" | b"parent"
        | b"test" | b"x" | b"event" | b"replay" | b"analytics" | b"transport" | b"ai" | b"conversation" | b"app" => {
            Grade::Query
        }
        _ => Grade::Weak,
    }
}

pub(super) fn is_header_word(word: &[u8]) -> bool {
    matches!(
        word,
        b"" | b"proxy"
            | b"set"
            | b"header"
            | b"headers"
            | b"request"
            | b"response"
            | b"http"
            | b"x"
            | b"forwarded"
            | b"original"
            | b"session"
            | b"auth"
            | b"document"
            | b"raw"
            | b"amz"
            | b"upstream"
    )
}

#[rustfmt::skip]
pub(super) fn token_grade(before: &[u8]) -> Option<Grade> {
    match before {
        b"page" | b"next" | b"prev" | b"previous" | b"continuation" | b"cursor" | b"pagination" | b"sync" | b"max" | b"min" | b"eos"
        | b"bos" | b"pad" | b"unk" | b"stop" | b"start" | b"end" | b"prompt" | b"completion" | b"per" | b"first" | b"last"
        | b"progress" | b"count" | b"total" | b"input" | b"output" | b"cached" | b"num" | b"sep" | b"mask" | b"cls" | b"special"
        | b"resume" | b"resumption" | b"watermark" | b"change" | b"skip" | b"marker" | b"scroll" | b"unexpected" | b"idempotency"
        | b"illegal" | b"syntax" | b"list" | b"paging" | b"offset" | b"position" | b"delta" | b"fencing" | b"concurrency" => None,
        b"access" | b"refresh" | b"id" | b"auth" | b"bearer" | b"session" | b"csrf" | b"xsrf" | b"api" | b"security" | b"secret"
        | b"oauth" | b"oauth2" | b"sas" | b"device" | b"push" | b"reset" | b"verification" | b"service" | b"personal" | b"bot"
        | b"private" | b"signing" | b"master" | b"admin" | b"authentication" | b"authenticity" | b"login" | b"user" | b"client"
        | b"deploy" | b"webhook" | b"magic" | b"invite" | b"confirmation" | b"activation" | b"registration" | b"identity" | b"job"
        | b"runner" | b"vault" | b"jwt" | b"password" | b"remember" | b"me" | b"server" => Some(Grade::Secret),
        vendor if VENDORS.binary_search(&vendor).is_ok() => Some(Grade::Secret),
        _ => Some(Grade::Likely),
    }
}

#[rustfmt::skip]
pub(super) fn key_grade(before: &[u8]) -> Option<Grade> {
    match before {
        b"api" | b"private" | b"secret" | b"access" | b"account" | b"encryption" | b"signing" | b"shared" | b"master" | b"auth"
        | b"subscription" | b"ssh" | b"hmac" | b"aes" | b"rsa" | b"storage" | b"functions" | b"admin" | b"license" | b"decryption"
        | b"wrapping" | b"client" | b"app" | b"application" | b"consumer" | b"webhook" | b"session" | b"crypto" | b"cipher" | b"jwt"
        | b"root" | b"role" | b"recovery" | b"wifi" | b"wpa" | b"integration" | b"ingest" | b"ingestion" | b"deploy" | b"service"
        | b"sas" | b"pgp" | b"gpg" | b"security" | b"pre" | b"licence" | b"connection" | b"instrumentation" | b"passphrase" => {
            Some(Grade::Secret)
        }
        b"cache" | b"partition" | b"sort" | b"foreign" | b"routing" | b"idempotency" | b"object" | b"dedup" | b"deduplication" | b"message"
        | b"group" | b"row" | b"hash" | b"range" | b"index" | b"lookup" | b"bucket" | b"blob" | b"file" | b"item" | b"record" | b"event"
        | b"feature" | b"flag" | b"query" | b"host" | b"public" | b"data" | b"map" | b"json" | b"entity" | b"shard" | b"tracking"
        | b"issue" | b"jira" | b"test" | b"translation" | b"parent" | b"child" | b"composite" | b"unique" | b"natural" | b"surrogate"
        | b"s3" | b"redis" | b"kv" | b"store" | b"react" | b"config" | b"answer" | b"arrow" | b"enter" | b"escape" | b"tab" | b"sorting"
        | b"registry" | b"metric" | b"attribute" | b"label" | b"tag" | b"build" | b"ordering" => None,
        vendor if VENDORS.binary_search(&vendor).is_ok() => Some(Grade::Likely),
        _ => Some(Grade::Weak),
    }
}

#[rustfmt::skip]
pub(super) fn code_grade(before: &[u8]) -> Option<Grade> {
    match before {
        b"verification" | b"verify" | b"otp" | b"auth" | b"authorization" | b"authentication" | b"mfa" | b"2fa" | b"tfa" | b"totp"
        | b"security" | b"sms" | b"login" | b"signin" | b"backup" | b"recovery" | b"access" | b"pass" | b"invite" | b"activation"
        | b"unlock" | b"reset" | b"time" | b"factor" | b"pin" | b"pairing" | b"authenticator" | b"device" | b"sign" => Some(Grade::Code),
        b"" => Some(Grade::Weak),
        _ => None,
    }
}

/// Providers whose keys have no prefix of their own and go by `<provider>_key`.
#[rustfmt::skip]
const VENDORS: &[&[u8]] = &[
    b"ably", b"adyen", b"airtable", b"alchemy", b"algolia", b"amplitude", b"anthropic", b"asana", b"assemblyai", b"auth0", b"aws", b"azure",
    b"bitbucket", b"braintree", b"brave", b"bugsnag", b"cf", b"cloudflare", b"codecov", b"cohere", b"contentful", b"databricks", b"datadog",
    b"dd", b"deepgram", b"deepl", b"deepseek", b"docker", b"drone", b"elastic", b"elevenlabs", b"etherscan", b"exa", b"fastly", b"fcm",
    b"figma", b"firebase", b"firecrawl", b"fireworks", b"gemini", b"github", b"gitlab", b"google", b"grafana", b"groq", b"here", b"heroku",
    b"hetzner", b"hf", b"honeycomb", b"huggingface", b"infura", b"intercom", b"jina", b"klaviyo", b"linear", b"linode", b"mailchimp", b"mailgun",
    b"mandrill", b"mapbox", b"maps", b"messagebird", b"mistral", b"mixpanel", b"mongo", b"newrelic", b"nexmo", b"notion", b"npm", b"okta",
    b"openai", b"openrouter", b"openweather", b"opsgenie", b"pagerduty", b"paypal", b"perplexity", b"pinecone", b"plaid", b"plivo", b"posthog",
    b"postmark", b"pusher", b"rapidapi", b"razorpay", b"relic", b"replicate", b"rollbar", b"segment", b"sendgrid", b"sentry", b"serpapi",
    b"serper", b"shodan", b"shopify", b"snowflake", b"snyk", b"square", b"stability", b"stripe", b"supabase", b"tavily", b"together", b"tomtom",
    b"travis", b"trello", b"twilio", b"virustotal", b"vonage", b"voyage", b"vultr", b"wandb", b"weather", b"xai", b"zendesk",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_can_be_looked_up() {
        for (word, meaning) in WORDS {
            assert_eq!(known(word.as_bytes()), Some(*meaning), "{word}");
            let name = if *meaning == Word::Id { "session_id" } else { word };
            assert!(may_be_graded(name.as_bytes()), "{word}");
        }
        assert!(VENDORS.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
