//! The forms of providers' keys: what each begins with, the alphabet of the rest, and its length.
//!
//! To add a provider, add a line. The forms are what providers document or what their own scanners publish; where they left room (a length
//! that has grown over the years) the range is wide, and randomness decides. A key is looked up by its first two bytes, so the length of the
//! table costs nothing.

use super::random::{is_mixed, is_random};

use Alphabet::{AnyHex, Base32, Base64, Dollar, Dotted, Hex, Mixed, Percent, Upper, Url, Uuid, Word};

/// The form of one sort of key.
pub(super) struct Form {
    /// Who issues it.
    #[cfg_attr(not(test), expect(dead_code, reason = "tells the reader, and the tests that count providers"))]
    pub(super) provider: &'static str,
    /// What it begins with; at least two characters.
    pub(super) prefix: &'static str,
    pub(super) body: Alphabet,
    pub(super) min: usize,
    pub(super) max: usize,
}

/// The characters of a key after its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alphabet {
    /// Letters, digits and `_`.
    Word,
    /// The same, for short or common prefixes: digits, small letters and capitals, well mixed.
    Mixed,
    /// Letters, digits, `_` and `-`.
    Url,
    /// The same and dots.
    Dotted,
    /// Letters, digits, `_` and `$`.
    Dollar,
    /// Base64, plain or for URLs.
    Base64,
    /// The same, percent-encoded.
    Percent,
    /// Capital letters and digits.
    Upper,
    /// The same, and so well known a prefix that the rest need not look random.
    Base32,
    /// Small hexadecimal digits.
    Hex,
    /// Hexadecimal digits.
    AnyHex,
    /// Hexadecimal digits and hyphens.
    Uuid,
}

impl Alphabet {
    pub(super) fn holds(self, b: u8) -> bool {
        let word = b.is_ascii_alphanumeric() || b == b'_';
        match self {
            Word | Mixed => word,
            Url => word || b == b'-',
            Dotted => word || matches!(b, b'-' | b'.'),
            Dollar => word || b == b'$',
            Base64 => word || matches!(b, b'-' | b'+' | b'/' | b'='),
            Percent => word || matches!(b, b'-' | b'+' | b'/' | b'=' | b'%'),
            Upper | Base32 => b.is_ascii_uppercase() || b.is_ascii_digit(),
            Hex => b.is_ascii_digit() || (b'a'..=b'f').contains(&b),
            AnyHex => b.is_ascii_hexdigit(),
            Uuid => b.is_ascii_hexdigit() || b == b'-',
        }
    }

    /// Whether a body of this alphabet was drawn at random rather than written by somebody.
    pub(super) fn is_random(self, body: &[u8]) -> bool {
        match self {
            Base32 => true,
            Mixed => is_mixed(body),
            Word | Url | Dotted | Dollar | Base64 | Percent | Upper | Hex | AnyHex | Uuid => is_random(body),
        }
    }
}

const fn form(provider: &'static str, prefix: &'static str, body: Alphabet, min: usize, max: usize) -> Form {
    Form { provider, prefix, body, min, max }
}

/// All forms.
#[rustfmt::skip]
pub(super) const FORMS: &[Form] = &[
    form("1Password", "ops_eyJ", Base64, 100, 2000),
    form("1Password", "A3-", Url, 32, 48),
    form("Adobe", "p8e-", Word, 32, 32),
    form("Adyen", "AQE", Base64, 90, 400),
    form("age", "AGE-SECRET-KEY-1", Upper, 50, 62),
    form("Airtable", "pat", Dotted, 79, 79),
    form("Aiven", "aivenv1", Word, 40, 400),
    form("Aiven", "AVNS_", Url, 16, 24),
    form("Alibaba", "LTAI", Word, 12, 26),
    form("Alibaba", "STS.", Word, 20, 30),
    form("Amazon", "AKIA", Base32, 16, 16),
    form("Amazon", "ASIA", Base32, 16, 16),
    form("Amazon", "ABIA", Upper, 16, 16),
    form("Amazon", "ACCA", Upper, 16, 16),
    form("Amazon", "A3T", Upper, 17, 17),
    form("Amazon", "ABSK", Base64, 100, 280),
    form("Amazon", "bedrock-api-key-", Base64, 40, 2000),
    form("Amazon", "amzn1.oa2-cs.v1.", Hex, 64, 64),
    form("Amazon", "amzn.mws.", Uuid, 36, 36),
    form("Amazon", "IQoJb3JpZ2lu", Base64, 100, 3000),
    form("Amazon", "FwoGZXIvYXdz", Base64, 100, 3000),
    form("Amazon", "FQoGZXIvYXdz", Base64, 100, 3000),
    form("Apify", "apify_api_", Word, 30, 46),
    form("Artifactory", "AKCp", Word, 60, 80),
    form("Artifactory", "cmVmdGtu", Word, 50, 70),
    form("Atlassian", "ATATT3", Url, 60, 260),
    form("Atlassian", "ATCTT3", Url, 60, 260),
    form("Atlassian", "ATBB", Word, 24, 36),
    form("Atlassian", "ATSTT3", Url, 60, 260),
    form("Authress", "authress_", Dotted, 40, 200),
    form("Beamer", "b_", Url, 44, 44),
    form("Bitbucket", "BBDC-", Base64, 40, 50),
    form("Braintree", "access_token$production$", Dollar, 49, 49),
    form("Braintree", "access_token$sandbox$", Dollar, 49, 49),
    form("Brevo", "xkeysib-", Url, 70, 90),
    form("Brevo", "xsmtpsib-", Url, 70, 90),
    form("Browserbase", "bb_live_", Url, 20, 40),
    form("Buildkite", "bkua_", Word, 40, 40),
    form("Buildkite", "bkaj_", Url, 40, 400),
    form("Buildkite", "bkat_", Url, 40, 400),
    form("Buildkite", "bkct_", Url, 40, 400),
    form("Cal.com", "cal_live_", Hex, 32, 32),
    form("Cerebras", "csk-", Word, 40, 60),
    form("Checkly", "cu_", Hex, 32, 32),
    form("CircleCI", "CCIPAT_", Url, 30, 90),
    form("CircleCI", "CCIPRJ_", Url, 30, 90),
    form("CircleCI", "ccipat_", Url, 30, 90),
    form("Clerk", "ak_", Mixed, 32, 60),
    form("ClickUp", "pk_", Word, 38, 44),
    form("ClickHouse", "4b1d", Word, 38, 38),
    form("Clojars", "CLOJARS_", Word, 60, 60),
    form("Cloudflare", "v1.0-", Url, 150, 190),
    form("Cloudflare", "cfut_", Word, 40, 60),
    form("Cloudflare", "cfat_", Word, 40, 60),
    form("Cloudflare", "cfk_", Word, 40, 60),
    form("Confluent", "cflt", Base64, 50, 80),
    form("Contentful", "CFPAT-", Url, 40, 60),
    form("crates.io", "cio", Word, 32, 32),
    form("Cursor", "key_", Hex, 64, 64),
    form("Databricks", "dapi", Hex, 32, 34),
    form("Databricks", "dose", Hex, 32, 34),
    form("Databricks", "dkea", Hex, 32, 34),
    form("Datadog", "ddapp_", Word, 30, 46),
    form("Datadog", "pub", Hex, 32, 32),
    form("dbt", "dbtc_", Url, 30, 80),
    form("dbt", "dbtu_", Url, 30, 80),
    form("Defined Networking", "dnkey-", Url, 70, 90),
    form("Deno", "ddp_", Word, 36, 40),
    form("Deno", "ddo_", Word, 36, 40),
    form("DigitalOcean", "doo_v1_", Hex, 64, 64),
    form("DigitalOcean", "dop_v1_", Hex, 64, 64),
    form("DigitalOcean", "dor_v1_", Hex, 64, 64),
    form("Docker", "dckr_pat_", Url, 20, 40),
    form("Docker", "dckr_oat_", Url, 20, 40),
    form("Doppler", "dp.pt.", Word, 40, 44),
    form("Doppler", "dp.ct.", Word, 40, 44),
    form("Doppler", "dp.sa.", Word, 40, 44),
    form("Doppler", "dp.scim.", Word, 40, 44),
    form("Doppler", "dp.audit.", Word, 40, 44),
    form("Doppler", "dp.said.", Word, 40, 44),
    form("Doppler", "dp.st.", Dotted, 40, 90),
    form("Dropbox", "sl.", Url, 60, 2000),
    form("Dub", "dub_", Mixed, 24, 30),
    form("Duffel", "duffel_live_", Url, 40, 50),
    form("Duffel", "duffel_test_", Url, 40, 50),
    form("Dynatrace", "dt0", Dotted, 60, 110),
    form("E2B", "e2b_", Hex, 40, 40),
    form("EasyPost", "EZAK", Word, 54, 54),
    form("EasyPost", "EZTK", Word, 54, 54),
    form("ElevenLabs", "sk_", Hex, 48, 48),
    form("Endor Labs", "endr+", Url, 16, 16),
    form("Facebook", "EAACEdEose0cBA", Word, 20, 400),
    form("Facebook", "EAA", Word, 90, 500),
    form("Figma", "figd_", Url, 36, 60),
    form("Figma", "figo_", Url, 36, 60),
    form("Firebase", "APA91b", Url, 100, 200),
    form("Firecrawl", "fc-", Hex, 32, 32),
    form("Fireworks", "fw_", Mixed, 22, 26),
    form("Flutterwave", "FLWSECK_TEST-", Url, 12, 50),
    form("Flutterwave", "FLWSECK-", Url, 32, 60),
    form("Flutterwave", "FLWPUBK_TEST-", Url, 12, 50),
    form("Flutterwave", "FLWPUBK-", Url, 32, 60),
    form("Fly.io", "fo1_", Url, 40, 50),
    form("Fly.io", "fm1r_", Base64, 90, 3000),
    form("Fly.io", "fm1a_", Base64, 90, 3000),
    form("Fly.io", "fm2_", Base64, 90, 3000),
    form("Frame.io", "fio-u-", Url, 40, 80),
    form("Freshbooks", "flb_live_", Word, 16, 40),
    form("GitHub", "ghp_", Word, 30, 255),
    form("GitHub", "gho_", Word, 30, 255),
    form("GitHub", "ghu_", Word, 30, 255),
    form("GitHub", "ghs_", Word, 30, 255),
    form("GitHub", "ghr_", Word, 30, 255),
    form("GitHub", "github_pat_", Word, 40, 255),
    form("GitLab", "glpat-", Dotted, 18, 320),
    form("GitLab", "glptt-", Url, 18, 64),
    form("GitLab", "gldt-", Url, 18, 64),
    form("GitLab", "glrt-", Dotted, 18, 120),
    form("GitLab", "glrtr-", Dotted, 18, 120),
    form("GitLab", "glcbt-", Url, 18, 120),
    form("GitLab", "glffct-", Url, 18, 64),
    form("GitLab", "glft-", Url, 18, 80),
    form("GitLab", "glimt-", Url, 18, 64),
    form("GitLab", "glsoat-", Url, 18, 64),
    form("GitLab", "glagent-", Url, 40, 80),
    form("GitLab", "gloas-", Url, 40, 80),
    form("GitLab", "glwt-", Url, 18, 80),
    form("GitLab", "GR1348941", Url, 18, 40),
    form("GoCardless", "live_", Url, 40, 44),
    form("Google", "AIza", Url, 33, 37),
    form("Google", "GOCSPX-", Url, 24, 40),
    form("Google", "ya29.", Dotted, 30, 1024),
    form("Google", "AQ.Ab8", Url, 40, 60),
    form("Grafana", "glsa_", Url, 32, 64),
    form("Grafana", "glc_", Base64, 32, 400),
    form("Grafana", "eyJrIjoi", Base64, 60, 400),
    form("Groq", "gsk_", Word, 40, 64),
    form("Harness", "pat.", Dotted, 60, 80),
    form("Harness", "sat.", Dotted, 60, 80),
    form("HashiCorp", "hvs.", Url, 24, 250),
    form("HashiCorp", "hvb.", Url, 60, 400),
    form("HashiCorp", "hvr.", Url, 24, 250),
    form("HashiCorp", "s.", Mixed, 24, 24),
    form("HashiCorp", "atlasv1.", Url, 50, 80),
    form("Heroku", "HRKU-", Url, 36, 70),
    form("Honeycomb", "hcaik_", Word, 50, 66),
    form("Honeycomb", "hcxik_", Word, 50, 66),
    form("Honeycomb", "hcamk_", Word, 50, 66),
    form("Honeycomb", "hcalk_", Word, 26, 66),
    form("HubSpot", "pat-na1-", Uuid, 36, 36),
    form("HubSpot", "pat-na2-", Uuid, 36, 36),
    form("HubSpot", "pat-eu1-", Uuid, 36, 36),
    form("HubSpot", "pat-ap1-", Uuid, 36, 36),
    form("Hugging Face", "hf_", Word, 30, 44),
    form("Hugging Face", "api_org_", Word, 30, 44),
    form("Infracost", "ico-", Word, 32, 32),
    form("Inngest", "signkey-prod-", Hex, 64, 64),
    form("Instagram", "IGQ", Url, 80, 300),
    form("Instagram", "IGAA", Url, 80, 300),
    form("Intercom", "dG9rO", Base64, 54, 56),
    form("Intra42", "s-s4t2", Url, 64, 72),
    form("Jina", "jina_", Word, 50, 70),
    form("JumpCloud", "jca_", Word, 36, 44),
    form("Langfuse", "pk-lf-", Uuid, 36, 36),
    form("LangSmith", "lsv2_", Word, 36, 60),
    form("LaunchDarkly", "sdk-", Uuid, 36, 36),
    form("LaunchDarkly", "api-", Uuid, 36, 36),
    form("LaunchDarkly", "mob-", Uuid, 36, 36),
    form("Linear", "lin_api_", Word, 32, 64),
    form("Linear", "lin_oauth_", Word, 32, 80),
    form("LinkedIn", "WPL_AP", Dotted, 20, 60),
    form("LlamaCloud", "llx-", Word, 40, 56),
    form("Lob", "live_pub_", Hex, 31, 31),
    form("Lob", "test_pub_", Hex, 31, 31),
    form("Lob", "test_", Hex, 35, 35),
    form("Lob", "live_", Hex, 35, 35),
    form("Mailchimp", "md-", Url, 22, 22),
    form("MailerSend", "mlsn.", Hex, 64, 64),
    form("Mailgun", "key-", Hex, 32, 32),
    form("Mailgun", "pubkey-", Hex, 32, 32),
    form("Mapbox", "pk.eyJ", Dotted, 60, 200),
    form("Mapbox", "sk.eyJ", Dotted, 60, 200),
    form("Mapbox", "tk.eyJ", Dotted, 60, 200),
    form("Mercury", "secret-token:", Dotted, 40, 120),
    form("Modal", "ak-", Mixed, 22, 22),
    form("Modal", "as-", Mixed, 22, 22),
    form("Mollie", "live_", Mixed, 30, 30),
    form("Mollie", "test_", Mixed, 30, 30),
    form("MongoDB", "mdb_sa_sk_", Url, 30, 60),
    form("Neon", "napi_", Word, 40, 80),
    form("Netlify", "nfp_", Word, 30, 60),
    form("Netlify", "nfc_", Word, 30, 60),
    form("Netlify", "nfo_", Word, 30, 60),
    form("Netlify", "nfu_", Word, 30, 60),
    form("New Relic", "NRAK-", Upper, 20, 32),
    form("New Relic", "NRAK-", Word, 20, 32),
    form("New Relic", "NRII-", Url, 32, 32),
    form("New Relic", "NRIQ-", Url, 32, 32),
    form("New Relic", "NRJS-", Hex, 19, 19),
    form("New Relic", "NRBR-", Hex, 19, 19),
    form("New Relic", "NRRA-", Hex, 42, 42),
    form("New Relic", "NRSP-", Url, 32, 40),
    form("Notion", "ntn_", Word, 40, 60),
    form("Notion", "secret_", Word, 43, 43),
    form("npm", "npm_", Word, 36, 40),
    form("ntfy", "tk_", Word, 29, 29),
    form("NuGet", "oy2", Word, 43, 43),
    form("NVIDIA", "nvapi-", Url, 60, 72),
    form("Octopus Deploy", "API-", Upper, 25, 32),
    form("OpenAI", "sk-", Url, 20, 250),
    form("OpenAI", "sess-", Word, 40, 40),
    form("OpenShift", "sha256~", Url, 43, 43),
    form("OpenVSX", "ovsxp_", Uuid, 36, 36),
    form("Paddle", "pdl_live_", Word, 40, 90),
    form("Paddle", "pdl_sdbx_", Word, 40, 90),
    form("PagerDuty", "u+", Url, 18, 18),
    form("PayPal", "A21AA", Url, 60, 120),
    form("Perplexity", "pplx-", Word, 40, 64),
    form("Pinecone", "pcsk_", Word, 50, 90),
    form("Plaid", "access-sandbox-", Uuid, 36, 36),
    form("Plaid", "access-development-", Uuid, 36, 36),
    form("Plaid", "access-production-", Uuid, 36, 36),
    form("PlanetScale", "pscale_tkn_", Dotted, 30, 64),
    form("PlanetScale", "pscale_pw_", Dotted, 30, 64),
    form("PlanetScale", "pscale_oauth_", Dotted, 30, 64),
    form("PostHog", "phc_", Word, 32, 60),
    form("PostHog", "phx_", Word, 32, 60),
    form("PostHog", "phs_", Word, 32, 60),
    form("Postman", "PMAK-", Url, 50, 70),
    form("Postman", "PMAT-", Word, 24, 32),
    form("Prefect", "pnu_", Word, 36, 36),
    form("Prefect", "pnb_", Word, 36, 36),
    form("PubNub", "sec-c-", Base64, 40, 60),
    form("PubNub", "pub-c-", Uuid, 36, 36),
    form("PubNub", "sub-c-", Uuid, 36, 36),
    form("Pulumi", "pul-", Hex, 40, 40),
    form("Pydantic", "pylf_v", Word, 40, 70),
    form("PyPI", "pypi-", Url, 50, 1000),
    form("Razorpay", "rzp_live_", Word, 14, 14),
    form("Razorpay", "rzp_test_", Word, 14, 14),
    form("ReadMe", "rdme_", Word, 60, 80),
    form("Render", "rnd_", Word, 24, 40),
    form("Replicate", "r8_", Word, 36, 40),
    form("Resend", "re_", Mixed, 30, 40),
    form("Rootly", "rootly_", Word, 60, 70),
    form("Retool", "retool_", Mixed, 24, 60),
    form("RubyGems", "rubygems_", Hex, 48, 48),
    form("RunPod", "rpa_", Upper, 40, 50),
    form("Scaleway", "SCW", Upper, 17, 17),
    form("Scalingo", "tk-us-", Url, 48, 48),
    form("SendGrid", "SG.", Dotted, 40, 80),
    form("Sentry", "sntrys_", Base64, 50, 400),
    form("Sentry", "sntryu_", Hex, 64, 64),
    form("Sentry", "sntrya_", Hex, 64, 64),
    form("SettleMint", "sm_aat_", Word, 16, 16),
    form("SettleMint", "sm_pat_", Word, 16, 16),
    form("SettleMint", "sm_sat_", Word, 16, 16),
    form("Shippo", "shippo_live_", AnyHex, 40, 40),
    form("Shippo", "shippo_test_", AnyHex, 40, 40),
    form("Shopify", "shpat_", AnyHex, 32, 32),
    form("Shopify", "shpca_", AnyHex, 32, 32),
    form("Shopify", "shppa_", AnyHex, 32, 32),
    form("Shopify", "shpss_", AnyHex, 32, 32),
    form("Shopify", "shpua_", AnyHex, 32, 32),
    form("Shopify", "shptka_", AnyHex, 32, 32),
    form("Slack", "xapp-", Url, 30, 250),
    form("Slack", "xoxa-", Url, 20, 250),
    form("Slack", "xoxb-", Url, 20, 250),
    form("Slack", "xoxc-", Url, 20, 250),
    form("Slack", "xoxd-", Percent, 20, 400),
    form("Slack", "xoxe-", Url, 20, 250),
    form("Slack", "xoxe.xox", Dotted, 40, 250),
    form("Slack", "xoxo-", Url, 20, 250),
    form("Slack", "xoxp-", Url, 20, 250),
    form("Slack", "xoxr-", Url, 20, 250),
    form("Slack", "xoxs-", Url, 20, 250),
    form("Snyk", "snyk_uat.", Dotted, 40, 160),
    form("Snyk", "snyk_sat.", Dotted, 40, 160),
    form("Sonar", "squ_", Hex, 40, 40),
    form("Sonar", "sqp_", Hex, 40, 40),
    form("Sonar", "sqa_", Hex, 40, 40),
    form("Sourcegraph", "sgp_", Word, 40, 66),
    form("Sourcegraph", "slk_", Hex, 64, 64),
    form("Square", "EAAA", Url, 56, 70),
    form("Square", "sq0atp-", Url, 22, 22),
    form("Square", "sq0csp-", Url, 43, 43),
    form("Square", "sq0idp-", Url, 22, 22),
    form("Statsig", "secret-", Word, 40, 50),
    form("Stripe", "rk_live_", Word, 16, 250),
    form("Stripe", "rk_test_", Word, 16, 250),
    form("Stripe", "sk_live_", Word, 16, 250),
    form("Stripe", "sk_test_", Word, 16, 250),
    form("Stripe", "sk_prod_", Word, 16, 250),
    form("Stripe", "pk_live_", Word, 16, 250),
    form("Stripe", "pk_test_", Word, 16, 250),
    form("Stripe", "whsec_", Base64, 20, 80),
    form("Stytch", "secret-live-", Base64, 30, 60),
    form("Stytch", "secret-test-", Base64, 30, 60),
    form("Supabase", "sbp_", Word, 40, 60),
    form("Supabase", "sb_secret_", Url, 20, 60),
    form("Supabase", "sb_publishable_", Url, 20, 60),
    form("Tailscale", "tskey-", Url, 24, 90),
    form("Tavily", "tvly-", Url, 24, 60),
    form("Tencent", "AKID", Word, 32, 32),
    form("Telnyx", "KEY0", Word, 50, 60),
    form("Thunderstore", "tss_", Word, 36, 40),
    form("Tidegate", "tg_", Word, 50, 96),
    form("Together", "tgp_v1_", Url, 40, 50),
    form("Trigger.dev", "tr_dev_", Mixed, 20, 40),
    form("Trigger.dev", "tr_prod_", Mixed, 20, 40),
    form("Twilio", "SK", Hex, 32, 32),
    form("Twilio", "AC", Hex, 32, 32),
    form("Twitter", "AAAAAAAAAAAAAAAAAAAA", Percent, 60, 120),
    form("Typeform", "tfp_", Dotted, 40, 64),
    form("Ubidots", "BBFF-", Word, 30, 30),
    form("Unkey", "unkey_", Mixed, 20, 40),
    form("Val Town", "vtwn_", Word, 24, 50),
    form("Vercel", "vercel_blob_rw_", Word, 30, 60),
    form("Vercel", "vcp_", Word, 50, 64),
    form("Vercel", "vck_", Word, 50, 64),
    form("Vercel", "vci_", Word, 50, 64),
    form("Volcengine", "AKLT", Word, 40, 60),
    form("Voyage", "pa-", Url, 43, 43),
    form("WakaTime", "waka_", Uuid, 36, 36),
    form("Weights & Biases", "wandb_v1_", Word, 40, 100),
    form("xAI", "xai-", Word, 60, 90),
    form("Xendit", "xnd_", Word, 40, 90),
    form("Yandex", "AQVN", Url, 35, 40),
    form("Yandex", "YC", Url, 38, 38),
    form("Yandex", "t1.", Dotted, 90, 400),
    form("Yandex", "y0_", Url, 40, 70),
    form("Zuplo", "zpka_", Word, 30, 80),
];

/// By a key's first two bytes: one more than the index of the first form that begins with them.
static HEADS: [u16; 4096] = heads().0;

/// By a form's index: one more than the index of the next form that begins with the same two bytes.
static NEXT: [u16; FORMS.len()] = heads().1;

const fn slot(first: u8, second: u8) -> usize {
    ((first & 63) as usize) << 6 | (second & 63) as usize
}

#[expect(clippy::indexing_slicing, reason = "evaluated at compile time: an overrun stops the build")]
const fn heads() -> ([u16; 4096], [u16; FORMS.len()]) {
    let mut heads = [0; 4096];
    let mut next = [0; FORMS.len()];
    let mut i = FORMS.len();
    while i > 0 {
        i -= 1;
        let prefix = FORMS[i].prefix.as_bytes();
        let slot = slot(prefix[0], prefix[1]);
        next[i] = heads[slot];
        heads[slot] = i as u16 + 1;
    }
    (heads, next)
}

/// The forms of keys that begin with two bytes, and some others.
pub(super) fn starting_with(first: u8, second: u8) -> impl Iterator<Item = &'static Form> {
    let mut next = HEADS.get(slot(first, second)).copied().unwrap_or(0);
    std::iter::from_fn(move || {
        let index = usize::from(next.checked_sub(1)?);
        next = NEXT.get(index).copied().unwrap_or(0);
        FORMS.get(index)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn at_least_ninety_providers_are_known() {
        let providers: BTreeSet<&str> = FORMS.iter().map(|form| form.provider).collect();
        assert!(providers.len() >= 90, "{}", providers.len());
    }

    #[test]
    fn a_form_is_found_by_its_first_two_bytes() {
        for form in FORMS {
            let [first, second, ..] = form.prefix.as_bytes() else { panic!("{} is too short", form.prefix) };
            assert!(starting_with(*first, *second).any(|found| found.prefix == form.prefix), "{}", form.prefix);
        }
        assert_eq!(starting_with(b'?', b'?').count(), 0);
    }
}
