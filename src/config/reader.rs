//! Takes typed values out of a table of settings, and keeps the book of what went wrong.
//!
//! A [`Section`] hands out each value once; what is left when it is closed is unknown. A value that is missing or wrong is
//! noted in the [`Book`] and replaced by any value of its type: nobody sees it, because a book with a problem yields no
//! settings. The book also keeps every value that was handed out, for printing.

use std::cell::RefCell;
use std::fmt::Display;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use toml::{Table, Value};

use super::raw::{RawConfig, join, quote};
use super::{Origin, Problem};
use crate::unit;

/// What went wrong, and what was handed out.
pub struct Book<'a> {
    raw: &'a RawConfig,
    problems: RefCell<Vec<Problem>>,
    shown: RefCell<Vec<Shown>>,
}

/// A value that was handed out, in the form that reads back to it.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Path of the table that it stands in, which tells entries of an array apart.
    table: String,
    header: String,
    name: String,
    value: Value,
    origin: Origin,
}

impl<'a> Book<'a> {
    /// A book that begins with problems from before.
    pub fn new(raw: &'a RawConfig, problems: Vec<Problem>) -> Self {
        Book { raw, problems: RefCell::new(problems), shown: RefCell::default() }
    }

    /// Notes a problem.
    pub fn problem(&self, place: &str, text: impl Into<String>) {
        let problem = Problem { place: place.to_string(), origin: self.raw.origin(place), text: text.into() };
        self.problems.borrow_mut().push(problem);
    }

    /// Notes a contradiction unless `holds`; it is laid at the first of `places`, and not at all if one of them is wrong
    /// already, since its value is then a stand-in.
    pub fn require(&self, places: &[&str], holds: bool, text: impl Into<String>) {
        let concerns = |problem: &Problem, place: &str| {
            problem.place.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('['))
        };
        let is_wrong = |place: &&str| self.problems.borrow().iter().any(|problem| concerns(problem, place));
        if holds || places.iter().any(is_wrong) {
            return;
        }
        self.problem(places.first().unwrap_or(&""), text);
    }

    /// All values if all is well, all problems otherwise.
    pub fn close(self) -> Result<Vec<Shown>, Vec<Problem>> {
        let problems = self.problems.into_inner();
        if problems.is_empty() { Ok(self.shown.into_inner()) } else { Err(problems) }
    }
}

/// One table of settings.
pub struct Section<'a> {
    book: &'a Book<'a>,
    /// The table's path, for messages.
    place: String,
    /// The table's header, for printing.
    header: String,
    table: Table,
}

impl<'a> Section<'a> {
    /// The whole file.
    pub fn root(book: &'a Book<'a>) -> Self {
        Section { book, place: String::new(), header: String::new(), table: book.raw.table().clone() }
    }

    /// The table `name`; empty if it is missing.
    pub fn section(&mut self, name: &str) -> Section<'a> {
        let place = join(&self.place, name);
        let table = match self.table.remove(name) {
            Some(Value::Table(table)) => table,
            Some(_) => {
                self.book.problem(&place, "expected a table");
                Table::new()
            }
            None => Table::new(),
        };
        Section { book: self.book, header: format!("[{place}]"), place, table }
    }

    /// The tables of the array `name`, each laid over `defaults`.
    pub fn sections(&mut self, name: &str, defaults: &Table) -> Vec<Section<'a>> {
        let place = join(&self.place, name);
        let header = format!("[[{place}]]");
        let Some(Value::Array(values)) = self.table.remove(name) else {
            self.book.problem(&place, "expected an array of tables");
            return Vec::new();
        };
        let mut sections = Vec::new();
        for (index, value) in values.into_iter().enumerate() {
            let place = format!("{place}[{index}]");
            let Value::Table(table) = value else {
                self.book.problem(&place, "expected a table");
                continue;
            };
            let table = overlay(defaults, table);
            sections.push(Section { book: self.book, place, header: header.clone(), table });
        }
        sections
    }

    /// Lays this table over `defaults`.
    pub fn over(mut self, defaults: &Table) -> Self {
        self.table = overlay(defaults, self.table);
        self
    }

    /// A copy of the table as it is now.
    pub fn table(&self) -> Table {
        self.table.clone()
    }

    /// The names in this table.
    pub fn names(&self) -> Vec<String> {
        self.table.keys().cloned().collect()
    }

    /// The path of `name` in this table.
    pub fn place(&self, name: &str) -> String {
        join(&self.place, name)
    }

    /// Reports what nobody asked for.
    pub fn close(self) {
        for name in self.table.keys() {
            self.book.problem(&self.place(name), "unknown setting");
        }
    }

    /// A text, possibly empty.
    pub fn text(&mut self, name: &str) -> String {
        self.take(name, "a text", |value| value.as_str().map(str::to_string), |text| Value::String(text.clone()))
            .unwrap_or_default()
    }

    /// A text that passes `accept`.
    pub fn text_where(&mut self, name: &str, expected: &str, accept: impl Fn(&str) -> bool) -> String {
        let read = |value: &Value| value.as_str().filter(|text| accept(text)).map(str::to_string);
        self.take(name, expected, read, |text| Value::String(text.clone())).unwrap_or_default()
    }

    /// A path; "" is none.
    pub fn path(&mut self, name: &str) -> Option<PathBuf> {
        let text = self.text(name);
        (!text.is_empty()).then(|| PathBuf::from(text))
    }

    /// `true` or `false`.
    pub fn flag(&mut self, name: &str) -> bool {
        self.take(name, "true or false", Value::as_bool, |flag| Value::Boolean(*flag)).unwrap_or_default()
    }

    /// One of a few words.
    pub fn choice<T: Copy>(&mut self, name: &str, choices: &[(&str, T)]) -> Option<T> {
        let words: Vec<String> = choices.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        let read = |value: &Value| choices.iter().find(|(word, _)| value.as_str() == Some(word)).copied();
        let show = |choice: &(&str, T)| Value::String(choice.0.to_string());
        self.take(name, &format!("one of {}", words.join(", ")), read, show).map(|(_, meaning)| meaning)
    }

    /// `true`, `false`, or the word for "not said".
    pub fn flag_or(&mut self, name: &str, unset: &str) -> Option<bool> {
        let read = |value: &Value| match (value.as_bool(), value.as_str()) {
            (Some(flag), _) => Some(Some(flag)),
            (None, Some("true")) => Some(Some(true)),
            (None, Some("false")) => Some(Some(false)),
            (None, Some(text)) if text == unset => Some(None),
            (None, _) => None,
        };
        let show = |flag: &Option<bool>| flag.map_or_else(|| Value::String(unset.to_string()), Value::Boolean);
        self.take(name, &format!("true, false or \"{unset}\""), read, show).flatten()
    }

    /// A whole number in `range`.
    pub fn count<T: Copy + Display + PartialOrd + TryFrom<i64>>(&mut self, name: &str, range: RangeInclusive<T>) -> T {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        let read = |value: &Value| {
            let number = value.as_integer()?;
            T::try_from(number).ok().filter(|wanted| range.contains(wanted)).map(|wanted| (wanted, number))
        };
        self.take(name, &expected, read, |(_, number)| Value::Integer(*number))
            .map_or(*range.start(), |(wanted, _)| wanted)
    }

    /// A whole number from 1 to `max`.
    pub fn positive(&mut self, name: &str, max: u32) -> NonZeroU32 {
        NonZeroU32::new(self.count(name, 1..=max)).unwrap_or(NonZeroU32::MIN)
    }

    /// A duration with a unit, bounds given in the same form.
    pub fn duration(&mut self, name: &str, min: &str, max: &str) -> Duration {
        let bound = |text| unit::parse_duration(text).unwrap_or_default();
        let range = bound(min)..=bound(max);
        let expected = format!("a duration with a unit (ms, s, m, h, d), from \"{min}\" to \"{max}\"");
        let read =
            |value: &Value| value.as_str().and_then(unit::parse_duration).filter(|wanted| range.contains(wanted));
        self.take(name, &expected, read, |wanted| Value::String(unit::print_duration(*wanted))).unwrap_or_default()
    }

    /// A size with a unit, bounds given in the same form.
    pub fn size(&mut self, name: &str, min: &str, max: &str) -> u64 {
        let bound = |text| unit::parse_size(text).unwrap_or_default();
        let range = bound(min)..=bound(max);
        let expected = format!("a size with a unit (B, KiB, MiB, GiB, TiB), from \"{min}\" to \"{max}\"");
        let read = |value: &Value| value.as_str().and_then(unit::parse_size).filter(|wanted| range.contains(wanted));
        self.take(name, &expected, read, |wanted| Value::String(unit::print_size(*wanted))).unwrap_or_default()
    }

    /// An address and a port.
    pub fn socket(&mut self, name: &str) -> SocketAddr {
        let read = |value: &Value| value.as_str().and_then(|text| text.parse::<SocketAddr>().ok());
        let show = |address: &SocketAddr| Value::String(address.to_string());
        let expected = "an IP address and a port, such as \"127.0.0.1:8080\" or \"[::1]:8080\"";
        self.take(name, expected, read, show).unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// An array of texts, each read by `read`; a wrong one is reported by its index.
    pub fn list<T>(&mut self, name: &str, expected: &str, read: impl Fn(&str) -> Option<T>) -> Vec<T> {
        let place = self.place(name);
        let array = |value: &Value| value.as_array().cloned();
        let values =
            self.take(name, "an array of texts", array, |values| Value::Array(values.clone())).unwrap_or_default();
        let mut wanted = Vec::new();
        for (index, value) in values.iter().enumerate() {
            match value.as_str().and_then(&read) {
                Some(item) => wanted.push(item),
                None => self.book.problem(&format!("{place}[{index}]"), format!("expected {expected}")),
            }
        }
        wanted
    }

    /// A text that is read by `read` and printed by `show`, for values that hold more than may be printed.
    pub fn masked(&mut self, name: &str, show: impl Fn(&str) -> String) -> String {
        let read = |value: &Value| value.as_str().map(str::to_string);
        self.take(name, "a text", read, |text| Value::String(show(text))).unwrap_or_default()
    }

    fn take<T>(
        &mut self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&Value) -> Option<T>,
        show: impl FnOnce(&T) -> Value,
    ) -> Option<T> {
        let place = self.place(name);
        let Some(value) = self.table.remove(name) else {
            self.book.problem(&place, format!("missing: expected {expected}"));
            return None;
        };
        let Some(wanted) = read(&value) else {
            self.book.problem(&place, format!("expected {expected}"));
            return None;
        };
        let origin = self.book.raw.origin(&place);
        let (table, header) = (self.place.clone(), self.header.clone());
        let shown = Shown { table, header, name: name.to_string(), value: show(&wanted), origin };
        self.book.shown.borrow_mut().push(shown);
        Some(wanted)
    }
}

/// Prints values as TOML: a table after the other, with a remark behind what is not the default.
pub fn render(shown: &[Shown]) -> String {
    let mut out = String::new();
    let mut current = None;
    for entry in ordered(shown) {
        if current != Some(&entry.table) {
            let gap = if out.is_empty() { "" } else { "\n" };
            out.push_str(&format!("{gap}{}\n", entry.header));
            current = Some(&entry.table);
        }
        let remark = if entry.origin == Origin::Default { String::new() } else { format!("  # {}", entry.origin) };
        out.push_str(&format!("{} = {}{remark}\n", quote(&entry.name), entry.value));
    }
    out
}

/// Values of one table stand together, tables in the order of their first value.
fn ordered(shown: &[Shown]) -> Vec<&Shown> {
    let mut tables: Vec<&str> = Vec::new();
    for entry in shown {
        if !tables.contains(&entry.table.as_str()) {
            tables.push(&entry.table);
        }
    }
    tables.iter().flat_map(|table| shown.iter().filter(move |entry| entry.table == *table)).collect()
}

fn overlay(defaults: &Table, over: Table) -> Table {
    let mut table = defaults.clone();
    table.extend(over);
    table
}
