//! Settings: from several sources to one checked value.
//!
//! Owns the names, defaults and bounds of every knob. `config/gateway.toml` is the default and the manual; [`raw`] lays the
//! sources over each other, [`resolve`] turns the result into a [`Config`] and reports *all* mistakes at once. Only
//! [`Config`] travels: nobody else reads files of settings or the environment.
//!
//! Invariant: a setting that is unknown, of the wrong type, out of range or at odds with another one yields no `Config`.
//!
//! Does not open what settings point to (certificates, key sets, policies): the checks must work on another machine than
//! the one that will serve. Holds no secrets, only paths to them.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

mod raw;
mod reader;
mod resolve;

pub use raw::{Origin, RawConfig};

/// The built-in default, which is also the manual.
pub const DEFAULT: &str = include_str!("../../config/gateway.toml");

/// What the command line says about settings.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--config`: the file of settings; otherwise `TIDEGATE_CONFIG`, otherwise none.
    pub config: Option<PathBuf>,
    /// `--data`: the data directory; otherwise `TIDEGATE_DATA`.
    pub data: Option<PathBuf>,
    /// `--listen`: address and port; otherwise `TIDEGATE_LISTEN`.
    pub listen: Option<String>,
}

/// Reads all sources and checks them. `env` is the environment, as pairs of name and value; see [`environment`].
pub fn load(args: &Overrides, env: impl IntoIterator<Item = (String, String)>) -> Result<Config, Errors> {
    let env: BTreeMap<String, String> = env.into_iter().collect();
    let (raw, problems) = RawConfig::gather(args, &env);
    resolve::resolve(&raw, problems)
}

/// The process's environment. Bytes that are no UTF-8 are replaced, so that a name of ours with such a value is refused
/// rather than overlooked.
pub fn environment() -> Vec<(String, String)> {
    let text = |os: std::ffi::OsString| os.to_string_lossy().into_owned();
    std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect()
}

/// One variable of the process's environment.
pub fn variable(name: &str) -> Option<String> {
    environment().into_iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

/// Every setting, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[server]`
    pub server: ServerConfig,
    /// `[data] dir`
    pub data_dir: PathBuf,
    /// `[keys] path`; `keys` in the data directory unless set.
    pub keys_path: PathBuf,
    /// `[keys] shared`: the file of pseudonym keys that several gateways share; each has its own unless set.
    pub keys_shared: Option<PathBuf>,
    /// `[keys] command`: who keeps key-encryption keys; the key file unless set.
    pub keys_command: Option<KeysCommand>,
    /// `[limits]`
    pub limits: LimitsConfig,
    /// `[proxy]`
    pub proxy: ProxyConfig,
    /// `[auth]`
    pub auth: AuthConfig,
    /// `[store]`
    pub store: StoreConfig,
    /// `[privacy]`
    pub privacy: PrivacyConfig,
    /// `[sessions] timeout`
    pub session_timeout: Duration,
    /// `[query]`
    pub query: QueryConfig,
    /// `[agentcat]`
    pub agentcat: AgentcatConfig,
    /// `[log]`
    pub log: LogConfig,
    /// `[metrics] public`
    pub metrics_public: bool,
    /// `[gateway] name`: origin of the audit logs.
    pub gateway_name: String,
    /// What is allowed but should be known; to be logged at start.
    pub warnings: Vec<String>,
    shown: Vec<reader::Shown>,
}

impl Config {
    /// The resolved settings as TOML that reads back to the same settings, with secrets masked and a remark behind every
    /// value that is not the default.
    pub fn render_masked(&self) -> String {
        reader::render(&self.shown)
    }
}

/// `[keys] command`: the program that keeps key-encryption keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeysCommand {
    /// The program, found as a shell would find it.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// After how long it is killed.
    pub timeout: Duration,
}

/// `[server]`: the listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Threads; 0 means one per core.
    pub workers: usize,
    /// Idle time of a connection.
    pub keep_alive: Duration,
    /// Time to send the head of a request.
    pub client_request_timeout: Duration,
    /// Time to send a body and to inflate it.
    pub body_timeout: Duration,
    /// Time that running requests have after the signal to stop.
    pub shutdown_timeout: Duration,
    /// Open connections in total.
    pub connections_max: usize,
    /// TLS, if configured.
    pub tls: Option<TlsConfig>,
}

/// `[server] tls_*`: PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsConfig {
    /// Certificate chain.
    pub certificate: PathBuf,
    /// Private key.
    pub key: PathBuf,
}

/// `[limits]`: what may come in, and how much of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitsConfig {
    /// Bytes of a body as it arrives.
    pub body_max: u64,
    /// Bytes of a body inflated.
    pub inflated_max: u64,
    /// Bytes of one event.
    pub event_max: u64,
    /// Levels of nesting.
    pub depth_max: usize,
    /// Events in one request.
    pub events_max: usize,
    /// Requests in work at a time.
    pub concurrent_requests_max: usize,
    /// Tenants.
    pub tenants_max: usize,
    /// Ingest keys of a tenant.
    pub keys_per_tenant_max: usize,
    /// Failed authentications per client address and minute.
    pub auth_failures_per_minute: NonZeroU32,
    /// Failed authentications at once.
    pub auth_failures_burst: NonZeroU32,
    /// Limits of a tenant that has none of its own.
    pub each_tenant: TenantLimits,
    /// Limits of an ingest key.
    pub each_key: KeyLimits,
    /// Limits by tenant name, complete: what the operator left out is taken from `each_tenant`.
    pub tenants: BTreeMap<String, TenantLimits>,
}

impl LimitsConfig {
    /// The limits of the tenant of that name.
    pub fn of_tenant(&self, name: &str) -> &TenantLimits {
        self.tenants.get(name).unwrap_or(&self.each_tenant)
    }
}

/// What a tenant may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TenantLimits {
    /// Requests, counted before the body is read.
    pub requests: Rate,
    /// Events, counted after decoding.
    pub events: Rate,
    /// Events per UTC day; `None` is no quota.
    pub events_per_day: Option<u64>,
}

/// What an ingest key may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyLimits {
    /// Requests, counted before the body is read.
    pub requests: Rate,
    /// Events, counted after decoding.
    pub events: Rate,
}

/// A steady rate, and how much may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Steady rate.
    pub per_second: NonZeroU32,
    /// At once, after a pause.
    pub burst: NonZeroU32,
}

/// `[proxy]`: whom to believe about the client's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyConfig {
    /// Networks of the proxies in front.
    pub trusted: Vec<IpNet>,
    /// The one header they set.
    pub header: ProxyHeader,
}

/// Which header names the client's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeader {
    /// None: the peer is the client.
    None,
    /// `Forwarded` (RFC 7239).
    Forwarded,
    /// `X-Forwarded-For`.
    XForwardedFor,
}

/// `[auth]`: tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthConfig {
    /// `iss` of our own tokens.
    pub issuer: String,
    /// `aud` of our own tokens.
    pub audience: String,
    /// Longest life of any token.
    pub token_ttl_max: Duration,
    /// Tolerated difference of clocks, at most 30 s.
    pub leeway: Duration,
    /// Hosts, lower-case, with port if not the scheme's own, from which key sets may be fetched.
    pub jwks_url_allow: Vec<String>,
    /// Foreign issuers.
    pub issuers: Vec<IssuerConfig>,
}

/// `[[auth.issuers]]`: an identity provider whose tokens are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerConfig {
    /// Exactly the token's `iss`.
    pub issuer: String,
    /// Must be in the token's `aud`.
    pub audience: String,
    /// Where its keys are.
    pub jwks: JwksSource,
    /// Accepted signature algorithms, as spelt in JOSE; never symmetric ones.
    pub algorithms: Vec<String>,
    /// Which tenant its tokens speak for.
    pub tenant: IssuerTenant,
    /// How often the keys are read again.
    pub refresh: Duration,
}

/// Where an issuer's keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JwksSource {
    /// A local file.
    File(PathBuf),
    /// A URL whose host is in `jwks_url_allow`.
    Url(String),
}

/// Which tenant an issuer's tokens speak for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IssuerTenant {
    /// Always the tenant of this name.
    Named(String),
    /// The tenant that this claim of the token names.
    Claim(String),
}

/// `[store]`: durability, memory, windows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// How long a commit waits for company.
    pub commit_linger: Duration,
    /// Bytes at which a group is synced at once.
    pub group_max: u64,
    /// Bytes of events that may wait for the writer.
    pub queue_max: u64,
    /// Bytes that events leave free on the disk.
    pub disk_free_min: u64,
    /// Bytes of events not yet sealed.
    pub memory_max: u64,
    /// How long event ids are remembered.
    pub dedupe_window: Duration,
    /// How many event ids are remembered.
    pub dedupe_entries_max: usize,
    /// How long an `Idempotency-Key` is remembered.
    pub idempotency_window: Duration,
    /// How far an event's own time may lie ahead.
    pub timestamp_future_max: Duration,
    /// How long raw events are kept.
    pub retention: RetentionConfig,
}

/// `[store.retention]`: how long raw events of a class are kept. Takes effect together with sealed buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionConfig {
    /// `http.request`
    pub http: Duration,
    /// `mcp.*`
    pub mcp: Duration,
    /// Everything else.
    pub custom: Duration,
    /// `metric`
    pub metric: Duration,
}

/// `[privacy]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivacyConfig {
    /// The policy file; `None` is the built-in policy.
    pub policy: Option<PathBuf>,
    /// The MMDB file by which addresses are told their country; `None`: they are not.
    pub geo_database: Option<PathBuf>,
    /// Whether events are taken at all.
    pub tracking: bool,
    /// `Some(true)` pseudonymizes addresses, `Some(false)` truncates them, `None` leaves it to the policy.
    pub anonymize_ips: Option<bool>,
    /// Whether user agents are kept (reduced).
    pub track_user_agents: bool,
    /// One stored event in so many is scanned again; 0: none.
    pub monitor_one_in: u32,
    /// What is looked for then whatever a policy says, by the names of detectors.
    pub monitor_watch: Vec<&'static str>,
}

/// `[query]`: bounds of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryConfig {
    /// Largest `limit`.
    pub limit_max: usize,
    /// Rows that one question may read.
    pub rows_max: u64,
    /// Time that one question may take.
    pub timeout: Duration,
    /// Time that one export may take.
    pub export_timeout: Duration,
    /// People that a cell split by people is about at least; 1 shows all.
    pub disclosure_k: u64,
    /// Rows of one answer to SQL.
    pub sql_rows_max: usize,
    /// Bytes of one answer to SQL.
    pub sql_answer_max: u64,
    /// Bytes of memory of all SQL queries together.
    pub sql_memory_max: u64,
    /// SQL queries at a time.
    pub sql_queries_max: usize,
}

/// `[agentcat]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentcatConfig {
    /// Tenant name by project id.
    pub projects: BTreeMap<String, String>,
}

/// `[log]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// Text or JSON.
    pub format: LogFormat,
    /// Levels by target, in the syntax of `tracing_subscriber::EnvFilter`.
    pub filter: String,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// Everything that is wrong with the settings; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Errors(pub Vec<Problem>);

/// One problem a line.
impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

/// One thing that is wrong: where, according to whom, and what would be right. Never the value itself, which may be a
/// secret in the wrong place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Path of the setting, such as `limits.body_max`; empty if no setting is to blame.
    pub place: String,
    /// Who said so.
    pub origin: Origin,
    /// What is wrong, or what was expected.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if self.place.is_empty() { "" } else { ": " };
        write!(f, "{}{separator}{} (in {})", self.place, self.text, self.origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unit;

    fn load_with(file: &str, env: &[(&str, &str)]) -> Result<Config, Errors> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gateway.toml");
        std::fs::write(&path, file).unwrap();
        let args = Overrides { config: Some(path), ..Overrides::default() };
        load(&args, pairs(env))
    }

    fn pairs(env: &[(&str, &str)]) -> Vec<(String, String)> {
        env.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    /// The paths that are complained of, in order.
    fn places(result: Result<Config, Errors>) -> Vec<String> {
        result.expect_err("must be refused").0.into_iter().map(|problem| problem.place).collect()
    }

    #[test]
    fn nothing_needs_to_be_said() {
        let config = load(&Overrides::default(), []).unwrap();
        assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(config.keys_path, PathBuf::from("data/keys"));
        assert_eq!(config.keys_command, None);
        assert_eq!(config.limits.body_max, 8 << 20);
        assert_eq!(config.store.retention.mcp, Duration::from_secs(30 * 86_400));
        assert_eq!(config.privacy.anonymize_ips, None);
        assert_eq!(config.warnings, Vec::<String>::new());
    }

    #[test]
    fn later_sources_win() {
        let file =
            "[server]\nlisten = '127.0.0.1:1'\nworkers = 1\n[privacy]\ntracking = true\n[sessions]\ntimeout = '1m'";
        let mut env = vec![("TIDEGATE__SERVER__LISTEN", "127.0.0.1:2"), ("TIDEGATE__SESSIONS__TIMEOUT", "2m")];
        let config = load_with(file, &env).unwrap();
        assert_eq!((config.server.listen.port(), config.server.workers), (2, 1));
        assert_eq!(config.session_timeout, Duration::from_secs(120));

        env.extend([
            ("SESSION_TIMEOUT_MINUTES", "3"),
            ("ENABLE_USER_TRACKING", "false"),
            ("TIDEGATE_LISTEN", "[::1]:3"),
        ]);
        let config = load_with(file, &env).unwrap();
        assert_eq!(config.session_timeout, Duration::from_secs(180));
        assert!(!config.privacy.tracking);
        assert_eq!(config.server.listen.to_string(), "[::1]:3");

        let args = Overrides { listen: Some("127.0.0.1:4".into()), data: Some("d".into()), config: None };
        let config = load(&args, pairs(&[("TIDEGATE_LISTEN", "127.0.0.1:3"), ("TIDEGATE_DATA", "e")])).unwrap();
        assert_eq!((config.server.listen.port(), config.data_dir), (4, PathBuf::from("d")));
        assert_eq!(config.keys_path, PathBuf::from("d/keys"));
    }

    #[test]
    fn the_first_users_names_work() {
        let env = [
            ("ENABLE_USER_TRACKING", "TRUE"),
            ("TRACKING_RETENTION_HOURS", "48"),
            ("SESSION_TIMEOUT_MINUTES", "15"),
            ("ANONYMIZE_IPS", "false"),
            ("TRACK_USER_AGENTS", "0"),
        ];
        let config = load(&Overrides::default(), pairs(&env)).unwrap();
        assert!(config.privacy.tracking && !config.privacy.track_user_agents);
        assert_eq!(config.store.retention.http, Duration::from_secs(48 * 3600));
        assert_eq!(config.session_timeout, Duration::from_secs(15 * 60));
        assert_eq!(config.privacy.anonymize_ips, Some(false));
        assert!(config.warnings.iter().any(|warning| warning.contains("truncated")));

        let env =
            [("ENABLE_USER_TRACKING", "maybe"), ("SESSION_TIMEOUT_MINUTES", ""), ("TRACKING_RETENTION_HOURS", "0")];
        let wrong = places(load(&Overrides::default(), pairs(&env)));
        assert_eq!(wrong, ["privacy.tracking", "sessions.timeout", "store.retention.http"]);
    }

    #[test]
    fn a_command_for_keys_is_a_program_and_its_arguments() {
        let file = "[keys]\ncommand = ['kms', '--ring', 'a b']\ncommand_timeout = '2s'";
        let command = load_with(file, &[]).unwrap().keys_command.unwrap();
        assert_eq!((command.program.as_str(), command.args), ("kms", vec!["--ring".to_string(), "a b".to_string()]));
        assert_eq!(command.timeout, Duration::from_secs(2));
        for (file, place) in [
            ("command = 'kms --ring'", "keys.command"),
            ("command = ['']", "keys.command[0]"),
            ("command = ['kms', 7]", "keys.command[1]"),
            ("command_timeout = '1h'", "keys.command_timeout"),
        ] {
            assert_eq!(places(load_with(&format!("[keys]\n{file}"), &[])), [place]);
        }
    }

    #[test]
    fn every_mistake_is_reported_at_once_with_its_path() {
        let file = r#"
            colour = "blue"
            [server]
            listen = "localhost"
            worker = 4
            tls_key = "key.pem"
            [limits]
            body_max = 8388608
            depth_max = 100000
            event_max = "1GiB"
            [limits.tenants.acme]
            events_per_week = 1
            requests_burst = 0
            [store.retention]
            mcp = "30 days"
            rollup = "1d"
            [log]
            format = "xml"
            filter = "infoo"
        "#;
        let env = [("TIDEGATE__STORE__QUEUE", "1"), ("TIDEGATE__QUERY", "1"), ("TIDEGATE____X", "1")];
        let mut found = places(load_with(file, &env));
        found.sort();
        let mut expected = vec![
            "",
            "colour",
            "limits.body_max",
            "limits.depth_max",
            "limits.event_max",
            "limits.tenants.acme.events_per_week",
            "limits.tenants.acme.requests_burst",
            "log.filter",
            "log.format",
            "query",
            "server.listen",
            "server.tls_certificate",
            "server.worker",
            "store.queue",
            "store.retention.mcp",
            "store.retention.rollup",
        ];
        expected.sort();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_problem_names_its_source_and_not_the_value() {
        let errors = load_with("[log]\nfilter = 'hunter2'", &[("TIDEGATE__SERVER__LISTEN", "hunter2")]).unwrap_err();
        let text = errors.to_string();
        assert!(
            text.contains("server.listen: expected an IP address") && text.contains("(in TIDEGATE__SERVER__LISTEN)")
        );
        assert!(text.contains("log.filter") && text.contains("gateway.toml)"));
        assert!(!text.contains("hunter2"));
    }

    #[test]
    fn a_file_that_is_missing_or_no_toml_is_refused() {
        let args = Overrides { config: Some("/nonexistent/gateway.toml".into()), ..Overrides::default() };
        assert!(load(&args, []).unwrap_err().to_string().contains("cannot be read"));
        let text = load_with("[server]\nlisten = hunter2\n", &[]).unwrap_err().to_string();
        assert!(text.contains("line 2") && !text.contains("hunter2"), "{text}");
    }

    #[test]
    fn the_environment_takes_toml_values_and_plain_text() {
        let env = [
            ("TIDEGATE__PROXY__TRUSTED", r#"["10.0.0.0/8", "::1"]"#),
            ("TIDEGATE__PROXY__HEADER", "forwarded"),
            ("TIDEGATE__GATEWAY__NAME", "7"),
            ("TIDEGATE__PRIVACY__ANONYMIZE_IPS", "true"),
            ("TIDEGATE__AGENTCAT__PROJECTS", r#"{ "proj_X.y" = "acme" }"#),
            ("TIDEGATE__LIMITS__TENANTS__ACME__EVENTS_PER_DAY", "5"),
            ("TIDEGATE_TOKEN", "not ours"),
        ];
        let config = load(&Overrides::default(), pairs(&env)).unwrap();
        assert_eq!(config.proxy.trusted, ["10.0.0.0/8".parse::<IpNet>().unwrap(), "::1/128".parse().unwrap()]);
        assert_eq!(config.gateway_name, "7");
        assert_eq!(config.privacy.anonymize_ips, Some(true));
        assert_eq!(config.agentcat.projects.get("proj_X.y").map(String::as_str), Some("acme"));
        let acme = config.limits.of_tenant("acme");
        assert_eq!((acme.events_per_day, acme.requests), (Some(5), config.limits.each_tenant.requests));
        assert_eq!(config.limits.of_tenant("other"), &config.limits.each_tenant);
    }

    #[test]
    fn what_the_leak_monitor_watches_for_is_what_it_knows() {
        let known = crate::monitor::scan::Slip::ALL.map(crate::monitor::scan::Slip::name);
        assert_eq!(resolve::WATCHABLE, known);
        let config = load_with("[privacy]\nmonitor_watch = ['email', 'card']\nmonitor_one_in = 1", &[]).unwrap();
        assert_eq!((config.privacy.monitor_watch, config.privacy.monitor_one_in), (vec!["email", "card"], 1));
        assert_eq!(places(load_with("[privacy]\nmonitor_watch = ['names']", &[])), ["privacy.monitor_watch[0]"]);
    }

    #[test]
    fn a_shared_key_file_is_another_one() {
        assert_eq!(load_with("[keys]\nshared = 's'", &[]).unwrap().keys_shared, Some(PathBuf::from("s")));
        for file in ["path = 's'\nshared = 's'", "shared = 'data/keys'"] {
            assert_eq!(places(load_with(&format!("[keys]\n{file}"), &[])), ["keys.shared"]);
        }
    }

    #[test]
    fn contradictions_are_refused() {
        let cases = [
            ("[server]\ntls_certificate = 'a'", "server.tls_certificate"),
            ("[limits]\nbody_max = '64MiB'", "limits.body_max"),
            ("[limits]\nevents_max = 500000\n[limits.each_key]\nevents_burst = 499999", "limits.each_key.events_burst"),
            ("[limits.tenants.'a.b']\nevents_burst = 9999", "limits.tenants.\"a.b\".events_burst"),
            ("[proxy]\nheader = 'forwarded'", "proxy.trusted"),
            ("[proxy]\ntrusted = ['10.0.0.1']", "proxy.header"),
            ("[proxy]\ntrusted = ['0.0.0.0/0']\nheader = 'forwarded'", "proxy.trusted[0]"),
            ("[store]\nmemory_max = '16MiB'\ngroup_max = '17MiB'", "store.group_max"),
            ("[auth]\nleeway = '31s'", "auth.leeway"),
            ("[gateway]\nname = 'a+b'", "gateway.name"),
        ];
        for (file, place) in cases {
            assert_eq!(places(load_with(file, &[])), [place], "{file}");
        }
    }

    const ISSUER: &str = r#"
        [auth]
        jwks_url_allow = ["Login.example.com", "127.0.0.1:9000", "[::1]:9000"]
        [[auth.issuers]]
        issuer = "https://login.example.com/"
        jwks_url = "https://login.example.com/keys?key=hunter2"
        tenant = "acme"
    "#;

    #[test]
    fn a_foreign_issuer_is_read_with_its_defaults() {
        let config = load_with(ISSUER, &[]).unwrap();
        let [issuer] = config.auth.issuers.as_slice() else { panic!("one issuer") };
        assert_eq!(issuer.audience, "tidegate");
        assert_eq!(issuer.tenant, IssuerTenant::Named("acme".into()));
        assert_eq!(issuer.refresh, Duration::from_secs(900));
        assert_eq!(issuer.jwks, JwksSource::Url("https://login.example.com/keys?key=hunter2".into()));
        for url in ["http://127.0.0.1:9000/keys", "http://[::1]:9000/keys"] {
            assert!(
                load_with(&ISSUER.replace("https://login.example.com/keys?key=hunter2", url), &[]).is_ok(),
                "{url}"
            );
        }
    }

    #[test]
    fn keys_are_fetched_from_allowed_hosts_only() {
        let urls = [
            "http://login.example.com/keys",
            "https://evil.example/keys",
            "https://login.example.com.evil.example/keys",
            "https://user:secret@login.example.com/keys",
            "https://evil.example\\\\@login.example.com/keys",
            "https://login.example.com:444/keys",
            "file:///etc/passwd",
            "http://127.0.0.1:9001/keys",
        ];
        for url in urls {
            let file = ISSUER.replace("https://login.example.com/keys?key=hunter2", url);
            assert_eq!(places(load_with(&file, &[])), ["auth.issuers[0].jwks_url"], "{url}");
        }
    }

    #[test]
    fn a_foreign_issuer_must_be_unambiguous() {
        let cases = [
            ("jwks_file = 'f'", "auth.issuers[0].jwks_file"),
            ("tenant_claim = 'org'", "auth.issuers[0].tenant"),
            ("algorithms = ['HS256']", "auth.issuers[0].algorithms[0]"),
            ("algorithms = ['none']", "auth.issuers[0].algorithms[0]"),
            ("secret = 'x'", "auth.issuers[0].secret"),
        ];
        for (line, place) in cases {
            let found = places(load_with(&format!("{ISSUER}\n{line}"), &[]));
            assert!(found.iter().any(|found| found == place), "{line}: {found:?}");
        }
        let own = ISSUER.replace("issuer = \"https://login.example.com/\"", "issuer = \"tidegate\"");
        assert_eq!(places(load_with(&own, &[])), ["auth.issuers[0].issuer"]);
    }

    #[test]
    fn the_rendering_reads_back_and_masks() {
        let file =
            format!("{ISSUER}\n[limits.tenants.acme]\nevents_per_day = 5\n[agentcat]\nprojects = {{ 'p.x' = 'acme' }}");
        let config = load_with(&file, &[("TIDEGATE__SERVER__WORKERS", "3")]).unwrap();
        let text = config.render_masked();
        assert!(text.contains("workers = 3  # TIDEGATE__SERVER__WORKERS"), "{text}");
        assert!(text.contains("keys?***") && !text.contains("hunter2"), "{text}");

        let again = load_with(&text, &[]).unwrap();
        assert_eq!(again.server, config.server);
        assert_eq!(again.limits, config.limits);
        assert_eq!(again.store, config.store);
        assert_eq!(again.agentcat, config.agentcat);
        assert_eq!(again.auth.issuers.len(), 1);
    }

    /// Every value that is no table, by its path; durations in milliseconds, so that `24h` and `1d` are the same.
    fn leaves(table: &toml::Table, place: &str, out: &mut BTreeMap<String, String>) {
        for (name, value) in table {
            let place = format!("{place}.{name}");
            match value.as_table() {
                Some(table) => leaves(table, &place, out),
                None => {
                    let duration = value.as_str().and_then(unit::parse_duration);
                    out.insert(place, duration.map_or(value.to_string(), |duration| format!("{duration:?}")));
                }
            }
        }
    }

    #[test]
    fn the_rendering_shows_every_default() {
        let (mut shown, mut manual) = (BTreeMap::new(), BTreeMap::new());
        let rendered = load(&Overrides::default(), []).unwrap().render_masked();
        leaves(&rendered.parse().unwrap(), "", &mut shown);
        leaves(&DEFAULT.parse().unwrap(), "", &mut manual);
        manual.remove(".auth.issuers").expect("an empty array of tables has no other spelling than its absence");
        assert_eq!(shown, manual);
    }
}
