//! What has to be done now and then, on one thread of its own.
//!
//! Every second: keys of external issuers, changed configuration. Every minute: refusals in summary, expiry, signing, sweeping. Every hour:
//! pruning. Each step logs its own failure and does not stop the others.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use crate::audit::trail::Entry;
use crate::audit::{Action, Outcome, Subject};
use crate::clock::{HOUR_MS, Millis};
use crate::config::{self, Config, Overrides};
use crate::ingest::idempotency::Pruned;
use crate::ingest::quarantine::Quarantine;
use crate::store::Expired;

use super::Gateway;

const TICK: Duration = Duration::from_secs(1);
/// Ticks between two rounds of housekeeping.
const ROUND: u64 = 60;

/// The running keeper; it ends when it is dropped.
pub struct Keeper {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    reload: Arc<AtomicBool>,
}

impl Keeper {
    /// Starts it.
    pub fn start(gateway: Arc<Gateway>, overrides: Overrides, config: &Config) -> std::io::Result<Keeper> {
        let (stop, stopped) = mpsc::channel();
        let reload = Arc::new(AtomicBool::new(false));
        let watched = Watched::new(&overrides, config);
        let watch = Watch::set(gateway.clock.now());
        let mut rounds = Rounds { gateway, overrides, watched, watch, reload: Arc::clone(&reload) };
        let thread = std::thread::Builder::new().name("keeper".into()).spawn(move || {
            let mut tick: u64 = 0;
            while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                tick += 1;
                rounds.every_second();
                if tick.is_multiple_of(ROUND) {
                    rounds.every_minute();
                }
                if tick.is_multiple_of(ROUND * ROUND) {
                    rounds.every_hour();
                }
            }
            rounds.summarize_refusals();
        })?;
        Ok(Keeper { stop: Some(stop), thread: Some(thread), reload })
    }

    /// A flag that makes the next tick read the configuration anew.
    pub fn reload_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.reload)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported when it happened.
            let _ = thread.join();
        }
    }
}

/// The files whose change means that the configuration is to be read anew.
struct Watched {
    files: Vec<(PathBuf, Option<SystemTime>)>,
}

impl Watched {
    fn new(overrides: &Overrides, config: &Config) -> Watched {
        let files = overrides.config.iter().chain(&config.privacy.policy).cloned();
        Watched { files: files.map(|path| (path.clone(), modified(&path))).collect() }
    }

    fn changed(&mut self) -> bool {
        let mut changed = false;
        for (path, known) in &mut self.files {
            let now = modified(path);
            changed |= now != *known;
            *known = now;
        }
        changed
    }
}

fn modified(path: &PathBuf) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

struct Rounds {
    gateway: Arc<Gateway>,
    overrides: Overrides,
    watched: Watched,
    watch: Watch,
    reload: Arc<AtomicBool>,
}

/// Compares the wall clock with the machine's steady one: a wall clock that jumped must not shred.
struct Watch {
    wall: Millis,
    steady: Instant,
    trusted: bool,
}

impl Watch {
    /// A wall clock that gets ahead of the steady one by more than this is not trusted any more.
    const AHEAD_MS_MAX: i64 = HOUR_MS;

    fn set(now: Millis) -> Watch {
        Watch { wall: now, steady: Instant::now(), trusted: true }
    }

    /// Whether what depends on age may be destroyed; once lost, trust comes back with a restart.
    fn is_trusted(&mut self, now: Millis) -> bool {
        let steady_ms = i64::try_from(self.steady.elapsed().as_millis()).unwrap_or(i64::MAX);
        if self.trusted && now.since(self.wall).saturating_sub(steady_ms) > Watch::AHEAD_MS_MAX {
            self.trusted = false;
            tracing::error!("the wall clock jumped ahead: nothing expires and no key is destroyed until a restart");
        }
        self.trusted
    }
}

impl Rounds {
    fn every_second(&mut self) {
        if self.watched.changed() | self.reload.swap(false, Ordering::Relaxed) {
            self.reload_config();
        }
        let now = self.gateway.clock.now();
        for issuer in self.gateway.verifier.external() {
            if let Some(Err(error)) = issuer.refresh(now) {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the keys of an external issuer could not be refreshed"
                );
            }
        }
    }

    fn reload_config(&mut self) {
        let config = match config::load(&self.overrides, config::environment()) {
            Ok(config) => config,
            Err(errors) => {
                return tracing::error!("the changed configuration is refused, the old one stays in force:\n{errors}");
            }
        };
        match self.gateway.reload(&config) {
            Ok(()) => tracing::info!("the configuration was loaded anew"),
            Err(error) => tracing::error!("the changed configuration is refused, the old one stays in force: {error}"),
        }
        self.watched = Watched::new(&self.overrides, &config);
    }

    fn every_minute(&mut self) {
        self.summarize_refusals();
        if self.watch.is_trusted(self.gateway.clock.now()) {
            self.expire();
            self.destroy_old_keys();
        }
        self.gateway.sign_checkpoints();
        let services = &self.gateway.services;
        services.ingest.limits.sweep();
        services.failures.sweep();
    }

    fn every_hour(&self) {
        if self.watch.trusted {
            self.prune();
        }
    }

    fn summarize_refusals(&self) {
        let trail = Arc::clone(&self.gateway.services.trail);
        if !trail.has_refusals() {
            return;
        }
        let now = self.gateway.clock.now();
        let written = self.gateway.services.ingest.writer.commit(move |batch| trail.stage_refusals(batch, now));
        if !matches!(written, Ok(Ok(()))) {
            tracing::error!("the summary of refused accesses could not be recorded");
        }
    }

    fn expire(&self) {
        let services = Arc::clone(&self.gateway.services);
        let now = self.gateway.clock.now();
        let expired = self.gateway.services.ingest.writer.commit(move |batch| {
            services.desk.denylist.stage_sweep(batch, now);
            let Expired { frames, rows } = services.ingest.store.stage_expiry(now, batch);
            if frames + rows > 0 {
                let entry = Entry::new(now, Action::RowsExpired, Outcome::Success)
                    .param("journal_frames", frames.to_string())
                    .count(rows as u64);
                services.trail.stage(batch, Subject::Gateway, entry)?;
            }
            Ok::<_, crate::audit::Error>((frames, rows))
        });
        match expired {
            Ok(Ok((0, 0))) => {}
            Ok(Ok((frames, rows))) => tracing::info!(frames, rows, "what is past its retention was removed"),
            Ok(Err(_)) | Err(_) => tracing::error!("what is past its retention could not be removed"),
        }
    }

    /// Removes answers to idempotent requests and quarantined events that are past their time.
    fn prune(&self) {
        let services = &self.gateway.services;
        let (now, writer) = (self.gateway.clock.now(), &services.ingest.writer);
        let tenants: Vec<_> = self.gateway.desk.directory.tenants().iter().map(|tenant| tenant.id).collect();
        let quarantine = writer.commit(move |batch| {
            tenants.iter().for_each(|tenant| Quarantine::stage_prune(batch, *tenant, now));
        });
        let answers = loop {
            let idempotency = Arc::clone(&services.ingest.idempotency);
            match writer.commit(move |batch| idempotency.stage_prune(batch, now)) {
                Ok(Ok(Pruned::Some)) => {}
                Ok(Ok(Pruned::All)) => break true,
                Ok(Err(_)) | Err(_) => break false,
            }
        };
        if quarantine.is_err() || !answers {
            tracing::error!("answers and quarantined events past their time could not be removed");
        }
    }

    fn destroy_old_keys(&self) {
        let now = self.gateway.clock.now();
        for tenant in self.gateway.desk.directory.tenants() {
            if let Err(error) = self.gateway.services.ingest.epochs.destroy_old(tenant.id, now) {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "an old pseudonym key could not be destroyed"
                );
            }
        }
    }
}
