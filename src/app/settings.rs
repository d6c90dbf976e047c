//! From the resolved configuration to the settings that each mechanism takes.
//!
//! Pure: the mechanisms do not know the configuration, the configuration does not know them, and here is the one place where both meet.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::json;

use crate::auth::{
    Algorithm, Directory, IssuerRules, IssuerSettings, JwksSource, Scope, Scopes, TenantBinding, TokenSettings,
};
use crate::clock::MINUTE_MS;
use crate::config::{Config, IssuerConfig, IssuerTenant, LimitsConfig, ProxyHeader, Rate, TenantLimits};
use crate::http::body::BodyLimits;
use crate::http::{Live, MetricsDoor};
use crate::ingest;
use crate::ingest::dedupe::DedupeSettings;
use crate::kv::WriterSettings;
use crate::limit::{self, AddressRule, ForwardingHeader, LimitSettings, Rates, TenantRates};
use crate::monitor;
use crate::monitor::scan::{Slip, Watched};
use crate::privacy::address::Prefixes;
use crate::privacy::{self, AddressPolicy};
use crate::protocol;
use crate::query::sql::EngineMax;
use crate::store::{self, MissingKeys, Retention};

use super::Error;

/// Key sets of external issuers may be this many refresh intervals old before their tokens are refused.
const KEYS_AGE_INTERVALS: i64 = 24;
/// The least time between two fetches of a key set, in milliseconds.
const REFRESH_MIN_MS: i64 = MINUTE_MS;

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn bytes(size: u64) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}

pub(super) fn writer(config: &Config) -> WriterSettings {
    WriterSettings {
        linger: config.store.commit_linger,
        group_bytes_max: bytes(config.store.group_max),
        queue_bytes_max: bytes(config.store.queue_max),
        disk_free_min: config.store.disk_free_min,
    }
}

pub(super) fn retention(config: &Config) -> Retention {
    let keep = &config.store.retention;
    Retention { keep_ms: [keep.http, keep.mcp, keep.custom, keep.metric].map(millis) }
}

pub(super) fn store(config: &Config, missing_keys: MissingKeys) -> store::Settings {
    store::Settings {
        retention: retention(config),
        memory_max: bytes(config.store.memory_max),
        rollup_k: usize::try_from(config.query.disclosure_k).unwrap_or(usize::MAX),
        missing_keys,
    }
}

pub(super) fn dedupe(config: &Config) -> DedupeSettings {
    DedupeSettings { window_ms: millis(config.store.dedupe_window), entries_max: config.store.dedupe_entries_max }
}

pub(super) fn ingest(config: &Config) -> ingest::Settings {
    ingest::Settings {
        decode: protocol::Limits {
            events_max: config.limits.events_max,
            event_max: bytes(config.limits.event_max),
            depth_max: config.limits.depth_max,
        },
        future_max_ms: millis(config.store.timestamp_future_max),
    }
}

pub(super) fn privacy(config: &Config) -> privacy::Settings {
    privacy::Settings {
        // `false` asks for full addresses, which are never stored: the configuration has warned, and they are truncated.
        address: config.privacy.anonymize_ips.map(|anonymize| match anonymize {
            true => AddressPolicy::Pseudonymize,
            false => AddressPolicy::Truncate(Prefixes::DEFAULT),
        }),
        track_user_agents: config.privacy.track_user_agents,
        tracking: config.privacy.tracking,
    }
}

pub(super) fn monitor(config: &Config) -> monitor::Settings {
    let watched = config.privacy.monitor_watch.iter().filter_map(|name| Slip::from_name(name));
    monitor::Settings { one_in: config.privacy.monitor_one_in, watched: Watched::of(watched) }
}

pub(super) fn tokens(config: &Config) -> TokenSettings {
    TokenSettings {
        issuer: config.auth.issuer.clone(),
        audience: config.auth.audience.clone(),
        ttl_max_ms: millis(config.auth.token_ttl_max),
        leeway_ms: millis(config.auth.leeway),
    }
}

pub(super) fn issuer(issuer: &IssuerConfig, directory: &Directory) -> Result<IssuerSettings, Error> {
    let tenant = match &issuer.tenant {
        IssuerTenant::Named(named) => {
            let found = directory.find_tenant(named).ok_or(Error::IssuerTenant)?;
            TenantBinding::Fixed(found.id)
        }
        IssuerTenant::Claim(claim) => TenantBinding::Claim(claim.clone()),
    };
    let everything_but_admin = Scope::ALL.into_iter().filter(|scope| *scope != Scope::Admin).collect::<Scopes>();
    let refresh_ms = millis(issuer.refresh);
    Ok(IssuerSettings {
        rules: IssuerRules {
            issuer: issuer.issuer.clone(),
            audience: issuer.audience.clone(),
            client_id_required: false,
            scopes: everything_but_admin,
            tenant,
        },
        jwks: match &issuer.jwks {
            crate::config::JwksSource::File(path) => JwksSource::File(path.clone()),
            crate::config::JwksSource::Url(url) => JwksSource::Url(url.clone()),
        },
        algorithms: issuer.algorithms.iter().filter_map(|name| Algorithm::named(name)).collect(),
        refresh_ms,
        refresh_min_ms: REFRESH_MIN_MS.min(refresh_ms),
        keys_age_max_ms: refresh_ms.saturating_mul(KEYS_AGE_INTERVALS),
        // The configuration lets plain http through for loopback alone; https never leads to loopback or a private network.
        allow_insecure: matches!(&issuer.jwks, crate::config::JwksSource::Url(url) if url.starts_with("http://")),
    })
}

pub(super) fn limits(config: &LimitsConfig, directory: &Directory) -> Result<LimitSettings, limit::RateError> {
    let mut tenants = HashMap::new();
    for (name, limits) in &config.tenants {
        match directory.find_tenant(name) {
            Some(tenant) => _ = tenants.insert(tenant.id, tenant_rates(limits)?),
            None => tracing::warn!("[limits.tenants] names a tenant that does not exist (yet); create it, then reload"),
        }
    }
    Ok(LimitSettings {
        tenant: tenant_rates(&config.each_tenant)?,
        tenants,
        key: Rates { requests: Some(rate(config.each_key.requests)?), events: Some(rate(config.each_key.events)?) },
        owners_max: config.tenants_max.saturating_mul(2),
    })
}

fn tenant_rates(limits: &TenantLimits) -> Result<TenantRates, limit::RateError> {
    let rates = Rates { requests: Some(rate(limits.requests)?), events: Some(rate(limits.events)?) };
    Ok(TenantRates { rates, events_daily: limits.events_per_day.unwrap_or(0) })
}

fn rate(rate: Rate) -> Result<limit::Rate, limit::RateError> {
    limit::Rate::new(rate.per_second.get(), Duration::from_secs(1), rate.burst.get())
}

pub(super) fn auth_failures(config: &LimitsConfig) -> Result<limit::Rate, limit::RateError> {
    limit::Rate::new(config.auth_failures_per_minute.get(), Duration::from_secs(60), config.auth_failures_burst.get())
}

pub(super) fn live(config: &Config, directory: &Directory) -> Live {
    Live {
        address: AddressRule {
            trusted_proxies: config.proxy.trusted.clone(),
            header: match config.proxy.header {
                ProxyHeader::None => ForwardingHeader::None,
                ProxyHeader::Forwarded => ForwardingHeader::Forwarded,
                ProxyHeader::XForwardedFor => ForwardingHeader::XForwardedFor,
            },
        },
        body: BodyLimits {
            sent_max: bytes(config.limits.body_max),
            inflated_max: bytes(config.limits.inflated_max),
            timeout: config.server.body_timeout,
        },
        session_timeout_ms: millis(config.session_timeout),
        limit_max: config.query.limit_max,
        rows_max: config.query.rows_max,
        disclosure_k: config.query.disclosure_k,
        sql_rows_max: config.query.sql_rows_max,
        sql_answer_max: bytes(config.query.sql_answer_max),
        query_timeout_ms: u64::try_from(config.query.timeout.as_millis()).unwrap_or(u64::MAX),
        export_timeout: config.query.export_timeout,
        requests_max: config.limits.concurrent_requests_max,
        projects: projects(config, directory),
        limits_text: limits_text(&config.limits),
    }
}

pub(super) fn sql(config: &Config) -> EngineMax {
    EngineMax { memory: bytes(config.query.sql_memory_max), queries: config.query.sql_queries_max }
}

pub(super) fn metrics_door(config: &Config) -> MetricsDoor {
    if config.metrics_public {
        MetricsDoor::Open
    } else if config.server.listen.ip().is_loopback() {
        MetricsDoor::Loopback
    } else {
        MetricsDoor::Token
    }
}

fn projects(config: &Config, directory: &Directory) -> HashMap<String, crate::id::TenantId> {
    let mut projects = HashMap::new();
    for (project, named) in &config.agentcat.projects {
        match directory.find_tenant(named) {
            Some(tenant) => _ = projects.insert(project.clone(), tenant.id),
            None => {
                tracing::warn!("[agentcat.projects] names a tenant that does not exist (yet); create it, then reload")
            }
        }
    }
    projects
}

fn limits_text(limits: &LimitsConfig) -> serde_json::Value {
    let rate = |rate: Rate| json!({ "per_second": rate.per_second, "burst": rate.burst });
    let tenant = |limits: &TenantLimits| {
        json!({
            "requests": rate(limits.requests),
            "events": rate(limits.events),
            "events_per_day": limits.events_per_day,
        })
    };
    let tenants: serde_json::Map<_, _> =
        limits.tenants.iter().map(|(name, limits)| (name.clone(), tenant(limits))).collect();
    json!({
        "body_max_bytes": limits.body_max,
        "inflated_max_bytes": limits.inflated_max,
        "event_max_bytes": limits.event_max,
        "depth_max": limits.depth_max,
        "events_max": limits.events_max,
        "concurrent_requests_max": limits.concurrent_requests_max,
        "auth_failures": { "per_minute": limits.auth_failures_per_minute, "burst": limits.auth_failures_burst },
        "each_tenant": tenant(&limits.each_tenant),
        "each_key": { "requests": rate(limits.each_key.requests), "events": rate(limits.each_key.events) },
        "tenants": tenants,
    })
}
