//! The binary: reads the command line and hands over to the composition root.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Parser;
use tidegate::app::serve::{Serving, serve};
use tidegate::app::{self, FIRST_TENANT, Gateway, block_on, load_policy};
use tidegate::cli::demo::Demo;
use tidegate::cli::manage::{self, Order, Server};
use tidegate::cli::{Cli, Command, KeyCommand, KeysCommand, Source, TenantCommand, TokenCommand, fsck, restore, scrub};
use tidegate::clock::{Clock, SystemClock};
use tidegate::config::{self, Config, Overrides};
use tidegate::id::{Entropy, SystemEntropy};
use tidegate::keys::{self, KeyFile, KeyKind, SigningKey};
use tidegate::kv;
use tidegate::privacy::Stream;
use tidegate::telemetry::{self, LogFormat};

/// Fragmentation of many small, short-lived allocations would otherwise grow the resident memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(io::stderr(), "tidegate: {}", explain(&*failure));
            ExitCode::FAILURE
        }
    }
}

/// The failure and what lies behind it, on one line.
fn explain(failure: &dyn std::error::Error) -> String {
    let mut text = failure.to_string();
    let mut source = failure.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Serve { source, listen } => serve_command(overrides(source, listen)),
        Command::Demo { data, listen, seed, once } => demo(data, listen, seed, once),
        Command::Tenant { command } => {
            let (TenantCommand::Create { source, .. } | TenantCommand::List { source }) = &command;
            manage_command(source.clone(), command.try_into()?)
        }
        Command::Key { command } => {
            let (KeyCommand::Create { source, .. }
            | KeyCommand::List { source, .. }
            | KeyCommand::Revoke { source, .. }) = &command;
            manage_command(source.clone(), command.try_into()?)
        }
        Command::Keys { command: KeysCommand::Export { file, source } } => export_keys(source, &file),
        Command::Token { command } => {
            let (TokenCommand::Issue { source, .. } | TokenCommand::Revoke { source, .. }) = &command;
            manage_command(source.clone(), command.try_into()?)
        }
        Command::Scrub { policy, receipts, stream } => scrub_command(policy, receipts, stream.as_deref()),
        Command::CheckConfig { config } => check_config(config),
        Command::Backup { dir, source } => backup(source, &dir),
        Command::Restore { backup, source } => restore_command(source, &backup),
        Command::Fsck { source } => fsck_command(source),
    }
}

fn overrides(source: Source, listen: Option<String>) -> Overrides {
    // The file that is watched for changes is the one that is read.
    let config = source.config.or_else(|| config::variable("TIDEGATE_CONFIG").map(PathBuf::from));
    Overrides { config, data: source.data, listen }
}

fn load(overrides: &Overrides) -> Result<Config, config::Errors> {
    let config = config::load(overrides, config::environment())?;
    let format = match config.log.format {
        config::LogFormat::Text => LogFormat::Text,
        config::LogFormat::Json => LogFormat::Json,
    };
    telemetry::init_logging(format, &config.log.filter);
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    Ok(config)
}

fn serve_command(overrides: Overrides) -> Result<(), Failure> {
    let config = load(&overrides)?;
    Ok(serve(&config, &overrides, |serving| welcome(&serving))?)
}

/// Says where everything is and how to send the first event.
fn welcome(serving: &Serving) {
    let (base, key) = (&serving.base, serving.admin_key.display());
    tracing::info!("tidegate {} listens on {base}", env!("CARGO_PKG_VERSION"));
    tracing::info!("the admin key is in {key}");
    let text = format!(
        "\nTry it (copy and paste):\n\n  \
         KEY=$(curl -s {base}/v1/admin/keys -H \"Authorization: Bearer $(cat {key})\" -H 'Accept: text/plain' -d '{{\"tenant\":\"{FIRST_TENANT}\"}}')\n  \
         curl -s {base}/v1/events -H \"Authorization: Bearer $KEY\" -d '{{\"type\":\"mcp.tool_call\",\"name\":\"scan_directory\",\"user\":\"ana@example.com\",\"duration_ms\":150,\"ok\":true}}'\n  \
         TOKEN=$(curl -s {base}/v1/admin/tokens -H \"Authorization: Bearer $(cat {key})\" -H 'Accept: text/plain' -d '{{\"tenant\":\"{FIRST_TENANT}\",\"scope\":\"query,export\"}}')\n  \
         curl -s {base}/api/analytics -H \"Authorization: Bearer $TOKEN\"\n"
    );
    let _ = writeln!(io::stderr(), "{text}");
}

fn demo(data: Option<PathBuf>, listen: String, seed: u64, once: bool) -> Result<(), Failure> {
    let temporary = data.is_none().then(|| std::env::temp_dir().join(format!("tidegate-demo-{}", std::process::id())));
    let dir = data.or_else(|| temporary.clone()).unwrap_or_default();
    let overrides = Overrides { config: None, data: Some(dir.clone()), listen: Some(listen) };
    let config = load(&overrides)?;
    let stop = Arc::new(AtomicBool::new(false));
    let stopping = Arc::clone(&stop);
    let played = serve(&config, &overrides, move |serving| {
        std::thread::spawn(move || play(&serving, seed, once, &stopping));
    });
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    if let Some(dir) = &temporary {
        std::fs::remove_dir_all(dir)?;
    }
    Ok(played?)
}

fn play(serving: &Serving, seed: u64, once: bool, stop: &AtomicBool) {
    let told = std::fs::read_to_string(&serving.admin_key).map_err(Failure::from).and_then(|key| {
        let demo = Demo { base: serving.base.clone(), admin_key: key.trim().to_owned() };
        demo.run(&mut io::stdout(), seed)?;
        if !once {
            writeln!(io::stdout(), "A slow stream of events goes on. Ctrl-C ends the demo and removes its data.")?;
            demo.trickle(stop)?;
        }
        Ok(())
    });
    if let Err(failure) = told {
        let _ = writeln!(io::stderr(), "tidegate demo: {}", explain(&*failure));
    }
    drop(serving.handle.stop(true));
}

fn manage_command(source: Source, order: Order) -> Result<(), Failure> {
    let overrides = overrides(source, None);
    let config = quiet(&overrides)?;
    let done = match Gateway::open(&config, Arc::new(SystemClock), Arc::new(SystemEntropy)) {
        Ok(gateway) => {
            let done = block_on(manage::offline(&gateway.desk, order, SystemClock.now()));
            gateway.close();
            done?
        }
        Err(app::Error::Kv(kv::Error::Locked)) => manage::online(&Server::of(&config.data_dir)?, order)?,
        Err(error) => return Err(error.into()),
    };
    Ok(done.print(&mut io::stdout(), &mut io::stderr())?)
}

fn backup(source: Source, dir: &Path) -> Result<(), Failure> {
    let config = quiet(&overrides(source, None))?;
    // A running server has a working directory of its own.
    let dir = std::path::absolute(dir)?;
    match Gateway::open(&config, Arc::new(SystemClock), Arc::new(SystemEntropy)) {
        Ok(gateway) => {
            let made = gateway.back_up(&dir, manage::BY.to_owned());
            gateway.close();
            made?;
        }
        Err(app::Error::Kv(kv::Error::Locked)) => Server::of(&config.data_dir)?.back_up(&dir)?,
        Err(error) => return Err(error.into()),
    }
    writeln!(io::stdout(), "{}", dir.display())?;
    Ok(writeln!(io::stderr(), "backup made; it holds no keys: copy the key file too, and keep it elsewhere")?)
}

fn restore_command(source: Source, backup: &Path) -> Result<(), Failure> {
    let config = quiet(&overrides(source, None))?;
    restore::put_in_place(backup, &config.data_dir, &config.keys_path)?;
    let gateway = Gateway::open_restored(&config, Arc::new(SystemClock), Arc::new(SystemEntropy))?;
    let let_go = gateway.services.ingest.store.let_go();
    let (runs, rows, segments) = (let_go.runs(), let_go.rows(), let_go.segments());
    gateway.close();
    writeln!(io::stdout(), "{}", config.data_dir.display())?;
    Ok(writeln!(
        io::stderr(),
        "restored; let go, because their keys are gone: {rows} rows in {runs} sealed runs, and {segments} segments of the journal"
    )?)
}

fn export_keys(source: Source, to: &Path) -> Result<(), Failure> {
    let config = quiet(&overrides(source, None))?;
    let path = &config.keys_path;
    if !path.try_exists()? {
        return Err(format!("{}: there is no key file: is this the right --data?", path.display()).into());
    }
    let file = KeyFile::open(path, &SystemEntropy).map_err(|error| {
        let hint = if matches!(error, keys::Error::InUse { .. }) { "; stop the gateway first" } else { "" };
        format!("{error}{hint}")
    })?;
    file.export(to)?;
    writeln!(io::stdout(), "{}", to.display())?;
    let kept_elsewhere =
        if config.keys_command.is_some() { "; key-encryption keys stay with keys.command" } else { "" };
    Ok(writeln!(io::stderr(), "key file copied; whoever has it can read the data{kept_elsewhere}")?)
}

/// Loads the configuration for a command that has better things to say than what a server logs.
fn quiet(overrides: &Overrides) -> Result<Config, config::Errors> {
    telemetry::init_logging(LogFormat::Text, "warn");
    load(overrides)
}

fn scrub_command(policy: Option<PathBuf>, receipts: Option<PathBuf>, stream: Option<&str>) -> Result<(), Failure> {
    let stream = match stream {
        Some(name) => {
            Some(Stream::from_name(name).ok_or_else(|| format!("--stream: expected one of {}", Stream::names()))?)
        }
        None => None,
    };
    let mut config = config::load(&Overrides::default(), config::environment())?;
    config.privacy.policy = policy.or(config.privacy.policy);
    let scrubber = load_policy(&config)?;
    let receipts = receipts.map(|path| std::fs::File::create(path).map(BufWriter::new)).transpose()?;
    Ok(scrub::run(&scrubber, stream, io::stdin().lock(), BufWriter::new(io::stdout().lock()), receipts)?)
}

fn check_config(config: Option<PathBuf>) -> Result<(), Failure> {
    let config = config::load(&Overrides { config, ..Overrides::default() }, config::environment())?;
    load_policy(&config)?;
    for warning in &config.warnings {
        writeln!(io::stderr(), "warning: {warning}")?;
    }
    Ok(write!(io::stdout(), "{}", config.render_masked())?)
}

fn fsck_command(source: Source) -> Result<(), Failure> {
    let config = quiet(&overrides(source, None))?;
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let file = Arc::new(KeyFile::open_read_only(&config.keys_path, &*entropy)?);
    let signing = file.find(KeyKind::AuditSigning, [0; 8], 0);
    let signing = signing.ok_or("the key file has no key for the audit log: is this the right --data?")?;
    let vault = Arc::new(app::vault(&config, &file, &entropy));
    let public = SigningKey::from_seed(&signing).public();
    let checked =
        fsck::Checked { dir: &config.data_dir, gateway: &config.gateway_name, vault: &vault, public: &public };
    Ok(fsck::run(&checked, &mut io::stdout())?)
}
