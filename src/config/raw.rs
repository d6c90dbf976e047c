//! Settings as written: the sources laid over each other, each value knowing who said it.
//!
//! [`RawConfig`] mirrors the file: one TOML table with the same names. It is a table and not a struct read by serde,
//! because serde stops at the first mistake, and operators want all of them; [`super::resolve`] walks it and whatever it does
//! not ask for is unknown. The built-in file is complete, so a name that is missing there does not exist.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::{DEFAULT, Overrides, Problem};

/// Prefix of the environment's names for any setting.
const PREFIX: &str = "TIDEGATE__";

/// Who said it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The built-in default.
    Default,
    /// The operator's file.
    File(PathBuf),
    /// A name in the environment.
    Environment(String),
    /// An option of the command line.
    CommandLine(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("the built-in default"),
            Origin::File(path) => write!(f, "{}", path.display()),
            Origin::Environment(name) => f.write_str(name),
            Origin::CommandLine(option) => f.write_str(option),
        }
    }
}

/// The sources laid over each other.
#[derive(Debug)]
pub struct RawConfig {
    table: Table,
    /// By path; a value without an entry has that of the table around it.
    origins: BTreeMap<String, Origin>,
    problems: Vec<Problem>,
}

/// The environment's names that the first users know: name, path of the setting, and how the text becomes a value.
const FIRST_USERS: [(&str, [&str; 3], FromText); 5] = [
    ("ENABLE_USER_TRACKING", ["privacy", "tracking", ""], switch),
    ("TRACKING_RETENTION_HOURS", ["store", "retention", "http"], hours),
    ("SESSION_TIMEOUT_MINUTES", ["sessions", "timeout", ""], minutes),
    ("ANONYMIZE_IPS", ["privacy", "anonymize_ips", ""], switch),
    ("TRACK_USER_AGENTS", ["privacy", "track_user_agents", ""], switch),
];

type FromText = fn(&str) -> Result<Value, &'static str>;

impl RawConfig {
    /// Reads all sources in the order of their weight; what could not even be read comes back beside it.
    pub fn gather(args: &Overrides, env: &BTreeMap<String, String>) -> (RawConfig, Vec<Problem>) {
        let mut raw = RawConfig::default();
        raw.add_file(args, env);
        raw.add_environment(env);
        raw.add_first_users(env);
        raw.add_command_line(args, env);
        let problems = std::mem::take(&mut raw.problems);
        (raw, problems)
    }

    /// Everything, as one table.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Who said the value at `place`.
    pub fn origin(&self, place: &str) -> Origin {
        let mut place = place;
        loop {
            if let Some(origin) = self.origins.get(place) {
                return origin.clone();
            }
            match place.rfind(['.', '[']) {
                Some(end) => place = place.get(..end).unwrap_or_default(),
                None => return Origin::Default,
            }
        }
    }

    fn add_file(&mut self, args: &Overrides, env: &BTreeMap<String, String>) {
        let Some(path) = args.config.clone().or_else(|| env.get("TIDEGATE_CONFIG").map(PathBuf::from)) else { return };
        match read_table(&path) {
            Ok(table) => self.merge(table, &Origin::File(path)),
            Err(text) => self.problem("", Origin::File(path), text),
        }
    }

    fn add_environment(&mut self, env: &BTreeMap<String, String>) {
        for (name, text) in env {
            let Some(path) = name.strip_prefix(PREFIX) else { continue };
            let path = path.to_lowercase();
            let names: Vec<&str> = path.split("__").collect();
            let origin = Origin::Environment(name.clone());
            if names.iter().any(|name| name.is_empty()) {
                self.problem("", origin, "expected a name of the form TIDEGATE__SECTION__NAME");
                continue;
            }
            let value = self.value_from_text(&names, text);
            self.merge(nested(&names, value), &origin);
        }
    }

    fn add_first_users(&mut self, env: &BTreeMap<String, String>) {
        for (name, path, convert) in FIRST_USERS {
            let Some(text) = env.get(name) else { continue };
            let names: Vec<&str> = path.into_iter().filter(|name| !name.is_empty()).collect();
            let origin = Origin::Environment(name.to_string());
            match convert(text.trim()) {
                Ok(value) => self.merge(nested(&names, value), &origin),
                Err(expected) => self.problem(&names.join("."), origin, format!("expected {expected}")),
            }
        }
    }

    fn add_command_line(&mut self, args: &Overrides, env: &BTreeMap<String, String>) {
        let data = args.data.as_ref().map(|path| path.to_string_lossy().into_owned());
        let options = [
            (["data", "dir"], data, "--data", "TIDEGATE_DATA"),
            (["server", "listen"], args.listen.clone(), "--listen", "TIDEGATE_LISTEN"),
        ];
        for (path, option, option_name, variable) in options {
            let said = match (option, env.get(variable)) {
                (Some(text), _) => Some((text, Origin::CommandLine(option_name))),
                (None, Some(text)) => Some((text.clone(), Origin::Environment(variable.to_string()))),
                (None, None) => None,
            };
            if let Some((text, origin)) = said {
                self.merge(nested(&path, Value::String(text)), &origin);
            }
        }
    }

    /// Where the default is a text, the text is the value, so that `TIDEGATE__GATEWAY__NAME=7` needs no quotes; elsewhere it is
    /// read as TOML, and as a text if it is none.
    fn value_from_text(&self, names: &[&str], text: &str) -> Value {
        let mut current = self.table.get(*names.first().unwrap_or(&""));
        for name in names.iter().skip(1) {
            current = current.and_then(|value| value.get(name));
        }
        if matches!(current, Some(Value::String(_))) && !text.starts_with(['"', '\'']) {
            return Value::String(text.to_string());
        }
        let line = format!("value = {text}");
        let parsed =
            line.parse::<Table>().ok().filter(|table| table.len() == 1).and_then(|mut table| table.remove("value"));
        parsed.unwrap_or_else(|| Value::String(text.to_string()))
    }

    fn merge(&mut self, over: Table, origin: &Origin) {
        let mut table = std::mem::take(&mut self.table);
        self.merge_into(&mut table, over, "", origin);
        self.table = table;
    }

    fn merge_into(&mut self, base: &mut Table, over: Table, place: &str, origin: &Origin) {
        for (name, value) in over {
            let place = join(place, &name);
            match (base.get_mut(&name), value) {
                (Some(Value::Table(below)), Value::Table(over)) => self.merge_into(below, over, &place, origin),
                (Some(Value::Table(_)), _) => self.problem(&place, origin.clone(), "expected a table"),
                (_, value) => {
                    self.origins.insert(place, origin.clone());
                    base.insert(name, value);
                }
            }
        }
    }

    fn problem(&mut self, place: &str, origin: Origin, text: impl Into<String>) {
        self.problems.push(Problem { place: place.to_string(), origin, text: text.into() });
    }
}

/// The built-in file alone.
impl Default for RawConfig {
    fn default() -> Self {
        let table = DEFAULT.parse().expect("the built-in file is TOML; a test reads it");
        RawConfig { table, origins: BTreeMap::new(), problems: Vec::new() }
    }
}

/// The path of `name` in the table at `place`, quoted where TOML demands it.
pub fn join(place: &str, name: &str) -> String {
    let separator = if place.is_empty() { "" } else { "." };
    format!("{place}{separator}{}", quote(name))
}

/// A name as TOML spells it.
pub fn quote(name: &str) -> String {
    let bare = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if bare { name.to_string() } else { Value::String(name.to_string()).to_string() }
}

fn read_table(path: &Path) -> Result<Table, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    text.parse::<Table>().map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        format!("not valid TOML at line {line}: {}", error.message())
    })
}

/// `a.b.c = value` as a table.
fn nested(names: &[&str], value: Value) -> Table {
    let mut table = Table::new();
    match names {
        [] => {}
        [name] => drop(table.insert((*name).to_string(), value)),
        [name, rest @ ..] => drop(table.insert((*name).to_string(), Value::Table(nested(rest, value)))),
    }
    table
}

fn switch(text: &str) -> Result<Value, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(Value::Boolean(true)),
        "false" | "0" | "no" | "off" => Ok(Value::Boolean(false)),
        _ => Err("true or false"),
    }
}

fn hours(text: &str) -> Result<Value, &'static str> {
    text.parse::<u32>().map(|number| Value::String(format!("{number}h"))).map_err(|_| "a whole number of hours")
}

fn minutes(text: &str) -> Result<Value, &'static str> {
    text.parse::<u32>().map(|number| Value::String(format!("{number}m"))).map_err(|_| "a whole number of minutes")
}
