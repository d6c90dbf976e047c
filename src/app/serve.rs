//! Serving: listeners, signals, and a stop that loses nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::dev::ServerHandle;
use actix_web::middleware::{NormalizePath, from_fn};
use actix_web::{App, HttpServer, web};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::audit::Action;
use crate::clock::SystemClock;
use crate::config::{Config, Overrides, TlsConfig};
use crate::http::{middleware, routes};
use crate::id::SystemEntropy;

use super::keeper::Keeper;
use super::{Error, Gateway};

/// The longest path that a Unix socket may have, by the kernel's `sockaddr_un`.
const SOCKET_PATH_MAX: usize = 107;

/// What a caller of [`serve`] gets once the listeners are open.
pub struct Serving {
    /// `http://` or `https://`, and the address of the listener.
    pub base: String,
    /// Where the admin key is.
    pub admin_key: PathBuf,
    /// Whether the data directory was made just now.
    pub first_start: bool,
    /// Stops the server, as a signal does.
    pub handle: ServerHandle,
}

/// Serves until a signal comes or [`Serving::handle`] is used. `started` is called once the listeners are open.
pub fn serve(config: &Config, overrides: &Overrides, started: impl FnOnce(Serving)) -> Result<(), Error> {
    let gateway = Arc::new(Gateway::open(config, Arc::new(SystemClock), Arc::new(SystemEntropy))?);
    let served = actix_web::rt::System::new().block_on(listen(&gateway, config, overrides, started));
    let stopped = gateway.record(Action::ServiceStopped, &[]);
    gateway.close();
    served.and(stopped)
}

async fn listen(
    gateway: &Arc<Gateway>,
    config: &Config,
    overrides: &Overrides,
    started: impl FnOnce(Serving),
) -> Result<(), Error> {
    let services = web::Data::from(Arc::clone(&gateway.services));
    let workers = match config.server.workers {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        workers => workers,
    };
    let server = HttpServer::new(move || {
        // The layer added last sees the request first.
        App::new()
            .app_data(services.clone())
            .wrap(from_fn(middleware::observe))
            .wrap(NormalizePath::trim())
            .configure(routes::configure)
    })
    .workers(workers)
    .max_connections(config.server.connections_max.div_ceil(workers))
    .keep_alive(config.server.keep_alive)
    .client_request_timeout(config.server.client_request_timeout)
    .shutdown_timeout(config.server.shutdown_timeout.as_secs())
    // A client that closes its connection is gone, and what it asked for ends: its handler is dropped. One that only closes its own side and still
    // waits for an answer cannot be told from it, and gets none.
    .h1_allow_half_closed(false)
    .disable_signals();
    let failed = |what| move |source| Error::System { what, source };
    let server = match &config.server.tls {
        Some(tls) => server.bind_rustls_0_23(config.server.listen, tls_config(tls)?),
        None => server.bind(config.server.listen),
    };
    let server = server.map_err(failed("the listener cannot be opened"))?;
    let control = Control::at(&config.data_dir.join("control.sock"));
    let server = match control.as_ref() {
        Some(control) => server.bind_uds(&control.0).map_err(failed("the control socket cannot be opened"))?,
        None => server,
    };
    if let Some(control) = &control {
        fs::set_permissions(&control.0, fs::Permissions::from_mode(0o600)).map_err(Error::file(&control.0))?;
    }
    // Heard before anybody is told where to find the process: until then a signal ends it on the spot.
    let heard = |kind| signal(kind).map_err(failed("signals cannot be heard"));
    let stops = [heard(SignalKind::terminate())?, heard(SignalKind::interrupt())?];
    let hangups = heard(SignalKind::hangup())?;
    let address = server.addrs().first().copied().unwrap_or(config.server.listen);
    let server = server.run();
    let address_file = AddressFile::write(&config.data_dir.join("address"), &address.to_string())?;

    let recorded = Arc::clone(gateway);
    let start = web::block(move || {
        recorded.record(Action::ServiceStarted, &[("version", env!("CARGO_PKG_VERSION").to_owned())])?;
        recorded.services.ingest.policies.record_start(recorded.clock.now()).map_err(Error::from)
    });
    start.await.map_err(|_| Error::Commit(crate::kv::CommitError::Stopped))??;
    let keeper =
        Keeper::start(Arc::clone(gateway), overrides.clone(), config).map_err(failed("the keeper's thread"))?;
    actix_web::rt::spawn(reload_on_hangup(hangups, keeper.reload_flag()));
    actix_web::rt::spawn(stop_on_signal(stops, server.handle()));
    gateway.services.ready.store(true, Ordering::Relaxed);
    let scheme = if config.server.tls.is_some() { "https" } else { "http" };
    started(Serving {
        base: format!("{scheme}://{address}"),
        admin_key: config.data_dir.join("admin.key"),
        first_start: gateway.first_start,
        handle: server.handle(),
    });
    let served = server.await.map_err(failed("the server stopped"));
    gateway.services.ready.store(false, Ordering::Relaxed);
    tracing::info!("no more requests are taken; what was accepted is being written");
    let ended = web::block(move || drop(keeper)).await;
    drop(address_file);
    drop(control);
    ended.map_err(|_| Error::Commit(crate::kv::CommitError::Stopped))?;
    served
}

/// SIGTERM and SIGINT both stop in good order: requests that are being served get their answers.
async fn stop_on_signal([mut terminate, mut interrupt]: [Signal; 2], server: ServerHandle) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    server.stop(true).await;
}

async fn reload_on_hangup(mut hangups: Signal, reload: Arc<AtomicBool>) {
    while hangups.recv().await.is_some() {
        reload.store(true, Ordering::Relaxed);
    }
}

fn tls_config(tls: &TlsConfig) -> Result<rustls::ServerConfig, Error> {
    let unreadable = |path: &Path, error: rustls::pki_types::pem::Error| Error::File {
        path: path.to_owned(),
        source: std::io::Error::other(error),
    };
    let chain = CertificateDer::pem_file_iter(&tls.certificate).and_then(|chain| chain.collect::<Result<Vec<_>, _>>());
    let chain = chain.map_err(|error| unreadable(&tls.certificate, error))?;
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|error| unreadable(&tls.key, error))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let refused = |error: rustls::Error| Error::System {
        what: "the TLS certificate or key is refused",
        source: std::io::Error::other(error),
    };
    rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(refused)
}

/// The Unix socket for management commands; removed when dropped.
struct Control(PathBuf);

impl Control {
    fn at(path: &Path) -> Option<Control> {
        if path.as_os_str().len() > SOCKET_PATH_MAX {
            tracing::warn!(
                "the data directory's path is too long for a control socket: management commands work while the gateway is stopped"
            );
            return None;
        }
        // The database is locked by now, so a socket that is there is a left-over.
        let _ = fs::remove_file(path);
        Some(Control(path.to_owned()))
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Says where the gateway listens; removed when dropped.
struct AddressFile(PathBuf);

impl AddressFile {
    fn write(path: &Path, address: &str) -> Result<AddressFile, Error> {
        // Renamed into place, so that whoever waits for it never reads half of it.
        let fresh = path.with_extension("new");
        fs::write(&fresh, format!("{address}\n")).and_then(|()| fs::rename(&fresh, path)).map_err(Error::file(path))?;
        Ok(AddressFile(path.to_owned()))
    }
}

impl Drop for AddressFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
