//! Real clients, unmodified: what they send arrives, and what they should not have sent does not stay.
//!
//! The SDKs are installed once, in the pinned versions, into cargo's directory for tests, and used again from there. Nothing here is
//! skipped: where the package registry is out of reach the tests fail and say so.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::gateway::{Gateway, Setup, poll};
use crate::leak::search::{Words, files, stored};

const REQUIREMENTS: &str = include_str!("clients/requirements.txt");
/// The SDK of the first generation for Node, which ends its process when the gateway does not answer as it expects.
const NODE_PACKAGES: [&str; 3] = ["agentcat@1.0.1", "@modelcontextprotocol/sdk@1.32.2", "zod@3.25.76"];
/// How long the Node SDK takes from its first try to its last, with some to spare.
const NODE_RETRIES: Duration = Duration::from_secs(9);

const BEARER: &str = "end-users-own-bearer-SECRET-77";
const COOKIE: &str = "end-users-own-cookie-SECRET-78";
const EMAIL: &str = "ada.lovelace@leak-test.example.org";

#[test]
fn agentcat_for_python_in_memory_with_the_key_in_its_url() {
    let gateway = Gateway::start();
    let key = gateway.key("default");
    let base = format!("{}/t/{key}", gateway.base());
    check_python(gateway, &base, "proj_whatever", "memory");
}

#[test]
fn agentcat_for_python_over_http_with_a_mapped_project() {
    let gateway = Setup::new().config("[agentcat]\nprojects = { proj_harbour = 'default' }").start();
    let base = gateway.base();
    check_python(gateway, &base, "proj_harbour", "http");
}

fn check_python(mut gateway: Gateway, base: &str, project: &str, transport: &str) {
    let user = |n: u8| json!({"id": format!("user-{n}-id"), "name": "Ada Lovelace", "email": EMAIL});
    let call = |tool: &str, arguments: Value, n: u8, task: &str| {
        let mut call = json!({"tool": tool, "arguments": arguments, "user": user(n), "task": task});
        call["arguments"]["context"] = json!(format!("To plan a trip; answer to {EMAIL}."));
        call
    };
    let calls = json!([
        call("tide_table", json!({"port": "Oslo"}), 1, "first"),
        call("tide_table", json!({"port": "Bergen"}), 1, "first"),
        call("tide_table", json!({"port": "Atlantis"}), 1, "first"),
        call("send_report", json!({"to": EMAIL, "text": "all well"}), 1, "first"),
        call("broken_gauge", json!({}), 2, "second"),
        call("broken_gauge", json!({}), 2, "second"),
        call("tide_table", json!({"port": "Oslo"}), 2, "second"),
        call("get_more_tools", json!({}), 2, "second"),
    ]);
    let headers = json!({"Authorization": format!("Bearer {BEARER}"), "Cookie": format!("sid={COOKIE}")});
    let plan = json!({"transport": transport, "base": base, "project": project, "headers": headers, "calls": calls});
    let told = drive_python(&plan);
    assert_eq!(told["errors"], json!([false, false, true, false, true, true, false, false]), "what the client saw");

    let token = gateway.token("default", "query,export");
    let data = gateway.get_json("/api/analytics", &token)["data"].clone();
    assert_eq!((&data["totalUsers"], &data["totalRequests"]), (&json!(2), &json!(8)));
    assert_eq!(data["errorRate"], json!(0.375));
    let expected =
        [("broken_gauge", (2, 2)), ("get_more_tools", (1, 0)), ("send_report", (1, 0)), ("tide_table", (4, 1))];
    assert_eq!(tools(&data), BTreeMap::from(expected.map(|(name, counts)| (name.to_owned(), counts))));

    let sessions = gateway.get_json("/api/sessions", &token);
    let requests = |session: &Value| session["totalRequests"].as_u64().unwrap();
    let sessions = sessions["data"].as_array().unwrap().iter();
    let sessions: BTreeMap<String, u64> =
        sessions.map(|session| (session["id"].as_str().unwrap().to_owned(), requests(session))).collect();
    let issued = |task: &str| told["sessions"][task].as_str().expect("a session was issued").to_owned();
    assert_eq!(sessions, BTreeMap::from([(issued("first"), 4), (issued("second"), 4)]));

    gateway.stop();
    let kept = [files(&gateway.data()), stored(&gateway.data())].concat();
    Words::new([("tool", "tide_table"), ("intent", "To plan a trip")]).assert_present(&kept);
    let gone = [
        ("bearer", BEARER),
        ("cookie", COOKIE),
        ("e-mail", EMAIL),
        ("user", "user-1-id"),
        ("user's name", "Ada Lovelace"),
    ];
    Words::new(gone).assert_absent(&kept);
    assert_eq!(gateway.stderr().matches(EMAIL).count(), 0);
}

#[test]
fn agentcat_for_node_lives_on_and_its_events_arrive() {
    let mut gateway = Gateway::start();
    let key = gateway.key("default");
    let token = gateway.token("default", "query,export");
    assert_eq!(
        drive_node(&format!("{}/t/{key}", gateway.base()), "proj_whatever", || {
            poll("the events of the Node SDK", || {
                let data = gateway.get_json("/api/analytics", &token)["data"].clone();
                let expected = [("get_more_tools", (1, 0)), ("tide_table", (3, 1))];
                (tools(&data) == BTreeMap::from(expected.map(|(name, counts)| (name.to_owned(), counts)))).then_some(())
            });
        }),
        "done\n"
    );
    gateway.stop();
    Words::new([("e-mail", "ada.node@example.org"), ("user", "user-node")]).assert_absent(&stored(&gateway.data()));
}

#[test]
fn agentcat_for_node_lives_on_when_nobody_owns_its_project() {
    let gateway = Gateway::start();
    let told = drive_node(&gateway.base(), "proj_nobody", || thread::sleep(NODE_RETRIES));
    assert_eq!(told, "done\n", "the customer's process ended with the first refused event");
    let refused = gateway.metric("tidegate_events_total", &["outcome=\"rejected\"", "reason=\"unauthorized\""]);
    assert!(refused >= 4.0, "the events are in the books as refused");
}

/// Calls and errors by tool.
fn tools(data: &Value) -> BTreeMap<String, (u64, u64)> {
    let tools = data["popularTools"].as_array().expect("a list").iter();
    let count = |tool: &Value, name: &str| tool[name].as_u64().expect("a count");
    tools
        .map(|tool| {
            (tool["toolName"].as_str().unwrap().to_owned(), (count(tool, "usageCount"), count(tool, "errorCount")))
        })
        .collect()
}

/// Runs the Python driver to its end; what it says of the calls.
fn drive_python(plan: &Value) -> Value {
    let mut command = Command::new(python());
    command.arg(source("agentcat_driver.py")).env("DISABLE_DIAGNOSTICS", "1").env("NO_PROXY", "*").env("no_proxy", "*");
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("Python starts");
    child.stdin.take().unwrap().write_all(plan.to_string().as_bytes()).expect("the plan is read");
    let output = child.wait_with_output().expect("Python ends");
    assert!(output.status.success(), "the driver failed:\n{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("the driver answers with JSON")
}

/// Runs the Node driver and lets it live until `meanwhile` is over; what it says at its end.
fn drive_node(base: &str, project: &str, meanwhile: impl FnOnce()) -> String {
    let mut command = Command::new("node");
    command.arg(node().join("agentcat_driver.mjs")).args([base, project]).env("DISABLE_DIAGNOSTICS", "1");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Node starts");
    meanwhile();
    drop(child.stdin.take());
    let mut told = String::new();
    child.stdout.take().unwrap().read_to_string(&mut told).expect("the driver's words");
    assert!(child.wait().expect("Node ends").success(), "the customer's process died");
    told
}

fn source(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/clients").join(file)
}

/// The interpreter of an environment that has the pinned packages.
fn python() -> PathBuf {
    let dir = installed("clients-python", REQUIREMENTS, |dir| {
        run(
            "python3 -m venv (Debian: python3-venv; `make test` installs it)",
            Command::new("python3").args(["-m", "venv"]).arg(dir),
        );
        let mut pip = Command::new(dir.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
        run("pip install (is the package registry out of reach?)", pip.arg(source("requirements.txt")));
    });
    dir.join("bin/python")
}

/// A directory that has the pinned packages and the driver beside them, where Node looks for them.
fn node() -> PathBuf {
    let dir = installed("clients-node", &NODE_PACKAGES.join(" "), |dir| {
        fs::create_dir_all(dir).expect("a directory for the packages");
        fs::write(dir.join("package.json"), r#"{"private":true}"#).expect("package.json");
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--no-save", "--ignore-scripts"])
            .args(NODE_PACKAGES)
            .current_dir(dir);
        run("npm install (are Node and npm there, is the package registry out of reach?)", &mut npm);
    });
    fs::copy(source("agentcat_driver.mjs"), dir.join("agentcat_driver.mjs")).expect("a copy of the driver");
    dir
}

/// A directory of that name in which `install` has succeeded for these `packages`. One test installs, the others wait.
fn installed(name: &str, packages: &str, install: impl FnOnce(&Path)) -> PathBuf {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let lock = File::create(root.join(format!("{name}.lock"))).expect("a lock file");
    lock.lock().expect("the lock");
    let (dir, done) = (root.join(name), root.join(name).join("installed"));
    if fs::read_to_string(&done).is_ok_and(|text| text == packages) {
        return dir;
    }
    let _ = fs::remove_dir_all(&dir);
    install(&dir);
    fs::write(&done, packages).expect("a note that it is installed");
    dir
}

fn run(what: &str, command: &mut Command) {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{what} cannot be started: {error}"));
    assert!(output.status.success(), "{what} failed:\n{}", String::from_utf8_lossy(&output.stderr));
}
