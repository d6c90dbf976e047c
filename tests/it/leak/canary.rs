//! Made-up personal data and secrets of every kind that the default policy knows, and the events that carry them.

use serde_json::{Value, json};

/// Something that must never be found again.
pub struct Canary {
    /// Its kind.
    pub name: &'static str,
    /// The text that is sent.
    pub text: &'static str,
    /// What of it must be gone; the rest of the text may stay.
    pub word: &'static str,
}

const fn whole(name: &'static str, text: &'static str) -> Canary {
    Canary { name, text, word: text }
}

const fn part(name: &'static str, text: &'static str, word: &'static str) -> Canary {
    Canary { name, text, word }
}

/// Canaries that are known by their own form, wherever they stand.
pub const ANYWHERE: &[Canary] = &[
    whole("e-mail", "canary.mail@leak-test.example.org"),
    part("e-mail, encoded", "mailto:canary.encoded%40leak-test.example.org", "canary.encoded"),
    whole("phone, international", "+49 1514 7788991"),
    whole("phone, parentheses", "(415) 555-2671"),
    whole("phone, hyphens", "628-555-9034"),
    whole("card", "4539148803436467"),
    whole("card, blanks", "5425 2334 3010 9903"),
    whole("card, hyphens", "6011-1111-1111-1117"),
    whole("card, American Express", "3782 822463 10005"),
    whole("IBAN", "DE89370400440532013000"),
    whole("IBAN, groups", "GB82 WEST 1234 5698 7654 32"),
    whole("IBAN, lower case", "fr1420041010050500013m02606"),
    whole("IPv6", "2001:db8:85a3::8a2e:370:7334"),
    whole("SSN", "536-22-1847"),
    part(
        "JWT",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnktand0In0.c2lnbmF0dXJlLWNhbmFyeQ",
        "eyJzdWIiOiJjYW5hcnktand0In0",
    ),
    part("bearer", "Bearer canaryBearer0pqRsTuVw", "canaryBearer0pqRsTuVw"),
    part("basic", "Basic Y2FuYXJ5OmJhc2ljLXBhc3N3b3Jk", "Y2FuYXJ5OmJhc2ljLXBhc3N3b3Jk"),
    whole("key, AWS", "AKIACANARYLEAK7Q2XYZ"),
    whole("key, GitHub", "ghp_canaryA1b2C3d4E5f6G7h8I9j0K1l2M3n4"),
    whole("key, Stripe", "sk_live_canary4eC39HqLyjWDarjtT1zdp7dc"),
    whole("key, Google", "AIzaSyCanaryD1e2F3g4H5i6J7k8L9m0N1o2P3q"),
    whole("key, Slack", "xoxb-2736482736-canaryAbCdEfGh1234"),
    whole("key, GitLab", "glpat-canaryXy9zAb8Cd7Ef"),
    whole("key, OpenAI", "sk-proj-canaryA1b2C3d4E5f6G7h8I9j0K1l2M3"),
    whole("key, Hugging Face", "hf_canaryAbCdEfGhIjKlMnOpQrStUvWxYz12"),
    whole("key, npm", "npm_canaryB7c8D9e0F1g2H3i4J5k6L7m8N9o0p1q2"),
    whole("key, Telegram", "1234509876:AAcanaryH4k5L6m7N8o9P0q1R2s3T4u5V6w"),
    part(
        "private key",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEcanaryPemBodyLine0123456789abcdef\nQIDAQABAoIBAcanaryPemSecond\n-----END RSA PRIVATE KEY-----",
        "canaryPemBodyLine0123456789abcdef",
    ),
    part("URL password", "https://deploy:canaryPassw0rd7@git.example.com/x.git", "canaryPassw0rd7"),
    part("URL token", "https://canaryTokenAsUser77x@git.example.com/x.git", "canaryTokenAsUser77x"),
    part("query secret", "https://example.com/cb?access_token=canaryQuery5ecret&page=2", "canaryQuery5ecret"),
    part("web hook", "https://hooks.slack.com/services/T0canary/B0canary/XcanaryHook12345", "XcanaryHook12345"),
    whole("MAC", "3c:22:fb:9a:1d:7e"),
    part("home, Linux", "/home/canaryann/notes.txt", "canaryann"),
    part("home, macOS", "/Users/canarybob/notes.txt", "canarybob"),
    part("home, Windows", r"C:\Users\canarycarl\notes.txt", "canarycarl"),
    part("told password", "the password is canaryHunter22", "canaryHunter22"),
];

/// An address of four parts looks like a version: known everywhere but in a version's place.
pub const IPV4: Canary = whole("IPv4", "203.0.113.77");

/// Canaries that are secret because of the name beside them; [`declared`] has them all.
pub const DECLARED: &[(&str, &str)] = &[
    ("declared authorization", "canary-declared-authorization"),
    ("declared cookie", "canary-declared-cookie"),
    ("declared set-cookie", "canary-declared-set-cookie"),
    ("declared key", "canary-declared-key"),
    ("declared password", "canary-declared-password"),
    ("declared number", "8675309424242"),
    ("declared list", "canary-declared-list"),
    ("declared pair", "canary-declared-pair"),
    ("declared flat", "canary-declared-flat"),
    ("declared in a text", "canary-declared-text1"),
    ("declared in JSON in a text", "canary-declared-inner1"),
    ("SSN without hyphens", "219099998"),
    ("phone without plus", "4915147788992"),
    ("card as number", "4716461583322103"),
    ("card as negative number", "-5105105105105100"),
    ("card as float", "4929939187355598"),
];

/// Attributes whose names tell what their values are, and numbers.
pub fn declared() -> Value {
    json!({
        "authorization": "Bearer canary-declared-authorization",
        "headers": {
            "Cookie": "sid=canary-declared-cookie; theme=dark",
            "set-cookie": ["sid=canary-declared-set-cookie; HttpOnly"],
            "X-Api-Key": "canary-declared-key",
        },
        "clientSecret": {"deep": ["canary-declared-list"]},
        "password": "canary-declared-password",
        "pin_password": 8_675_309_424_242_u64,
        "pairs": [{"name": "authorization", "value": "canary-declared-pair"}],
        "rawHeaders": ["Host", "example.com", "Authorization", "Basic canary-declared-flat"],
        "line": "retry with api_key=canary-declared-text1 now",
        "dump": r#"{"user":{"access_token":"canary-declared-inner1"}}"#,
        "ssn": 219_099_998,
        "phone": 4_915_147_788_992_u64,
        "numbers": [1, [2, {"n": 4_716_461_583_322_103_u64}], -5_105_105_105_105_100_i64, 4_929_939_187_355_598.0_f64],
    })
}

/// A native event that has `text` in every place that takes a text; in a version's place `version` instead.
pub fn everywhere(id: &str, text: &str, version: &str, marker: &str) -> Value {
    let mut event = json!({
        "id": id, "type": "mcp.tool_call", "name": text, "session": text, "user": text, "ip": text, "user_agent": text,
        "client": {"name": text, "version": version, "more": text}, "server": {"name": text, "version": version, "more": [text]},
        "model": text, "language": text, "duration_ms": 12, "ok": false,
        "error": {"type": text, "message": text, "stack": [text]}, "method": text, "path": format!("/search?q={text}"),
        "unit": text, "severity": text, "body": text, "trace_id": text, "span_id": text, "parent_id": text,
        "attributes": {"text": text, "deep": [1, [text, {"list": [[text]]}]], "marker": marker},
        "outside": text,
    });
    event["attributes"][text] = json!("under that name");
    event["attributes"]["deep"][1][1][text] = json!({ text: null });
    event
}

/// Native events that are refused or kept aside because of `text`, or beside it: what is not accepted must not be told either.
pub fn refused(text: &str) -> Vec<Value> {
    let with = |member: &str, value: Value| {
        let mut event = json!({"type": "custom", "name": text, "attributes": {"text": text}});
        event[member] = value;
        event
    };
    let mut events: Vec<Value> =
        ["type", "timestamp", "duration_ms", "ok", "status", "value", "consent", "client", "attributes"]
            .into_iter()
            .map(|member| with(member, json!(text)))
            .collect();
    events.extend(
        ["id", "name", "session", "user", "error", "server", "type"]
            .map(|member| with(member, json!([{ text: text }]))),
    );
    events.extend([json!(text), json!([text]), with("consent", json!("denied")), with("duration_ms", json!(-1))]);
    events.push(with("timestamp", json!("2999-01-01T00:00:00Z")));
    events
}

/// An event as AgentCat's SDK for Python sends it over HTTP, with `text` in every place and the end user's headers beside it.
pub fn agentcat(id: &str, project: &str, text: &str, marker: &str) -> Value {
    let mut event = json!({
        "id": id, "project_id": project, "session_id": text, "actor_id": text, "event_id": text, "event_type": "mcp:tools/call",
        "is_error": true, "resource_name": text, "duration": 12, "user_intent": text, "ip_address": text,
        "error": {"message": text, "type": text, "stack": text, "platform": "python",
            "frames": [{"abs_path": text, "context_line": text}], "chained_errors": [{"message": text}]},
        "parameters": {
            "name": text, "arguments": {"context": text, "argument": text, "list": [text]}, "other": text,
            "extra": {
                "requestId": text, "sessionId": text, "meta": {"text": text}, "authInfo": {"token": CARRIED[0].1},
                "requestInfo": {"headers": {
                    "authorization": format!("Bearer {}", CARRIED[1].1), "cookie": format!("sid={}", CARRIED[2].1),
                    "x-forwarded-for": CARRIED[3].1, "x-whatever": CARRIED[4].1,
                }},
            },
        },
        "response": {"content": [{"type": "text", "text": text}], "structuredContent": {"result": text}},
        "identify_actor_given_id": CARRIED[5].1, "identify_actor_name": CARRIED[6].1,
        "identify_data": {"email": text, "note": text},
        "tags": {"tag": text}, "properties": {"marker": marker, "property": text}, "sdk_language": text,
        "agentcat_version": "2.1.0", "server_name": text, "server_version": "1.0", "client_name": text, "client_version": "9.9",
        "camelCase": text,
    });
    event["parameters"]["arguments"][text] = json!(text);
    event["tags"][text] = json!(text);
    event
}

/// What AgentCat's SDK carries along, known by its place alone.
pub const CARRIED: &[(&str, &str)] = &[
    ("carried token", "canary carried token"),
    ("carried bearer", "canary-carried-bearer"),
    ("carried cookie", "canary-carried-cookie"),
    ("carried address", "198.51.100.23"),
    ("carried header", "canary carried header"),
    ("carried user", "canary-carried-user"),
    ("carried user's name", "Canary Carried-Name"),
];
