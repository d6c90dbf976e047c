//! The gateway without its sockets, opened as `serve` opens it, under a clock that is moved by hand.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tidegate::app::Gateway;
use tidegate::clock::{Clock, Millis};
use tidegate::config::{self, Overrides};
use tidegate::id::{SystemEntropy, TenantId};
use tidegate::ingest::{Ingest, Sender};
use tidegate::kv::Family;
use tidegate::store::{Store, Which};
use tidegate::upkeep::{Done, Upkeep};

/// Memory for events, and rates that never refuse. Everything else is at its default.
const SETTINGS: &str = r#"
[store]
memory_max = "256MiB"
[store.retention]
mcp = "400d"
custom = "400d"
[limits]
events_max = 100000
[limits.each_tenant]
events_per_second = 100000000
events_burst = 100000000
[privacy]
policy = "policy.toml"
"#;

/// Rules that are on by default, by their ids.
const RULES: [&str; 16] = [
    "email",
    "phone",
    "card",
    "iban",
    "ip",
    "mac",
    "ssn",
    "jwt",
    "bearer",
    "api_key",
    "private_key",
    "url_credentials",
    "query_secret",
    "secret_key",
    "cookie",
    "user_path",
];

/// A clock that jumps to the moment of each request and never goes back.
#[derive(Default)]
pub(super) struct EventClock(AtomicI64);

impl EventClock {
    pub(super) fn reach(&self, moment: Millis) {
        self.0.fetch_max(moment.0, Ordering::Relaxed);
    }
}

impl Clock for EventClock {
    fn now(&self) -> Millis {
        Millis(self.0.load(Ordering::Relaxed))
    }
}

/// An open gateway.
pub(super) struct House {
    pub(super) clock: Arc<EventClock>,
    gateway: Gateway,
}

impl House {
    /// Opens the gateway in `dir`, whose clock stands at `now`.
    pub(super) fn open(dir: &Path, now: Millis) -> Result<House, Box<dyn Error>> {
        let settings = write_settings(dir)?;
        let overrides = Overrides { config: Some(settings), data: Some(dir.join("data")), ..Overrides::default() };
        let config = config::load(&overrides, []).map_err(|errors| errors.to_string())?;
        let clock = Arc::new(EventClock::default());
        clock.reach(now);
        let gateway = Gateway::open(&config, Arc::clone(&clock) as _, Arc::new(SystemEntropy))?;
        Ok(House { clock, gateway })
    }

    pub(super) fn ingest(&self) -> &Arc<Ingest> {
        &self.gateway.services.ingest
    }

    pub(super) fn store(&self) -> &Arc<Store> {
        &self.gateway.services.ingest.store
    }

    pub(super) fn upkeep(&self) -> &Upkeep {
        &self.gateway.services.upkeep
    }

    pub(super) fn now(&self) -> Millis {
        self.clock.now()
    }

    /// What the keeper does when it looks for work.
    pub(super) fn seal(&self, which: Which) -> Result<Done, Box<dyn Error>> {
        Ok(self.upkeep().seal(which, self.now(), &|| false)?)
    }

    /// What the keeper does every minute.
    pub(super) fn close_buckets(&self) -> Result<Done, Box<dyn Error>> {
        Ok(self.upkeep().close_buckets(self.now(), &|| false)?)
    }

    /// What the next hour brings: the journal begins anew, and what is sealed leaves it.
    pub(super) fn drop_journal(&self) -> Result<(), Box<dyn Error>> {
        let (rotated, dropped) = (Arc::clone(self.store()), Arc::clone(self.store()));
        self.ingest().writer.commit(move |_| rotated.rotate_journal().map(|_| ()))??;
        let segments = self.ingest().writer.commit(move |batch| dropped.stage_journal_drop(batch))?;
        Ok(self.store().destroy_journal_keys(&segments)?)
    }

    /// Bytes of the files of each family, after everything in memory was written to them.
    pub(super) fn families(&self) -> Result<Vec<(String, u64)>, Box<dyn Error>> {
        let kv = &self.gateway.services.kv;
        kv.flush()?;
        let bytes = |family: Family| -> Result<(String, u64), Box<dyn Error>> {
            Ok((format!("{family:?}").to_lowercase(), kv.files(family)?.iter().map(|file| file.bytes).sum()))
        };
        Family::ALL.into_iter().map(bytes).collect()
    }

    /// Writes what is queued and ends well.
    pub(super) fn close(self) {
        self.gateway.close();
    }
}

/// Writes the settings into `dir`; where they are.
pub(super) fn write_settings(dir: &Path) -> std::io::Result<PathBuf> {
    fs::create_dir_all(dir)?;
    let (policy, settings) = (dir.join("policy.toml"), dir.join("gateway.toml"));
    fs::write(&policy, policy_text())?;
    fs::write(&settings, SETTINGS.replace("policy.toml", &policy.display().to_string()))?;
    Ok(settings)
}

/// Only addresses are truncated, and users are pseudonyms, which no policy can change.
fn policy_text() -> String {
    let rules = RULES.iter().map(|id| format!("[[rules]]\nid = \"{id}\"\nenabled = false\n"));
    rules.fold("preset = \"strict\"\n".to_owned(), |text, rule| text + &rule)
}

/// The tenant of that name: the rooms take any id, and this one says whose it is.
pub(super) fn tenant(name: &str) -> TenantId {
    let mut id = [0; 8];
    id.iter_mut().zip(name.bytes()).for_each(|(to, from)| *to = from);
    TenantId(id)
}

/// Whoever sends as that tenant.
pub(super) fn sender(name: &str) -> Sender {
    Sender { tenant: tenant(name), key: None }
}
