//! The same bulk over HTTP: the real binary, one tenant a sender, until everything is sealed.
//!
//! Counted is the processor time of the gateway's process, from the first request until a backup, which seals whatever is open, has been made. Its
//! clock is the machine's, so the buckets' day is not over: what [`super::load`] spends on merging small runs and on totals is not in it.

use std::error::Error;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use reqwest::blocking::Client;
use serde_json::{Value, json};

use crate::Options;

use super::house;
use super::map::{Request, Requests};
use super::measure::{of_process, tell};

/// How long the gateway may take to listen, or for one answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running gateway; killed when dropped.
struct Gateway {
    child: Child,
    base: String,
    admin: String,
    client: Client,
}

impl Gateway {
    fn start(dir: &Path) -> Result<Gateway, Box<dyn Error>> {
        if dir.exists() {
            fs::remove_dir_all(dir)?;
        }
        let settings = house::write_settings(dir)?;
        let data = dir.join("data");
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(settings).arg("--data").arg(&data);
        let log = File::create(dir.join("log"))?;
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn()?;
        let client = Client::builder().no_proxy().timeout(PATIENCE).build()?;
        let mut gateway = Gateway { child, base: String::new(), admin: String::new(), client };
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Ok(address) = fs::read_to_string(data.join("address")) {
                gateway.base = format!("http://{}", address.trim());
                gateway.admin = fs::read_to_string(data.join("admin.key"))?.trim().to_owned();
                return Ok(gateway);
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err(format!("the gateway did not start; it says: {}", fs::read_to_string(dir.join("log"))?).into())
    }

    fn order(&self, route: &str, order: &Value) -> Result<Value, Box<dyn Error>> {
        let request = self.client.post(format!("{}{route}", self.base)).bearer_auth(&self.admin);
        let answer = request.header("Content-Type", "application/json").body(order.to_string()).send()?;
        Ok(serde_json::from_slice(&answer.error_for_status()?.bytes()?)?)
    }

    /// An ingest key of a tenant that is made for it.
    fn key(&self, tenant: &str) -> Result<String, Box<dyn Error>> {
        self.order("/v1/admin/tenants", &json!({ "name": tenant }))?;
        let made = self.order("/v1/admin/keys", &json!({ "tenant": tenant }))?;
        Ok(made.get("key").and_then(Value::as_str).ok_or("no key")?.to_owned())
    }

    fn send(&self, client: &Client, key: &str, request: Request) -> Result<(), Box<dyn Error + Send + Sync>> {
        let sent = client.post(format!("{}/v1/events", self.base)).bearer_auth(key);
        let answer = sent.header("Content-Type", "application/x-ndjson").body(request.body).send()?;
        let answer: Value = serde_json::from_slice(&answer.error_for_status()?.bytes()?)?;
        let is_whole = answer.get("accepted").and_then(Value::as_u64) == Some(request.events);
        if is_whole { Ok(()) } else { Err("not every event was accepted".into()) }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Either may fail only because the process is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends `requests` to a new gateway in `dir` and tells what it took.
pub(super) fn run(requests: &Path, dir: &Path, options: &Options<'_>) -> Result<(), Box<dyn Error>> {
    let connections: usize = options.number("--in-flight", 8)?;
    let gateway = Gateway::start(dir)?;
    let mut keys = std::collections::BTreeMap::new();
    let mut all = Requests::open(requests)?;
    let mut work = Vec::new();
    while let Some(request) = all.next(Vec::new())? {
        if !keys.contains_key(&request.tenant) {
            keys.insert(request.tenant.clone(), gateway.key(&request.tenant)?);
        }
        work.push(request);
    }
    let events: u64 = work.iter().map(|request| request.events).sum();
    let before = of_process(gateway.child.id())?;
    let begun = Instant::now();
    thread::scope(|scope| {
        let senders: Vec<_> = (0..connections)
            .map(|_| {
                let (to_sender, given) = mpsc::sync_channel::<Request>(1);
                let (gateway, keys) = (&gateway, &keys);
                let sending = scope.spawn(move || {
                    // A connection of its own.
                    let client = Client::builder().no_proxy().timeout(PATIENCE).build()?;
                    given.into_iter().try_for_each(|request| {
                        let key = keys.get(&request.tenant).map(String::as_str).unwrap_or_default();
                        gateway.send(&client, key, request)
                    })
                });
                (to_sender, sending)
            })
            .collect();
        for (request, (to_sender, _)) in work.into_iter().zip(senders.iter().cycle()) {
            // A sender that has failed says so below.
            let _ = to_sender.send(request);
        }
        for (to_sender, sending) in senders {
            drop(to_sender);
            sending.join().map_err(|_| "a sender panicked")?.map_err(|error| error.to_string())?;
        }
        Ok::<(), Box<dyn Error>>(())
    })?;
    let (sent, sent_wall) = (of_process(gateway.child.id())?, begun.elapsed().as_secs_f64());
    gateway.order("/v1/admin/backups", &json!({ "dir": dir.join("copy") }))?;
    let done = of_process(gateway.child.id())?;
    Ok(tell(&json!({
        "mode": "http", "engine": "tidegate", "events": events, "in_flight": connections,
        "sent_cpu": sent.cpu_s - before.cpu_s, "sent_wall": sent_wall,
        "cpu": done.cpu_s - before.cpu_s, "wall": begun.elapsed().as_secs_f64(), "rss_peak": done.rss_peak,
    }))?)
}
