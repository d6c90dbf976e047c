//! What has to be done now and then, on threads of its own.
//!
//! Every second: keys of external issuers, changed configuration. Every minute: refusals in summary, expiry, signing, sweeping. Every hour:
//! pruning. Each step logs its own failure and does not stop the others.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use crate::clock::{DAY_MS, HOUR_MS, Millis};
use crate::config::{self, Config, Overrides};
use crate::id::TenantId;
use crate::ingest::epoch::UserKeys;
use crate::ingest::idempotency::Pruned;
use crate::ingest::quarantine::{self, Quarantine};
use crate::monitor::finding;
use crate::store::Which;
use crate::store::erase::Erasure;
use crate::upkeep::Done;

use super::Gateway;

const TICK: Duration = Duration::from_secs(1);
/// Ticks between two rounds of housekeeping.
const ROUND: u64 = 60;

/// The running keeper; it ends when it is dropped.
pub struct Keeper {
    stop: Option<mpsc::Sender<()>>,
    threads: Vec<JoinHandle<()>>,
    reload: Arc<AtomicBool>,
    stopping: Arc<AtomicBool>,
}

impl Keeper {
    /// Starts it.
    pub fn start(gateway: Arc<Gateway>, overrides: Overrides, config: &Config) -> std::io::Result<Keeper> {
        let (stop, stopped) = mpsc::channel();
        let reload = Arc::new(AtomicBool::new(false));
        let watched = Watched::new(&overrides, config);
        let watch = Watch::set(gateway.clock.now());
        let stopping = Arc::new(AtomicBool::new(false));
        let sealer = Sealer::start(Arc::clone(&gateway), Arc::clone(&stopping))?;
        let monitor = watch_for_leaks(Arc::clone(&gateway), Arc::clone(&stopping))?;
        let (reload_flag, stop_flag) = (Arc::clone(&reload), Arc::clone(&stopping));
        let mut rounds = Rounds { gateway, overrides, watched, watch, reload: reload_flag, stopping: stop_flag };
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
        Ok(Keeper { stop: Some(stop), threads: vec![thread, sealer, monitor], reload, stopping })
    }

    /// A flag that makes the next tick read the configuration anew.
    pub fn reload_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.reload)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.stop.take());
        self.stopping.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A panic of the thread was reported when it happened.
            let _ = thread.join();
        }
    }
}

/// Looks at a sample of what was stored, once a second, on a thread of its own: nobody waits for it, and it waits for nobody.
fn watch_for_leaks(gateway: Arc<Gateway>, stopping: Arc<AtomicBool>) -> std::io::Result<JoinHandle<()>> {
    let look = move || {
        let services = &gateway.services;
        while !stopping.load(Ordering::Relaxed) {
            let tenants: Vec<TenantId> = gateway.desk.directory.tenants().iter().map(|tenant| tenant.id).collect();
            let policies = &services.ingest.policies;
            let policy_of = |tenant| policies.of(tenant).unwrap_or_else(|_| policies.gateway());
            let settings = **services.monitored.load();
            if let Err(error) = services.monitor.round(settings, &tenants, &policy_of, gateway.clock.now()) {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "the leak monitor could not look at everything");
            }
            let until = Instant::now() + TICK;
            while !stopping.load(Ordering::Relaxed) && Instant::now() < until {
                std::thread::sleep(Sealer::LOOK);
            }
        }
    };
    std::thread::Builder::new().name("monitor".into()).spawn(look)
}

/// Seals what is due, and erases what was asked for, on a thread of its own: work that takes long and that nobody waits for.
struct Sealer {
    gateway: Arc<Gateway>,
    stopping: Arc<AtomicBool>,
}

impl Sealer {
    /// Time between two looks. Short, so that a burst does not fill the memory; a look costs microseconds.
    const LOOK: Duration = Duration::from_millis(50);
    /// Time until something that failed is tried again.
    const RETRY: Duration = Duration::from_secs(5);

    fn start(gateway: Arc<Gateway>, stopping: Arc<AtomicBool>) -> std::io::Result<JoinHandle<()>> {
        let sealer = Sealer { gateway, stopping };
        std::thread::Builder::new().name("sealer".into()).spawn(move || sealer.run())
    }

    fn run(&self) {
        while !self.is_stopping() {
            let pause = match self.work() {
                Ok(()) => Sealer::LOOK,
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "sealing or erasing failed; it is tried again"
                    );
                    Sealer::RETRY
                }
            };
            let until = Instant::now() + pause;
            while !self.is_stopping() && Instant::now() < until {
                std::thread::sleep(Sealer::LOOK);
            }
        }
    }

    fn work(&self) -> Result<(), crate::upkeep::Error> {
        let upkeep = &self.gateway.services.upkeep;
        upkeep.seal(Which::Due, self.gateway.clock.now(), &|| self.is_stopping())?;
        for erasure in upkeep.pending_erasures()? {
            if !self.is_stopping() {
                self.erase_quarantined(&erasure)?;
                upkeep.erase(&erasure, self.gateway.clock.now())?;
            }
        }
        Ok(())
    }

    /// What is kept aside of a subject goes first: the erasure is complete only after that.
    fn erase_quarantined(&self, erasure: &Erasure) -> Result<(), crate::upkeep::Error> {
        let services = &self.gateway.services;
        let places = services.ingest.quarantine.of_subjects(&services.kv, erasure.tenant, &erasure.subjects);
        let places = places.map_err(|error| match error {
            quarantine::Error::Kv(error) => crate::store::Error::from(error),
            quarantine::Error::Keys(error) => crate::store::Error::from(error),
        })?;
        if !places.is_empty() {
            services.ingest.writer.commit(move |batch| Quarantine::stage_removal(batch, &places))?;
        }
        Ok(())
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

/// The files whose change means that the configuration is to be read anew.
struct Watched {
    files: Vec<(PathBuf, Option<SystemTime>)>,
}

impl Watched {
    fn new(overrides: &Overrides, config: &Config) -> Watched {
        let files = overrides.config.iter().chain(&config.privacy.policy).chain(&config.privacy.geo_database).cloned();
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
    stopping: Arc<AtomicBool>,
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
        // Before anything expires: its totals must be taken.
        self.close_buckets();
        if self.watch.is_trusted(self.gateway.clock.now()) {
            self.expire();
            self.destroy_old_keys();
        }
        self.prepare_keys();
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
        let swept = Arc::clone(&services);
        let revoked = services.ingest.writer.commit(move |batch| swept.desk.denylist.stage_sweep(batch, now));
        if revoked.is_err() {
            tracing::error!("revoked tokens that have ended could not be forgotten");
        }
        match services.upkeep.expire(now, &|| self.stopping.load(Ordering::Relaxed)) {
            Ok(Done { rows_removed: 0, .. }) => {}
            Ok(Done { rows_removed, runs_removed, .. }) => {
                tracing::info!(rows = rows_removed, runs = runs_removed, "what is past its retention was removed");
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "what is past its retention could not be removed");
            }
        }
    }

    fn close_buckets(&self) {
        let upkeep = &self.gateway.services.upkeep;
        let closed = upkeep.close_buckets(self.gateway.clock.now(), &|| self.stopping.load(Ordering::Relaxed));
        if let Err(error) = closed {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "buckets whose time is over could not be closed");
        }
    }

    /// Removes answers to idempotent requests and quarantined events that are past their time.
    fn prune(&self) {
        let services = &self.gateway.services;
        let (now, writer) = (self.gateway.clock.now(), &services.ingest.writer);
        let tenants: Vec<_> = self.gateway.desk.directory.tenants().iter().map(|tenant| tenant.id).collect();
        let quarantine = writer.commit(move |batch| {
            for tenant in &tenants {
                Quarantine::stage_prune(batch, *tenant, now);
                finding::stage_prune(batch, *tenant, now);
            }
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

    fn prepare_keys(&self) {
        let epochs = &self.gateway.services.ingest.epochs;
        if let Err(error) = epochs.prepare_next_day(self.gateway.clock.now()) {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(
                error,
                "the keys of tomorrow's pseudonyms could not be made; they will be when they are needed"
            );
        }
    }

    fn destroy_old_keys(&self) {
        let (now, ingest) = (self.gateway.clock.now(), &self.gateway.services.ingest);
        let keep_ms = ingest.store.retention().keep_ms.into_iter().max().unwrap_or(i64::MAX);
        let keep_days = u64::try_from(keep_ms / DAY_MS).unwrap_or(0) + 1;
        let destroy = |tenant: TenantId| {
            let keep_days = (!ingest.store.is_on_hold(tenant)).then_some(keep_days);
            // A policy that is broken makes no pseudonyms, and no key of it is due before it is mended.
            let Ok(policy) = ingest.policies.of(tenant) else { return Ok(()) };
            let rotation_days = policy.user_rotation_days();
            ingest.epochs.destroy_old(tenant, now, UserKeys { rotation_days, keep_days }).map(drop)
        };
        let tenants = self.gateway.desk.directory.tenants();
        let done = tenants.iter().map(|tenant| destroy(tenant.id));
        for failed in std::iter::once(ingest.epochs.refresh()).chain(done).filter_map(Result::err) {
            tracing::error!(error = &failed as &dyn std::error::Error, "an old pseudonym key could not be destroyed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_clock_that_jumped_ahead_is_trusted_only_after_a_restart() {
        let now = Millis(1_795_000_000_000);
        let mut watch = Watch::set(now);
        assert!(watch.is_trusted(now.plus(HOUR_MS)), "clocks are set now and then");
        assert!(watch.is_trusted(now.plus(-DAY_MS)), "going back destroys nothing");
        assert!(!watch.is_trusted(now.plus(HOUR_MS + HOUR_MS)));
        assert!(!watch.is_trusted(now), "which of the two moments was right is for the operator to say");
        assert!(Watch::set(now.plus(2 * HOUR_MS)).is_trusted(now.plus(2 * HOUR_MS)));
    }
}
