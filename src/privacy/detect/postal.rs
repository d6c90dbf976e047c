//! Postal addresses: a street with a house number, and what follows it up to the country.
//!
//! Two forms, told by where the number stands: `123 Main Street`, `12 rue de la Paix` and `Musterstraße 12`, `Via Roma 12`; and post-office
//! boxes. A word that is used for streets and little else is enough; where it is used for other things too (`Park`, `Via`), a label or what
//! follows must confirm it: a part of a building, a postal code, a region.

mod tail;

use super::label::{self, Before, Says};
use super::lexicon::{Folded, Form, Sense, Senses, is_ideograph, senses, word_at};
use super::person::is_label;
use super::{Kind, Scan, is_word};

use tail::{tail, unit};

/// Words of a street's or a place's name.
const WORDS_MAX: usize = 6;

/// A text under a member that is an address has at most so many bytes.
const WHOLE_MAX: usize = 240;

/// Ends of street names in one word, used for streets and little else.
const ENDS: [&str; 18] = [
    "strasse", "straat", "laan", "gatan", "vagen", "gracht", "plein", "platz", "gasse", "allee", "katu", "gade",
    "veien", "grand", "stieg", "dreef", "steeg", "singel",
];

/// The same, of other use.
const ENDS_TOO: [&str; 24] = [
    "str",
    "weg",
    "ring",
    "hof",
    "pad",
    "baan",
    "dijk",
    "park",
    "tie",
    "damm",
    "ufer",
    "graben",
    "kade",
    "boulevard",
    "vej",
    "gata",
    "vei",
    "kuja",
    "polku",
    "torget",
    "stigen",
    "markt",
    "chaussee",
    "straede",
];

/// How much like a street a text is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Likeness {
    /// Words only.
    None,
    /// Words and a number.
    Some,
    /// With a word of streets and other things.
    More,
    /// With a word of streets.
    Sure,
}

/// Where the address ends that starts with the house number at `start`, whose digits end at `digits_end`.
pub(super) fn at_number(scan: &Scan<'_>, start: usize, digits_end: usize) -> Option<usize> {
    if digits_end - start > 5 {
        return None;
    }
    let number_end = house_number_end(scan, digits_end);
    let comma = usize::from(scan.at(number_end) == b',');
    let words = number_end + comma + 1;
    if scan.at(words - 1) != b' ' {
        return None;
    }
    let (street_end, likeness) = street_after_number(scan, skip_addition(scan, words), comma > 0)?;
    accept(scan, start, street_end, likeness)
}

/// Whether a street may follow the house number whose digits end at `at`.
pub(super) fn may_follow(scan: &Scan<'_>, at: usize) -> bool {
    let word = |b: u8| {
        b.is_ascii_uppercase()
            || b >= 0x80
            || b.is_ascii_digit()
            || matches!(b, b'r' | b'a' | b'b' | b'c' | b'i' | b'q' | b'p' | b't')
    };
    match scan.at(at) {
        b' ' => word(scan.at(at + 1)),
        b',' => scan.at(at + 1) == b' ' && word(scan.at(at + 2)),
        b'/' | b'-' => scan.at(at + 1).is_ascii_digit(),
        _ => false,
    }
}

/// Whether a number comes close after the word that ends at `at`, with nothing but words between: else no address begins there.
pub(super) fn may_begin(scan: &Scan<'_>, at: usize) -> bool {
    let words = |b: u8| b.is_ascii_alphabetic() || b >= 0x80 || matches!(b, b' ' | b'-' | b'\'' | b'.' | b',');
    let end = scan.run_end(at, at + 64, words);
    scan.at(end).is_ascii_digit() && end > at
}

/// Where the address ends that starts with the word at `start`.
pub(super) fn at_word(scan: &Scan<'_>, start: usize) -> Option<usize> {
    if let Some(end) = post_box(scan, start) {
        return Some(tail(scan, end).end);
    }
    if let Some(end) = grid(scan, start) {
        return Some(tail(scan, end).end);
    }
    if let Some((end, likeness)) = unit_first(scan, start) {
        return accept(scan, start, end, likeness);
    }
    let (street_end, likeness) = street_before_number(scan, start)?;
    accept(scan, start, street_end, likeness)
}

/// The whole address if what was read is sure enough.
fn accept(scan: &Scan<'_>, start: usize, street_end: usize, likeness: Likeness) -> Option<usize> {
    let tail = tail(scan, street_end);
    let needed = match (tail.complete, tail.confirms) {
        (true, _) => Likeness::Some,
        (false, true) => Likeness::More,
        (false, false) => Likeness::Sure,
    };
    if likeness >= needed {
        return Some(tail.end);
    }
    if likeness == Likeness::None && !tail.complete {
        return None;
    }
    let told = match label::before(scan, start) {
        Before::Nothing => follows_name(scan, start),
        Before::Live | Before::Label(Says::Street) => true,
        Before::Label(Says::Address) => likeness > Likeness::Some || tail.confirms || scan.at(street_end) != b' ',
        Before::Label(_)
        | Before::Greeting
        | Before::SignOff
        | Before::Title
        | Before::Myself
        | Before::Introduced
        | Before::Act
        | Before::Role => false,
    };
    told.then_some(tail.end)
}

/// Whether the line before is a person's name: the address of a letter or parcel.
fn follows_name(scan: &Scan<'_>, start: usize) -> bool {
    scan.hits.last().is_some_and(|hit| hit.kind == Kind::Person && hit.end == scan.floor)
        && scan.slice(scan.floor, start).contains(&b'\n')
        && scan.slice(scan.floor, start).trim_ascii().is_empty()
}

/// Where a house number ends: `12`, `12b`, `12-14`, `5/7`, `12 bis`.
fn house_number_end(scan: &Scan<'_>, digits_end: usize) -> usize {
    let mut end = digits_end;
    if scan.at(end).is_ascii_alphabetic() && !is_word(scan.at(end + 1)) {
        end += 1;
    }
    if matches!(scan.at(end), b'/' | b'-') && scan.at(end + 1).is_ascii_digit() {
        let more = scan.run_end(end + 1, end + 6, |b| b.is_ascii_digit());
        if !is_word(scan.at(more)) && !matches!(scan.at(more), b'-' | b'/') {
            end = more;
        }
    }
    end
}

/// Past `bis ` or `ter ` after a house number.
fn skip_addition(scan: &Scan<'_>, at: usize) -> usize {
    if matches!(scan.slice(at, at + 4), b"bis " | b"ter ") { at + 4 } else { at }
}

/// The street at `at`, after its number: where it ends.
fn street_after_number(scan: &Scan<'_>, at: usize, comma: bool) -> Option<(usize, Likeness)> {
    let first = word_at(scan.text, at)?;
    let known = senses(scan.str(at, first.end).trim_end_matches('.'));
    if known.has(Sense::Prefix) || comma && known.has(Sense::PrefixToo) {
        let end = name_end(scan, first.end + usize::from(scan.at(first.end) == b'.'))?;
        return Some((end, if known.has(Sense::Prefix) { Likeness::Sure } else { Likeness::More }));
    }
    let mut run = Run::new(scan, at);
    let mut found = None;
    let mut words = 0;
    while let Some((_, end, known)) = run.next() {
        words += 1;
        if words > 1 && known.has(Sense::Suffix) {
            found = Some((end, Likeness::Sure));
        } else if words > 1 && known.has(Sense::SuffixToo) {
            found = Some((end, Likeness::More));
        }
    }
    let (end, likeness) = found.or((words > 0).then_some((run.end, Likeness::Some)))?;
    let goes_on = end < run.end && !is_direction(scan, end);
    match likeness {
        Likeness::None | Likeness::Some => Some((end, Likeness::Some)),
        Likeness::More | Likeness::Sure if goes_on => Some((run.end, Likeness::Some)),
        Likeness::More | Likeness::Sure => Some((end, likeness)),
    }
}

/// Whether ` NW` or the like stands at `end`, or a part of a building or a place follows there without a comma.
fn is_direction(scan: &Scan<'_>, end: usize) -> bool {
    let next = scan.str(end + 1, scan.run_end(end + 1, end + 12, |b| b.is_ascii_alphanumeric() || b >= 0x80));
    let unit = senses(next).has(Sense::Unit);
    unit || matches!(next, "N" | "S" | "E" | "W" | "NE" | "NW" | "SE" | "SW" | "North" | "South" | "East" | "West")
}

/// A street that begins with the word at `start` and ends with its number.
fn street_before_number(scan: &Scan<'_>, start: usize) -> Option<(usize, Likeness)> {
    let mut run = Run::new(scan, start);
    let mut likeness = Likeness::Some;
    let mut words = 0;
    while let Some((at, end, known)) = run.next() {
        words += 1;
        if words == 1 && known.has(Sense::Prefix) {
            likeness = Likeness::Sure;
        } else if words == 1 && known.has(Sense::PrefixToo) {
            likeness = Likeness::More;
        }
        likeness = likeness.max(compound(scan.str(at, end)));
    }
    let mut end = run.end;
    if words > 0
        && scan.at(end) == b' '
        && let Some(ending) = word_at(scan.text, end + 1)
        && senses(scan.str(end + 1, ending.end)).has(Sense::Ending)
    {
        end = ending.end + usize::from(scan.at(ending.end) == b'.');
        likeness = likeness.max(Likeness::More);
    }
    let gap = 1 + usize::from(scan.at(end) == b',' && scan.at(end + 1) == b' ');
    let digits = end + gap + number_word(scan, end + gap);
    if words > 1 && scan.at(end) == b',' && !scan.at(digits).is_ascii_digit() {
        return Some((end, Likeness::None));
    }
    if words == 0 || !matches!(scan.at(digits - 1), b' ' | b',') || !scan.at(digits).is_ascii_digit() {
        return None;
    }
    if words == 1 && likeness == Likeness::Some && !is_settled_street(scan, start, end) {
        return None;
    }
    let digits_end = scan.run_end(digits, digits + 5, |b| b.is_ascii_digit());
    let number_end = house_number_end(scan, digits_end);
    let more = scan.at(number_end);
    let goes_on = is_word(more)
        || matches!(more, b'.' | b',' | b':' | b'-' | b'/' | b'%') && scan.at(number_end + 1).is_ascii_digit()
        || matches!(more, b'%' | b'(' | b'@' | b'=');
    // A Hungarian house number is an ordinal: `Béke utca 88., H-1775 ...`.
    let stop =
        usize::from(more == b'.' && likeness > Likeness::Some && scan.slice(number_end, number_end + 2) == b".,");
    (!goes_on && digits_end - digits <= 4).then_some((number_end + stop, likeness))
}

/// How long the word is that may announce a house number: `Strada Lunga Nr. 13`.
fn number_word(scan: &Scan<'_>, at: usize) -> usize {
    const WORDS: [&[u8]; 6] = [b"Nr. ", b"nr. ", b"No. ", b"no. ", "nº ".as_bytes(), "Nº ".as_bytes()];
    WORDS.iter().find(|word| scan.slice(at, at + word.len()) == **word).map_or(0, |word| word.len())
}

/// A street of a grid, whose house number is counted from a cross street: `Calle 10 # 2-67 Sur`.
fn grid(scan: &Scan<'_>, start: usize) -> Option<usize> {
    let word = word_at(scan.text, start)?;
    if !senses(scan.str(start, word.end)).has_any(&[Sense::Prefix, Sense::PrefixToo]) {
        return None;
    }
    let token = |at: usize| {
        let end = scan.run_end(at, at + 6, |b| b.is_ascii_alphanumeric() || b >= 0x80);
        (end > at && scan.at(at).is_ascii_digit()).then_some(end)
    };
    let street = token(word.end + 1 + usize::from(scan.at(word.end) == b'.'))?;
    let mark =
        [&b" # "[..], b" #", b" No. "].into_iter().find(|mark| scan.slice(street, street + mark.len()) == *mark)?;
    let cross = token(street + mark.len())?;
    let gap = [&b" - "[..], b"-"].into_iter().find(|gap| scan.slice(cross, cross + gap.len()) == *gap)?;
    let end = token(cross + gap.len())?;
    let side = [" Sur", " Este", " Norte", " Oeste"]
        .into_iter()
        .find(|side| scan.slice(end, end + side.len()) == side.as_bytes());
    Some(end + side.map_or(0, str::len))
}

/// One word and a number: an address only if the word is long enough to be a street.
fn is_settled_street(scan: &Scan<'_>, start: usize, end: usize) -> bool {
    scan.str(start, end).chars().count() >= 5
}

fn compound(word: &str) -> Likeness {
    let Some(folded) = Folded::of(word.trim_end_matches('.')) else { return Likeness::Some };
    let text = folded.text();
    let ends = |ends: &[&str]| ends.iter().any(|end| text.len() > end.len() + 2 && text.ends_with(end));
    if ends(&ENDS) {
        Likeness::Sure
    } else if ends(&ENDS_TOO) {
        Likeness::More
    } else {
        Likeness::Some
    }
}

/// `Flat 4, 12 Main Street`, `Studio 85A, Donna Lakes`: where the street in it ends.
fn unit_first(scan: &Scan<'_>, start: usize) -> Option<(usize, Likeness)> {
    let end = unit(scan, start)?;
    if scan.at(end) != b',' || scan.at(end + 1) != b' ' {
        return None;
    }
    let at = end + 2;
    let digits_end = scan.run_end(at, at + 6, |b| b.is_ascii_digit());
    if digits_end > at {
        let words = house_number_end(scan, digits_end) + 1;
        return street_after_number(scan, words, false);
    }
    street_after_number(scan, at, false).filter(|(_, likeness)| *likeness > Likeness::Some)
}

/// `P.O. Box 12`, `Postfach 12 34`, `PSC 12, Box 34`: where it ends.
fn post_box(scan: &Scan<'_>, start: usize) -> Option<usize> {
    const BOXES: [&[u8]; 12] = [
        b"P.O. Box ",
        b"PO Box ",
        b"P.O.Box ",
        b"P. O. Box ",
        b"Post Office Box ",
        b"Postfach ",
        b"Postbus ",
        b"Apartado ",
        b"Apartado de correos ",
        b"Casella postale ",
        b"PO BOX ",
        b"Postboks ",
    ];
    if scan.at(start) == b'P' && scan.slice(start, start + 4) == b"PSC " {
        let end = scan.run_end(start + 4, start + 9, |b| b.is_ascii_digit());
        return (end > start + 4 && scan.slice(end, end + 6) == b", Box ")
            .then(|| scan.run_end(end + 6, end + 12, |b| b.is_ascii_digit()));
    }
    if !matches!(scan.at(start), b'P' | b'A' | b'C') {
        return None;
    }
    let found = BOXES.iter().find(|known| scan.slice(start, start + known.len()) == **known)?;
    let at = start + found.len();
    let end = scan.run_end(at, at + 10, |b| b.is_ascii_digit() || b == b' ');
    let end = end - usize::from(scan.at(end - 1) == b' ');
    (end > at && !is_word(scan.at(end))).then_some(end)
}

/// Capitalised words in a row, and the small ones between them.
struct Run<'a, 's> {
    scan: &'a Scan<'s>,
    at: usize,
    /// Where the last capitalised word ends.
    end: usize,
    count: usize,
}

impl<'a, 's> Run<'a, 's> {
    fn new(scan: &'a Scan<'s>, at: usize) -> Self {
        Run { scan, at, end: at, count: 0 }
    }

    /// The next capitalised word: where it starts and ends, and its senses.
    fn next(&mut self) -> Option<(usize, usize, Senses)> {
        while self.count < WORDS_MAX {
            if self.count > 0 {
                if self.scan.at(self.at) != b' ' {
                    return None;
                }
                self.at += 1;
            }
            let start = self.at;
            let (mut end, form) = match word_at(self.scan.text, start) {
                Some(word) => (word.end, word.form),
                None => (ordinal_end(self.scan, start)?, Form::Capital),
            };
            let known = senses(self.scan.str(start, end).trim_end_matches('.'));
            end += usize::from(
                self.scan.at(end) == b'.' && self.scan.at(end - 1) != b'.' && is_abbreviation(self.scan, end, known),
            );
            self.count += 1;
            match form {
                Form::Capital | Form::Initial => {}
                Form::Caps if end - start <= 3 || self.count > 1 => {}
                Form::Small
                    if known.has(Sense::Particle) || known.has(Sense::PrefixToo) || known.has(Sense::Prefix) =>
                {
                    self.at = end;
                    if self.count == 1 {
                        self.end = end;
                        return Some((start, end, known));
                    }
                    continue;
                }
                Form::Caps | Form::Small | Form::Ideographs | Form::Mixed => return None,
            }
            if matches!(self.scan.at(end), b':' | b'=' | b'(' | b'_' | b'@') {
                return None;
            }
            self.at = end;
            self.end = end;
            return Some((start, end, known));
        }
        None
    }
}

/// `42nd`, `5th`: where it ends.
fn ordinal_end(scan: &Scan<'_>, at: usize) -> Option<usize> {
    let digits = scan.run_end(at, at + 4, |b| b.is_ascii_digit());
    let ordinal = digits > at && matches!(scan.slice(digits, digits + 2), b"th" | b"st" | b"nd" | b"rd");
    (ordinal && !is_word(scan.at(digits + 2))).then_some(digits + 2)
}

/// Whether the full stop at `end` belongs to the word before it.
fn is_abbreviation(scan: &Scan<'_>, end: usize, known: Senses) -> bool {
    let short = known.has_any(&[Sense::Suffix, Sense::SuffixToo, Sense::Prefix, Sense::PrefixToo, Sense::Unit]);
    let followed = matches!(scan.at(end + 1), b' ' | b',');
    followed
        && (short || compound(scan.str(end.saturating_sub(24).max(scan.floor), end)) == Likeness::More)
        && scan.at(end - 1).is_ascii_alphabetic()
}

/// The name of a street or place after ` `: capitalised words and small ones between them.
fn name_end(scan: &Scan<'_>, at: usize) -> Option<usize> {
    if scan.at(at) != b' ' {
        return None;
    }
    let mut run = Run { scan, at, end: at, count: 1 };
    while run.next().is_some() {}
    (run.end > at).then_some(run.end)
}

/// Small words that begin a street.
pub(super) fn begins_small(scan: &Scan<'_>, i: usize, first: u8) -> bool {
    matches!(
        (first, scan.at(i + 1)),
        (b'u' | b'p' | b'a', b'l') | (b'o', b's') | (b'r', b'u') | (b'c', b'a') | (b'a', b'v')
    ) && matches!(
        scan.slice(i, i + 4),
        b"ul. " | b"pl. " | b"al. " | b"os. " | b"plac" | b"alej" | b"ulic" | b"rue " | b"rua " | b"call" | b"aven"
    )
}

/// Whether a whole text is a postal address, or a part of one, because of the names above it.
pub(super) fn is_whole(text: &str, says: Says) -> bool {
    if text.len() > WHOLE_MAX || text.contains(['@', '[', '<', '{', '=', '$', '*']) || text.contains("://") {
        return false;
    }
    if is_label(text) {
        return false;
    }
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    match says {
        Says::Street => is_words(text, 1) && !senses(text.trim()).has(Sense::Nobody),
        Says::Address => {
            is_words(text, 1) && digits > 0 && text.contains([' ', ',']) && has_capital(text) || is_east_asian(text)
        }
        Says::Postcode => {
            digits >= 3
                && text.len() <= 12
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b' ' | b'-'))
        }
        Says::Person | Says::NameOfRole | Says::Role | Says::Name | Says::Account => false,
    }
}

/// Whether a text has words of letters and is none of what else is called an address: `10.0.0.1:80`, `0x7f..`, a hash.
fn is_words(text: &str, least: usize) -> bool {
    let words = text
        .split(|c: char| !c.is_alphabetic())
        .filter(|word| word.chars().count() >= 3 || word.chars().any(is_ideograph));
    words.count() >= least
        && !text.starts_with("0x")
        && !text.contains("::")
        && (text.contains(' ') || text.len() <= 40)
        && !text.contains('_')
}

fn has_capital(text: &str) -> bool {
    text.chars().any(char::is_uppercase)
}

fn is_east_asian(text: &str) -> bool {
    text.chars().filter(|c| is_ideograph(*c)).count() >= 4
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::super::tests::found_under;

    fn addresses_in<'t>(name: &str, text: &'t str) -> Vec<&'t str> {
        found_under(name, text)
            .into_iter()
            .filter(|(kind, _)| *kind == Kind::PostalAddress)
            .map(|(_, text)| text)
            .collect()
    }

    #[test]
    fn strong_forms_are_found_bare_and_to_their_end() {
        for address in [
            "123 Main Street, Springfield, IL 62704",
            "4105 Teresa Summit Apt. 518, Port Joshua, DE 78877",
            "12 Baker Street, London NW1 6XE, UK",
            "Flat 95, 3 Maurice Road, Lucasstad, TD7 5RH",
            "Musterstraße 12, 12345 Berlin",
            "Karl-Marx-Allee 33",
            "Ekvägen 554, 24840 Norrköping",
            "Sofiastraat 89, 5523 AF, Renswoude",
            "12 rue de la Paix, 75002 Paris",
            "45, avenue de Roux, 97646 Boutin-sur-Mer",
            "Calle Mayor 5, 3º B, 28013 Madrid",
            "Vicolo Beppe, 39 Piano 0, 14035, Grazzano Badoglio (AT)",
            "ul. Długa 5/7, 00-123 Warszawa",
            "Rua das Flores 12",
            "P.O. Box 123, Springfield, IL 62704",
            "PSC 1789, Box 2331, APO AE 84057",
        ] {
            let text = format!("it goes out, {address}. Thanks");
            assert_eq!(addresses_in("", &text), [address], "{text}");
        }
    }

    #[test]
    fn weak_forms_need_a_label_or_a_phrase() {
        for (before, address) in [
            ("on its way to ", "7236 Tina Mill"),
            ("I live at ", "Alexpad 80"),
            ("Address: ", "Cuesta Remedios Arcos 5"),
            ("Lieferadresse: ", "Unter den Linden 77, 10117 Berlin"),
            ("deliver to=\"", "pl. Niepodległości 58/52"),
            ("ship to: ", "20 June Walks"),
        ] {
            assert_eq!(addresses_in("", &format!("{before}{address}\" and")), [address], "{before}");
            assert!(addresses_in("", &format!("see {address} and")).len() < 2, "{address}");
        }
        for text in ["see 7236 Tina Mill", "see 20 June Walks now", "see Remedios Arcos 5"] {
            assert!(addresses_in("", text).is_empty(), "{text}");
        }
    }

    #[test]
    fn members_that_are_called_an_address_are_taken_whole() {
        for (name, text) in [
            ("billing_address", "200 Angela Via Suite 517, Jamesbury, MB S4S 7K1"),
            ("street", "Am Alten Hof"),
            ("address", "1 Infinite Loop, Cupertino"),
            ("住所", "東京都千代田区丸の内1-1"),
            ("address_line_1", "Paseo de Xiomara 45"),
        ] {
            assert_eq!(addresses_in(name, text), [text], "{name}");
        }
    }

    #[test]
    fn other_addresses_and_numbers_beside_words_are_left_alone() {
        for (name, text) in [
            ("address", "10.0.0.1:8080"),
            ("address", "0x00007f80e7ec619d"),
            ("address", "db.internal.example"),
            ("address", "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq"),
            ("server.address", "Main Server 1"),
            ("ip_address", "Not Available 1"),
            ("", "Windows NT 10.0; Win64"),
            ("", "Windows build 10.0.19041"),
            ("", "retry 3 of 5 Failed Jobs"),
            ("", "Chapter 12, 20 Pages"),
            ("", "Started Session 57 of user"),
            ("", "released on March 4, 2024"),
            ("", "HTTP 500 Internal Server Error"),
            ("", "Python 3, 12 packages"),
            ("", "at [address] and"),
            ("", "5 Wall clocks"),
        ] {
            assert!(addresses_in(name, text).is_empty(), "{name}: {text}: {:?}", addresses_in(name, text));
        }
    }
}
