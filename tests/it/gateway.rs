//! A gateway to test: the real binary, in a directory that is gone afterwards.
//!
//! [`Gateway::start`] is the product without any configuration; [`Setup`] adds settings. Both wait until it listens. Management commands run through
//! [`Gateway::run`] on a running and on a stopped gateway alike. Whatever happens to the test, the child process is killed.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::blocking::{Client, RequestBuilder};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tempfile::TempDir;
use tidegate::id::SystemEntropy;
use tidegate::keys::{KeyFile, KeyKind, Secret};

/// Whatever takes longer than this hangs. Never the measure of a promise.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Pause between two looks at something that will change soon.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Settings of a gateway before its start.
#[derive(Clone, Default)]
pub struct Setup {
    config: String,
    env: Vec<(String, String)>,
}

impl Setup {
    /// No settings: what a new user has.
    pub fn new() -> Setup {
        Setup::default()
    }

    /// Adds lines to the gateway's `gateway.toml`.
    pub fn config(mut self, toml: &str) -> Setup {
        self.config.push_str(toml);
        self.config.push('\n');
        self
    }

    /// Adds a name to the gateway's environment.
    pub fn env(mut self, name: &str, value: &str) -> Setup {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Makes the directory, without starting anything in it.
    pub fn prepare(self) -> Gateway {
        let root = tempfile::tempdir().expect("a temporary directory");
        let client = Client::builder().no_proxy().timeout(PATIENCE).build().expect("an HTTP client");
        let gateway = Gateway { root, setup: self, child: None, address: None, client };
        gateway.write_config(&gateway.setup.config);
        gateway
    }

    /// Starts a gateway and waits until it listens.
    pub fn start(self) -> Gateway {
        let mut gateway = self.prepare();
        gateway.restart();
        gateway
    }
}

/// A gateway's directory, and its process while it runs.
pub struct Gateway {
    root: TempDir,
    setup: Setup,
    child: Option<Child>,
    address: Option<SocketAddr>,
    client: Client,
}

impl Gateway {
    /// Starts the product as it comes, without any configuration.
    pub fn start() -> Gateway {
        Setup::new().start()
    }

    /// Starts the gateway on its directory (again) and waits until it listens.
    pub fn restart(&mut self) {
        if let Err(stderr) = self.try_restart() {
            panic!("the gateway ended before it listened:\n{stderr}");
        }
    }

    /// Starts the gateway; its standard error if it ends before it listens.
    pub fn try_restart(&mut self) -> Result<(), String> {
        assert!(self.child.is_none(), "the gateway is running already");
        let log =
            File::options().create(true).append(true).open(self.stderr_path()).expect("the file for standard error");
        let before = log.metadata().expect("its length").len();
        let _ = fs::remove_file(self.data().join("address"));
        let mut command = self.command(&["serve", "--listen", "127.0.0.1:0"]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        let mut child = child.expect("the binary can be started");
        let started = Instant::now();
        loop {
            if let Ok(text) = fs::read_to_string(self.data().join("address")) {
                self.address = Some(text.trim().parse().expect("DIR/address holds an address"));
                self.child = Some(child);
                return Ok(());
            }
            if child.try_wait().expect("the child's state").is_some() {
                let log = fs::read(self.stderr_path()).expect("standard error");
                return Err(String::from_utf8_lossy(&log[usize::try_from(before).expect("a length")..]).into_owned());
            }
            if started.elapsed() > PATIENCE {
                let _ = child.kill();
                let _ = child.wait();
                panic!("the gateway did not listen in time:\n{}", self.stderr());
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Asks the process to end (SIGTERM) and waits; it must end well.
    pub fn stop(&mut self) {
        self.signal("TERM");
        let mut child = self.child.take().expect("the gateway is running");
        let status = poll("the end of the process", || child.try_wait().expect("the child's state"));
        assert!(status.success(), "the gateway ended with {status}:\n{}", self.stderr());
        self.address = None;
    }

    /// Kills the process on the spot (SIGKILL).
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("the gateway is running");
        child.kill().expect("a running process can be killed");
        child.wait().expect("a killed process ends");
        self.address = None;
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        // `kill` is a word of every shell, but not a program on every machine.
        let status = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.pid())]).status();
        assert!(status.expect("sh").success(), "the process is not there any more");
    }

    /// The process while it runs.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the gateway is running").id()
    }

    /// The most memory that the process ever had resident, in bytes.
    pub fn memory_peak(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("the process's status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.root.path().join("data")
    }

    /// The directory around it: settings and captured output.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// The file of settings.
    pub fn config_path(&self) -> PathBuf {
        self.root.path().join("gateway.toml")
    }

    /// Replaces the file of settings, as an editor does; a running gateway notices by itself.
    pub fn write_config(&self, toml: &str) {
        let fresh = self.root.path().join("gateway.toml.new");
        fs::write(&fresh, toml).and_then(|()| fs::rename(&fresh, self.config_path())).expect("the file of settings");
    }

    /// The file that holds standard error of all runs in this directory.
    pub fn stderr_path(&self) -> PathBuf {
        self.root.path().join("stderr.log")
    }

    /// Standard error of all runs in this directory.
    pub fn stderr(&self) -> String {
        let log = fs::read(self.stderr_path()).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// The binary with this gateway's settings and nothing else in its environment.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        command.args(args).env_clear().current_dir(self.root.path());
        command.env("TIDEGATE_DATA", self.data()).env("TIDEGATE_CONFIG", self.config_path());
        command.envs(self.setup.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command of the binary to its end.
    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).stdin(Stdio::null()).output().expect("the binary can be started")
    }

    /// Runs a management command; the one line that it must print.
    pub fn value_of(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{args:?} failed: {err}");
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(lines.len(), 1, "{args:?} must print exactly one line on standard output, not {lines:?}");
        assert!(!lines[0].trim().is_empty() && out.ends_with('\n'), "{args:?} printed an unfinished line");
        assert!(!err.trim().is_empty(), "{args:?} has no words on standard error");
        lines[0].to_owned()
    }

    /// A key of the gateway itself, out of its key file.
    pub fn secret(&self, kind: KeyKind) -> Arc<Secret> {
        let file = KeyFile::open_read_only(&self.data().join("keys"), &SystemEntropy).expect("the key file");
        file.find(kind, [0; 8], 0).expect("the key")
    }

    /// The operator's key.
    pub fn admin_key(&self) -> String {
        fs::read_to_string(self.data().join("admin.key")).expect("DIR/admin.key").trim().to_owned()
    }

    /// Creates a tenant; its id.
    pub fn tenant(&self, name: &str) -> String {
        self.made("/v1/admin/tenants", &json!({ "name": name }), "id")
    }

    /// Creates an ingest key; its secret.
    pub fn key(&self, tenant: &str) -> String {
        self.made("/v1/admin/keys", &json!({ "tenant": tenant }), "key")
    }

    /// Issues a token, such as `token("acme", "query,export")`.
    pub fn token(&self, tenant: &str, scopes: &str) -> String {
        self.made("/v1/admin/tokens", &json!({ "tenant": tenant, "scope": scopes }), "token")
    }

    fn made(&self, route: &str, order: &Value, member: &str) -> String {
        let answer = self.post_json(route, &self.admin_key(), order).expect(201);
        answer.json()[member].as_str().unwrap_or_else(|| panic!("{route} answers without {member}")).to_owned()
    }

    /// `http://ADDRESS`, while it runs.
    pub fn base(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Where it listens, while it runs.
    pub fn address(&self) -> SocketAddr {
        self.address.expect("the gateway is running")
    }

    /// A request to be completed and given to [`send`].
    pub fn request(&self, method: Method, route: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{route}", self.base()))
    }

    /// GET with a bearer credential.
    pub fn get(&self, route: &str, bearer: &str) -> Answer {
        send(self.request(Method::GET, route).bearer_auth(bearer))
    }

    /// GET with a bearer credential; the document of an answer that must be 200.
    pub fn get_json(&self, route: &str, bearer: &str) -> Value {
        self.get(route, bearer).expect(200).json()
    }

    /// POST of a JSON document with a bearer credential.
    pub fn post_json(&self, route: &str, bearer: &str, body: &Value) -> Answer {
        let request = self.request(Method::POST, route).bearer_auth(bearer);
        send(request.header("Content-Type", "application/json").body(body.to_string()))
    }

    /// POST of events: one object or an array.
    pub fn post_events(&self, key: &str, events: &Value) -> Answer {
        self.post_json("/v1/events", key, events)
    }

    /// DELETE with a bearer credential.
    pub fn delete(&self, route: &str, bearer: &str) -> Answer {
        send(self.request(Method::DELETE, route).bearer_auth(bearer))
    }

    /// Writes bytes to a fresh connection and reads until the gateway closes it; what came back.
    pub fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        // A gateway that has answered already may have closed its side; the answer counts then.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// A fresh connection.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address()).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout for reading");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout for writing");
        stream
    }

    /// All metrics, in the text form.
    pub fn metrics(&self) -> String {
        send(self.request(Method::GET, "/metrics")).expect(200).text()
    }

    /// The sum of a metric over all series that have these labels, each written `name="value"`.
    pub fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let text = self.metrics();
        let mut sum = None;
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((series, value)) = line.rsplit_once(' ') else { continue };
            let (found, found_labels) = series.split_once('{').unwrap_or((series, ""));
            if found == name && labels.iter().all(|label| found_labels.contains(label)) {
                *sum.get_or_insert(0.0) += value.parse::<f64>().expect("a number");
            }
        }
        sum.unwrap_or_default()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("--- standard error of the gateway ---\n{}", self.stderr());
        }
    }
}

/// A complete answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    /// The answer itself, if its status is the expected one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Answer {
        assert_eq!(self.status, status, "the answer was: {}", self.text());
        self
    }

    /// A header, or the empty text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("a header of ASCII"))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        text(&self.body)
    }

    /// The body as a JSON document.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("not JSON ({error}): {}", self.text()))
    }

    /// Head and body in one text, for looking for what must not be in it.
    pub fn everything(&self) -> String {
        format!("{} {:?}\n{}", self.status, self.headers, self.text())
    }
}

/// Sends a request and reads the whole answer.
#[track_caller]
pub fn send(request: RequestBuilder) -> Answer {
    let response = request.send().unwrap_or_else(|error| panic!("no answer: {error:?}"));
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.bytes().unwrap_or_else(|error| panic!("no complete answer: {error:?}"));
    Answer { status, headers, body: body.to_vec() }
}

/// Looks again and again until there is something; fails when it takes too long.
#[track_caller]
pub fn poll<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "waited too long for {what}");
        std::thread::sleep(LOOK_AGAIN);
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
