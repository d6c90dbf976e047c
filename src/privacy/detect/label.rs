//! What the words before a value, or the names of its member, say of it: that it is a person's name or a postal address.
//!
//! One vocabulary ([`lexicon`](super::lexicon)) and one reading for both: `customerName`, `customer_name` and `Customer name:` say the same. A
//! word that makes a name one of things (`tool_name`, `host name`, `ip_address`) takes the meaning away; a `name` alone is a person's only beside
//! other things of a person.

use std::cell::{LazyCell, OnceCell};
use std::sync::LazyLock;

use super::context::Words;
use super::lexicon::{Folded, Sense, Senses, senses};
use super::{Beside, Scan};

/// How many words of a label count.
const WORDS: usize = 3;

/// What a name can be printed on.
const CARDS: [&str; 5] = ["card", "carte", "tarjeta", "karte", "carta"];

/// How far before a value its label may begin, in bytes.
const LABEL_MAX: usize = 64;

/// What is said of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// A person's name: `first_name`.
    Person,
    /// The name of someone: `customer_name`.
    NameOfRole,
    /// Someone: `author`.
    Role,
    /// A name: `name`.
    Name,
    /// An account, which is a person's: `username`.
    Account,
    /// A street with a house number, or a whole postal address.
    Street,
    /// An address, postal or not.
    Address,
    /// A postal code.
    Postcode,
}

/// What stands before a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    Nothing,
    /// A label or a member's name.
    Label(Says),
    Greeting,
    SignOff,
    Title,
    /// `my name is`.
    Myself,
    /// `I am`.
    Introduced,
    /// `approved by`, `assigned to`.
    Act,
    /// `user`, `passenger`.
    Role,
    /// `lives at`, `sent to`.
    Live,
}

/// The last words of a label or a name, the last first.
#[derive(Default)]
struct Tail<'t> {
    words: [&'t str; WORDS],
    senses: [OnceCell<Senses>; WORDS],
    count: usize,
}

impl<'t> Tail<'t> {
    fn of(text: &'t [u8]) -> Tail<'t> {
        let mut tail = Tail::default();
        let mut words = Words::of(text);
        while let Some(word) = words.next() {
            let [last, before, _] = tail.words;
            tail.words = [std::str::from_utf8(word).unwrap_or(""), last, before];
            tail.count += 1;
        }
        tail
    }

    fn word(&self, at: usize) -> &'t str {
        self.words.get(at).copied().unwrap_or("")
    }

    fn senses(&self, at: usize) -> Senses {
        let word = self.word(at);
        match self.senses.get(at) {
            Some(cell) if !word.is_empty() => *cell.get_or_init(|| senses(word)),
            _ => Senses::default(),
        }
    }

    fn has(&self, at: usize, sense: Sense) -> bool {
        self.senses(at).has(sense)
    }

    /// The words before the last.
    fn without_last(&self) -> Tail<'t> {
        let [_, last, before] = self.words;
        Tail { words: [last, before, ""], count: self.count.saturating_sub(1), ..Tail::default() }
    }

    /// Whether it says that a person's name follows, or is a `name` of whatever.
    fn names_person(&self) -> bool {
        matches!(self.says(true), Some(Says::Person | Says::NameOfRole | Says::Role | Says::Name))
    }

    /// Whether any of its words has one of several senses.
    fn any(&self, any_of: &[Sense]) -> bool {
        (0..WORDS).any(|at| self.senses(at).has_any(any_of))
    }

    /// What it says of the value after it. In running text an unknown word before `name` may be anything.
    fn says(&self, in_text: bool) -> Option<Says> {
        let last = self.senses(0);
        if last.has(Sense::OwnName) || last.has(Sense::Part) && self.has(1, Sense::Name) {
            return Some(Says::Person);
        }
        if let Some(said) = self.says_of() {
            return Some(said);
        }
        if last.has(Sense::Account) {
            return Some(Says::Account);
        }
        if last.has(Sense::Street) {
            return (!self.has(1, Sense::Technical)).then_some(Says::Street);
        }
        if last.has(Sense::Postcode) {
            return Some(Says::Postcode);
        }
        if last.has(Sense::Name) {
            return self.says_name(1, in_text);
        }
        if last.has(Sense::Address) {
            return self.says_address(in_text);
        }
        if last.has(Sense::Line) {
            return self.any(&[Sense::Address, Sense::Where]).then_some(Says::Street);
        }
        let to = matches!(self.word(0).to_ascii_lowercase().as_str(), "to" | "by" | "from");
        if to && self.has(1, Sense::Where) {
            return Some(Says::Street);
        }
        if to && (self.has(1, Sense::Act) || self.count == 1) {
            return Some(Says::Role);
        }
        if last.has(Sense::Where) && (self.has(1, Sense::Address) || self.has(2, Sense::Address)) {
            return Some(Says::Street);
        }
        if last.has(Sense::Role) {
            return (!self.has(1, Sense::Technical)).then_some(Says::Role);
        }
        if last.has(Sense::Where) && self.count == 1 {
            return Some(Says::Address);
        }
        if last.is_known() { None } else { self.says_compound() }
    }

    /// `name on card`, `nom du client`, `adresse de livraison`.
    fn says_of(&self) -> Option<Says> {
        const OF: [&str; 12] = ["on", "of", "du", "de", "des", "del", "della", "do", "da", "van", "der", "der"];
        if self.count < 3 || !OF.iter().any(|of| self.word(1).eq_ignore_ascii_case(of)) {
            return None;
        }
        let role = self.has(0, Sense::Role) || CARDS.iter().any(|card| self.word(0).eq_ignore_ascii_case(card));
        if self.has(2, Sense::Name) && role {
            Some(Says::NameOfRole)
        } else if self.has(2, Sense::Address) && (role || self.has(0, Sense::Where)) {
            Some(Says::Street)
        } else {
            None
        }
    }

    /// The word at `at` stands before `name`.
    fn says_name(&self, at: usize, in_text: bool) -> Option<Says> {
        if self.count <= at {
            // `cn` and `fn` are names of anything too, certificates among them.
            let english = ["name", "cn", "fn"].iter().any(|name| self.word(0).eq_ignore_ascii_case(name));
            return Some(if in_text && !english { Says::Role } else { Says::Name });
        }
        let before = self.senses(at);
        let user = |word: &str| matches!(word.to_ascii_lowercase().as_str(), "user" | "users" | "screen" | "login");
        if before.has(Sense::Part) {
            Some(Says::Person)
        } else if user(self.word(at)) {
            Some(Says::Account)
        } else if before.has(Sense::Role) {
            Some(Says::NameOfRole)
        } else if before.has(Sense::Display) {
            Some(Says::Name)
        } else if in_text && before.has(Sense::Possessive) {
            Some(Says::NameOfRole)
        } else if in_text && before.has(Sense::Article) {
            Some(Says::Name)
        } else {
            None
        }
    }

    fn says_address(&self, in_text: bool) -> Option<Says> {
        if self.any(&[Sense::Technical]) {
            return None;
        }
        match self.count {
            1 => Some(Says::Address),
            _ if self.has(1, Sense::Where) || self.has(1, Sense::Role) => Some(Says::Street),
            _ if in_text || self.has(1, Sense::Address) => Some(Says::Address),
            _ => None,
        }
    }

    /// Words written as one: `customername`, `kundenname`, `ipaddress`.
    fn says_compound(&self) -> Option<Says> {
        const NAMES: [&str; 7] = ["names", "name", "naam", "namn", "navn", "nimi", "nombre"];
        const ADDRESSES: [&str; 6] = ["address", "adresse", "anschrift", "adress", "adres", "osoite"];
        let folded = Folded::of(self.word(0))?;
        let word = folded.text();
        let prefix =
            |ends: &[&str]| ends.iter().find_map(|end| word.strip_suffix(end)).filter(|prefix| prefix.len() > 1);
        if let Some(prefix) = prefix(&NAMES) {
            let before = Tail { words: ["", prefix, ""], count: 2, ..Tail::default() };
            return before.says_name(1, false);
        }
        let prefix = senses(prefix(&ADDRESSES)?);
        (prefix.has(Sense::Where) || prefix.has(Sense::Role)).then_some(Says::Street)
    }
}

/// The end of a name without digits and marks: `address_line_2` is `address_line`.
fn trimmed(name: &str) -> &[u8] {
    let name = name.strip_suffix("__c").unwrap_or(name);
    let name = name.trim_end_matches(|c: char| !c.is_alphabetic()).as_bytes();
    name.get(name.len().saturating_sub(LABEL_MAX)..).unwrap_or(name)
}

/// What a member's names say of its value, the nearest first, and what it stands beside.
pub(in crate::privacy) fn of_names([mut name, mut above, further]: [&str; 3], beside: Beside) -> Option<Says> {
    if !may_say(name) {
        return None;
    }
    if senses(name).has(Sense::Wrapper) {
        (name, above) = (above, further);
    }
    if let Some((head, last)) = name.rsplit_once('.') {
        (name, above) = (last, head);
    }
    let tail = Tail::of(trimmed(name));
    let above = LazyCell::new(|| Tail::of(trimmed(above)));
    if tail.count == 1 && tail.has(0, Sense::Part) && above.has(0, Sense::Name) {
        return Some(Says::Person);
    }
    let of_address = || beside.street || above.any(&[Sense::Address, Sense::Where]);
    match tail.says(false) {
        Some(Says::Name) if beside.person || above.any(&[Sense::Role, Sense::Personal]) => Some(Says::NameOfRole),
        Some(Says::Address) if above.any(&[Sense::Technical]) => None,
        Some(Says::Address) if beside.person || above.any(&[Sense::Role]) => Some(Says::Street),
        Some(Says::Postcode) => of_address().then_some(Says::Postcode),
        None if tail.count == 1 && tail.has(0, Sense::Line) && of_address() => Some(Says::Street),
        said => said,
    }
}

/// Whether a name may say anything, by its last two letters and then by a hash of its last word; spares nearly all names the rest.
pub(super) fn may_say(name: &str) -> bool {
    let mut letters = name.strip_suffix("__c").unwrap_or(name).as_bytes();
    while let [rest @ .., last] = letters
        && !is_letter(*last)
    {
        letters = rest;
    }
    match letters {
        [.., before, last] if *last >= 0x80 || *before >= 0x80 => true,
        [.., before, last] => {
            let known = &*LAST_WORDS;
            known.ends(*before, *last) && (ends_compound(letters) || known.holds(letters))
        }
        _ => false,
    }
}

fn is_letter(b: u8) -> bool {
    b.is_ascii_alphabetic() || b >= 0x80
}

/// Whether a name ends like words that are made of `name` or `address` and a word before it.
fn ends_compound(letters: &[u8]) -> bool {
    let [.., a, b, c, d] = letters else { return false };
    matches!(
        &[a | 0x20, b | 0x20, c | 0x20, d | 0x20],
        b"name" | b"ames" | b"naam" | b"namn" | b"navn" | b"ress" | b"esse" | b"rift" | b"dres" | b"oite"
    )
}

/// The words that can end a label: their last two letters, and their hashes, as bitmaps.
struct LastWords {
    hashes: [u64; 64],
    ends: [u32; 32],
}

impl LastWords {
    /// The place of the last word of `letters` in the bitmap; `None` if it is not plain ASCII.
    fn slot(letters: &[u8]) -> Option<(usize, u64)> {
        let mut hash = 0u32;
        let mut after = 0;
        for b in letters.iter().rev() {
            if *b >= 0x80 {
                return None;
            }
            if !b.is_ascii_alphabetic() || b.is_ascii_lowercase() && u8::is_ascii_uppercase(&after) {
                break;
            }
            after = *b;
            hash = hash.wrapping_mul(31).wrapping_add(u32::from(b | 0x20));
        }
        let hash = hash ^ (hash >> 12);
        Some(((hash >> 6) as usize % 64, 1 << (hash % 64)))
    }

    fn holds(&self, letters: &[u8]) -> bool {
        let Some((slot, bit)) = LastWords::slot(letters) else { return true };
        self.hashes.get(slot).is_some_and(|bits| bits & bit != 0)
    }

    fn ends(&self, before: u8, last: u8) -> bool {
        self.ends.get(usize::from(last & 31)).is_some_and(|bits| bits & (1 << (before & 31)) != 0)
    }
}

static LAST_WORDS: LazyLock<LastWords> = LazyLock::new(|| {
    const SAYING: [Sense; 11] = [
        Sense::Name,
        Sense::OwnName,
        Sense::Part,
        Sense::Role,
        Sense::Account,
        Sense::Address,
        Sense::Street,
        Sense::Line,
        Sense::Postcode,
        Sense::Where,
        Sense::Wrapper,
    ];
    let mut known = LastWords { hashes: [0; 64], ends: [0; 32] };
    for word in SAYING.iter().flat_map(|sense| super::lexicon::words(*sense)).chain(["to", "by", "from"]).chain(CARDS) {
        if let Some((slot, bit)) = LastWords::slot(word.as_bytes())
            && let Some(bits) = known.hashes.get_mut(slot)
        {
            *bits |= bit;
        }
        if let [.., before, last] = word.as_bytes()
            && let Some(bits) = known.ends.get_mut(usize::from(last & 31))
        {
            *bits |= 1 << (before & 31);
        }
    }
    known
});

/// Whether a member of that name belongs to a person, or to an address with a street: what [`Beside`] tells of its neighbours.
pub(super) fn beside(name: &str) -> Beside {
    let tail = Tail::of(trimmed(name));
    let person = tail.has(0, Sense::Personal) || tail.says(false) == Some(Says::Person);
    let line = tail.has(0, Sense::Line) && tail.count == 1;
    Beside { person, street: line || tail.says(false) == Some(Says::Street) }
}

/// Whether what stands beside a member of that name can change what it says.
pub(super) fn heeds_neighbours(name: &str) -> bool {
    may_heed_neighbours(name)
        && may_say(name)
        && matches!(Tail::of(trimmed(name)).says(false), Some(Says::Name | Says::Postcode | Says::Address))
}

/// The same by its last two letters: spares nearly all names the rest.
pub(in crate::privacy) fn may_heed_neighbours(name: &str) -> bool {
    let [.., before, last] = name.as_bytes() else { return false };
    let known = matches!(
        &[before | 0x20, last | 0x20],
        b"me"
            | b"es"
            | b"om"
            | b"re"
            | b"am"
            | b"mn"
            | b"vn"
            | b"mi"
            | b"no"
            | b"ip"
            | b"de"
            | b"ss"
            | b"lz"
            | b"dr"
            | b"il"
            | b"se"
    );
    known || *last >= 0x80
}

/// Whether a member is called after something that is no person, such as `product_name` or `city`.
pub(super) fn is_of_thing(name: &str) -> bool {
    Tail::of(trimmed(name)).senses(0).has_any(&[Sense::Thing, Sense::Name])
}

/// What stands before the value at `i`: a label and a separator, words of a sentence, or at the start of a text the names above it.
pub(super) fn before(scan: &Scan<'_>, i: usize) -> Before {
    let behind = scan.behind(i, LABEL_MAX);
    let wrapping =
        |b: &u8| matches!(b, b'"' | b'\'' | b'\\' | b'[' | b'*' | b'`' | b' ' | b'\t' | b'\n' | b'\r' | b'(' | b'_');
    let gap = behind.iter().rev().take_while(|b| wrapping(b)).count();
    let (rest, gap) = behind.split_at(behind.len() - gap);
    let line = gap.contains(&b'\n');
    if rest.is_empty() {
        return if behind.len() == i { scan.names.1.map_or(Before::Nothing, Before::Label) } else { Before::Nothing };
    }
    if matches!(rest, [.., b':' | b'=' | b'>' | b'|']) || DASHES.iter().any(|dash| rest.ends_with(dash)) && gap == b" "
    {
        return label_before(rest);
    }
    let wrapped = !line && gap.iter().any(|b| !matches!(b, b' ' | b'_'));
    if wrapped && let found @ Before::Label(_) = label_before(rest) {
        return found;
    }
    let stop = match rest {
        [.., b',' | b'!'] if line => true,
        [.., b','] => matches!(sentence_before(rest, false), Before::Greeting),
        [.., b'.'] => gap == b" " && matches!(sentence_before(rest, false), Before::Title),
        _ => line || gap == b" ",
    };
    if stop { sentence_before(rest, line) } else { Before::Nothing }
}

/// What may stand between a label and its value besides a colon.
const DASHES: [&[u8]; 5] = ["–".as_bytes(), "—".as_bytes(), "→".as_bytes(), b" -", "：".as_bytes()];

/// The last words of `text` that belong together: letters, and single blanks and joining marks between them.
fn phrase(text: &[u8]) -> &[u8] {
    let mut start = text.len();
    let mut joined = false;
    for (at, b) in text.iter().enumerate().rev() {
        let letter = b.is_ascii_alphabetic() || *b >= 0x80;
        let joins = matches!(b, b' ' | b'_' | b'-' | b'.' | b'\'' | b'/');
        if !letter && (!joins || joined) {
            break;
        }
        joined = joins;
        if letter {
            start = at;
        }
    }
    text.get(start..).unwrap_or(&[])
}

/// What the label says that stands at the end of `rest`, before its separator or an HTML tag.
fn label_before(rest: &[u8]) -> Before {
    let mut rest = rest;
    if rest.ends_with(b">")
        && let Some(open) = rest.iter().rposition(|b| *b == b'<')
        && rest.len() - open <= 5
        && rest.get(..open).is_some_and(|before| before.trim_ascii_end().ends_with(b":"))
    {
        rest = rest.get(..open).unwrap_or(rest);
    }
    let mark = |b: &u8| b.is_ascii() && !b.is_ascii_alphanumeric() && !matches!(b, b'.' | b',' | b';' | b'\n');
    let mut label = rest.get(..rest.len() - rest.iter().rev().take_while(|b| mark(b)).count()).unwrap_or(rest);
    for dash in DASHES {
        label = label.strip_suffix(dash).unwrap_or(label).trim_ascii_end();
    }
    // `(full_name) VALUES ('Jane')`
    for values in [&b"VALUES"[..], b"values"] {
        label =
            label.strip_suffix(values).map_or(label, |rest| rest.trim_ascii_end().strip_suffix(b")").unwrap_or(label));
    }
    let digits = label.iter().rev().take_while(|b| b.is_ascii_digit() || **b == b'_').count();
    let label = label.get(..label.len() - digits).unwrap_or(label);
    let words = phrase(label);
    let opened = label.len() > words.len() && label.get(label.len() - words.len() - 1) == Some(&b'<');
    let arrow = matches!(rest, [.., b'-' | b'=', b'>']);
    if rest.ends_with(b">") && !opened && !arrow {
        return Before::Nothing;
    }
    // Of words with blanks between them only the last count, of `tool_name` all.
    let joined = words.iter().rev().take_while(|b| **b != b' ').any(|b| matches!(b, b'_' | b'-' | b'.'));
    Tail::of(words).says(!joined).map_or(Before::Nothing, Before::Label)
}

/// What the words of a sentence at the end of `rest` announce; `line`: the value stands on the next line.
fn sentence_before(rest: &[u8], line: bool) -> Before {
    let rest = rest.strip_suffix(b",").or(rest.strip_suffix(b"!")).or(rest.strip_suffix(b".")).unwrap_or(rest);
    let tail = Tail::of(phrase(rest));
    if line {
        return if tail.any(&[Sense::SignOff]) { Before::SignOff } else { Before::Nothing };
    }
    let last = tail.word(0);
    let is = |known: &[&str]| known.iter().any(|word| last.eq_ignore_ascii_case(word));
    let written_out = || last.len() > 5 || last.starts_with(char::is_uppercase);
    let titled = |at: usize| tail.has(at, Sense::Title) && tail.word(at).starts_with(char::is_uppercase);
    if tail.has(0, Sense::Title) && written_out()
        || tail.has(0, Sense::Particle) && (titled(1) || tail.has(1, Sense::Particle) && titled(2))
    {
        return Before::Title;
    }
    if tail.has(0, Sense::Greeting) && (tail.count < 3 || tail.has(1, Sense::Greeting)) {
        return Before::Greeting;
    }
    if tail.has(0, Sense::CallMe)
        || is(&["is", "ist", "est", "este", "je", "er", "e", "es"]) && tail.without_last().names_person()
    {
        return Before::Myself;
    }
    if tail.has(0, Sense::IAm) || is(&["m", "am"]) && tail.word(1) == "I" {
        return Before::Introduced;
    }
    if is(&["to"]) && tail.has(1, Sense::Live) && !tail.has(1, Sense::Act) {
        return Before::Live;
    }
    if is(&["by", "to", "with", "w", "of"]) && (tail.has(1, Sense::Act) || tail.word(1).eq_ignore_ascii_case("behalf"))
    {
        return Before::Act;
    }
    if is(&["to", "at", "in", "a", "en", "au", "op", "pod", "from"])
        && (tail.has(1, Sense::Live) || tail.has(2, Sense::Live))
    {
        return Before::Live;
    }
    if tail.has(0, Sense::Role) && last.starts_with(char::is_lowercase)
        || is(&["to"]) && tail.without_last().names_person()
    {
        return Before::Role;
    }
    match tail.says(true) {
        Some(Says::Person | Says::NameOfRole) => Before::Role,
        Some(Says::Name) => Before::Label(Says::Name),
        Some(Says::Street | Says::Address) => Before::Label(Says::Address),
        Some(Says::Role | Says::Account | Says::Postcode) | None => Before::Nothing,
    }
}

/// Whether something of a person is named close after `end`: `Name: Jane Doe, phone: ...`.
pub(super) fn person_follows(scan: &Scan<'_>, end: usize) -> bool {
    let rest = scan.slice(end, (end + LABEL_MAX).min(scan.bytes.len()));
    let mut words = Words::of(rest);
    while let Some(word) = words.next() {
        if std::str::from_utf8(word).is_ok_and(|word| senses(word).has(Sense::Personal)) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::super::Names;
    use super::*;

    fn said(name: &str) -> Option<Says> {
        Names::of(name).1
    }

    #[test]
    fn names_say_what_they_hold_in_any_spelling_and_language() {
        for name in [
            "first_name",
            "lastName",
            "FullName",
            "fullname",
            "Vorname",
            "prénom",
            "apellidos",
            "cognome",
            "achternaam",
            "imię",
            "nazwisko",
            "sukunimi",
            "efternamn",
            "氏名",
        ] {
            assert_eq!(said(name), Some(Says::Person), "{name}");
        }
        for name in ["customer_name", "patientName", "passenger-name", "Kundenname", "recipient_name"] {
            assert_eq!(said(name), Some(Says::NameOfRole), "{name}");
        }
        for name in ["author", "assigned_to", "created_by", "passengers"] {
            assert_eq!(said(name), Some(Says::Role), "{name}");
        }
        for name in [
            "street",
            "billing_address",
            "shippingAddress",
            "address_line_1",
            "Lieferadresse",
            "straße",
            "calle",
            "homeAddress",
        ] {
            assert!(matches!(said(name), Some(Says::Street | Says::Address)), "{name}");
        }
        for name in ["user_name", "username", "nickname"] {
            assert_eq!(said(name), Some(Says::Account), "{name}");
        }
    }

    #[test]
    fn names_of_things_say_nothing() {
        for name in [
            "tool_name",
            "hostname",
            "file_name",
            "event_name",
            "ip_address",
            "mac_address",
            "emailAddress",
            "wallet_address",
            "server.address",
            "",
            "x",
            "rename",
            "memory_address",
            "status",
        ] {
            assert_eq!(said(name), None, "{name}");
        }
        assert_eq!(said("name"), Some(Says::Name));
        assert_eq!(said("displayName"), Some(Says::Name));
        assert_eq!(said("address"), Some(Says::Address));
        assert_eq!(said("zip"), None);
    }

    #[test]
    fn what_stands_above_and_beside_makes_a_name_sure() {
        let above = |name, above| of_names([name, above, ""], Beside::default());
        assert_eq!(above("name", "passenger"), Some(Says::NameOfRole));
        assert_eq!(above("first", "name"), Some(Says::Person));
        assert_eq!(above("line1", "shipping_address"), Some(Says::Street));
        assert_eq!(above("zip", "address"), Some(Says::Postcode));
        assert_eq!(above("name", "tools"), Some(Says::Name));
        assert_eq!(above("stringValue", "first_name"), Some(Says::Person));
        assert_eq!(of_names(["name", "", ""], Beside { person: true, street: false }), Some(Says::NameOfRole));
        assert!(beside("email").person && beside("date_of_birth").person && !beside("version").person);
        assert!(beside("street").street && beside("line1").street);
    }
}
