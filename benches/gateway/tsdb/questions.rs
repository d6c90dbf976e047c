//! What is asked, and by which kernel it is answered.
//!
//! Where the product answers a question its own kernel does (`product`); the others are answered here by a pass over the store's columns (`columns`),
//! which is what a kernel would do. Each answer is the list of rows that the SQL of `benches/peers/queries` gives, as far as the columns are the same.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::error::Error;

use serde_json::{Value, json};

use tidegate::clock::{DAY_MS, HOUR_MS, Millis};
use tidegate::id::TenantId;
use tidegate::privacy::event::EventType;
use tidegate::query::disclosure::Guard;
use tidegate::query::params::Question as Asking;
use tidegate::query::{Params, Scan, listing, series, session, summary, top};
use tidegate::sketch::Sketch;
use tidegate::store::columns::Columns;
use tidegate::store::need::{Need, Plain};
use tidegate::store::row::TextColumn;
use tidegate::store::{Loaded, Part, Store};

use super::house::tenant;

/// When the data begins: 2026-10-01.
const BEGIN: Millis = Millis(1_790_812_800_000);
/// When it ends.
pub(super) const END: Millis = Millis(BEGIN.0 + 7 * DAY_MS);
const LAST_DAY: Millis = Millis(END.0 - DAY_MS);
const LARGE: &str = "t00000";
const SMALL: &str = "t00060";
const TENANTS: usize = 100;
const SESSION_TIMEOUT_MS: i64 = 30 * 60_000;
const WITHIN_MS: i64 = 30 * 60_000;
const LIMIT_MAX: usize = 10_000;
const TOOL_CALL: u8 = EventType::McpToolCall as u8;

/// Of whom and of what is asked.
pub(super) struct Asked<'a> {
    pub(super) store: &'a Store,
    pub(super) session: &'a str,
    pub(super) repo: &'a str,
}

type Answer = Result<Vec<Value>, Box<dyn Error>>;

/// One question.
pub(super) struct Question {
    pub(super) name: &'static str,
    pub(super) kernel: &'static str,
    pub(super) ask: fn(&Asked<'_>) -> Answer,
}

const fn product(name: &'static str, ask: fn(&Asked<'_>) -> Answer) -> Question {
    Question { name, kernel: "product", ask }
}

const fn columns(name: &'static str, ask: fn(&Asked<'_>) -> Answer) -> Question {
    Question { name, kernel: "columns", ask }
}

/// All of them, by the names of their files.
pub(super) const ALL: [Question; 15] = [
    product("q01_summary_24h", |asked| totals(asked, LARGE, true)),
    product("q02_series_minute_24h", by_minute),
    product("q03_top_tools_7d", top_tools),
    columns("q04_unique_users_day", unique_by_day),
    product("q05_sessions_page", sessions_page),
    product("q06_session_timeline", timeline),
    columns("q07_attribute_filter", attribute_filter),
    columns("q08_tool_error_rate_hour", error_rates),
    columns("q09_funnel", funnel),
    columns("q10_country", countries),
    columns("q11_global_by_kind", by_kind),
    product("q12_latest_errors", latest_errors),
    product("q13_small_tenant_24h", |asked| totals(asked, SMALL, false)),
    columns("q14_text_search", text_search),
    columns("q15_export_24h", export),
];

impl Asked<'_> {
    fn parts(&self, name: &str, from: Millis) -> Vec<Part> {
        self.parts_of(tenant(name), from)
    }

    fn parts_of(&self, tenant: TenantId, from: Millis) -> Vec<Part> {
        self.store.read(tenant, from, END, END)
    }
}

fn params(asking: Asking, from: Millis, more: &[(&str, &str)]) -> Result<Params, Box<dyn Error>> {
    let (from, to) = (from.0.to_string(), END.0.to_string());
    let pairs = [("from", from.as_str()), ("to", to.as_str())].into_iter().chain(more.iter().copied());
    Ok(Params::parse(asking, pairs, END, LIMIT_MAX)?)
}

fn totals(asked: &Asked<'_>, name: &str, with_users: bool) -> Answer {
    let params = params(Asking::Summary, LAST_DAY, &[])?;
    let parts = asked.parts(name, LAST_DAY);
    let answer = summary::summary(&Scan::new(&parts, u64::MAX)?, &params, SESSION_TIMEOUT_MS)?;
    let durations = answer.duration_ms;
    let (mean, p50, p95) = (durations.mean, durations.p50, durations.p95);
    Ok(vec![if with_users {
        json!([answer.events, answer.errors, answer.sessions, answer.users, mean, p50, p95])
    } else {
        json!([answer.events, answer.errors, answer.sessions, mean, p95])
    }])
}

fn by_minute(asked: &Asked<'_>) -> Answer {
    let params = params(Asking::Series, LAST_DAY, &[("interval", "1m")])?;
    let parts = asked.parts(LARGE, LAST_DAY);
    let answer = series::series(&Scan::new(&parts, u64::MAX)?, &params)?;
    let points = answer.points.iter().filter(|point| point.events > 0);
    Ok(points.map(|point| json!([point.time.0.0 / 60_000, point.events, point.errors, point.mean_ms])).collect())
}

fn top_tools(asked: &Asked<'_>) -> Answer {
    let params = params(Asking::Top, BEGIN, &[("type", "mcp.tool_call"), ("by", "name"), ("limit", "20")])?;
    let parts = asked.parts(LARGE, BEGIN);
    let answer = top::top(&Scan::new(&parts, u64::MAX)?, &params, Guard::OFF)?;
    let rows = answer.rows.iter();
    Ok(rows
        .map(|row| json!([row.key, row.cells.events, row.cells.mean_ms, row.cells.p95_ms, row.cells.error_rate]))
        .collect())
}

fn sessions_page(asked: &Asked<'_>) -> Answer {
    let params = params(Asking::Sessions, BEGIN, &[("limit", "250")])?;
    let parts = asked.parts(LARGE, BEGIN);
    let answer = session::sessions(&Scan::new(&parts, u64::MAX)?, &params, SESSION_TIMEOUT_MS, END)?;
    let page = answer.sessions.iter().skip(200);
    Ok(page
        .map(|row| {
            json!([row.id, row.started.0.0, row.last_activity.0.0, row.events, row.errors, row.user, row.client.name])
        })
        .collect())
}

/// Numbers for the texts of one column, over many parts.
#[derive(Default)]
struct Numbers(HashMap<String, usize>);

impl Numbers {
    /// The number of each row of a part; `None` without a text.
    fn of<'c>(&mut self, columns: &'c Columns, column: TextColumn) -> impl Fn(usize) -> Option<usize> + use<'c> {
        let dictionary = columns.dictionary(column);
        let texts = dictionary.map_or(0, |dictionary| dictionary.len());
        let mut number = |code| {
            let text = dictionary.and_then(|dictionary| dictionary.value(code))?;
            if let Some(known) = self.0.get(text) {
                return Some(*known);
            }
            let next = self.0.len();
            self.0.insert(text.to_owned(), next);
            Some(next)
        };
        let numbers: Vec<Option<usize>> = (0..=texts).map(&mut number).collect();
        move |row| numbers.get(dictionary?.code(row) as usize).copied().flatten()
    }

    fn texts(&self) -> Vec<&str> {
        let mut texts = vec![""; self.0.len()];
        for (text, number) in &self.0 {
            if let Some(slot) = texts.get_mut(*number) {
                *slot = text;
            }
        }
        texts
    }
}

/// A set of numbers.
#[derive(Clone, Default)]
struct Set {
    bits: Vec<u64>,
}

impl Set {
    fn insert(&mut self, number: usize) {
        if self.bits.len() <= number / 64 {
            self.bits.resize(number / 64 + 1, 0);
        }
        if let Some(word) = self.bits.get_mut(number / 64) {
            *word |= 1 << (number % 64);
        }
    }

    fn len(&self) -> u32 {
        self.bits.iter().map(|word| word.count_ones()).sum()
    }
}

/// Events, errors and durations.
#[derive(Clone, Default)]
struct Counts {
    events: u64,
    errors: u64,
    durations: Sketch,
}

impl Counts {
    fn take(&mut self, columns: &Columns, row: usize) {
        self.events += 1;
        self.errors += u64::from(columns.is_error(row));
        if let Some(duration) = columns.duration_ms(row) {
            self.durations.insert(duration);
        }
    }
}

fn slot<T: Clone + Default>(list: &mut Vec<T>, number: usize) -> Option<&mut T> {
    if list.len() <= number {
        list.resize(number + 1, T::default());
    }
    list.get_mut(number)
}

/// The rows of tool calls.
fn tool_calls(loaded: &Loaded) -> impl Iterator<Item = usize> + '_ {
    loaded.rows().filter(|row| loaded.columns().event_type().get(*row) == Some(&TOOL_CALL))
}

fn error_need() -> Need {
    Need::of(&[Plain::EventType, Plain::Ok, Plain::Status], &[])
}

fn unique_by_day(asked: &Asked<'_>) -> Answer {
    let need = Need::of(&[Plain::Time], &[TextColumn::User, TextColumn::Session]);
    let (mut users, mut sessions) = (Numbers::default(), Numbers::default());
    let mut days: BTreeMap<i64, (Set, Set)> = BTreeMap::new();
    for part in asked.parts(LARGE, BEGIN) {
        let loaded = part.load(&need)?;
        let columns = loaded.columns();
        let (user, session) = (users.of(columns, TextColumn::User), sessions.of(columns, TextColumn::Session));
        for row in loaded.rows() {
            let day = columns.time().get(row).copied().unwrap_or(0) / DAY_MS;
            let (of_users, of_sessions) = days.entry(day).or_default();
            user(row).into_iter().for_each(|number| of_users.insert(number));
            session(row).into_iter().for_each(|number| of_sessions.insert(number));
        }
    }
    Ok(days.into_iter().map(|(day, (users, sessions))| json!([day, users.len(), sessions.len()])).collect())
}

fn timeline(asked: &Asked<'_>) -> Answer {
    let params =
        Params { session: Some(asked.session.to_owned()), ..params(Asking::Replay, BEGIN, &[("limit", "1000")])? };
    let parts = asked.parts(LARGE, BEGIN);
    let answer = listing::replay(&Scan::new(&parts, u64::MAX)?, &params)?;
    Ok(answer.events.iter().map(|event| json!(event)).collect())
}

/// A row for people.
fn told(columns: &Columns, row: usize) -> Option<(i64, Value)> {
    let read = columns.row(row)?;
    let text = |column| read.get(column);
    let told = json!([
        read.time.0,
        read.event_type.name(),
        text(TextColumn::Session),
        text(TextColumn::User),
        text(TextColumn::Name),
        read.ok,
        read.duration_ms,
        text(TextColumn::ErrorType),
        text(TextColumn::ErrorMessage),
        read.attributes,
    ]);
    Some((read.time.0, told))
}

fn attribute_filter(asked: &Asked<'_>) -> Answer {
    let need = Need::of(&[Plain::EventType, Plain::Duration], &[TextColumn::Session]).attribute("filters.repo");
    let (mut counts, mut sessions, mut seen) = (Counts::default(), Numbers::default(), Set::default());
    for part in asked.parts(LARGE, BEGIN) {
        let loaded = part.load(&need)?;
        let columns = loaded.columns();
        let session = sessions.of(columns, TextColumn::Session);
        for row in
            tool_calls(&loaded).filter(|row| columns.attribute("filters.repo", *row).as_deref() == Some(asked.repo))
        {
            counts.take(columns, row);
            session(row).into_iter().for_each(|number| seen.insert(number));
        }
    }
    Ok(vec![json!([counts.events, counts.durations.mean(), seen.len()])])
}

fn error_rates(asked: &Asked<'_>) -> Answer {
    const HOURS: usize = ((END.0 - BEGIN.0) / HOUR_MS) as usize;
    let need = error_need().plain(Plain::Time).text(TextColumn::Name);
    let mut names = Numbers::default();
    let mut cells: Vec<(u32, u32)> = Vec::new();
    for part in asked.parts(LARGE, BEGIN) {
        let loaded = part.load(&need)?;
        let columns = loaded.columns();
        let name = names.of(columns, TextColumn::Name);
        for row in tool_calls(&loaded) {
            let hour = (columns.time().get(row).copied().unwrap_or(0) - BEGIN.0) / HOUR_MS;
            let place = name(row).unwrap_or(0) * HOURS + usize::try_from(hour)?;
            let Some((events, errors)) = slot(&mut cells, place) else { continue };
            (*events, *errors) = (*events + 1, *errors + u32::from(columns.is_error(row)));
        }
    }
    let mut ordered: Vec<(usize, &str)> = names.texts().into_iter().enumerate().collect();
    ordered.sort_unstable_by_key(|(_, text)| *text);
    let mut rows = Vec::new();
    for (name, text) in ordered {
        for (hour, (events, errors)) in (BEGIN.0 / HOUR_MS..).zip(cells.iter().skip(name * HOURS).take(HOURS)) {
            if *events > 0 {
                rows.push(json!([text, hour, events, f64::from(*errors) / f64::from(*events)]));
            }
        }
    }
    Ok(rows)
}

fn funnel(asked: &Asked<'_>) -> Answer {
    let need = Need::of(&[Plain::Time], &[TextColumn::Name, TextColumn::Session]);
    let mut sessions = Numbers::default();
    let mut ways: Vec<(Option<i64>, Vec<i64>)> = Vec::new();
    for part in asked.parts(LARGE, BEGIN) {
        let loaded = part.load(&need)?;
        let columns = loaded.columns();
        let Some(names) = columns.dictionary(TextColumn::Name) else { continue };
        let (started, completed) = (names.find("checkout_started"), names.find("checkout_completed"));
        if started.is_none() && completed.is_none() {
            continue;
        }
        let session = sessions.of(columns, TextColumn::Session);
        for row in loaded.rows() {
            let (code, time) = (Some(names.code(row)), columns.time().get(row).copied().unwrap_or(0));
            if code != started && code != completed {
                continue;
            }
            let Some((first, ends)) = session(row).and_then(|number| slot(&mut ways, number)) else { continue };
            if code == started {
                *first = Some(first.map_or(time, |known| known.min(time)));
            } else {
                ends.push(time);
            }
        }
    }
    let begun = ways.iter().filter_map(|(first, ends)| Some(((*first)?, ends)));
    let done = begun.clone().filter(|(first, ends)| ends.iter().any(|end| (0..WITHIN_MS).contains(&(end - first))));
    Ok(vec![json!([begun.clone().count(), done.count()])])
}

fn countries(asked: &Asked<'_>) -> Answer {
    let need = Need::of(&[Plain::Duration], &[TextColumn::User]).attribute("country");
    let (mut names, mut users) = (HashMap::<String, usize>::new(), Numbers::default());
    let mut cells: Vec<(Counts, Set)> = Vec::new();
    for part in asked.parts(LARGE, BEGIN) {
        let loaded = part.load(&need)?;
        let columns = loaded.columns();
        let user = users.of(columns, TextColumn::User);
        for row in loaded.rows() {
            let Some(country) = columns.attribute("country", row) else { continue };
            let number = match names.get(country.as_ref()) {
                Some(number) => *number,
                None => {
                    names.insert(country.into_owned(), names.len());
                    names.len() - 1
                }
            };
            let Some((counts, seen)) = slot(&mut cells, number) else { continue };
            counts.take(columns, row);
            user(row).into_iter().for_each(|number| seen.insert(number));
        }
    }
    let mut rows: Vec<(&String, &(Counts, Set))> =
        names.iter().filter_map(|(name, number)| Some((name, cells.get(*number)?))).collect();
    rows.sort_by_key(|(name, (counts, _))| (Reverse(counts.events), *name));
    let row = |(name, (counts, users)): (&String, &(Counts, Set))| {
        json!([name, counts.events, users.len(), counts.durations.quantile(0.95)])
    };
    Ok(rows.into_iter().map(row).collect())
}

fn by_kind(asked: &Asked<'_>) -> Answer {
    let need = error_need().plain(Plain::Duration).attribute("kind").attribute("bytes_out");
    let mut cells: BTreeMap<(u8, bool, bool), (Counts, u64)> = BTreeMap::new();
    for number in 0..TENANTS {
        for part in asked.parts(&format!("t{number:05}"), Millis(i64::MIN)) {
            let loaded = part.load(&need)?;
            let columns = loaded.columns();
            for row in loaded.rows() {
                let code = columns.event_type().get(row).copied().unwrap_or(0);
                let is_request = code == EventType::Custom as u8 && columns.attribute("kind", row).is_some();
                let (counts, bytes) = cells.entry((code, is_request, columns.is_error(row))).or_default();
                counts.take(columns, row);
                *bytes += columns.attribute("bytes_out", row).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
            }
        }
    }
    let mut rows: Vec<_> = cells.into_iter().collect();
    rows.sort_by_key(|(_, (counts, _))| Reverse(counts.events));
    let row = |((code, is_request, failed), (counts, bytes)): ((u8, bool, bool), (Counts, u64))| {
        let kind = match EventType::from_code(code) {
            Some(EventType::Custom) if is_request => "http.request",
            Some(EventType::McpToolsList) => "mcp.list_tools",
            Some(event_type) => event_type.name(),
            None => "",
        };
        let status = if failed { "error" } else { "ok" };
        json!([kind, status, counts.events, counts.durations.mean(), counts.durations.quantile(0.95), bytes])
    };
    Ok(rows.into_iter().map(row).collect())
}

fn latest_errors(asked: &Asked<'_>) -> Answer {
    let params = params(Asking::Errors, BEGIN, &[("limit", "50")])?;
    let parts = asked.parts(LARGE, BEGIN);
    let answer = listing::errors(&Scan::new(&parts, u64::MAX)?, &params)?;
    Ok(answer.events.iter().map(|event| json!(event)).collect())
}

fn text_search(asked: &Asked<'_>) -> Answer {
    let need = Need::of(&[Plain::Attributes], &[TextColumn::Session]);
    let finder = memchr::memmem::Finder::new("rollback incident");
    let (mut events, mut sessions, mut seen) = (0, Numbers::default(), Set::default());
    for part in asked.parts(LARGE, BEGIN) {
        let loaded = part.load(&need)?;
        let columns = loaded.columns();
        let session = sessions.of(columns, TextColumn::Session);
        for row in loaded.rows().filter(|row| finder.find(columns.attributes(*row).as_bytes()).is_some()) {
            events += 1;
            session(row).into_iter().for_each(|number| seen.insert(number));
        }
    }
    Ok(vec![json!([events, seen.len()])])
}

fn export(asked: &Asked<'_>) -> Answer {
    let mut rows = Vec::new();
    for part in asked.parts(LARGE, LAST_DAY) {
        let loaded = part.load(&Need::all())?;
        rows.extend(loaded.rows().filter_map(|row| told(loaded.columns(), row)));
    }
    rows.sort_by_key(|(time, _)| *time);
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}
