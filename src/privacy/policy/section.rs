//! Typed access to a table of the policy file that notes every problem with its place and goes on.

use toml::{Table, Value};

use super::PolicyError;

/// A table of the file while it is read: takes members by type, remembers which it knows, and notes problems with their place.
pub(super) struct Section<'t> {
    place: String,
    table: &'t Table,
    known: Vec<&'static str>,
    problems: &'t mut Vec<PolicyError>,
}

impl<'t> Section<'t> {
    pub(super) fn new(place: &str, table: &'t Table, problems: &'t mut Vec<PolicyError>) -> Self {
        Section { place: place.to_owned(), table, known: Vec::new(), problems }
    }

    pub(super) fn problem(&mut self, key: &str, problem: impl Into<String>) {
        let place = if self.place.is_empty() { key.to_owned() } else { format!("{}.{key}", self.place) };
        self.problems.push(PolicyError { place, problem: problem.into() });
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    pub(super) fn get(&mut self, key: &'static str) -> Option<&'t Value> {
        self.known.push(key);
        self.table.get(key)
    }

    pub(super) fn text(&mut self, key: &'static str) -> Option<&'t str> {
        let value = self.get(key)?;
        if value.as_str().is_none() {
            self.problem(key, "must be a string");
        }
        value.as_str()
    }

    /// A string, or an array of strings.
    pub(super) fn texts(&mut self, key: &'static str) -> Option<Vec<String>> {
        let value = self.get(key)?;
        let one = value.as_str().map(|text| vec![text.to_owned()]);
        let several = || value.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect();
        let texts: Option<Vec<String>> = one.or_else(several);
        if texts.is_none() {
            self.problem(key, "must be a string or an array of strings");
        }
        texts
    }

    pub(super) fn boolean(&mut self, key: &'static str) -> Option<bool> {
        let value = self.get(key)?;
        if value.as_bool().is_none() {
            self.problem(key, "must be true or false");
        }
        value.as_bool()
    }

    pub(super) fn integer(&mut self, key: &'static str, min: i64, max: i64) -> Option<i64> {
        let found = self.get(key)?.as_integer().filter(|n| (min..=max).contains(n));
        if found.is_none() {
            self.problem(key, format!("must be a whole number from {min} to {max}"));
        }
        found
    }

    pub(super) fn choice<T: Clone>(&mut self, key: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let name = self.text(key)?;
        let found = choices.iter().find(|(known, _)| *known == name).map(|(_, choice)| choice.clone());
        if found.is_none() {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            self.problem(key, format!("`{name}` is unknown; known are {}", names.join(", ")));
        }
        found
    }

    pub(super) fn section<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Section<'_>) -> T) -> Option<T> {
        let Some(table) = self.get(key)?.as_table() else {
            self.problem(key, "must be a table");
            return None;
        };
        let mut section = Section::new(key, table, self.problems);
        let result = read(&mut section);
        section.finish();
        Some(result)
    }

    pub(super) fn list(&mut self, key: &'static str, mut read: impl FnMut(&mut Section<'_>)) {
        let Some(value) = self.get(key) else { return };
        let tables: Option<Vec<&Table>> =
            value.as_array().and_then(|items| items.iter().map(Value::as_table).collect());
        let Some(tables) = tables else {
            self.problem(key, "must be an array of tables");
            return;
        };
        for (index, table) in tables.into_iter().enumerate() {
            let mut section = Section::new(&format!("{key}[{index}]"), table, self.problems);
            read(&mut section);
            section.finish();
        }
    }

    /// Notes every member that nobody asked for.
    pub(super) fn finish(mut self) {
        let unknown: Vec<&String> = self.table.keys().filter(|key| !self.known.contains(&key.as_str())).collect();
        for key in unknown {
            self.problem(key, "is unknown");
        }
    }
}
