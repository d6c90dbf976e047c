//! What has to be done now and then, on one thread of its own.
//!
//! Every second: keys of external issuers, changed configuration. Every minute: refusals in summary, expiry, pruning, sweeping. Each step logs
//! its own failure and does not stop the others.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use crate::audit::trail::Entry;
use crate::audit::{Action, Outcome, Subject};
use crate::config::{self, Config, Overrides};
use crate::ingest::quarantine::Quarantine;

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
        let mut rounds = Rounds { gateway, overrides, watched, reload: Arc::clone(&reload) };
        let thread = std::thread::Builder::new().name("keeper".into()).spawn(move || {
            let mut tick: u64 = 0;
            while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                tick += 1;
                rounds.every_second();
                if tick.is_multiple_of(ROUND) {
                    rounds.every_minute();
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
    reload: Arc<AtomicBool>,
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

    fn every_minute(&self) {
        self.summarize_refusals();
        self.expire();
        self.destroy_old_keys();
        let services = &self.gateway.services;
        services.ingest.limits.sweep();
        services.failures.sweep();
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
        let tenants: Vec<_> = self.gateway.desk.directory.tenants().iter().map(|tenant| tenant.id).collect();
        let expired = self.gateway.services.ingest.writer.commit(move |batch| {
            let rows = services.ingest.store.stage_expiry(now, batch);
            tenants.iter().for_each(|tenant| Quarantine::stage_prune(batch, *tenant, now));
            services.desk.denylist.stage_sweep(batch, now);
            services.ingest.idempotency.stage_prune(batch, now)?;
            if rows > 0 {
                let entry = Entry::new(now, Action::RowsExpired, Outcome::Success).count(rows as u64);
                services.trail.stage(batch, Subject::Gateway, entry)?;
            }
            Ok::<usize, crate::audit::Error>(rows)
        });
        match expired {
            Ok(Ok(0)) => {}
            Ok(Ok(rows)) => tracing::info!(rows, "rows past their retention were removed"),
            Ok(Err(_)) | Err(_) => tracing::error!("rows past their retention could not be removed"),
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
