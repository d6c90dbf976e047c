//! Nobody gets in by a credential that is wrong in any respect: one attempt per item of RFC 8725, its successor draft and RFC 9068.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};

use crate::forge::{Signer, base64url, claims, header, now_s, with};
use crate::gateway::{Answer, Gateway, Setup, poll, send};

const DOOR: &str = "/v1/query/summary";

/// A gateway that does not mind many failed attempts.
fn patient() -> Setup {
    Setup::new().config("[limits]\nauth_failures_per_minute = 1000000\nauth_failures_burst = 1000000")
}

fn assert_refused(name: &str, answer: &Answer, why: &str) {
    assert_eq!(answer.status, 401, "{name} opened the door: {}", answer.text());
    let challenge = format!(r#"Bearer realm="tidegate", error="invalid_token", error_description="{why}""#);
    assert_eq!(answer.header("www-authenticate"), challenge, "{name}");
    assert_eq!(answer.header("content-type"), "application/problem+json", "{name}");
    assert_eq!(answer.json()["detail"], why, "{name}");
}

#[test]
fn a_token_that_is_wrong_in_one_respect_is_refused() {
    let gateway = patient().start();
    let tenant = gateway.tenant("acme");
    let own = Signer::of(&gateway);
    let (head, body) = (header("EdDSA", &own.kid()), claims(&tenant));
    gateway.get(DOOR, &own.token(&head, &body)).expect(200);
    let (head, body) = (&head, &body);
    let now = now_s();

    let headers: [(&str, Value, &str); 22] = [
        ("alg none", with(head, "alg", "none"), "the token's algorithm is not accepted"),
        ("alg None", with(head, "alg", "None"), "the token's algorithm is not accepted"),
        ("no alg", with(head, "alg", Value::Null), "the token's algorithm is not accepted"),
        ("alg in the wrong case", with(head, "alg", "eddsa"), "the token's algorithm is not accepted"),
        ("alg HS256", with(head, "alg", "HS256"), "the token's algorithm is not accepted"),
        ("alg RSA1_5", with(head, "alg", "RSA1_5"), "the token's algorithm is not accepted"),
        ("alg PBES2", with(head, "alg", "PBES2-HS256+A128KW"), "the token's algorithm is not accepted"),
        ("another key's alg", with(head, "alg", "ES256"), "the token's algorithm is not the one of its key"),
        ("typ JWT", with(head, "typ", "JWT"), "the token is not of the type at+jwt"),
        ("no typ", with(head, "typ", Value::Null), "the token is not of the type at+jwt"),
        ("an ID token's typ", with(head, "typ", "id+jwt"), "the token is not of the type at+jwt"),
        ("crit", with(head, "crit", json!(["exp"])), "the token needs extensions that are not understood"),
        ("zip", with(head, "zip", "DEF"), "compressed tokens are not accepted"),
        ("enc", with(head, "enc", "A256GCM"), "encrypted tokens are not accepted"),
        (
            "jku",
            with(head, "jku", "http://127.0.0.1:1/keys"),
            "the token's header must not name a key or where to find one",
        ),
        (
            "x5u",
            with(head, "x5u", "http://127.0.0.1:1/chain"),
            "the token's header must not name a key or where to find one",
        ),
        ("x5c", with(head, "x5c", json!(["MII"])), "the token's header must not name a key or where to find one"),
        ("jwk", with(head, "jwk", own.jwk("x")), "the token's header must not name a key or where to find one"),
        ("no kid", with(head, "kid", Value::Null), "the token does not say which key signed it"),
        ("another kid", with(head, "kid", "0123456789abcdef"), "the token's key is not known"),
        ("a kid that is a query", with(head, "kid", "' or 1=1 --"), "the token's key id is malformed"),
        ("a kid without end", with(head, "kid", "k".repeat(1000)), "the token's key id is malformed"),
    ];
    for (name, head, why) in headers {
        assert_refused(name, &gateway.get(DOOR, &own.token(&head, body)), why);
    }

    let bodies: [(&str, Value, &str); 24] = [
        ("expired", with(&with(body, "iat", now - 120), "exp", now - 60), "the token has expired"),
        ("not valid yet", with(body, "nbf", now + 50), "the token is not valid yet"),
        (
            "issued in the future",
            with(&with(body, "iat", now + 60), "exp", now + 90),
            "the token was issued in the future",
        ),
        ("too long a life", with(body, "exp", now + 2 * 86_400), "the token's lifetime is not accepted"),
        ("a life of nothing", with(body, "exp", body["iat"].clone()), "the token's lifetime is not accepted"),
        ("exp as text", with(body, "exp", (now + 60).to_string()), "the token's claims cannot be read"),
        ("nbf as text", with(body, "nbf", "0"), "the token's claims cannot be read"),
        ("exp beyond all time", with(body, "exp", 1e300), "the token's claims cannot be read"),
        ("no exp", with(body, "exp", Value::Null), "the token lacks the claim exp"),
        ("no iat", with(body, "iat", Value::Null), "the token lacks the claim iat"),
        ("no aud", with(body, "aud", Value::Null), "the token lacks the claim aud"),
        ("no sub", with(body, "sub", Value::Null), "the token lacks the claim sub"),
        ("no jti", with(body, "jti", Value::Null), "the token lacks the claim jti"),
        ("no client_id", with(body, "client_id", Value::Null), "the token lacks the claim client_id"),
        ("another audience", with(body, "aud", "billing"), "the token is meant for another service"),
        ("a longer audience", with(body, "aud", "tidegate2"), "the token is meant for another service"),
        ("other audiences", with(body, "aud", json!(["a", "b"])), "the token is meant for another service"),
        ("another issuer", with(body, "iss", "https://evil.example"), "the token's issuer is not trusted"),
        ("an issuer in capitals", with(body, "iss", "Tidegate"), "the token's issuer is not trusted"),
        ("an empty subject", with(body, "sub", ""), "the token's claims cannot be read"),
        ("no tenant", with(body, "tenant", Value::Null), "the token is bound to no tenant"),
        ("a tenant by name", with(body, "tenant", "acme"), "the token's tenant is malformed"),
        ("a tenant that is not there", with(body, "tenant", "tn_0000000000000000"), "the token's tenant is disabled"),
        ("two tenants", with(body, "tenant", json!([tenant])), "the token's tenant is malformed"),
    ];
    for (name, body, why) in bodies {
        assert_refused(name, &gateway.get(DOOR, &own.token(head, &body)), why);
    }
    let nobody = own.token(head, &with(body, "iss", Value::Null));
    assert_eq!(gateway.get(DOOR, &nobody).status, 401, "a token without an issuer");

    for (name, good) in [
        ("typ in full", own.token(&with(head, "typ", "application/at+jwt"), body)),
        ("the newer name of the algorithm", own.token(&with(head, "alg", "Ed25519"), body)),
        ("several audiences", own.token(head, &with(body, "aud", json!(["billing", "tidegate"])))),
        ("clocks that differ a little", own.token(head, &with(body, "iat", now + 2))),
    ] {
        assert_eq!(gateway.get(DOOR, &good).status, 200, "{name} is right and was refused");
    }
}

#[test]
fn a_token_that_is_not_one_signed_text_is_refused() {
    let gateway = patient().start();
    let tenant = gateway.tenant("acme");
    let own = Signer::of(&gateway);
    let (head, body) = (header("EdDSA", &own.kid()), claims(&tenant));
    let good = own.token(&head, &body);
    let (signed, signature) = good.rsplit_once('.').expect("three parts");
    let (first, second) = signed.split_once('.').expect("three parts");
    let foreign = "the token has characters that a token cannot have";
    let wrong = "the token's signature is wrong";

    let hmac_key = hmac::Key::new(hmac::HMAC_SHA256, &own.public());
    let hmac_head = base64url(header("HS256", &own.kid()).to_string().as_bytes());
    let confused = format!("{hmac_head}.{second}");
    let confused = format!("{confused}.{}", base64url(hmac::sign(&hmac_key, confused.as_bytes()).as_ref()));
    let stolen = base64url(with(&body, "scope", "query export admin").to_string().as_bytes());
    let twice = body.to_string().replacen('{', r#"{"tenant":"tn_0000000000000000","#, 1);
    let exp_twice = body.to_string().replacen('{', r#"{"exp":99999999999,"#, 1);
    let signed_text = |claims: &[u8]| own.sign(&format!("{first}.{}", base64url(claims)));
    let cases: [(&str, String, &str); 18] = [
        ("unsigned", format!("{signed}."), wrong),
        ("signed by somebody else", Signer::ed25519().token(&head, &body), wrong),
        ("its claims changed", format!("{first}.{stolen}.{signature}"), wrong),
        ("half a signature", format!("{signed}.{}", &signature[..signature.len() / 2]), wrong),
        ("HMAC with the public key as secret", confused, "the token's algorithm is not accepted"),
        ("two parts", signed.to_owned(), "the token does not have three parts"),
        ("four parts", format!("{good}.x"), "the token does not have three parts"),
        ("five parts, as encrypted tokens have", format!("{good}.x.y"), "encrypted tokens are not accepted"),
        ("longer than 8 KiB", own.token(&head, &with(&body, "x", "y".repeat(8 << 10))), "the token is too long"),
        (
            "JSON serialisation",
            format!(r#"{{"payload":"{second}","protected":"{first}","signature":"{signature}"}}."#),
            foreign,
        ),
        ("padded", format!("{first}.{second}=.{signature}"), foreign),
        ("the other base64", format!("{first}.{second}+/.{signature}"), foreign),
        ("percent-encoded", good.replace('.', "%2E") + ".", foreign),
        (
            "header that is no JSON",
            own.sign(&format!("{}.{second}", base64url(b"{"))),
            "the token's header cannot be read",
        ),
        ("claims that are no JSON", signed_text(b"not JSON"), "the token's claims cannot be read"),
        ("claims that are no UTF-8", signed_text(b"{\"iss\":\"\xff\"}"), "the token's claims cannot be read"),
        ("a tenant twice", signed_text(twice.as_bytes()), "the token's tenant is malformed"),
        ("an end twice", signed_text(exp_twice.as_bytes()), "the token's claims cannot be read"),
    ];
    for (name, token, why) in cases {
        assert_refused(name, &gateway.get(DOOR, &token), why);
    }
    gateway.get(DOOR, &good).expect(200);
    assert!(!gateway.stderr().contains(second), "no token is in the log");
}

#[test]
fn what_is_missing_and_what_is_not_allowed_is_said_as_rfc_6750_says_it() {
    let gateway = patient().start();
    let tenant = gateway.tenant("acme");
    let key = gateway.key("acme");
    let reader = gateway.token("acme", "query");
    let challenge = |answer: Answer, status: u16| answer.expect(status).header("www-authenticate").to_owned();

    let nothing = send(gateway.request(Method::GET, DOOR));
    assert_eq!(challenge(nothing, 401), r#"Bearer realm="tidegate""#);
    for garbage in
        ["nonsense", "Bearer", "Bearer nonsense", "Digest a.b.c", "Bearer tg_1_2", "Basic !!!", "Bearer tga_zz"]
    {
        let answer = send(gateway.request(Method::GET, DOOR).header("Authorization", garbage));
        assert_eq!(challenge(answer, 401), r#"Bearer realm="tidegate", error="invalid_request""#, "{garbage}");
    }
    let unknown = format!("tg_{}_{}", "0".repeat(16), "0".repeat(64));
    assert!(challenge(gateway.get(DOOR, &unknown), 401).contains("invalid_token"));
    assert!(challenge(gateway.get(DOOR, &format!("tga_{}", "0".repeat(64))), 401).contains("invalid_token"));

    let scope = |scope: &str| format!(r#"Bearer realm="tidegate", error="insufficient_scope", scope="{scope}""#);
    assert_eq!(challenge(gateway.get(DOOR, &key), 403), scope("query"));
    assert_eq!(challenge(gateway.get("/api/export", &reader), 403), scope("export"));
    assert_eq!(challenge(gateway.get("/v1/query/series?by=user", &reader), 403), scope("export"));
    assert_eq!(challenge(gateway.get("/v1/audit/records", &reader), 403), scope("compliance"));
    assert_eq!(challenge(gateway.get("/v1/admin/tenants", &reader), 403), scope("admin"));
    assert_eq!(challenge(gateway.post_events(&reader, &json!({})), 403), scope("ingest"));
    assert_eq!(challenge(gateway.get(DOOR, &gateway.admin_key()), 403), scope("query"), "the admin key reads no data");
    let bound = gateway.token("acme", "admin");
    let insufficient = r#"Bearer realm="tidegate", error="insufficient_scope""#;
    assert_eq!(
        challenge(gateway.get("/v1/admin/tenants", &bound), 403),
        insufficient,
        "an operator is bound to no tenant"
    );
    assert_eq!(challenge(gateway.get(&format!("{DOOR}?tenant=default"), &reader), 403), insufficient);
    gateway.get(&format!("{DOOR}?tenant={tenant}"), &reader).expect(200);
}

#[test]
fn every_place_for_a_key_opens_and_two_that_differ_do_not() {
    let gateway = patient().start();
    gateway.tenant("acme");
    let (key, other) = (gateway.key("acme"), gateway.key("acme"));
    let post = |path: &str, headers: &[(&str, &str)]| {
        let request = gateway.request(Method::POST, path).body(r#"{"type":"custom"}"#);
        send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).status
    };
    let bearer = format!("Bearer {key}");
    let basic = format!("Basic {}", STANDARD.encode(format!("{key}:")));
    let bare: String = key.split('_').skip(1).collect();
    assert_eq!(post("/v1/events", &[("Authorization", &bearer)]), 200);
    assert_eq!(post("/v1/events", &[("Authorization", &format!("bearer {key}"))]), 200);
    assert_eq!(post("/v1/events", &[("Authorization", &basic)]), 200);
    assert_eq!(post("/v1/events", &[("X-Api-Key", &key)]), 200);
    assert_eq!(post("/v1/events", &[("X-Api-Key", &bare)]), 200);
    assert_eq!(post(&format!("/t/{key}/v1/events"), &[]), 200);
    assert_eq!(post(&format!("/t/{key}/v1/events"), &[("Authorization", &bearer), ("X-Api-Key", &key)]), 200);
    assert_eq!(post(&format!("/t/{other}/v1/events"), &[("Authorization", &bearer)]), 401);
    assert_eq!(post("/v1/events", &[("Authorization", &bearer), ("X-Api-Key", &other)]), 401);
    assert_eq!(post(&format!("/v1/events?api_key={key}"), &[]), 401, "a key in a query ends in logs");
    let token = gateway.token("acme", "ingest");
    assert_eq!(post(&format!("/t/{token}/v1/events"), &[]), 401, "a token does not belong into a path");
    assert_eq!(post(&format!("/t/{}/v1/events", gateway.admin_key()), &[]), 401);
    assert_eq!(post("/v1/events", &[("Authorization", &format!("Bearer {token}"))]), 200);
}

#[test]
fn a_revoked_key_opens_nothing_from_that_moment_on_and_after_a_restart() {
    let mut gateway = patient().start();
    gateway.tenant("acme");
    let (doomed, other) = (gateway.key("acme"), gateway.key("acme"));
    gateway.post_events(&doomed, &json!({ "type": "custom" })).expect(200);
    let id = doomed.split('_').nth(1).expect("the key's id");
    gateway.delete(&format!("/v1/admin/keys/{id}"), &gateway.admin_key()).expect(200);
    assert_refused("a revoked key", &gateway.post_events(&doomed, &json!({ "type": "custom" })), "the key is revoked");
    gateway.kill();
    gateway.restart();
    assert_refused("a revoked key", &gateway.post_events(&doomed, &json!({ "type": "custom" })), "the key is revoked");
    gateway.post_events(&other, &json!({ "type": "custom" })).expect(200);
}

#[test]
fn a_revoked_token_opens_nothing_from_that_moment_on_and_after_a_restart() {
    let mut gateway = patient().start();
    gateway.tenant("acme");
    let issue = || {
        let order = json!({ "tenant": "acme", "scope": "query" });
        gateway.post_json("/v1/admin/tokens", &gateway.admin_key(), &order).expect(201).json()
    };
    let (doomed, other) = (issue(), issue());
    let text = |token: &Value| token["token"].as_str().expect("a token").to_owned();
    let (id, doomed, other) = (doomed["id"].as_str().expect("an id").to_owned(), text(&doomed), text(&other));
    gateway.get(DOOR, &doomed).expect(200);
    gateway.delete(&format!("/v1/admin/tokens/{id}"), &gateway.admin_key()).expect(204);
    assert_refused("a revoked token", &gateway.get(DOOR, &doomed), "the token was revoked");
    gateway.kill();
    gateway.restart();
    assert_refused("a revoked token", &gateway.get(DOOR, &doomed), "the token was revoked");
    gateway.get(DOOR, &other).expect(200);
}

/// A gateway that also trusts `https://idp.example`, whose keys are in a file.
fn with_issuer(binding: &str, keys: &[Value]) -> Gateway {
    let mut gateway = patient().prepare();
    gateway.value_of(&["tenant", "create", "acme"]);
    gateway.value_of(&["tenant", "create", "rival"]);
    let jwks = gateway.root().join("idp.jwks");
    std::fs::write(&jwks, json!({ "keys": keys }).to_string()).expect("the key set");
    let issuer = format!(
        "[[auth.issuers]]\nissuer = \"https://idp.example\"\njwks_file = \"{}\"\nalgorithms = [\"EdDSA\", \"ES256\"]\n{binding}\n",
        jwks.display()
    );
    let limits = "[limits]\nauth_failures_per_minute = 1000000\nauth_failures_burst = 1000000\n";
    gateway.write_config(&format!("{limits}{issuer}"));
    gateway.restart();
    gateway
}

fn tenant_id(gateway: &Gateway, name: &str) -> String {
    let listed = gateway.get_json("/v1/admin/tenants", &gateway.admin_key());
    let tenants = listed["tenants"].as_array().expect("tenants");
    let found = tenants.iter().find(|tenant| tenant["name"] == name).expect("the tenant");
    found["id"].as_str().expect("an id").to_owned()
}

#[test]
fn an_external_issuers_tokens_open_what_it_may_grant_and_no_more() {
    let (ed, es, stranger) = (Signer::ed25519(), Signer::es256(), Signer::es256());
    let gateway = with_issuer("tenant_claim = \"org\"", &[ed.jwk("ed"), es.jwk("es")]);
    let (acme, own) = (tenant_id(&gateway, "acme"), Signer::of(&gateway));
    let external = with(&with(&claims("unused"), "iss", "https://idp.example"), "org", acme.clone());
    let external = &with(&external, "client_id", Value::Null);
    let (ed_head, es_head) = (&header("EdDSA", "ed"), &header("ES256", "es"));
    // The keys are read by a thread that starts with the gateway.
    poll("the issuer's keys", || (gateway.get(DOOR, &ed.token(ed_head, external)).status == 200).then_some(()));
    gateway.get(DOOR, &es.token(es_head, external)).expect(200);

    let signature = "the token's signature is wrong";
    let cases: [(&str, String, &str); 12] = [
        ("a stranger's key", stranger.token(es_head, external), signature),
        (
            "the other key's id",
            es.token(&header("ES256", "ed"), external),
            "the token's algorithm is not the one of its key",
        ),
        (
            "the other key's algorithm",
            ed.token(&header("EdDSA", "es"), external),
            "the token's algorithm is not the one of its key",
        ),
        ("an unknown key id", ed.token(&header("EdDSA", "new"), external), "the token's key is not known"),
        (
            "an algorithm that was not allowed",
            ed.token(&header("RS256", "ed"), external),
            "the token's algorithm is not the one of its key",
        ),
        (
            "the gateway's key in the issuer's name",
            own.token(&header("EdDSA", &own.kid()), external),
            "the token's key is not known",
        ),
        ("the issuer's key in the gateway's name", ed.token(ed_head, &claims(&acme)), "the token's key is not known"),
        (
            "another audience",
            es.token(es_head, &with(external, "aud", "billing")),
            "the token is meant for another service",
        ),
        (
            "expired",
            es.token(es_head, &with(&with(external, "iat", now_s() - 99), "exp", now_s() - 50)),
            "the token has expired",
        ),
        (
            "too long a life",
            es.token(es_head, &with(external, "exp", now_s() + 2 * 86_400)),
            "the token's lifetime is not accepted",
        ),
        ("no tenant", es.token(es_head, &with(external, "org", Value::Null)), "the token is bound to no tenant"),
        (
            "the claim of the gateway's own tokens",
            es.token(es_head, &with(&with(external, "org", Value::Null), "tenant", acme.clone())),
            "the token is bound to no tenant",
        ),
    ];
    for (name, token, why) in cases {
        assert_refused(name, &gateway.get(DOOR, &token), why);
    }
    let ambitious = es.token(es_head, &with(external, "scope", "query admin"));
    gateway.get(DOOR, &ambitious).expect(200);
    gateway.get("/v1/admin/tenants", &ambitious).expect(403);
    let powerless = es.token(es_head, &with(external, "scope", "openid profile"));
    gateway.get(DOOR, &powerless).expect(403);
}

#[test]
fn an_issuer_of_one_tenant_cannot_speak_for_another_whatever_its_tokens_say() {
    let ed = Signer::ed25519();
    let mut gateway = with_issuer("tenant = \"acme\"", &[ed.jwk("one")]);
    let rival = tenant_id(&gateway, "rival");
    let external = with(&claims(&rival), "iss", "https://idp.example");
    let token = ed.token(&header("EdDSA", "one"), &external);
    poll("the issuer's keys", || (gateway.get(DOOR, &token).status == 200).then_some(()));
    gateway.get(&format!("{DOOR}?tenant={rival}"), &token).expect(403);

    gateway.stop();
    let fresh = Signer::ed25519();
    std::fs::write(gateway.root().join("idp.jwks"), json!({ "keys": [fresh.jwk("two")] }).to_string())
        .expect("the key set");
    gateway.restart();
    let renewed = fresh.token(&header("EdDSA", "two"), &external);
    poll("the issuer's new keys", || (gateway.get(DOOR, &renewed).status == 200).then_some(()));
    assert_refused("a key that was withdrawn", &gateway.get(DOOR, &token), "the token's key is not known");
}
