//! The rules of the house that a reader could only check by reading everything.
//!
//! The layers: a module imports from lower layers only. What breaks the rule stands in [`EXCEPTIONS`], with its reason. The sources are read as
//! text: comments and unit tests do not count.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Layers, lowest first.
const LAYERS: [&[&str]; 6] = [
    &["clock", "id", "outcome", "quoted", "sketch", "unit"],
    &["kv", "keys"],
    &["auth", "limit", "privacy", "store", "audit"],
    &["protocol", "ingest", "query", "upkeep", "monitor", "admin"],
    &["http", "cli", "telemetry"],
    &["app", "config", "main"],
];

/// Who may import what beside the rule, and why.
const EXCEPTIONS: [(&str, &str, &str); 3] = [
    ("store", "privacy::event", "the store takes clean events and nothing else: that type is the airlock"),
    ("ingest", "protocol", "the flow of an event names its stages: decoding is the first"),
    ("http", "telemetry", "the rim is where requests are counted"),
];

/// No file of ours has more lines than this, unit tests apart.
const LINES_MAX: usize = 600;

/// A source file without comments and unit tests.
struct Source {
    path: PathBuf,
    /// The file's place in the crate, such as `["http", "routes"]`.
    module: Vec<String>,
    code: String,
    lines: usize,
    first_line: String,
}

impl Source {
    fn read(root: &Path, path: PathBuf) -> Source {
        let text = fs::read_to_string(&path).expect("a source file is UTF-8");
        let relative = path.strip_prefix(root).expect("it lies in src").with_extension("");
        let mut module: Vec<String> = relative.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        if module.last().is_some_and(|last| last == "mod") {
            module.pop();
        }
        let shipped = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let code = shipped
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .map(|line| format!("{line}\n"))
            .collect();
        Source {
            module,
            code,
            lines: shipped.lines().count(),
            first_line: text.lines().next().unwrap_or_default().to_owned(),
            path,
        }
    }

    /// The module of the first level that it belongs to.
    fn top(&self) -> &str {
        &self.module[0]
    }

    /// What it imports from other modules of the first level, as `module` or `module::part`.
    fn imports(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for rest in self.code.split("crate::").skip(1) {
            found.extend(heads(rest));
        }
        // As many `super` as the file is deep lead to the root of the crate.
        let to_root = "super::".repeat(self.module.len());
        for rest in self.code.split(&to_root).skip(1) {
            found.extend(heads(rest.trim_start_matches("super::")));
        }
        found.retain(|import| layer(import).is_some() && head(import) != self.top());
        found
    }

    /// Whether only tests use it.
    fn is_for_tests(&self, all: &[Source]) -> bool {
        let Some((name, parent)) = self.module.split_last() else { return false };
        name == "tests"
            || all
                .iter()
                .any(|source| source.module == parent && source.code.contains(&format!("#[cfg(test)]\nmod {name};")))
    }
}

/// The beginnings of the paths that a path or a group begins with, two words long: `a::b::c` or `{a::b, c}`.
fn heads(text: &str) -> Vec<String> {
    let Some(group) = text.strip_prefix('{') else { return vec![two_words(text)] };
    let (mut depth, mut item, mut items) = (1, String::new(), Vec::new());
    for letter in group.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 || (depth == 1 && letter == ',') {
            items.extend(Some(two_words(item.trim())).filter(|item| !item.is_empty()));
            item.clear();
        } else {
            item.push(letter);
        }
        if depth == 0 {
            break;
        }
    }
    items
}

fn two_words(path: &str) -> String {
    let word = |text: &str| {
        text.chars().take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_').collect::<String>()
    };
    let first = word(path);
    match path.get(first.len()..).and_then(|rest| rest.strip_prefix("::")).map(word) {
        Some(second) if !second.is_empty() => format!("{first}::{second}"),
        _ => first,
    }
}

fn head(path: &str) -> &str {
    path.split("::").next().unwrap_or_default()
}

fn layer(path: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&head(path)))
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All files below a folder, built ones and hidden folders apart.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of ours") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if path.is_file() {
            found.push(path);
        } else if path.is_dir()
            && !matches!(
                name.as_str(),
                "target" | "data" | ".git" | "__pycache__" | "node_modules" | "proptest-regressions"
            )
        {
            found.extend(files(&path));
        }
    }
    found.sort();
    found
}

fn sources() -> Vec<Source> {
    let src = root().join("src");
    let rust = files(&src).into_iter().filter(|path| path.extension().is_some_and(|kind| kind == "rs"));
    let all: Vec<Source> = rust.map(|path| Source::read(&src, path)).collect();
    assert!(all.len() > 50, "the sources are not where they are looked for");
    all
}

fn assert_none(broken: Vec<String>, rule: &str) {
    assert!(broken.is_empty(), "{rule}:\n{}", broken.join("\n"));
}

#[test]
fn a_module_imports_from_lower_layers_only() {
    let all = sources();
    let mut broken = Vec::new();
    let mut used = BTreeSet::new();
    for source in all.iter().filter(|source| source.top() != "lib" && !source.is_for_tests(&all)) {
        let Some(own) = layer(source.top()) else {
            broken.push(format!("{}: `{}` is in no layer", source.path.display(), source.top()));
            continue;
        };
        for import in source.imports() {
            let exception =
                EXCEPTIONS.iter().position(|(who, what, _)| *who == source.top() && import.starts_with(what));
            used.extend(exception);
            let is_root = own == LAYERS.len() - 1;
            if exception.is_none() && !is_root && layer(&import).is_some_and(|layer| layer >= own) {
                broken.push(format!("{} (layer {own}) imports {import}", source.path.display()));
            }
        }
    }
    assert_none(broken, "imports go downwards, and not within a layer");
    let unused: Vec<String> = EXCEPTIONS
        .iter()
        .enumerate()
        .filter(|(at, (who, ..))| !used.contains(at) && *who != "auth")
        .map(|(_, exception)| format!("{exception:?}"))
        .collect();
    assert_none(unused, "exceptions that nobody needs any more");
}

/// The check above sees what it shall see.
#[test]
fn imports_are_found_in_every_form() {
    let heads = |text: &str| heads(text).join(" ");
    assert_eq!(heads("kv::{self, Batch};"), "kv");
    assert_eq!(heads("privacy::event::CleanEvent;"), "privacy::event");
    assert_eq!(heads("{admin, audit::trail::Entry, kv::{self, Kv}, limit};"), "admin audit::trail kv limit");
    assert_eq!(heads("{\n    auth,\n    query::{self, ParamError},\n};"), "auth query");
    assert_eq!(heads("clock::Millis(0)"), "clock::Millis");
}

#[test]
fn only_the_key_value_floor_names_rocksdb() {
    let word = ["rocks", "db"].concat();
    let named =
        sources().into_iter().filter(|source| source.top() != "kv" && source.code.contains(&format!("{word}::")));
    assert_none(named.map(|source| source.path.display().to_string()).collect(), "RocksDB is known to src/kv alone");
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    let mut broken = Vec::new();
    let tests =
        files(&root().join("tests/it")).into_iter().filter(|path| path.extension().is_some_and(|kind| kind == "rs"));
    let tests: Vec<Source> = tests.map(|path| Source::read(&root().join("tests"), path)).collect();
    for source in sources().iter().chain(&tests) {
        let is_test = source.module.iter().any(|part| part == "tests");
        if source.lines > LINES_MAX && !is_test {
            broken.push(format!("{}: {} lines", source.path.display(), source.lines));
        }
        if !source.first_line.starts_with("//!") {
            broken.push(format!("{}: does not begin with what it is for (//!)", source.path.display()));
        }
    }
    assert_none(broken, "a file fits into a head");
}

#[test]
fn nothing_names_the_machine_on_which_it_was_written() {
    // Put together here, so that this file does not name them.
    let words = [
        ["/ro", "ot/"],
        ["/wo", "rk/"],
        ["index", "-url"],
        ["replace", "-with"],
        ["arti", "factory"],
        ["sparse", "+http"],
    ];
    let words: Vec<String> = words.iter().map(|parts| parts.concat()).collect();
    let mut broken = Vec::new();
    for path in files(&root()) {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for (number, line) in (1..).zip(text.lines()) {
            broken.extend(
                words
                    .iter()
                    .filter(|word| line.contains(*word))
                    .map(|word| format!("{}:{number}: {word}", path.display())),
            );
            let is_foreign = path.ends_with("Cargo.lock")
                && line.starts_with("source = ")
                && !line.contains("registry+https://github.com/rust-lang/crates.io-index");
            if is_foreign {
                broken.push(format!("{}:{number}: {line}", path.display()));
            }
        }
    }
    assert_none(broken, "the tree is the same on every machine");
}

#[test]
fn every_test_runs() {
    let skipped = ["#[ign", "ore"].concat();
    let mut broken = Vec::new();
    for folder in ["src", "tests", "benches"] {
        for path in
            files(&root().join(folder)).into_iter().filter(|path| path.extension().is_some_and(|kind| kind == "rs"))
        {
            if fs::read_to_string(&path).expect("a source file is UTF-8").contains(&skipped) {
                broken.push(path.display().to_string());
            }
        }
    }
    assert_none(broken, "a test that does not run promises nothing");
}

/// The tour in `lib.rs` names every module, lower layers first.
#[test]
fn the_tour_is_complete_and_goes_upwards() {
    let tour = fs::read_to_string(root().join("src/lib.rs")).expect("the tour");
    let modules: Vec<&str> =
        tour.lines().filter_map(|line| line.strip_prefix("pub mod ")).map(|line| line.trim_end_matches(';')).collect();
    let layers: Vec<usize> =
        modules.iter().map(|module| layer(module).unwrap_or_else(|| panic!("{module} is in no layer"))).collect();
    assert!(layers.is_sorted(), "{modules:?}");
    let known: BTreeSet<&str> =
        LAYERS.iter().flat_map(|layer| layer.iter().copied()).filter(|module| *module != "main").collect();
    assert_eq!(modules.iter().copied().collect::<BTreeSet<_>>(), known);
}
