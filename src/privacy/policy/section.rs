//! Typed access to a table of the policy file that notes every problem with its place and goes on.

use toml::{Table, Value};

use super::PolicyError;
use super::stream::Stream;

/// A key that is longer is not repeated in a place.
const KEY_SHOWN_MAX: usize = 40;

/// A table of the file while it is read: takes members by type, remembers which it knows, and notes problems with their place.
pub(in crate::privacy) struct Section<'t> {
    place: String,
    table: &'t Table,
    known: Vec<&'t str>,
    problems: &'t mut Vec<PolicyError>,
}

impl<'t> Section<'t> {
    pub(super) fn new(place: &str, table: &'t Table, problems: &'t mut Vec<PolicyError>) -> Self {
        Section { place: place.to_owned(), table, known: Vec::new(), problems }
    }

    /// Where it stands in the file; empty at the top.
    pub(in crate::privacy) fn place(&self) -> &str {
        &self.place
    }

    /// Notes a problem; the text must not quote what was written.
    pub(in crate::privacy) fn problem(&mut self, key: &str, problem: impl Into<String>) {
        let place = self.place_of(key);
        self.problems.push(PolicyError { place, problem: problem.into() });
    }

    /// Notes that a member should not be there at all.
    pub(super) fn refuse(&mut self, key: &'t str, problem: impl Into<String>) {
        self.known.push(key);
        self.problem(key, problem);
    }

    fn place_of(&self, key: &str) -> String {
        let plain = key.len() <= KEY_SHOWN_MAX
            && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'[' | b']'));
        let key = match plain {
            true => key.to_owned(),
            // Quoted if it is one of ours with a dot in it; what is no name at all is not repeated.
            false if Stream::from_name(key).is_some() => format!("'{key}'"),
            false => "(a key that is no name)".to_owned(),
        };
        if self.place.is_empty() { key } else { format!("{}.{key}", self.place) }
    }

    /// The names of all members.
    pub(super) fn keys(&self) -> impl Iterator<Item = &'t str> + use<'t> {
        self.table.keys().map(String::as_str)
    }

    pub(in crate::privacy) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    pub(in crate::privacy) fn get(&mut self, key: &'static str) -> Option<&'t Value> {
        self.known.push(key);
        self.table.get(key)
    }

    pub(in crate::privacy) fn text(&mut self, key: &'static str) -> Option<&'t str> {
        let value = self.get(key)?;
        if value.as_str().is_none() {
            self.problem(key, "must be a string");
        }
        value.as_str()
    }

    /// A string, or an array of strings.
    pub(in crate::privacy) fn texts(&mut self, key: &'static str) -> Option<Vec<String>> {
        let value = self.get(key)?;
        let one = value.as_str().map(|text| vec![text.to_owned()]);
        let several = || value.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect();
        let texts: Option<Vec<String>> = one.or_else(several);
        if texts.is_none() {
            self.problem(key, "must be a string or an array of strings");
        }
        texts
    }

    pub(in crate::privacy) fn boolean(&mut self, key: &'static str) -> Option<bool> {
        let value = self.get(key)?;
        if value.as_bool().is_none() {
            self.problem(key, "must be true or false");
        }
        value.as_bool()
    }

    pub(in crate::privacy) fn integer(&mut self, key: &'static str, min: i64, max: i64) -> Option<i64> {
        let found = self.get(key)?.as_integer().filter(|n| (min..=max).contains(n));
        if found.is_none() {
            self.problem(key, format!("must be a whole number from {min} to {max}"));
        }
        found
    }

    pub(in crate::privacy) fn choice<T: Clone>(&mut self, key: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let name = self.text(key)?;
        let found = choices.iter().find(|(known, _)| *known == name).map(|(_, choice)| choice.clone());
        if found.is_none() {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            self.problem(key, format!("is unknown; known are {}", names.join(", ")));
        }
        found
    }

    /// Reads a table below this one.
    pub(super) fn section<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Section<'_>) -> T) -> Option<T> {
        self.member(key, read)
    }

    /// The same for a name that is not ours.
    pub(super) fn member<T>(&mut self, key: &'t str, read: impl FnOnce(&mut Section<'_>) -> T) -> Option<T> {
        self.known.push(key);
        let Some(table) = self.table.get(key)?.as_table() else {
            self.problem(key, "must be a table");
            return None;
        };
        let mut section = Section::new(&self.place_of(key), table, self.problems);
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
            let place = self.place_of(&format!("{key}[{index}]"));
            let mut section = Section::new(&place, table, self.problems);
            read(&mut section);
            section.finish();
        }
    }

    /// Notes every member that nobody asked for.
    pub(super) fn finish(mut self) {
        let unknown: Vec<&str> = self.keys().filter(|key| !self.known.contains(key)).collect();
        for key in unknown {
            self.problem(key, "is unknown");
        }
    }
}
