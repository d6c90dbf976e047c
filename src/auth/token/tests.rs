//! One forged or broken token per rule, each made by hand and, where the rule is not about the signature, truly signed: a
//! test that is refused for another reason than its own fails.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::auth::issuer::{IssuerSettings, JwksSource};
use crate::id::{SystemEntropy, TenantId};
use crate::kv::Batch;

const SEED: [u8; 32] = [7; 32];
const NOW: Millis = Millis(1_800_000_000_000);
const NOW_S: i64 = NOW.0 / 1_000;
const TENANT: TenantId = TenantId([3; 8]);
const IDP: &str = "https://idp.example";

fn settings() -> TokenSettings {
    TokenSettings {
        issuer: "https://gw.example".into(),
        audience: "tidegate".into(),
        ttl_max_ms: 3_600_000,
        leeway_ms: 30_000,
    }
}

fn issuer() -> TokenIssuer {
    TokenIssuer::new(&settings(), &SEED)
}

fn verifier_with(external: Vec<Arc<ExternalIssuer>>) -> TokenVerifier {
    TokenVerifier::new(settings(), &issuer(), external, Arc::new(Denylist::empty(10))).unwrap()
}

fn refusal(token: &str) -> Option<TokenError> {
    verifier_with(Vec::new()).verify(token, NOW).err()
}

fn order() -> TokenOrder {
    TokenOrder {
        subject: "ada".into(),
        client_id: "cli".into(),
        scopes: "query,export".parse().unwrap(),
        tenant: Some(TENANT),
        ttl_ms: 3_600_000,
    }
}

fn header() -> Value {
    json!({"alg": "EdDSA", "typ": "at+jwt", "kid": issuer().kid()})
}

fn claims() -> Value {
    json!({
        "iss": "https://gw.example", "aud": "tidegate", "sub": "ada", "client_id": "cli", "jti": "j1",
        "iat": NOW_S, "exp": NOW_S + 600, "scope": "query", "tenant": TENANT.to_string(),
    })
}

/// `value` with `name` set, or removed where `to` is null.
fn with(mut value: Value, name: &str, to: Value) -> Value {
    let members = value.as_object_mut().unwrap();
    if to.is_null() {
        members.remove(name)
    } else {
        members.insert(name.into(), to)
    };
    value
}

fn part(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// A token of these very texts, signed by the gateway's key.
fn signed_texts(header: &str, claims: &str) -> String {
    let message = format!("{}.{}", part(header), part(claims));
    let signature = Ed25519KeyPair::from_seed_unchecked(&SEED).unwrap().sign(message.as_bytes());
    format!("{message}.{}", part(signature))
}

fn signed(header: &Value, claims: &Value) -> String {
    signed_texts(&header.to_string(), &claims.to_string())
}

fn with_header(name: &str, to: Value) -> String {
    signed(&with(header(), name, to), &claims())
}

fn with_claim(name: &str, to: Value) -> String {
    signed(&header(), &with(claims(), name, to))
}

// What is accepted.

#[test]
fn an_issued_token_is_accepted_and_says_what_was_ordered() {
    let issued = issuer().issue(&order(), NOW, &SystemEntropy).unwrap();
    let principal = verifier_with(Vec::new()).verify(&issued.token, NOW).unwrap();
    assert_eq!(principal.tenant(), Some(TENANT));
    assert_eq!(principal.scopes().to_string(), "query export");
    assert_eq!(principal.expires(), Some(NOW.plus(3_600_000)));
    assert_eq!(issued.expires, NOW.plus(3_600_000));
    assert_eq!(principal.name(), "https://gw.example|ada");
    let Identity::Token { jti, .. } = principal.how() else { panic!("not by token") };
    assert_eq!(*jti, issued.jti);
}

#[test]
fn the_hand_made_token_that_all_others_are_changed_from_is_accepted() {
    assert_eq!(refusal(&signed(&header(), &claims())), None);
}

#[test]
fn both_names_of_the_algorithm_and_of_the_type_are_accepted() {
    for (name, value) in [("alg", "Ed25519"), ("typ", "application/at+jwt"), ("typ", "AT+JWT")] {
        assert_eq!(refusal(&with_header(name, json!(value))), None, "{value}");
    }
    assert_eq!(refusal(&with_claim("aud", json!(["other", "tidegate"]))), None);
    assert_eq!(refusal(&with_claim("exp", json!(NOW_S as f64 + 1.5))), None);
}

#[test]
fn the_key_id_is_the_beginning_of_the_public_keys_hash() {
    let hash = digest::digest(&digest::SHA256, issuer().public_key());
    assert_eq!(issuer().kid(), &hex::encode(hash)[..16]);
}

// The outside: RFC 8725bis, length, serialisation.

#[test]
fn long_tokens_are_refused() {
    let token = with_claim("pad", json!("x".repeat(8 * 1024)));
    assert_eq!(refusal(&token), Some(TokenError::TooLong));
}

#[test]
fn only_base64url_characters_and_dots_are_read() {
    let token = signed(&header(), &claims());
    for odd in
        [format!("{token} "), format!("{token}="), token.replacen('.', "+", 1), format!("{{\"payload\":\"{token}\"}}")]
    {
        assert_eq!(refusal(&odd), Some(TokenError::ForeignCharacter));
    }
}

#[test]
fn a_token_has_three_parts_and_an_encrypted_one_is_refused() {
    assert_eq!(refusal("abc"), Some(TokenError::NotThreeParts));
    assert_eq!(refusal("a.b"), Some(TokenError::NotThreeParts));
    assert_eq!(refusal("a.b.c.d"), Some(TokenError::NotThreeParts));
    assert_eq!(refusal("a.b.c.d.e"), Some(TokenError::Encrypted));
    assert_eq!(refusal(&with_header("enc", json!("A128GCM"))), Some(TokenError::Encrypted));
}

#[test]
fn texts_must_be_utf8_json() {
    let bad = |header: &[u8], claims: &[u8]| format!("{}.{}.{}", part(header), part(claims), part([0; 64]));
    let good = header().to_string();
    assert_eq!(refusal(&bad(b"{\"alg\":\"\xff\"}", b"{}")), Some(TokenError::HeaderMalformed));
    assert_eq!(refusal(&bad(b"[]", b"{}")), Some(TokenError::HeaderMalformed));
    assert_eq!(refusal(&bad(good.as_bytes(), b"{\"iss\":\"\xff\"}")), Some(TokenError::ClaimsMalformed));
    assert_eq!(refusal(&bad(good.as_bytes(), b"null")), Some(TokenError::ClaimsMalformed));
}

// The header: RFC 8725 sections 3.1, 3.2, 3.6, 3.10, 3.11.

#[test]
fn unsigned_tokens_and_hmac_are_refused() {
    for name in ["none", "None", "NONE", "nOnE", ""] {
        let header = with(header(), "alg", json!(name)).to_string();
        let token = format!("{}.{}.", part(header), part(claims().to_string()));
        assert_eq!(refusal(&token), Some(TokenError::AlgorithmRefused), "{name}");
    }
    for name in ["HS256", "HS384", "HS512", "RSA1_5", "RSA-OAEP", "dir", "PBES2-HS256+A128KW", "RS1"] {
        assert_eq!(refusal(&with_header("alg", json!(name))), Some(TokenError::AlgorithmRefused), "{name}");
    }
    assert_eq!(refusal(&with_header("alg", Value::Null)), Some(TokenError::AlgorithmRefused));
}

#[test]
fn the_public_key_is_no_hmac_secret() {
    let message = format!("{}.{}", part(with(header(), "alg", json!("HS256")).to_string()), part(claims().to_string()));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, issuer().public_key()), message.as_bytes());
    assert_eq!(refusal(&format!("{message}.{}", part(tag))), Some(TokenError::AlgorithmRefused));
}

#[test]
fn the_algorithms_name_is_compared_with_its_case() {
    for name in ["eddsa", "EDDSA", "ed25519", "es256"] {
        assert_eq!(refusal(&with_header("alg", json!(name))), Some(TokenError::AlgorithmRefused), "{name}");
    }
}

#[test]
fn the_algorithm_must_be_the_keys_own() {
    for name in ["ES256", "RS256", "PS256", "ES384"] {
        assert_eq!(refusal(&with_header("alg", json!(name))), Some(TokenError::AlgorithmNotOfKey), "{name}");
    }
}

#[test]
fn only_access_tokens_are_accepted() {
    for typ in [json!("JWT"), json!("id+jwt"), json!("at+jwt "), json!("logout+jwt"), Value::Null] {
        assert_eq!(refusal(&with_header("typ", typ)), Some(TokenError::TypeRefused));
    }
}

#[test]
fn critical_extensions_are_refused() {
    assert_eq!(refusal(&with_header("crit", json!(["b64"]))), Some(TokenError::CriticalRefused));
    assert_eq!(refusal(&with_header("crit", json!([]))), Some(TokenError::CriticalRefused));
    let with_null = header().to_string().replacen('{', "{\"crit\":null,", 1);
    assert_eq!(refusal(&signed_texts(&with_null, &claims().to_string())), Some(TokenError::CriticalRefused));
}

#[test]
fn a_token_cannot_bring_its_key_or_say_where_it_is() {
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": part(issuer().public_key())});
    let members = [
        ("jwk", jwk),
        ("jku", json!("https://evil.example")),
        ("x5u", json!("https://evil.example")),
        ("x5c", json!(["MIIB"])),
    ];
    for (name, value) in members {
        assert_eq!(refusal(&with_header(name, value)), Some(TokenError::KeyInHeader), "{name}");
    }
}

#[test]
fn compressed_tokens_are_refused() {
    assert_eq!(refusal(&with_header("zip", json!("DEF"))), Some(TokenError::Compressed));
}

#[test]
fn the_key_id_is_checked_before_it_is_looked_up() {
    assert_eq!(refusal(&with_header("kid", Value::Null)), Some(TokenError::KeyIdMissing));
    let long = "k".repeat(129);
    for kid in ["../../etc/passwd\0", "' OR 1=1 --", "", "k\n", "schlüssel", &long] {
        assert_eq!(refusal(&with_header("kid", json!(kid))), Some(TokenError::KeyIdMalformed));
    }
    assert_eq!(refusal(&with_header("kid", json!("0123456789abcdef"))), Some(TokenError::KeyUnknown));
    assert_eq!(refusal(&with_header("kid", json!(["k"]))), Some(TokenError::HeaderMalformed));
}

#[test]
fn a_member_that_occurs_twice_is_refused_even_when_it_is_spelt_differently() {
    let twice = header().to_string().replacen('{', "{\"\\u0061lg\":\"none\",", 1);
    assert_eq!(refusal(&signed_texts(&twice, &claims().to_string())), Some(TokenError::HeaderMalformed));
    for (member, error) in [
        ("\"iss\":\"x\"", TokenError::ClaimsMalformed),
        ("\"exp\":1", TokenError::ClaimsMalformed),
        ("\"scope\":\"admin\"", TokenError::ClaimsMalformed),
        ("\"tenant\":\"tn_0000000000000000\"", TokenError::TenantMalformed),
    ] {
        let twice = claims().to_string().replacen('{', &format!("{{{member},"), 1);
        assert_eq!(refusal(&signed_texts(&header().to_string(), &twice)), Some(error), "{member}");
    }
}

// The signature: RFC 8725 section 3.3.

#[test]
fn a_changed_token_is_refused_wherever_it_is_changed() {
    let token = signed(&header(), &claims());
    let (message, signature) = token.rsplit_once('.').unwrap();
    let (head, _) = message.split_once('.').unwrap();
    let other = part(with(claims(), "scope", json!("admin")).to_string());
    assert_eq!(refusal(&format!("{head}.{other}.{signature}")), Some(TokenError::SignatureWrong));
    assert_eq!(refusal(&format!("{message}.")), Some(TokenError::SignatureWrong));
    assert_eq!(refusal(&format!("{message}.{}", part([0; 64]))), Some(TokenError::SignatureWrong));
    let foreign = Ed25519KeyPair::from_seed_unchecked(&[8; 32]).unwrap().sign(message.as_bytes());
    assert_eq!(refusal(&format!("{message}.{}", part(foreign))), Some(TokenError::SignatureWrong));
}

// The claims: RFC 8725 sections 3.8 and 3.9, RFC 9068 section 4, what jsonwebtoken leaves out.

#[test]
fn every_required_claim_is_required() {
    for name in ["iss", "aud", "sub", "client_id", "iat", "exp", "jti"] {
        assert_eq!(refusal(&with_claim(name, Value::Null)), Some(TokenError::Missing(name)));
    }
}

#[test]
fn claims_of_the_wrong_type_are_refused() {
    let number_as_text = json!((NOW_S + 600).to_string());
    for (name, value) in [
        ("exp", number_as_text.clone()),
        ("nbf", number_as_text),
        ("iat", json!(1e300)),
        ("sub", json!(7)),
        ("sub", json!("")),
        ("sub", json!("x".repeat(257))),
        ("jti", json!({})),
        ("aud", json!(7)),
        ("scope", json!(["admin"])),
        ("iss", json!(["https://gw.example"])),
    ] {
        assert_eq!(refusal(&with_claim(name, value)), Some(TokenError::ClaimsMalformed), "{name}");
    }
}

#[test]
fn an_issuer_that_is_not_trusted_is_refused() {
    for issuer in ["https://evil.example", "https://gw.example/", "HTTPS://GW.EXAMPLE", ""] {
        assert_eq!(refusal(&with_claim("iss", json!(issuer))), Some(TokenError::IssuerUnknown));
    }
}

#[test]
fn a_token_for_another_service_is_refused() {
    for audience in [json!("other"), json!([]), json!(["Tidegate"]), json!("tidegate tidegate")] {
        assert_eq!(refusal(&with_claim("aud", audience)), Some(TokenError::AudienceForeign));
    }
}

#[test]
fn times_are_checked_with_the_leeway_and_not_more() {
    let of = |iat: i64, nbf: i64, exp: i64| {
        let claims = with(with(claims(), "iat", json!(NOW_S + iat)), "exp", json!(NOW_S + exp));
        refusal(&signed(&header(), &with(claims, "nbf", json!(NOW_S + nbf))))
    };
    assert_eq!(of(-100, -100, -29), None);
    assert_eq!(of(-100, -100, -30), Some(TokenError::Expired));
    assert_eq!(of(30, 0, 60), None);
    assert_eq!(of(31, 0, 60), Some(TokenError::IssuedInFuture));
    assert_eq!(of(0, 30, 60), None);
    assert_eq!(of(0, 31, 60), Some(TokenError::NotYetValid));
    assert_eq!(of(0, 0, 3_600), None);
    assert_eq!(of(0, 0, 3_601), Some(TokenError::LifetimeTooLong));
    assert_eq!(of(20, 0, 20), Some(TokenError::LifetimeTooLong));
}

#[test]
fn only_operators_and_metrics_readers_may_lack_a_tenant() {
    let of = |scope: &str| {
        let token = signed(&header(), &with(with(claims(), "tenant", Value::Null), "scope", json!(scope)));
        verifier_with(Vec::new()).verify(&token, NOW)
    };
    assert_eq!(of("query").unwrap_err(), TokenError::TenantMissing);
    assert_eq!(of("metrics query").unwrap_err(), TokenError::TenantMissing);
    assert_eq!(of("").unwrap_err(), TokenError::TenantMissing);
    assert_eq!(of("admin query").unwrap().tenant(), None);
    assert_eq!(of("metrics").unwrap().tenant(), None);
    for tenant in [json!("acme"), json!(7), json!("")] {
        assert_eq!(refusal(&with_claim("tenant", tenant)), Some(TokenError::TenantMalformed));
    }
}

#[test]
fn unknown_scopes_are_ignored() {
    let token = with_claim("scope", json!("openid query Admin exporter"));
    assert_eq!(verifier_with(Vec::new()).verify(&token, NOW).unwrap().scopes(), Scopes::of(&[Scope::Query]));
}

#[test]
fn a_revoked_token_is_refused_and_its_neighbour_is_not() {
    let verifier = verifier_with(Vec::new());
    let issue = || issuer().issue(&order(), NOW, &SystemEntropy).unwrap();
    let (one, two) = (issue(), issue());
    let list = verifier.denylist();
    list.stage_revoke(&mut Batch::default(), "https://gw.example", &one.jti, one.expires, NOW).unwrap();
    assert_eq!(verifier.verify(&one.token, NOW).err(), Some(TokenError::Revoked));
    assert!(verifier.verify(&two.token, NOW).is_ok());
}

#[test]
fn refusals_do_not_quote_the_token() {
    for token in
        [with_claim("sub", json!(["ada"])), with_claim("tenant", json!("ada")), with_header("kid", json!("ada ada"))]
    {
        let error = refusal(&token).unwrap();
        assert!(!format!("{error} {error:?}").contains("ada"));
    }
}

// Issuing.

#[test]
fn tokens_are_not_issued_beyond_what_is_allowed() {
    let refused = |order: TokenOrder| issuer().issue(&order, NOW, &SystemEntropy).err();
    assert_eq!(refused(TokenOrder { ttl_ms: 3_600_001, ..order() }), Some(IssueError::LifetimeRefused));
    assert_eq!(refused(TokenOrder { ttl_ms: 999, ..order() }), Some(IssueError::LifetimeRefused));
    assert_eq!(refused(TokenOrder { scopes: Scopes::NONE, ..order() }), Some(IssueError::ScopeMissing));
    assert_eq!(refused(TokenOrder { tenant: None, ..order() }), Some(IssueError::TenantMissing));
    assert_eq!(refused(TokenOrder { subject: String::new(), ..order() }), Some(IssueError::NameInvalid));
    assert_eq!(refused(TokenOrder { client_id: "a\nb".into(), ..order() }), Some(IssueError::NameInvalid));
}

#[test]
fn settings_out_of_range_are_refused() {
    assert_eq!(TokenSettings { leeway_ms: 30_001, ..settings() }.check(), Err(SettingsError::LeewayRefused));
    assert_eq!(TokenSettings { ttl_max_ms: 0, ..settings() }.check(), Err(SettingsError::LifetimeRefused));
    assert_eq!(TokenSettings { audience: String::new(), ..settings() }.check(), Err(SettingsError::NameInvalid));
}

// Issuers beside the gateway.

/// A provider with a key of each kind.
struct Provider {
    ed: Ed25519KeyPair,
    p256: EcdsaKeyPair,
    p384: EcdsaKeyPair,
    rsa: RsaKeyPair,
}

impl Provider {
    fn new() -> Provider {
        Provider {
            ed: Ed25519KeyPair::from_seed_unchecked(&[9; 32]).unwrap(),
            p256: EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
            p384: EcdsaKeyPair::generate(&signature::ECDSA_P384_SHA384_FIXED_SIGNING).unwrap(),
            rsa: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
        }
    }

    fn jwks(&self) -> Value {
        let ec = |kid: &str, curve: &str, pair: &EcdsaKeyPair| {
            let (x, y) = pair.public_key().as_ref()[1..].split_at(pair.public_key().as_ref().len() / 2);
            json!({"kty": "EC", "crv": curve, "kid": kid, "use": "sig", "x": part(x), "y": part(y)})
        };
        let modulus = self.rsa.public_key().modulus();
        let rsa = |kid: &str, alg: &str| json!({"kty": "RSA", "kid": kid, "alg": alg, "n": part(modulus.big_endian_without_leading_zero()), "e": "AQAB"});
        json!({"keys": [
            {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "alg": "Ed25519", "x": part(self.ed.public_key())},
            ec("p256", "P-256", &self.p256),
            ec("p384", "P-384", &self.p384),
            rsa("rs", "RS256"),
            rsa("ps", "PS256"),
        ]})
    }

    fn sign(&self, kid: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        let rsa = |encoding: &'static dyn signature::RsaEncoding| {
            let mut out = vec![0; self.rsa.public_modulus_len()];
            self.rsa.sign(encoding, &random, message, &mut out).unwrap();
            out
        };
        match kid {
            "ed" => self.ed.sign(message).as_ref().to_vec(),
            "p256" => self.p256.sign(&random, message).unwrap().as_ref().to_vec(),
            "p384" => self.p384.sign(&random, message).unwrap().as_ref().to_vec(),
            "rs" => rsa(&signature::RSA_PKCS1_SHA256),
            _ => rsa(&signature::RSA_PSS_SHA256),
        }
    }

    fn token(&self, kid: &str, alg: &str, claims: &Value) -> String {
        let header = json!({"alg": alg, "typ": "at+jwt", "kid": kid}).to_string();
        let message = format!("{}.{}", part(header), part(claims.to_string()));
        format!("{message}.{}", part(self.sign(kid, message.as_bytes())))
    }
}

fn idp_claims() -> Value {
    with(with(claims(), "iss", json!(IDP)), "tenant", Value::Null)
}

fn idp_settings() -> IssuerSettings {
    IssuerSettings {
        rules: IssuerRules {
            issuer: IDP.into(),
            audience: "tidegate".into(),
            client_id_required: true,
            scopes: "query,export".parse().unwrap(),
            tenant: TenantBinding::Fixed(TENANT),
        },
        jwks: JwksSource::File("/nowhere".into()),
        algorithms: Algorithm::ALL.to_vec(),
        refresh_ms: 600_000,
        refresh_min_ms: 30_000,
        keys_age_max_ms: 86_400_000,
        allow_insecure: false,
    }
}

fn idp(settings: IssuerSettings, jwks: &Value) -> Arc<ExternalIssuer> {
    let issuer = ExternalIssuer::new(settings, &[]).unwrap();
    let _ = issuer.refresh_with(NOW, || Ok(jwks.to_string().into_bytes()));
    Arc::new(issuer)
}

#[test]
fn an_external_issuers_tokens_are_accepted_with_every_algorithm() {
    let provider = Provider::new();
    let verifier = verifier_with(vec![idp(idp_settings(), &provider.jwks())]);
    for (kid, alg) in [("ed", "EdDSA"), ("p256", "ES256"), ("p384", "ES384"), ("rs", "RS256"), ("ps", "PS256")] {
        let principal = verifier.verify(&provider.token(kid, alg, &idp_claims()), NOW).unwrap();
        assert_eq!((principal.tenant(), principal.name().as_str()), (Some(TENANT), "https://idp.example|ada"));
        let wrong = if alg == "RS256" { "PS256" } else { "RS256" };
        let confused = verifier.verify(&provider.token(kid, wrong, &idp_claims()), NOW).err();
        assert_eq!(confused, Some(TokenError::AlgorithmNotOfKey), "{alg}");
    }
}

#[test]
fn a_key_speaks_for_its_own_issuer_only() {
    let provider = Provider::new();
    let verifier = verifier_with(vec![idp(idp_settings(), &provider.jwks())]);
    let as_gateway = provider.token("ed", "EdDSA", &claims());
    assert_eq!(verifier.verify(&as_gateway, NOW).err(), Some(TokenError::KeyUnknown));
    let as_idp = signed(&header(), &idp_claims());
    assert_eq!(verifier.verify(&as_idp, NOW).err(), Some(TokenError::KeyUnknown));
    // Even with the gateway's own key id the issuer's key stays the issuer's.
    let mut jwks = provider.jwks();
    jwks["keys"][0]["kid"] = json!(issuer().kid());
    let verifier = verifier_with(vec![idp(idp_settings(), &jwks)]);
    let message = format!("{}.{}", part(header().to_string()), part(claims().to_string()));
    let forged = format!("{message}.{}", part(provider.sign("ed", message.as_bytes())));
    assert_eq!(verifier.verify(&forged, NOW).err(), Some(TokenError::SignatureWrong));
}

#[test]
fn an_issuer_grants_only_what_the_operator_lets_it() {
    let provider = Provider::new();
    let claims = with(with(idp_claims(), "scope", json!("admin query ingest")), "tenant", json!("tn_ffffffffffffffff"));
    let token = provider.token("ed", "EdDSA", &claims);
    let fixed = verifier_with(vec![idp(idp_settings(), &provider.jwks())]).verify(&token, NOW).unwrap();
    assert_eq!((fixed.tenant(), fixed.scopes()), (Some(TENANT), Scopes::of(&[Scope::Query])));

    let mut settings = idp_settings();
    settings.rules.tenant = TenantBinding::Claim("https://claims.example/tenant".into());
    let verifier = verifier_with(vec![idp(settings, &provider.jwks())]);
    assert_eq!(verifier.verify(&token, NOW).err(), Some(TokenError::TenantMissing));
    let claims = with(claims, "https://claims.example/tenant", json!("tn_0909090909090909"));
    let principal = verifier.verify(&provider.token("ed", "EdDSA", &claims), NOW).unwrap();
    assert_eq!(principal.tenant(), Some(TenantId([9; 8])));
}

#[test]
fn a_client_id_may_be_optional_for_an_external_issuer() {
    let provider = Provider::new();
    let token = provider.token("ed", "EdDSA", &with(idp_claims(), "client_id", Value::Null));
    let strict = verifier_with(vec![idp(idp_settings(), &provider.jwks())]);
    assert_eq!(strict.verify(&token, NOW).err(), Some(TokenError::Missing("client_id")));
    let mut settings = idp_settings();
    settings.rules.client_id_required = false;
    assert!(verifier_with(vec![idp(settings, &provider.jwks())]).verify(&token, NOW).is_ok());
}

#[test]
fn an_unknown_key_id_asks_for_a_refresh_which_then_finds_it() {
    let provider = Provider::new();
    let mut few = provider.jwks();
    few["keys"].as_array_mut().unwrap().remove(0);
    let issuer = idp(idp_settings(), &few);
    let verifier = verifier_with(vec![Arc::clone(&issuer)]);
    let token = provider.token("ed", "EdDSA", &idp_claims());
    assert!(!issuer.is_refresh_due(NOW.plus(30_000)));
    assert_eq!(verifier.verify(&token, NOW).err(), Some(TokenError::KeyUnknown));
    assert!(!issuer.is_refresh_due(NOW.plus(29_999)));
    let count = issuer.refresh_with(NOW.plus(30_000), || Ok(provider.jwks().to_string().into_bytes()));
    assert_eq!(count.unwrap().unwrap(), 5);
    assert!(verifier.verify(&token, NOW).is_ok());
}

#[test]
fn a_failed_refresh_keeps_the_keys_until_they_are_too_old() {
    let provider = Provider::new();
    let issuer = idp(IssuerSettings { keys_age_max_ms: 700_000, ..idp_settings() }, &provider.jwks());
    let verifier = verifier_with(vec![Arc::clone(&issuer)]);
    let later = NOW.plus(600_000);
    assert!(issuer.refresh_with(later, || Ok(b"<html>".to_vec())).unwrap().is_err());
    let token = provider.token("ed", "EdDSA", &with(idp_claims(), "exp", json!(NOW_S + 3_000)));
    assert!(verifier.verify(&token, later).is_ok());
    assert_eq!(verifier.verify(&token, NOW.plus(700_001)).err(), Some(TokenError::KeysStale));
}

#[test]
fn unsound_keys_are_not_taken_from_a_key_set() {
    let provider = Provider::new();
    let good = provider.jwks();
    let key =
        |index: usize, name: &str, value: Value| json!({"keys": [with(good["keys"][index].clone(), name, value)]});
    let count = |jwks: &Value| key::read_jwks(jwks.to_string().as_bytes(), &Algorithm::ALL).map(|keys| keys.len());
    assert_eq!(count(&good), Ok(5));
    let short = part([vec![0x00, 0x7f], vec![0xff; 255]].concat());
    for (why, jwks) in [
        ("for encryption", key(0, "use", json!("enc"))),
        ("for signing only", key(0, "key_ops", json!(["sign"]))),
        ("with a private part", key(0, "d", json!("AAAA"))),
        ("without id", key(0, "kid", Value::Null)),
        ("of the wrong length", key(0, "x", json!(part([1; 31])))),
        ("with another algorithm", key(0, "alg", json!("ES256"))),
        ("with an unknown algorithm", key(0, "alg", json!("HS256"))),
        ("off the curve", key(1, "y", good["keys"][1]["x"].clone())),
        ("with another curve's name", key(1, "crv", json!("P-384"))),
        ("of fewer than 2048 bits", key(3, "n", json!(short))),
        ("with two possible algorithms", key(3, "alg", Value::Null)),
        ("symmetric", json!({"keys": [{"kty": "oct", "kid": "s", "alg": "HS256", "k": part([1; 32])}]})),
    ] {
        assert_eq!(count(&jwks), Err(JwksError::NoneUsable), "{why}");
    }
    let only_rs = key(3, "alg", Value::Null).to_string();
    assert!(key::read_jwks(only_rs.as_bytes(), &[Algorithm::Rs256]).is_ok());
    assert!(matches!(key::read_jwks(b"{\"keys\":{}}", &Algorithm::ALL), Err(JwksError::NotAKeySet)));
    let many = json!({"keys": vec![json!({}); 65]});
    assert_eq!(count(&many), Err(JwksError::TooMany));
}

#[test]
fn an_algorithm_that_the_operator_did_not_allow_is_refused() {
    let provider = Provider::new();
    let settings = IssuerSettings { algorithms: vec![Algorithm::Es256], ..idp_settings() };
    let verifier = verifier_with(vec![idp(settings, &provider.jwks())]);
    assert!(verifier.verify(&provider.token("p256", "ES256", &idp_claims()), NOW).is_ok());
    assert_eq!(verifier.verify(&provider.token("rs", "RS256", &idp_claims()), NOW).err(), Some(TokenError::KeyUnknown));
}

#[test]
fn two_issuers_of_one_name_are_refused() {
    let twice = |name: &str| {
        let mut settings = idp_settings();
        settings.rules.issuer = name.into();
        let external = vec![idp(settings, &json!({})), idp(idp_settings(), &json!({}))];
        TokenVerifier::new(super::tests::settings(), &issuer(), external, Arc::new(Denylist::empty(1))).err()
    };
    assert_eq!(twice(IDP), Some(SettingsError::IssuerTwice));
    assert_eq!(twice("https://gw.example"), Some(SettingsError::IssuerTwice));
    assert_eq!(twice("https://other.example"), None);
}

proptest! {
    #[test]
    fn any_text_is_refused_without_panic(text in "[A-Za-z0-9_.-]{0,300}|\\PC{0,100}") {
        prop_assert!(refusal(&text).is_some());
    }

    #[test]
    fn a_token_with_one_other_character_is_refused(place: prop::sample::Index, to in "[A-Za-z0-9_-]") {
        let token = signed(&header(), &claims());
        let place = place.index(token.len());
        prop_assume!(token.as_bytes()[place] != to.as_bytes()[0]);
        let changed = format!("{}{to}{}", &token[..place], &token[place + 1..]);
        prop_assert!(refusal(&changed).is_some());
    }
}
