//! From settings as written to settings as used: types, bounds, contradictions.
//!
//! One function a table, in the order of the file. Each asks its [`Section`] for every name it knows and closes it, which
//! reports the rest as unknown; a last look compares settings with each other. A value that is wrong does not stop the
//! walk, so one run reports everything.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ipnet::IpNet;
use toml::Table;

use super::raw::RawConfig;
use super::reader::{Book, Section};
use super::*;

/// Rates above this are no limits but typing errors.
const RATE_MAX: u32 = 100_000_000;
/// Names of tenants, issuers, claims: longer ones are no names.
const NAME_BYTES_MAX: usize = 256;
/// Signature algorithms that a foreign issuer may use: asymmetric ones only, because a shared secret lets everybody who
/// can verify also sign.
const ALGORITHMS: [&str; 9] = ["EdDSA", "ES256", "ES384", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];
/// What an entry of `[[auth.issuers]]` need not say; the manual says the same in words.
const ISSUER_DEFAULTS: &str = r#"
audience = ""
jwks_file = ""
jwks_url = ""
algorithms = ["EdDSA", "ES256", "RS256"]
tenant = ""
tenant_claim = ""
refresh = "15m"
"#;

/// Checks everything; `problems` are those found while reading.
pub fn resolve(raw: &RawConfig, problems: Vec<Problem>) -> Result<Config, Errors> {
    let book = Book::new(raw, problems);
    let mut root = Section::root(&book);
    let server = server(root.section("server"), &book);
    let data_dir = data(root.section("data"));
    let KeysConfig { path: keys_path, shared: keys_shared, command: keys_command } =
        keys(root.section("keys"), &data_dir, &book);
    let limits = limits(root.section("limits"), &book);
    let proxy = proxy(root.section("proxy"), &book);
    let auth = auth(root.section("auth"), &book);
    let store = store(root.section("store"));
    let privacy = privacy(root.section("privacy"));
    let session_timeout = sessions(root.section("sessions"));
    let query = query(root.section("query"));
    let agentcat = agentcat(root.section("agentcat"));
    let log = log(root.section("log"));
    let metrics_public = metrics(root.section("metrics"));
    let gateway_name = gateway(root.section("gateway"));
    root.close();
    book.require(
        &["store.group_max", "store.memory_max"],
        store.group_max <= store.memory_max,
        "must not be larger than store.memory_max",
    );
    book.require(
        &["store.queue_max", "limits.inflated_max"],
        store.queue_max >= limits.inflated_max,
        "must not be smaller than limits.inflated_max",
    );
    let warnings = warnings(&server, &privacy, &metrics_public);
    let shown = book.close().map_err(Errors)?;
    Ok(Config {
        server,
        data_dir,
        keys_path,
        keys_shared,
        keys_command,
        limits,
        proxy,
        auth,
        store,
        privacy,
        session_timeout,
        query,
        agentcat,
        log,
        metrics_public,
        gateway_name,
        warnings,
        shown,
    })
}

fn server(mut section: Section<'_>, book: &Book<'_>) -> ServerConfig {
    let listen = section.socket("listen");
    let workers = section.count("workers", 0..=256);
    let keep_alive = section.duration("keep_alive", "0s", "1h");
    let client_request_timeout = section.duration("client_request_timeout", "100ms", "5m");
    let body_timeout = section.duration("body_timeout", "100ms", "1h");
    let shutdown_timeout = section.duration("shutdown_timeout", "0s", "1h");
    let connections_max = section.count("connections_max", 1..=1_000_000);
    let (certificate, key) = (section.path("tls_certificate"), section.path("tls_key"));
    section.close();
    let places = ["server.tls_certificate", "server.tls_key"];
    book.require(
        &places,
        certificate.is_some() == key.is_some(),
        "must be set together with server.tls_key, or not at all",
    );
    let tls = certificate.zip(key).map(|(certificate, key)| TlsConfig { certificate, key });
    ServerConfig {
        listen,
        workers,
        keep_alive,
        client_request_timeout,
        body_timeout,
        shutdown_timeout,
        connections_max,
        tls,
    }
}

fn data(mut section: Section<'_>) -> PathBuf {
    let dir = section.text_where("dir", "a path", |text| !text.is_empty());
    section.close();
    PathBuf::from(dir)
}

struct KeysConfig {
    path: PathBuf,
    shared: Option<PathBuf>,
    command: Option<KeysCommand>,
}

fn keys(mut section: Section<'_>, data_dir: &std::path::Path, book: &Book<'_>) -> KeysConfig {
    let path = section.path("path").unwrap_or_else(|| data_dir.join("keys"));
    let shared = section.path("shared");
    book.require(&["keys.shared"], shared.as_ref() != Some(&path), "must be another file than the gateway's own");
    let command =
        section.list("command", "a text that is not empty", |text| (!text.is_empty()).then(|| text.to_string()));
    let timeout = section.duration("command_timeout", "100ms", "5m");
    section.close();
    let mut words = command.into_iter();
    let command = words.next().map(|program| KeysCommand { program, args: words.collect(), timeout });
    KeysConfig { path, shared, command }
}

fn limits(mut section: Section<'_>, book: &Book<'_>) -> LimitsConfig {
    let body_max = section.size("body_max", "1KiB", "1GiB");
    let inflated_max = section.size("inflated_max", "1KiB", "1GiB");
    let event_max = section.size("event_max", "256B", "64MiB");
    let depth_max = section.count("depth_max", 4..=128);
    let events_max: usize = section.count("events_max", 1..=1_000_000);
    let each = section.section("each_tenant");
    let each_table = each.table();
    let each_tenant = tenant_limits(each, book, events_max);
    let each_key = key_limits(section.section("each_key"), book, events_max);
    let mut exceptions = section.section("tenants");
    let mut tenants = BTreeMap::new();
    for name in exceptions.names() {
        let exception = exceptions.section(&name).over(&each_table);
        tenants.insert(name, tenant_limits(exception, book, events_max));
    }
    exceptions.close();
    let limits = LimitsConfig {
        body_max,
        inflated_max,
        event_max,
        depth_max,
        events_max,
        concurrent_requests_max: section.count("concurrent_requests_max", 1..=100_000),
        tenants_max: section.count("tenants_max", 1..=1_000_000),
        keys_per_tenant_max: section.count("keys_per_tenant_max", 1..=1_000_000),
        auth_failures_per_minute: section.positive("auth_failures_per_minute", 1_000_000),
        auth_failures_burst: section.positive("auth_failures_burst", 1_000_000),
        each_tenant,
        each_key,
        tenants,
    };
    section.close();
    let places = ["limits.body_max", "limits.inflated_max", "limits.event_max"];
    let [body, inflated, event] = places;
    book.require(&[body, inflated], body_max <= inflated_max, "must not be larger than limits.inflated_max");
    book.require(&[event, inflated], event_max <= inflated_max, "must not be larger than limits.inflated_max");
    limits
}

fn tenant_limits(mut section: Section<'_>, book: &Book<'_>, events_max: usize) -> TenantLimits {
    let KeyLimits { requests, events } = rates(&mut section, book, events_max);
    let events_per_day = section.count("events_per_day", 0..=u64::MAX >> 1);
    section.close();
    TenantLimits { requests, events, events_per_day: (events_per_day > 0).then_some(events_per_day) }
}

fn key_limits(mut section: Section<'_>, book: &Book<'_>, events_max: usize) -> KeyLimits {
    let limits = rates(&mut section, book, events_max);
    section.close();
    limits
}

fn rates(section: &mut Section<'_>, book: &Book<'_>, events_max: usize) -> KeyLimits {
    let requests = rate(section, "requests_per_second", "requests_burst");
    let events = rate(section, "events_per_second", "events_burst");
    let place = section.place("events_burst");
    let fits = usize::try_from(events.burst.get()).is_ok_and(|burst| burst >= events_max);
    book.require(
        &[&place, "limits.events_max"],
        fits,
        "must be at least limits.events_max, or a full request can never pass",
    );
    KeyLimits { requests, events }
}

fn rate(section: &mut Section<'_>, per_second: &str, burst: &str) -> Rate {
    Rate { per_second: section.positive(per_second, RATE_MAX), burst: section.positive(burst, RATE_MAX) }
}

fn proxy(mut section: Section<'_>, book: &Book<'_>) -> ProxyConfig {
    let trusted = section.list("trusted", "a network such as \"10.0.0.0/8\", but not every address", read_network);
    let headers = [
        ("none", ProxyHeader::None),
        ("forwarded", ProxyHeader::Forwarded),
        ("x-forwarded-for", ProxyHeader::XForwardedFor),
    ];
    let header = section.choice("header", &headers).unwrap_or(ProxyHeader::None);
    section.close();
    let together = trusted.is_empty() == (header == ProxyHeader::None);
    let text = "proxy.trusted and proxy.header belong together: a header is read from trusted proxies only";
    let first_wrong =
        if trusted.is_empty() { ["proxy.trusted", "proxy.header"] } else { ["proxy.header", "proxy.trusted"] };
    book.require(&first_wrong, together, text);
    ProxyConfig { trusted, header }
}

/// A network, or a single address; not a whole address family, which would believe everybody.
fn read_network(text: &str) -> Option<IpNet> {
    let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<std::net::IpAddr>().ok().map(IpNet::from))?;
    (network.prefix_len() > 0).then(|| network.trunc())
}

fn auth(mut section: Section<'_>, book: &Book<'_>) -> AuthConfig {
    let issuer = section.text_where("issuer", NAME_EXPECTED, is_name);
    let audience = section.text_where("audience", NAME_EXPECTED, is_name);
    let token_ttl_max = section.duration("token_ttl_max", "1m", "30d");
    let leeway = section.duration("leeway", "0s", "30s");
    let jwks_url_allow =
        section.list("jwks_url_allow", "a host such as \"login.example.com\" or \"127.0.0.1:9000\"", |text| {
            let host = text.to_ascii_lowercase();
            is_authority(&host).then_some(host)
        });
    let defaults: Table = ISSUER_DEFAULTS.parse().expect("the constant is TOML; every test with an issuer reads it");
    let mut seen = BTreeSet::from([issuer.clone()]);
    let mut issuers = Vec::new();
    for entry in section.sections("issuers", &defaults) {
        let place = entry.place("issuer");
        let entry = foreign_issuer(entry, book, &audience, &jwks_url_allow);
        book.require(
            &[&place],
            seen.insert(entry.issuer.clone()),
            "is the issuer of another entry, or of this gateway",
        );
        issuers.push(entry);
    }
    section.close();
    AuthConfig { issuer, audience, token_ttl_max, leeway, jwks_url_allow, issuers }
}

fn foreign_issuer(mut section: Section<'_>, book: &Book<'_>, audience: &str, allowed: &[String]) -> IssuerConfig {
    let issuer = section.text_where("issuer", NAME_EXPECTED, is_name);
    let own_audience = section.text_where("audience", NAME_EXPECTED, |text| text.is_empty() || is_name(text));
    let (file_place, url_place) = (section.place("jwks_file"), section.place("jwks_url"));
    let (file, url) = (section.path("jwks_file"), section.masked("jwks_url", without_query));
    book.require(&[&file_place], file.is_some() == url.is_empty(), "exactly one of jwks_file and jwks_url must be set");
    let url_fits = url.is_empty() || fetchable(&url, allowed);
    let url_text =
        "expected an https URL (http from a loopback address) without credentials, its host in auth.jwks_url_allow";
    book.require(&[&url_place, "auth.jwks_url_allow"], url_fits, url_text);
    let expected = format!("one of {}", ALGORITHMS.join(", "));
    let algorithms_place = section.place("algorithms");
    let algorithms = section.list("algorithms", &expected, |text| ALGORITHMS.contains(&text).then(|| text.to_string()));
    book.require(&[&algorithms_place], !algorithms.is_empty(), "must name at least one algorithm");
    let tenant_place = section.place("tenant");
    let (tenant, claim) = (section.text("tenant"), section.text("tenant_claim"));
    book.require(
        &[&tenant_place],
        tenant.is_empty() != claim.is_empty(),
        "exactly one of tenant and tenant_claim must be set",
    );
    let refresh = section.duration("refresh", "1m", "1d");
    section.close();
    IssuerConfig {
        issuer,
        audience: if own_audience.is_empty() { audience.to_string() } else { own_audience },
        jwks: file.map_or(JwksSource::Url(url), JwksSource::File),
        algorithms,
        tenant: if claim.is_empty() { IssuerTenant::Named(tenant) } else { IssuerTenant::Claim(claim) },
        refresh,
    }
}

fn store(mut section: Section<'_>) -> StoreConfig {
    let store = StoreConfig {
        commit_linger: section.duration("commit_linger", "0ms", "1s"),
        group_max: section.size("group_max", "4KiB", "16MiB"),
        queue_max: section.size("queue_max", "1MiB", "16GiB"),
        disk_free_min: section.size("disk_free_min", "1MiB", "1TiB"),
        memory_max: section.size("memory_max", "16MiB", "1TiB"),
        dedupe_window: section.duration("dedupe_window", "1m", "30d"),
        dedupe_entries_max: section.count("dedupe_entries_max", 1_000..=1_000_000_000),
        idempotency_window: section.duration("idempotency_window", "1m", "30d"),
        timestamp_future_max: section.duration("timestamp_future_max", "0s", "30d"),
        retention: retention(section.section("retention")),
    };
    section.close();
    store
}

fn retention(mut section: Section<'_>) -> RetentionConfig {
    let mut class = |name| section.duration(name, "1h", "3650d");
    let retention =
        RetentionConfig { http: class("http"), mcp: class("mcp"), custom: class("custom"), metric: class("metric") };
    section.close();
    retention
}

/// What the leak monitor can tell for sure; a test compares it with what it knows.
pub(crate) const WATCHABLE: [&str; 9] =
    ["email", "card", "iban", "ip", "ssn", "phone", "jwt", "private_key", "api_key"];

fn privacy(mut section: Section<'_>) -> PrivacyConfig {
    let privacy = PrivacyConfig {
        policy: section.path("policy"),
        geo_database: section.path("geo_database"),
        tracking: section.flag("tracking"),
        anonymize_ips: section.flag_or("anonymize_ips", "unset"),
        track_user_agents: section.flag("track_user_agents"),
        monitor_one_in: section.count("monitor_one_in", 0..=1_000_000),
        monitor_watch: section.list("monitor_watch", &format!("one of {}", WATCHABLE.join(", ")), |text| {
            WATCHABLE.into_iter().find(|name| *name == text)
        }),
    };
    section.close();
    privacy
}

fn sessions(mut section: Section<'_>) -> Duration {
    let timeout = section.duration("timeout", "1s", "30d");
    section.close();
    timeout
}

fn query(mut section: Section<'_>) -> QueryConfig {
    let query = QueryConfig {
        limit_max: section.count("limit_max", 1..=1_000_000),
        rows_max: section.count("rows_max", 1_000..=1_000_000_000_000),
        timeout: section.duration("timeout", "100ms", "1h"),
        export_timeout: section.duration("export_timeout", "100ms", "24h"),
        disclosure_k: section.count("disclosure_k", 1..=1_000),
        sql_rows_max: section.count("sql_rows_max", 1..=1_000_000),
        sql_answer_max: section.size("sql_answer_max", "1KiB", "256MiB"),
        sql_memory_max: section.size("sql_memory_max", "1MiB", "1TiB"),
        sql_queries_max: section.count("sql_queries_max", 1..=1_000),
    };
    section.close();
    query
}

fn agentcat(mut section: Section<'_>) -> AgentcatConfig {
    let mut table = section.section("projects");
    let names = table.names();
    let projects = names.into_iter().map(|name| {
        let tenant = table.text_where(&name, "the name of a tenant", is_name);
        (name, tenant)
    });
    let projects = projects.collect();
    table.close();
    section.close();
    AgentcatConfig { projects }
}

fn log(mut section: Section<'_>) -> LogConfig {
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    let format = section.choice("format", &formats).unwrap_or(LogFormat::Text);
    let expected = "levels (off, error, warn, info, debug, trace) such as \"info\" or \"warn,tidegate=debug\"";
    let filter = section.text_where("filter", expected, is_filter);
    section.close();
    LogConfig { format, filter }
}

fn metrics(mut section: Section<'_>) -> bool {
    let public = section.flag("public");
    section.close();
    public
}

/// The name goes into signed notes, which give `+`, space and line feed a meaning.
fn gateway(mut section: Section<'_>) -> String {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/:".contains(&byte);
    let expected = "1 to 128 letters, digits or any of - . _ / :";
    let name =
        section.text_where("name", expected, |text| (1..=128).contains(&text.len()) && text.bytes().all(allowed));
    section.close();
    name
}

fn warnings(server: &ServerConfig, privacy: &PrivacyConfig, metrics_public: &bool) -> Vec<String> {
    let mut warnings = Vec::new();
    let exposed = !server.listen.ip().is_loopback();
    if exposed && server.tls.is_none() {
        warnings.push(
            "server.listen is no loopback address and TLS is off: keys and events travel in the clear".to_string(),
        );
    }
    if exposed && *metrics_public {
        warnings.push("metrics.public: anybody who reaches the listener reads /metrics".to_string());
    }
    if privacy.anonymize_ips == Some(false) {
        warnings.push(
            "privacy.anonymize_ips = false: addresses are truncated all the same, never stored whole".to_string(),
        );
    }
    if !privacy.tracking {
        warnings.push("privacy.tracking = false: every event is rejected".to_string());
    }
    warnings
}

const NAME_EXPECTED: &str = "a text of 1 to 256 bytes without control characters";

fn is_name(text: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// `level` or `target=level`, separated by commas. Stricter than the filter's own reader, which takes a misspelt level for
/// the name of a target.
fn is_filter(text: &str) -> bool {
    let is_level = |text: &str| ["off", "error", "warn", "info", "debug", "trace"].contains(&text);
    let is_target =
        |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_:-".contains(&b));
    text.split(',').all(|part| match part.trim().split_once('=') {
        Some((target, level)) => is_target(target) && is_level(level),
        None => is_level(part.trim()),
    })
}

/// A host or a bracketed IPv6 address, with an optional port; nothing in it that two readers of URLs could read differently.
fn is_authority(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let is_v6 = host
        .strip_prefix('[')
        .and_then(|h| h.strip_suffix(']'))
        .is_some_and(|h| h.parse::<std::net::Ipv6Addr>().is_ok());
    let is_host =
        !host.is_empty() && host.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-".contains(&b));
    (is_v6 || is_host) && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

/// Whether keys may be fetched from this URL.
fn fetchable(url: &str, allowed: &[String]) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let authority = rest.get(..end).unwrap_or_default().to_ascii_lowercase();
    let plain = !url.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\');
    let loopback = authority.parse::<SocketAddr>().is_ok_and(|address| address.ip().is_loopback());
    let scheme_fits = scheme == "https" || (scheme == "http" && loopback);
    plain && scheme_fits && is_authority(&authority) && allowed.contains(&authority)
}

fn without_query(url: &str) -> String {
    match url.split_once('?') {
        Some((before, _)) => format!("{before}?***"),
        None => url.to_string(),
    }
}
