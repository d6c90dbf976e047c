//! People's names: where a member's name, a label, a greeting, a title or a phrase announces one, and where a known given name begins it.
//!
//! The form is read first: capitalised words with the small words that may stand between them (`Ludwig van Beethoven`), initials, characters
//! without letter case. How much form is enough is told by what stands before it: after `first_name=` any word will do, after `author:` two
//! words, after nothing a known given name and a second word. A word that is in no person's name (`Team`, `GmbH`, `Monday`) always ends it.

use super::label::{self, Before, Says};
use super::lexicon::{Folded, Form, Sense, Senses, Word, is_caseless, is_ideograph, senses, word_at};
use super::{Kind, Names, Scan, is_word};
use crate::privacy::redaction::is_settled;

/// More words are no name.
const WORDS_MAX: usize = 6;

/// A text under a member that is a person's name has at most so many bytes.
const WHOLE_MAX: usize = 80;

/// What is written like a name.
#[derive(Clone, Copy, Debug, Default)]
struct Shape {
    end: usize,
    /// Words, small ones between them not counted.
    words: usize,
    /// The first is a given name.
    given: bool,
    /// And hardly anything else.
    surely_given: bool,
    /// The last is a family name by its end.
    surname: bool,
    /// Written in capitals only.
    caps: bool,
    ideographs: bool,
    /// Begins with `Herr` or `Dr.`
    titled: bool,
    /// The family name comes first: `Porter, Jane`.
    reversed: bool,
}

impl Shape {
    fn read(scan: &Scan<'_>, start: usize) -> Option<Shape> {
        let mut shape = Shape { caps: true, ..Shape::default() };
        let mut at = start;
        for n in 0..WORDS_MAX {
            let Some(word) = word_of_name(scan, at) else { break };
            let known = senses(scan.str(at, word.end).trim_end_matches('.'));
            match shape.take(n, &word, known, scan) {
                Taken::Part => shape.end = word.end,
                Taken::Between => {}
                Taken::No => break,
            }
            let stop = usize::from(scan.at(word.end) == b'.' && shape.titled && shape.words == 0);
            if scan.at(word.end + stop) != b' ' {
                break;
            }
            at = word.end + stop + 1;
        }
        shape.read_first_name(scan);
        (shape.words > 0).then_some(shape)
    }

    /// `Porter, Jane`: the given name after the family name.
    fn read_first_name(&mut self, scan: &Scan<'_>) {
        if self.words == 0
            || self.words > 2
            || self.given
            || self.ideographs
            || scan.slice(self.end, self.end + 2) != b", "
        {
            return;
        }
        let start = self.end + 2;
        let Some(word) = word_at(scan.text, start) else { return };
        let known = senses(scan.str(start, word.end));
        let capital = word.form == Form::Capital && is_free(scan, word.end) && !known.has(Sense::Nobody);
        if capital && (known.has_any(&[Sense::Given, Sense::GivenToo]) || ends_line(scan, word.end)) {
            self.end = word.end;
            self.words += 1;
            self.given = known.has_any(&[Sense::Given, Sense::GivenToo]);
            self.reversed = true;
        }
    }

    fn take(&mut self, n: usize, word: &Word, known: Senses, scan: &Scan<'_>) -> Taken {
        let given = known.has_any(&[Sense::Given, Sense::GivenToo]);
        match word.form {
            Form::Ideographs => {
                if !self.ideographs && (self.words > 0 || !fits_caseless(scan, word)) {
                    return Taken::No;
                }
                self.ideographs = true;
                self.caps = false;
                self.words += 2;
                Taken::Part
            }
            Form::Capital | Form::Caps if self.words == 0 && known.has(Sense::Title) => {
                self.titled = true;
                Taken::Between
            }
            Form::Capital | Form::Caps | Form::Initial if !is_free(scan, word.end) => Taken::No,
            Form::Capital | Form::Caps if known.has(Sense::Nobody) && !given && !known.has(Sense::Particle) => {
                Taken::No
            }
            Form::Caps if word.length < 2 || self.words > 0 && !self.caps => Taken::No,
            Form::Capital | Form::Caps => {
                if self.words == 0 {
                    self.given = given;
                    self.surely_given = known.has(Sense::Given);
                }
                self.surname =
                    self.words > 0 && is_surname(scan.str(word.end.saturating_sub(word.length), word.end), known);
                self.caps &= word.form == Form::Caps;
                self.words += 1;
                Taken::Part
            }
            Form::Initial if n > 0 || scan.at(word.end - 1) == b'.' => {
                self.words += usize::from(self.words > 0);
                self.caps = false;
                if self.words > 0 { Taken::Part } else { Taken::Between }
            }
            Form::Small if self.words > 0 && known.has(Sense::Particle) => Taken::Between,
            Form::Initial | Form::Small | Form::Mixed => Taken::No,
        }
    }
}

enum Taken {
    /// It belongs to the name.
    Part,
    /// It belongs to it if another word follows.
    Between,
    No,
}

/// Whether a word without letter case is as long as a name: ideographs are few, letters are more.
fn fits_caseless(scan: &Scan<'_>, word: &Word) -> bool {
    let few = scan.text.get(..word.end).and_then(|text| text.chars().next_back()).is_some_and(is_ideograph);
    (2..=if few { 8 } else { 24 }).contains(&word.length)
}

/// The word at `at`; `'s` and `'t` are words of Dutch names.
fn word_of_name(scan: &Scan<'_>, at: usize) -> Option<Word> {
    if scan.at(at) == b'\'' && matches!(scan.at(at + 1), b's' | b't') && scan.at(at + 2) == b' ' {
        return Some(Word { end: at + 2, form: Form::Small, length: 2 });
    }
    word_at(scan.text, at)
}

/// Whether a word may be a name's that ends at `end`: it is no label (`Email:`), variable, call or part of something longer.
fn is_free(scan: &Scan<'_>, end: usize) -> bool {
    match scan.at(end) {
        b':' => matches!(scan.at(end + 1), 0 | b'\n' | b'\r') || scan.slice(end + 1, end + 8) == b"mailto:",
        b'=' | b'/' | b'@' | b'_' | b'(' | b'0'..=b'9' => false,
        b'\\' => !scan.at(end + 1).is_ascii_alphabetic() || scan.at(end + 1) == b'n',
        b'.' | b'-' => !is_word(scan.at(end + 1)),
        _ => true,
    }
}

/// Where the name that starts at `start` ends.
pub(super) fn find(scan: &Scan<'_>, start: usize) -> Option<usize> {
    let shape = Shape::read(scan, start)?;
    let end = shape.end;
    if start == 0 && end == scan.bytes.len() && scan.names.1.is_some() && is_label(scan.text) {
        return None;
    }
    if is_cell_beside_email(scan, start, &shape) {
        return Some(end);
    }
    if is_before_email(scan, end) && (shape.words > 1 || shape.given) && !shape.caps {
        return Some(end);
    }
    let two = shape.words > 1;
    if follows_person(scan, start, &shape) {
        return Some(end);
    }
    let fits = match label::before(scan, start) {
        Before::Label(Says::Person) => true,
        Before::Label(Says::NameOfRole) => !shape.caps || two,
        Before::Label(Says::Role | Says::Account) => shape.given || shape.titled || two && !shape.caps,
        Before::Label(Says::Name) => {
            two && (shape.surely_given || shape.surname || shape.titled || label::person_follows(scan, end))
                && (!shape.caps || shape.given)
        }
        Before::Title => !shape.caps,
        Before::Greeting if end == scan.bytes.len() && label::is_of_thing(scan.names.nearest()) => false,
        Before::Greeting => !shape.caps && (two || ends_clause(scan, end) || shape.surely_given),
        Before::SignOff => !shape.caps && matches!(scan.at(end), 0 | b'\n' | b'\r' | b'"' | b'\\'),
        Before::Myself => !shape.caps,
        Before::Introduced => !shape.caps && (two || shape.surely_given),
        Before::Label(Says::Street) => two && !shape.caps && scan.at(end) == b'\n' || two && shape.surely_given,
        Before::Act => !shape.caps && (two || shape.surely_given),
        Before::Role => two && !shape.caps,
        Before::Nothing if start == 0 && end == scan.bytes.len() && label::is_of_thing(scan.names.nearest()) => false,
        Before::Nothing | Before::Live | Before::Label(Says::Address | Says::Postcode) => {
            two && !shape.caps && shape.surely_given && !shape.ideographs && !shape.reversed
        }
    };
    fits.then_some(end)
}

/// Whether a word is a family name: a known one, or one that ends like many.
fn is_surname(word: &str, known: Senses) -> bool {
    const ENDS: [&str; 26] = [
        "ova", "ski", "ska", "cki", "cka", "sson", "sen", "ez", "escu", "enko", "ovic", "evic", "oglu", "elli", "etti",
        "mann", "nen", "poulos", "akis", "yan", "shvili", "chuk", "czyk", "wicz", "stein", "strom",
    ];
    known.has(Sense::Surname)
        || !known.has_any(&[Sense::Nobody, Sense::Suffix])
            && Folded::of(word).is_some_and(|folded| {
                ENDS.iter().any(|end| folded.text().len() > end.len() + 2 && folded.text().ends_with(end))
            })
}

/// Whether it goes on where a name ended: `Jane Doe and John Roe`, `assigned to Jane Doe by John Roe`.
fn follows_person(scan: &Scan<'_>, start: usize, shape: &Shape) -> bool {
    let after = scan.hits.last().is_some_and(|hit| hit.kind == Kind::Person && hit.end == scan.floor);
    let two = shape.words > 1 && !shape.caps;
    after
        && two
        && match scan.slice(scan.floor, start) {
            b" and " | b", and " | b" & " | b" und " | b" et " | b" y " | b" by " | b" and for " => true,
            b", " => shape.given || matches!(scan.slice(shape.end, shape.end + 5), b" and "),
            _ => false,
        }
}

/// Whether it is a cell of a table and the next one is an e-mail address: `7|Jane Doe|jane@example.com`.
fn is_cell_beside_email(scan: &Scan<'_>, start: usize, shape: &Shape) -> bool {
    let separator = match scan.slice(shape.end, shape.end + 3) {
        b" | " => 3,
        [b'\t' | b',' | b';' | b'|', ..] => 1,
        _ => return false,
    };
    let opened = matches!(scan.before(start), b'\t' | b',' | b';' | b'|' | b'\n' | 0)
        || scan.before(start) == b' ' && matches!(scan.before(start - 1), b'|' | b',');
    let from = shape.end + separator + usize::from(scan.slice(shape.end, shape.end + 2) == b", ");
    let cell = scan.slice(from, scan.run_end(from, from + 65, |b| b > b' ' && !matches!(b, b',' | b';' | b'|')));
    shape.words > 1 && !shape.caps && opened && cell.contains(&b'@')
}

/// Whether ` <ann@example.com>` or ` (ann@example.com)` follows.
fn is_before_email(scan: &Scan<'_>, end: usize) -> bool {
    let quote = usize::from(scan.at(end) == b'"');
    let open = end + quote + 1;
    let close = match (scan.at(end + quote), scan.at(open)) {
        (b' ', b'<') => b'>',
        (b' ', b'(') => b')',
        _ => return false,
    };
    let inside = scan.slice(open + 1, scan.run_end(open + 1, open + 65, |b| b != close && b != b' '));
    inside.contains(&b'@')
}

fn ends_line(scan: &Scan<'_>, end: usize) -> bool {
    matches!(scan.at(end), 0 | b'\n' | b'\r' | b'"' | b'<')
}

fn ends_clause(scan: &Scan<'_>, end: usize) -> bool {
    matches!(scan.at(end), 0 | b',' | b'!' | b'.' | b':' | b';' | b'\n' | b'\r' | b'\\' | b'<' | b'"')
}

/// Whether a whole text is a person's name, or what names an account, because of the names above it.
pub(super) fn is_whole(text: &str, says: Says, names: &Names<'_>) -> bool {
    if says != Says::Account && is_label(text) {
        return false;
    }
    let Some(value) = Value::of(text) else { return says == Says::Account && is_account(text) };
    match says {
        Says::Person => !value.nobody,
        Says::Account => is_account(text),
        Says::NameOfRole if value.words == 1 && !value.capitals && !value.ideographs => {
            !value.nobody
                && (value.given || names.0.iter().any(|name| matches!(*name, "user" | "actor" | "person" | "identity")))
        }
        Says::NameOfRole => !value.nobody && (value.capitals || value.given || value.ideographs),
        Says::Role => {
            !value.nobody
                && (value.words > 1 && value.capitals
                    || value.ideographs
                    || value.given && (value.words > 1 || value.capitals))
        }
        Says::Name => {
            let foreign = !names.nearest().to_ascii_lowercase().ends_with("name");
            let enough = value.words > 1 && (value.surely_given || value.surname) || foreign && value.surely_given;
            !value.nobody && value.capitals && enough
        }
        Says::Street | Says::Address | Says::Postcode => false,
    }
}

/// Names of accounts that are no person's.
const NOBODY: [&str; 16] = [
    "root",
    "system",
    "admin",
    "administrator",
    "anonymous",
    "guest",
    "user",
    "nobody",
    "default",
    "service",
    "daemon",
    "bot",
    "test",
    "unknown",
    "null",
    "none",
];

fn is_account(text: &str) -> bool {
    let text = text.trim();
    (2..=64).contains(&text.len())
        && text.chars().any(char::is_alphabetic)
        && !text.contains(['@', '[', '<', '{', '$', '%', '*'])
        && !is_settled(text)
        && !NOBODY.iter().any(|known| text.eq_ignore_ascii_case(known))
}

/// A whole text of words and nothing else.
#[derive(Default)]
struct Value {
    words: usize,
    /// Every word but the small ones begins with a capital.
    capitals: bool,
    given: bool,
    /// The first is a given name and hardly anything else.
    surely_given: bool,
    /// The last is a family name by its end.
    surname: bool,
    /// A word is in no person's name.
    nobody: bool,
    ideographs: bool,
}

/// Whether all words of a text are labels themselves, as in translations: `Nome`, `Street address`, `Your name`.
pub(super) fn is_label(text: &str) -> bool {
    const LABELS: [Sense; 11] = [
        Sense::Name,
        Sense::OwnName,
        Sense::Part,
        Sense::Role,
        Sense::Account,
        Sense::Address,
        Sense::Where,
        Sense::Street,
        Sense::Line,
        Sense::Postcode,
        Sense::Possessive,
    ];
    let of = |word: &str, senses_of: &[Sense]| senses(word).has_any(senses_of);
    let words = || text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty());
    words().all(|word| of(word, &LABELS) && !of(word, &[Sense::Given, Sense::GivenToo, Sense::Surname]))
        && words().any(|word| of(word, &[Sense::Name, Sense::OwnName, Sense::Account, Sense::Address, Sense::Street]))
        && !text.bytes().any(|b| b.is_ascii_digit())
}

impl Value {
    fn of(text: &str) -> Option<Value> {
        let plain = |c: char| {
            c.is_alphabetic()
                || is_caseless(c)
                || matches!(c, ' ' | '.' | ',' | '\'' | '’' | '-' | '・' | '·' | '\u{3000}' | '\u{300}'..='\u{36f}')
        };
        if text.len() > WHOLE_MAX || !text.chars().all(plain) {
            return None;
        }
        let mut value = Value { capitals: true, ..Value::default() };
        for word in text.split([' ', ',', '\u{3000}', '・', '·']).filter(|word| !word.is_empty()) {
            let known = senses(word.trim_end_matches('.'));
            let form = word_at(word, 0)?.form;
            value.surely_given |= value.words == 0 && known.has(Sense::Given);
            value.surname = value.words > 0 && is_surname(word, known);
            value.words += 1;
            value.ideographs |= form == Form::Ideographs;
            value.given |= known.has_any(&[Sense::Given, Sense::GivenToo]);
            value.nobody |= form != Form::Initial
                && known.has(Sense::Nobody)
                && !known.has_any(&[Sense::Given, Sense::GivenToo, Sense::Title]);
            value.capitals &= matches!(form, Form::Capital | Form::Initial | Form::Caps) || known.has(Sense::Particle);
        }
        (1..=WORDS_MAX).contains(&value.words).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::super::tests::found_under;

    fn names_in<'t>(name: &str, text: &'t str) -> Vec<&'t str> {
        found_under(name, text).into_iter().filter(|(kind, _)| *kind == Kind::Person).map(|(_, text)| text).collect()
    }

    #[test]
    fn a_member_that_is_called_a_persons_name_is_one_whatever_it_looks_like() {
        for (name, text) in [
            ("first_name", "jane"),
            ("fullName", "Nout 's Gravensande"),
            ("Nachname", "Müller-Lüdenscheidt"),
            ("customer_name", "Kowalska, Małgorzata"),
            ("氏名", "山田太郎"),
            ("username", "jdoe42"),
            ("author", "Ngozi Okonkwo"),
            ("name", "Laura Marsh"),
            ("nombre", "Lucía"),
            ("name_on_card", "J. R. PORTER"),
        ] {
            assert_eq!(names_in(name, text), [text], "{name}");
        }
    }

    #[test]
    fn members_that_are_called_otherwise_or_hold_no_name_are_left_alone() {
        for (name, text) in [
            ("name", "Monthly Report"),
            ("name", "Visual Studio"),
            ("name", "scan_directory"),
            ("name", "Morgan Stanley"),
            ("product_name", "Laura Ashley"),
            ("author", "Platform Team"),
            ("owner", "platform"),
            ("first_name", "null"),
            ("username", "root"),
            ("first_name", "[person]"),
            ("username", "p_0123456789abcdef0123456789abcdef"),
            ("host_name", "Anna"),
            ("assigned_to", "Unassigned"),
            ("first_name", "Nome"),
            ("full_name", "Your name"),
            ("playlist_name", "Morning Run"),
        ] {
            assert!(names_in(name, text).is_empty(), "{name}: {text}");
        }
    }

    #[test]
    fn labels_phrases_greetings_and_titles_announce_names() {
        for (text, name) in [
            ("customer name: Kamya Patla, dob", "Kamya Patla"),
            ("Patient: Breno Aragão", "Breno Aragão"),
            ("Ansprechpartner – Samar Sarin – waiting", "Samar Sarin"),
            ("invalid cardholder \"Gergő Hajdu\" (line 9)", "Gergő Hajdu"),
            ("nom complet : Marissa Holt", "Marissa Holt"),
            ("<full_name>Ada Byron</full_name>", "Ada Byron"),
            ("Dear Ottokar Mrak, your parcel", "Ottokar Mrak"),
            ("Hi Jane,", "Jane"),
            ("Sehr geehrter Herr von Braun, anbei", "von Braun"),
            ("Bonjour Madame Dupré, merci", "Madame Dupré"),
            ("Ticket opened by Nathalie Guillet about it", "Nathalie Guillet"),
            ("reported by 福田篤司", "福田篤司"),
            ("my name is Sernur Soylu and", "Sernur Soylu"),
            ("I'm Majken Bro, hello", "Majken Bro"),
            ("spoke to Kwame Mensah today", "Kwame Mensah"),
            ("Kind regards,\nYosef Permadi", "Yosef Permadi"),
            ("From: Ola Bini <o@x>", "Ola Bini"),
            ("Signed-off-by: Ines Vale <i@x>", "Ines Vale"),
            ("name: Cas Brese\n    email: c", "Cas Brese"),
            ("notes: Gabriela Losada will follow up", "Gabriela Losada"),
            ("Hi Romanens, Patricia, thanks", "Romanens, Patricia"),
            ("CUSTOMER NAME: JANE PORTER", "JANE PORTER"),
            ("Hola Mary Robles:\nsu pedido", "Mary Robles"),
            ("full_name: \"अनिल वर्मा\"", "अनिल वर्मा"),
            ("contact_name=נועה לוי;", "נועה לוי"),
            ("ORGANIZER;CN=Anna Berg:mailto:a@x.example", "Anna Berg"),
            ("Key (full_name)=(Berg, Anna) already exists", "Berg, Anna"),
            ("call notes: spoke w/ Bruno Okafor today", "Bruno Okafor"),
            ("7|Zuri Quellwater|z@x.example", "Zuri Quellwater"),
        ] {
            let found = names_in("", text);
            assert!(
                found.iter().any(|found| name.contains(found) && found.len() * 2 > name.len()),
                "{text}: {found:?}"
            );
        }
    }

    #[test]
    fn firms_products_places_and_sentences_are_no_names() {
        for text in [
            "Dear Customer, your order",
            "Hello World!",
            "Hi Team, please",
            "From: Support Team <x>",
            "Powered by Google Cloud",
            "Blocked by Content Security Policy",
            "deploying to region Paris and Frankfurt",
            "Jordan release branch cut, next codename Victoria",
            "class MercuryClient extends BaseClient",
            "Washington DC data center failover drill",
            "feature flag april_promo enabled in May",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/110.0 Safari/537.36",
            "Started Session 57 of user root.",
            "User-Agent: Mozilla Firefox",
            "Host: Example Server",
            "tool name: Web Search",
            "status: Not Found",
            "name: Monthly Report",
            "Dear [person], hello",
        ] {
            assert!(names_in("", text).is_empty(), "{text}: {:?}", names_in("", text));
        }
    }
}
