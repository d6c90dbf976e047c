//! Numbers without a check that their label alone tells: passports, driver's licences, bank accounts, and whatever is called a national id.
//!
//! Asks for a label right before the number or the nearest name, and for something written like a number of a document: digits, few
//! letters, capitals. Under a name that says it, all of a short text counts.

use super::calendar::is_day;
use super::checksum::weighted;
use super::context::{Context, Lazy};
use super::number::ends;
use super::topics::Topic;
use super::{Kind, Scan};

/// Longer tokens are no numbers of documents.
const LENGTH_MAX: usize = 28;

/// Shorter numbers without letters are no documents.
const DIGITS_MIN: usize = 7;

/// What a document's number may be made of.
struct Rule {
    topic: Topic,
    kind: Kind,
    /// Characters without separators.
    length: std::ops::RangeInclusive<usize>,
    digits_min: usize,
    letters_max: usize,
}

const RULES: &[Rule] = &[
    Rule { topic: Topic::Passport, kind: Kind::Passport, length: 6..=12, digits_min: 5, letters_max: 4 },
    Rule { topic: Topic::License, kind: Kind::DriverLicense, length: 6..=18, digits_min: 5, letters_max: 9 },
    Rule { topic: Topic::Account, kind: Kind::BankAccount, length: 6..=24, digits_min: 6, letters_max: 4 },
    Rule { topic: Topic::NationalId, kind: Kind::NationalId, length: 6..=20, digits_min: 5, letters_max: 9 },
];

/// A token: words joined by single marks.
#[derive(Default)]
struct Token {
    end: usize,
    digits: usize,
    letters: usize,
}

/// The document's number at `start`.
pub(super) fn find(scan: &Scan<'_>, start: usize, context: &Lazy<'_, '_>) -> Option<(Kind, usize)> {
    if scan.digits_end(start) - start < 4
        && !matches!(scan.at(scan.word_end(start)), b' ' | b'-' | b'/' | b'.')
        && scan.at(start).is_ascii_digit()
    {
        return None;
    }
    let first = Token::read(scan, start);
    if first.end - start.min(first.end) == 16 && is_british_licence(scan.slice(start, first.end)) {
        return Some((Kind::DriverLicense, first.end));
    }
    let digits = if first.letters == 0 { DIGITS_MIN } else { 5 };
    if first.digits < digits && !is_washington(scan, start, &first) {
        return None;
    }
    let context = context.get();
    let rule = RULES.iter().find(|rule| context.tells_near(rule.topic));
    if let Some(rule) = rule
        && (rule.fits(&first) || rule.topic == Topic::License && is_washington(scan, start, &first))
    {
        return Some((rule.kind, first.end));
    }
    routing(scan, start, &first, context)
}

impl Rule {
    fn fits(&self, token: &Token) -> bool {
        self.length.contains(&(token.digits + token.letters))
            && token.digits >= self.digits_min
            && token.letters <= self.letters_max
    }
}

impl Token {
    fn read(scan: &Scan<'_>, start: usize) -> Token {
        let mut token = Token::default();
        let mut at = start;
        while at - start < LENGTH_MAX {
            let word = Token::word(scan, at);
            // A word after a blank belongs to the number only if it is mostly digits.
            let blank = at > start && scan.at(at - 1) == b' ';
            let single = word.letters == 1 && word.digits == 0 && !scan.at(word.end + 1).is_ascii_alphabetic();
            let alone = word.end == at || blank && word.digits <= word.letters && !single;
            if alone || !ends_word(scan, word.end) || token.end > 0 && word.digits == 0 && word.letters > 3 {
                break;
            }
            token = Token { end: word.end, digits: token.digits + word.digits, letters: token.letters + word.letters };
            at = word.end + 1;
            // Thousands, twice at least: one point alone is that of a fraction.
            let thousand = |at: usize| scan.at(at) == b'.' && scan.digits_end(at + 1) == at + 4;
            let grouped = || thousand(word.end) && (at > start || thousand(word.end + 4));
            if !matches!(scan.at(word.end), b' ' | b'-' | b'/' | b'*') && !grouped() {
                break;
            }
        }
        token
    }

    /// The capitals and digits from `at` on.
    fn word(scan: &Scan<'_>, at: usize) -> Token {
        let end = scan.run_end(at, at + LENGTH_MAX, |b| b.is_ascii_digit() || b.is_ascii_uppercase());
        let text = scan.slice(at, end);
        let digits = text.iter().filter(|b| b.is_ascii_digit()).count();
        Token { end, digits, letters: text.len() - digits }
    }
}

fn ends_word(scan: &Scan<'_>, end: usize) -> bool {
    let next = scan.at(end);
    !next.is_ascii_lowercase() && next != b'_' && next != b'%' && next < 0x80
}

/// A British licence: five characters of the name, decade, month (50 more for women), day, year, initials, and three more.
fn is_british_licence(text: &[u8]) -> bool {
    let [n0, n1, n2, n3, n4, decade, m1, m0, d1, d0, year, i1, i2, last @ ..] = text else { return false };
    let name = [n0, n1, n2, n3, n4];
    let letters = name.iter().take_while(|b| b.is_ascii_uppercase()).count();
    let two = |tens: &u8, ones: &u8| u32::from(tens.wrapping_sub(b'0')) * 10 + u32::from(ones.wrapping_sub(b'0'));
    let digits = [decade, m1, m0, d1, d0, year].iter().all(|b| b.is_ascii_digit());
    letters > 0
        && name.iter().skip(letters).all(|b| **b == b'9')
        && digits
        && is_day(two(m1, m0) % 50, two(d1, d0))
        && [i1, i2].iter().all(|b| b.is_ascii_uppercase() || **b == b'9')
        && matches!(last, [x, y, z] if x.is_ascii_digit() && y.is_ascii_uppercase() && z.is_ascii_uppercase())
}

/// Licences of Washington State have letters for most digits.
fn is_washington(scan: &Scan<'_>, start: usize, token: &Token) -> bool {
    token.end - start.min(token.end) == 12 && scan.slice(start, start + 3) == b"WDL"
}

/// The number of an American bank: nine digits with a check, announced.
fn routing(scan: &Scan<'_>, start: usize, token: &Token, context: &Context) -> Option<(Kind, usize)> {
    if token.digits != 9 || token.letters != 0 || !context.tells(Topic::Routing) || !ends(scan, token.end) {
        return None;
    }
    let mut digits = [0; 9];
    for (slot, d) in digits.iter_mut().zip(super::number::digits(scan.slice(start, token.end))) {
        *slot = d;
    }
    weighted(&digits, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10).then_some((Kind::BankAccount, token.end))
}
