//! The composition root: opens a data directory and connects the rooms.
//!
//! [`Gateway::open`] makes everything that has no socket; the command line uses it on a stopped data directory. [`serve`] adds listeners,
//! and [`keeper`] what has to be done now and then. Nothing else in the house makes its own collaborators.
//!
//! ```text
//! DIR/db            RocksDB                DIR/admin.key    the operator's key, 0600
//! DIR/keys          the key file           DIR/anchors/     signed checkpoints of the audit logs
//! DIR/control.sock  the interface for management commands, while it serves
//! DIR/address       where it listens, while it serves
//! ```

pub mod keeper;
pub mod serve;
mod settings;
#[cfg(test)]
mod tests;

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::Semaphore;

use crate::admin::{self, Desk};
use crate::audit::trail::{Entry, Trail};
use crate::audit::{self, Action, Log, Outcome, Principals, Subject};
use crate::auth::{
    AdminKey, Authenticator, Denylist, Directory, DirectoryLimits, ExternalIssuer, IssuerError, OpenError,
    SettingsError, TokenIssuer, TokenVerifier,
};
use crate::clock::{Clock, DAY_MS, Millis};
use crate::config::Config;
use crate::http::Services;
use crate::http::body::BodyBudget;
use crate::id::Entropy;
use crate::ingest::Ingest;
use crate::ingest::arrival::Arrivals;
use crate::ingest::dedupe::Dedupe;
use crate::ingest::epoch::{self, Epochs};
use crate::ingest::idempotency::Idempotency;
use crate::ingest::ledger::Ledger;
use crate::ingest::policies::{self, Policies};
use crate::ingest::quarantine::Quarantine;
use crate::ingest::suppression::{self, Suppression};
use crate::keys::{
    self, CommandKeks, FileKeks, KekStore, KeyFile, KeyKind, NamedKeys, Secret, SharedKeys, SigningKey, Vault,
};
use crate::kv::{self, CommitError, Family, Kv, Participant, Writer};
use crate::limit::{AuthFailures, Limits, RateError};
use crate::monitor::{self, Monitor};
use crate::privacy::{DEFAULT_POLICY, GeoDatabase, PolicyErrors, Scrubber, geo};
use crate::query::sql::Engine;
use crate::store::{self, MissingKeys, Store};
use crate::telemetry::Metrics;
use crate::upkeep::{self, Upkeep};

/// The tenant that a new data directory begins with.
pub const FIRST_TENANT: &str = "default";
/// Family `meta`: the public half of the key that signs checkpoints, by which a database knows its key file.
const META_KEY_FILE: &[u8] = b"keys.public";
/// Family `meta`: the identity of the file of shared keys, by which a database knows it.
const META_SHARED_KEYS: &[u8] = b"keys.shared";
/// Keys of the gateway itself have no owner and one epoch.
const NOBODY: [u8; 8] = [0; 8];
/// Tokens that may be revoked before their time, at most.
const REVOKED_MAX: usize = 100_000;
/// Addresses whose failures are counted, at most.
const FAILURE_ADDRESSES_MAX: usize = 100_000;
/// Exports under way at one time.
const EXPORTS_MAX: usize = 4;
/// Memory for request bodies, as a multiple of the largest one.
const BODIES_IN_MEMORY: usize = 16;

/// Why the gateway cannot be opened or goes down.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or directory cannot be used.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The admin key's file does not hold an admin key.
    #[error("{}: this is not an admin key; restore it, or remove the file to get a new one", path.display())]
    AdminKey {
        /// The file.
        path: PathBuf,
    },
    /// The database.
    #[error(transparent)]
    Kv(#[from] kv::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The key file.
    #[error(transparent)]
    Keys(#[from] keys::Error),
    /// The database was written with a key file that is not there.
    #[error(
        "{}: the key file is missing; without it tokens, pseudonyms and duplicates are lost: restore it, or point keys.path to it",
        path.display()
    )]
    KeyFileMissing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The key file belongs to another database.
    #[error("{}: this is not the key file that the database was written with", path.display())]
    KeyFileForeign {
        /// The file.
        path: PathBuf,
    },
    /// The file of shared keys is not the one that pseudonyms were made with.
    #[error(
        "{}: this is not the file of shared keys that pseudonyms were made with; restore that file, or start once with keys.shared = \"\" to let go of it",
        path.display()
    )]
    SharedKeysForeign {
        /// The file.
        path: PathBuf,
    },
    /// The audit log.
    #[error(transparent)]
    Audit(#[from] audit::Error),
    /// Whom nothing is taken of.
    #[error(transparent)]
    Suppression(#[from] suppression::Error),
    /// Tenants, keys, revoked tokens.
    #[error(transparent)]
    Directory(#[from] OpenError),
    /// Token settings.
    #[error(transparent)]
    Tokens(#[from] SettingsError),
    /// An external issuer.
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    /// An external issuer's tenant is not there.
    #[error("[[auth.issuers]] names a tenant that does not exist: create it first, then add the issuer")]
    IssuerTenant,
    /// A rate.
    #[error(transparent)]
    Rate(#[from] RateError),
    /// The privacy policy.
    #[error("{place}: {errors}")]
    Policy {
        /// The file, or the built-in policy.
        place: String,
        /// Everything that is wrong with it.
        errors: PolicyErrors,
    },
    /// The geo database.
    #[error("{}: {source}", path.display())]
    Geo {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: geo::Error,
    },
    /// The tenants' privacy policies.
    #[error(transparent)]
    Policies(#[from] policies::Error),
    /// Nothing can be written.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The first tenant.
    #[error(transparent)]
    Admin(#[from] admin::Error),
    /// A thread, listener or certificate.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
}

impl Error {
    fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
        move |source| Error::File { path: path.to_owned(), source }
    }
}

/// An open data directory.
pub struct Gateway {
    /// What handlers use.
    pub services: Arc<Services>,
    /// Creates tenants, keys and tokens.
    pub desk: Arc<Desk>,
    /// The key file, kept open and locked.
    pub key_file: Arc<KeyFile>,
    /// The keys of stored data.
    pub vault: Arc<Vault>,
    /// Checks tokens, for refreshing the keys of external issuers.
    pub verifier: Arc<TokenVerifier>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Things that the operator should know, such as where the admin key is.
    pub first_start: bool,
}

impl Gateway {
    /// Opens the data directory that `config` names, creating what is missing.
    pub fn open(config: &Config, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Result<Gateway, Error> {
        create_private_dir(&config.data_dir)?;
        Gateway::open_on(Arc::new(Kv::open(&database(config))?), config, clock, entropy)
    }

    /// The same with a database that is open already: the one at [`database`].
    pub fn open_on(
        kv: Arc<Kv>,
        config: &Config,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Gateway, Error> {
        Gateway::open_with(kv, MissingKeys::Refuse, config, clock, entropy)
    }

    /// Opens a data directory whose database was restored from a copy: what was shredded since the copy was made is let go for good, and recorded.
    pub fn open_restored(config: &Config, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Result<Gateway, Error> {
        Gateway::open_with(Arc::new(Kv::open(&database(config))?), MissingKeys::LetGo, config, clock, entropy)
    }

    fn open_with(
        kv: Arc<Kv>,
        missing_keys: MissingKeys,
        config: &Config,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Gateway, Error> {
        let dir = &config.data_dir;
        let now = clock.now();
        let metrics = Arc::new(Metrics::default());
        let known_keys = kv.get(Family::Meta, META_KEY_FILE)?;
        if known_keys.is_some() && !config.keys_path.exists() {
            return Err(Error::KeyFileMissing { path: config.keys_path.clone() });
        }
        let key_file = Arc::new(KeyFile::open(&config.keys_path, &*entropy)?);
        if !belong_together(known_keys.as_deref(), &key_file) {
            return Err(Error::KeyFileForeign { path: config.keys_path.clone() });
        }
        let own_key = |kind| key_file.ensure(kind, NOBODY, 0, &*entropy).map(|(secret, _)| secret);

        let signing = own_key(KeyKind::AuditSigning)?;
        let public = SigningKey::from_seed(&signing).public();
        let vault = Arc::new(vault(config, &key_file, &entropy));
        vault.resume_advances()?;
        let store = Arc::new(Store::open(&kv, &vault, &entropy, settings::store(config, missing_keys), now)?);
        let dedupe_key = own_key(KeyKind::Dedupe)?;
        let dedupe = Arc::new(Dedupe::open(&kv, copy(&dedupe_key), settings::dedupe(config), now)?);
        let log = Arc::new(Log::open(&kv, &config.gateway_name, signing, &dir.join("anchors"))?);
        let participants: Vec<Arc<dyn Participant>> =
            vec![Arc::clone(&store) as _, Arc::clone(&dedupe) as _, Arc::clone(&log) as _];
        let observed = Arc::clone(&metrics);
        let writer = Writer::start(Arc::clone(&kv), participants, settings::writer(config), move |group| {
            observed.committed(group)
        });
        let writer = writer.map_err(|source| Error::System { what: "the writer's thread", source })?;
        if known_keys.is_none() {
            writer.commit(move |batch| batch.put(Family::Meta, META_KEY_FILE, &public))?;
        }
        let principals = Principals::new(Arc::clone(&kv), &*own_key(KeyKind::Index)?);
        let trail = Arc::new(Trail::new(log, principals, writer.clone(), Arc::clone(&entropy)));
        if missing_keys == MissingKeys::LetGo {
            let (restored, recorded) = (Arc::clone(&store), Arc::clone(&trail));
            writer.commit(move |batch| {
                restored.stage_let_go(batch);
                recorded.stage(batch, Subject::Gateway, restored_entry(&restored, now))
            })??;
        }
        // Nothing stands against the start any more.
        let finished = store.finish_interrupted()?;
        if finished.keys() > 0 {
            let staging = Arc::clone(&store);
            writer.commit(move |batch| staging.stage_done(&finished, batch))?;
        }
        let upkeep = Arc::new(Upkeep::new(Arc::clone(&store), Arc::clone(&vault), writer.clone(), Arc::clone(&trail)));

        let directory_limits = DirectoryLimits {
            tenants_max: config.limits.tenants_max,
            keys_per_tenant_max: config.limits.keys_per_tenant_max,
        };
        let directory = Arc::new(Directory::open(&kv, directory_limits)?);
        let denylist = Arc::new(Denylist::open(&kv, REVOKED_MAX)?);
        let token_settings = settings::tokens(config);
        let issuer = Arc::new(TokenIssuer::new(&token_settings, own_key(KeyKind::Signing)?.bytes()));
        let desk = Arc::new(Desk {
            directory: Arc::clone(&directory),
            issuer: Arc::clone(&issuer),
            denylist: Arc::clone(&denylist),
            trail: Arc::clone(&trail),
            writer: writer.clone(),
            entropy: Arc::clone(&entropy),
        });
        // Before anything that the configuration says about tenants is looked up.
        let first_start = create_first_tenant(&desk, now)?;
        let external = external_issuers(config, &directory)?;
        let verifier = Arc::new(TokenVerifier::new(token_settings, &issuer, external, denylist)?);

        let policies = Policies::open(
            policies::Rooms {
                kv: Arc::clone(&kv),
                vault: Arc::clone(&vault),
                trail: Arc::clone(&trail),
                writer: writer.clone(),
                entropy: Arc::clone(&entropy),
            },
            load_policy(config)?,
        )?;
        let ingest = Arc::new(Ingest {
            policies: Arc::new(policies),
            geo: ArcSwapOption::new(load_geo(config)?),
            settings: ArcSwap::from_pointee(settings::ingest(config)),
            limits: Arc::new(Limits::new(settings::limits(&config.limits, &directory)?, Arc::clone(&clock))),
            epochs: Arc::new(Epochs::new(epoch::Rooms {
                keys: pseudonym_keys(config, &kv, &key_file, &writer, &entropy)?,
                own: Arc::clone(&key_file),
                directory: Arc::clone(&directory),
                trail: Arc::clone(&trail),
                writer: writer.clone(),
                entropy: Arc::clone(&entropy),
            })),
            arrivals: Arrivals::after(store.newest_arrival()),
            store,
            writer,
            dedupe,
            idempotency: Arc::new(Idempotency::new(
                Arc::clone(&kv),
                copy(&dedupe_key),
                i64::try_from(config.store.idempotency_window.as_millis()).unwrap_or(i64::MAX),
            )),
            suppression: Arc::new(Suppression::open(&kv, Arc::clone(&key_file), Arc::clone(&entropy))?),
            quarantine: Arc::new(Quarantine::new(Arc::clone(&vault), Arc::clone(&entropy))),
            ledger: Arc::new(Ledger::default()),
        });
        let monitor = Monitor::new(monitor::Rooms {
            store: Arc::clone(&ingest.store),
            kv: Arc::clone(&kv),
            vault: Arc::clone(&vault),
            writer: ingest.writer.clone(),
            trail: Arc::clone(&trail),
            entropy: Arc::clone(&entropy),
        });
        let admin_hash = admin_key(&dir.join("admin.key"), &*entropy)?.hash();
        let services = Arc::new(Services {
            clock: Arc::clone(&clock),
            authenticator: Authenticator::new(directory, Arc::clone(&verifier), Some(admin_hash)),
            failures: AuthFailures::new(
                Some(settings::auth_failures(&config.limits)?),
                FAILURE_ADDRESSES_MAX,
                Arc::clone(&clock),
            ),
            ingest,
            desk: Arc::clone(&desk),
            trail,
            upkeep,
            vault: Arc::clone(&vault),
            monitor,
            kv,
            metrics,
            live: ArcSwap::from_pointee(settings::live(config, &desk.directory)),
            bodies: BodyBudget::new(
                usize::try_from(config.limits.inflated_max).unwrap_or(usize::MAX).saturating_mul(BODIES_IN_MEMORY),
            ),
            in_flight: Default::default(),
            ready: AtomicBool::new(false),
            metrics_door: settings::metrics_door(config),
            monitored: ArcSwap::from_pointee(settings::monitor(config)),
            exports: Arc::new(Semaphore::new(EXPORTS_MAX)),
            working: Arc::new(()),
            sql: Engine::new(settings::sql(config))
                .map_err(|source| Error::System { what: "SQL cannot be set up", source })?,
        });
        let gateway = Gateway { services, desk, key_file, vault, verifier, clock, first_start };
        gateway.seed_daily_quotas(now)?;
        Ok(gateway)
    }

    /// What a tenant sent today before the restart counts.
    fn seed_daily_quotas(&self, now: Millis) -> Result<(), Error> {
        let ingest = &self.services.ingest;
        let today = Millis(now.day() * DAY_MS);
        for tenant in self.desk.directory.tenants() {
            ingest.limits.seed_daily(tenant.id, ingest.store.count_since(tenant.id, today, now)?);
        }
        Ok(())
    }

    /// Makes a record in the gateway's own log durable.
    pub fn record(&self, action: Action, params: &[(&'static str, String)]) -> Result<(), Error> {
        let entry = Entry::new(self.clock.now(), action, Outcome::Success);
        let entry = params.iter().fold(entry, |entry, (name, value)| entry.param(name, value.clone()));
        let trail = Arc::clone(&self.services.trail);
        self.services.ingest.writer.commit(move |batch| trail.stage(batch, Subject::Gateway, entry))??;
        Ok(())
    }

    /// Applies a configuration that was loaded anew; what can only change with a restart stays as it is.
    pub fn reload(&self, config: &Config) -> Result<(), Error> {
        let Services { ingest, live, failures, .. } = &*self.services;
        let limits = settings::limits(&config.limits, &self.desk.directory)?;
        let failure_rate = settings::auth_failures(&config.limits)?;
        let policies = ingest.policies.reload(load_policy(config)?)?;
        let geo = load_geo(config)?;
        // Recorded before anything of it is in force.
        self.record(Action::ConfigLoaded, &[("tracking", config.privacy.tracking.to_string())])?;
        policies.finish(self.clock.now())?;
        ingest.geo.store(geo);
        ingest.limits.reload(limits);
        failures.reload(Some(failure_rate));
        ingest.settings.store(Arc::new(settings::ingest(config)));
        ingest.store.set_retention(settings::retention(config));
        live.store(Arc::new(settings::live(config, &self.desk.directory)));
        self.services.monitored.store(Arc::new(settings::monitor(config)));
        Ok(())
    }

    /// Signs every audit log that grew; the checkpoints are kept outside the database, so that one that is rolled back is noticed.
    pub fn sign_checkpoints(&self) {
        let log = self.services.trail.log();
        for subject in log.subjects() {
            if let Err(error) = log.checkpoint(subject) {
                tracing::error!(error = &error as &dyn std::error::Error, "an audit log could not be signed");
            }
        }
    }

    /// Copies the database and the signed checkpoints, without any key, to `dir`, which must not exist.
    pub fn back_up(&self, dir: &Path, by: String) -> Result<(), upkeep::Error> {
        let Services { upkeep, kv, trail, .. } = &*self.services;
        upkeep.back_up(kv, trail.log().anchors(), dir, by, self.clock.now())
    }

    /// Writes what is queued and closes the database in good order.
    pub fn close(&self) {
        self.services.ingest.writer.stop();
        self.sign_checkpoints();
        if let Err(error) = self.services.kv.flush() {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the last flush failed; the next start reads the log instead"
            );
        }
    }
}

/// Where the database of a data directory lies.
pub fn database(config: &Config) -> PathBuf {
    config.data_dir.join("db")
}

/// Where the keys of pseudonyms lie. A database remembers the file of shared keys that it was used with: with another one, the same user would be another
/// pseudonym.
fn pseudonym_keys(
    config: &Config,
    kv: &Kv,
    own: &Arc<KeyFile>,
    writer: &Writer,
    entropy: &Arc<dyn Entropy>,
) -> Result<Arc<dyn NamedKeys>, Error> {
    let known = kv.get(Family::Meta, META_SHARED_KEYS)?;
    let Some(path) = &config.keys_shared else {
        if known.is_some() {
            writer.commit(|batch| batch.delete(Family::Meta, META_SHARED_KEYS))?;
        }
        return Ok(Arc::clone(own) as _);
    };
    let foreign = || Error::SharedKeysForeign { path: path.clone() };
    if known.is_some() && !path.exists() {
        return Err(foreign());
    }
    let shared = SharedKeys::open(path, Arc::clone(entropy))?;
    let identity = shared.identity();
    match known {
        Some(known) if *known == identity => {}
        Some(_) => return Err(foreign()),
        None => writer.commit(move |batch| batch.put(Family::Meta, META_SHARED_KEYS, &identity))?,
    }
    Ok(Arc::new(shared))
}

/// The keys of stored data: in the key file, wrapped by keys that are there too or behind the operator's command.
pub fn vault(config: &Config, file: &Arc<KeyFile>, entropy: &Arc<dyn Entropy>) -> Vault {
    let keks: Arc<dyn KekStore> = match config.keys_command.clone() {
        Some(command) => Arc::new(CommandKeks::new(command.program, command.args, command.timeout)),
        None => Arc::new(FileKeks::new(Arc::clone(file), Arc::clone(entropy))),
    };
    Vault::new(Arc::clone(file), keks, Arc::clone(entropy))
}

/// Runs a use-case to its end outside of a server.
pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime without timers and sockets needs nothing of the system").block_on(work)
}

/// Whether a key file is the one that a database was written with; a new database needs one that no other database was ever written with, since
/// keys that a database does not name are destroyed.
fn belong_together(known: Option<&[u8]>, file: &KeyFile) -> bool {
    match known {
        Some(known) => {
            let signing = file.find(KeyKind::AuditSigning, NOBODY, 0);
            signing.is_some_and(|signing| SigningKey::from_seed(&signing).public() == known)
        }
        // The first key that is made once a database knows its key file.
        None => file.find(KeyKind::Index, NOBODY, 0).is_none(),
    }
}

fn restored_entry(store: &Store, now: Millis) -> Entry {
    let let_go = store.let_go();
    Entry::new(now, Action::DatabaseRestored, Outcome::Success)
        .param("runs_let_go", let_go.runs().to_string())
        .param("journal_segments_let_go", let_go.segments().to_string())
        .count(let_go.rows())
}

fn copy(secret: &Secret) -> Secret {
    Secret::new(*secret.bytes())
}

/// Creates the tenant that a new data directory begins with; whether the directory is new.
fn create_first_tenant(desk: &Arc<Desk>, now: Millis) -> Result<bool, Error> {
    if !desk.directory.tenants().is_empty() {
        return Ok(false);
    }
    block_on(desk.create_tenant(FIRST_TENANT.to_owned(), "gateway".to_owned(), now))?;
    Ok(true)
}

fn external_issuers(config: &Config, directory: &Directory) -> Result<Vec<Arc<ExternalIssuer>>, Error> {
    let made = config.auth.issuers.iter().map(|issuer| {
        let settings = settings::issuer(issuer, directory)?;
        Ok(Arc::new(ExternalIssuer::new(settings, &config.auth.jwks_url_allow)?))
    });
    made.collect()
}

/// The policy in the file that `config` names, or the built-in one.
pub fn load_policy(config: &Config) -> Result<Scrubber, Error> {
    let (place, text) = match &config.privacy.policy {
        Some(path) => (path.display().to_string(), fs::read_to_string(path).map_err(Error::file(path))?),
        None => ("the built-in privacy policy".to_owned(), DEFAULT_POLICY.to_owned()),
    };
    Scrubber::from_toml(&text, &settings::privacy(config)).map_err(|errors| Error::Policy { place, errors })
}

/// The geo database that `config` names, if any.
fn load_geo(config: &Config) -> Result<Option<Arc<GeoDatabase>>, Error> {
    let open = |path: &PathBuf| GeoDatabase::open(path).map_err(|source| Error::Geo { path: path.clone(), source });
    Ok(config.privacy.geo_database.as_ref().map(open).transpose()?.map(Arc::new))
}

fn create_private_dir(dir: &Path) -> Result<(), Error> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(Error::file(dir))
}

/// Reads the admin key, making it first if it is not there.
fn admin_key(path: &Path, entropy: &dyn Entropy) -> Result<AdminKey, Error> {
    match fs::read_to_string(path) {
        Ok(text) => {
            let mode = fs::metadata(path).map_err(Error::file(path))?.permissions().mode();
            if mode & 0o077 != 0 {
                let source = std::io::Error::other("others may read the admin key: chmod 600 it");
                return Err(Error::File { path: path.to_owned(), source });
            }
            AdminKey::parse(text.trim()).ok_or_else(|| Error::AdminKey { path: path.to_owned() })
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let key = AdminKey::random(entropy);
            let mut options = fs::OpenOptions::new();
            let mut file = options.write(true).create_new(true).mode(0o600).open(path).map_err(Error::file(path))?;
            writeln!(file, "{}", *key.text()).and_then(|()| file.sync_all()).map_err(Error::file(path))?;
            Ok(key)
        }
        Err(source) => Err(Error::File { path: path.to_owned(), source }),
    }
}
