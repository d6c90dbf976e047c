//! A text as its reader will see it: percent-encoding, backslash escapes, character references and look-alike characters undone, one level deep.
//!
//! Detectors read the view besides the text; what they find there is mapped back, so that only the encoded form of a find is replaced. A text in
//! which nothing is encoded has no view and costs no memory.
//!
//! Undone are `%40`, `\n` `\"` `\/` `\\` `\u0040`, `&#64;` `&#x40;` `&amp;` and the other four of XML; full-width letters and
//! digits, digits of other scripts, look-alikes of `@`, `-` and the blank; characters without width are left out.

/// What is read, and where each byte of it came from.
pub(in crate::privacy) struct View {
    text: String,
    /// For each byte of `text`, and for its end, where in the original its source starts.
    starts: Vec<u32>,
}

impl View {
    /// The view of a text; `None` if it is the text itself.
    pub(in crate::privacy) fn of(text: &str) -> Option<View> {
        let bytes = text.as_bytes();
        // Read to its end in any case: that is quicker than stopping, for texts as short as these.
        if !bytes.iter().fold(false, |may, b| may | may_encode(b)) {
            return None;
        }
        // The first place at which something is undone, if there is one.
        let mut at = next_source(bytes, 0)?;
        while unit(text, at).is_none() {
            at = next_source(bytes, at + 1)?;
        }
        let mut view = View { text: String::with_capacity(text.len()), starts: Vec::with_capacity(text.len() + 1) };
        view.copy(text, 0, at);
        while at < bytes.len() {
            match unit(text, at) {
                Some(Unit { seen, length }) => {
                    if let Some(c) = seen {
                        view.push(c, at);
                    }
                    at += length;
                }
                None => {
                    let next = next_source(bytes, at + 1).unwrap_or(bytes.len());
                    view.copy(text, at, next);
                    at = next;
                }
            }
        }
        view.starts.push(index(bytes.len()));
        Some(view)
    }

    /// What is read.
    pub(in crate::privacy) fn text(&self) -> &str {
        &self.text
    }

    /// Where in the original the byte `at` of the view came from.
    pub(in crate::privacy) fn source(&self, at: usize) -> usize {
        self.starts.get(at).map_or(0, |start| *start as usize)
    }

    fn copy(&mut self, text: &str, start: usize, end: usize) {
        let Some(piece) = text.get(start..end) else { return };
        self.text.push_str(piece);
        self.starts.extend((start..end).map(index));
    }

    fn push(&mut self, c: char, source: usize) {
        self.text.push(c);
        self.starts.extend(std::iter::repeat_n(index(source), c.len_utf8()));
    }
}

/// Texts come in bodies of a few megabytes.
fn index(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// One encoded character.
struct Unit {
    /// What it stands for; `None` for what is not seen at all.
    seen: Option<char>,
    /// How many bytes encode it.
    length: usize,
}

/// The next place from `at` on where something may be encoded: a mark, or a character beyond ASCII (its first byte, not one in its middle).
fn next_source(bytes: &[u8], at: usize) -> Option<usize> {
    bytes.get(at..)?.iter().position(may_encode).map(|found| at + found)
}

fn may_encode(b: &u8) -> bool {
    matches!(b, b'%' | b'\\' | b'&' | 0xC2..)
}

/// What is encoded at `at`, if anything is.
fn unit(text: &str, at: usize) -> Option<Unit> {
    let rest = text.get(at..)?;
    match rest.as_bytes().first()? {
        b'%' => percent(rest.as_bytes()),
        b'\\' => escape(rest),
        b'&' => reference(rest),
        _ => look_alike(rest.chars().next()?),
    }
}

/// One character of UTF-8 in percent-encoding.
fn percent(rest: &[u8]) -> Option<Unit> {
    let byte = |k: usize| match rest.get(3 * k..3 * k + 3)? {
        [b'%', high, low] => Some(hex(*high)? << 4 | hex(*low)?),
        _ => None,
    };
    let first = byte(0)?;
    let width = match first {
        0x09 | 0x0A | 0x0D | 0x20..=0x7E => 1,
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => return None,
    };
    let mut bytes = [0; 4];
    for (k, slot) in bytes.iter_mut().enumerate().take(width) {
        *slot = byte(k)?;
    }
    let seen = std::str::from_utf8(bytes.get(..width)?).ok()?.chars().next()?;
    Some(Unit { seen: Some(plain(seen).unwrap_or(seen)), length: 3 * width })
}

fn hex(b: u8) -> Option<u8> {
    char::from(b).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// An escape of JSON or of a programming language's string.
fn escape(rest: &str) -> Option<Unit> {
    let seen = match rest.as_bytes().get(1)? {
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        mark @ (b'"' | b'\'' | b'/' | b'\\') => char::from(*mark),
        b'u' => {
            let digits = rest.get(2..6).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
            let seen = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
            return Some(Unit { seen: Some(plain(seen).unwrap_or(seen)), length: 6 });
        }
        _ => return None,
    };
    Some(Unit { seen: Some(seen), length: 2 })
}

/// A character reference of XML or HTML.
fn reference(rest: &str) -> Option<Unit> {
    const LENGTH_MAX: usize = 10;
    let end = rest.bytes().take(LENGTH_MAX).position(|b| b == b';')?;
    let name = rest.get(1..end)?;
    let seen = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        "commat" => '@',
        "period" => '.',
        "lowbar" => '_',
        _ => {
            let digits = name.strip_prefix('#')?;
            let code = match digits.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => digits.parse().ok()?,
            };
            char::from_u32(code).filter(|c| !c.is_control())?
        }
    };
    Some(Unit { seen: Some(seen), length: end + 1 })
}

fn look_alike(c: char) -> Option<Unit> {
    let length = c.len_utf8();
    match c {
        // Soft hyphen, zero-width space and (non-)joiners, directional marks, word joiner, byte order mark.
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}' => {
            Some(Unit { seen: None, length })
        }
        _ => Some(Unit { seen: Some(plain(c)?), length }),
    }
}

/// The ASCII character that a look-alike stands for.
fn plain(c: char) -> Option<char> {
    let digit = |zero: u32| char::from_digit(u32::from(c).wrapping_sub(zero), 10);
    match c {
        // Full-width forms lie at a fixed distance from ASCII.
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xFEE0),
        '\u{fe6b}' => Some('@'),
        '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => Some(' '),
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe63}' | '\u{fe58}' => Some('-'),
        '\u{2024}' | '\u{fe52}' | '\u{ff61}' => Some('.'),
        // Arabic-Indic, Persian, Devanagari, Bengali and Thai digits; mathematical digits in five styles.
        '\u{660}'..='\u{669}' => digit(0x660),
        '\u{6f0}'..='\u{6f9}' => digit(0x6f0),
        '\u{966}'..='\u{96f}' => digit(0x966),
        '\u{9e6}'..='\u{9ef}' => digit(0x9e6),
        '\u{e50}'..='\u{e59}' => digit(0xe50),
        '\u{1d7ce}'..='\u{1d7ff}' => char::from_digit((u32::from(c) - 0x1d7ce) % 10, 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seen(text: &str) -> String {
        View::of(text).map_or("(itself)".to_owned(), |view| view.text)
    }

    #[test]
    fn what_is_encoded_is_seen_decoded() {
        for (text, expected) in [
            ("ann%40example.com", "ann@example.com"),
            ("j%C3%BCrgen%40example.com", "jürgen@example.com"),
            (r#"{\"to\":\"ann\u0040example.com\"}\n4111"#, "{\"to\":\"ann@example.com\"}\n4111"),
            (r"C:\\Users\\ann", r"C:\Users\ann"),
            ("ann&#64;example.com &amp; ben&#x40;example.com", "ann@example.com & ben@example.com"),
            ("ann＠example．com", "ann@example.com"),
            ("４１１１ ١١١١", "4111 1111"),
            ("4111\u{200b}1111\u{a0}1111\u{2011}1111", "41111111 1111-1111"),
        ] {
            assert_eq!(seen(text), expected, "{text}");
        }
    }

    #[test]
    fn a_text_without_encodings_is_its_own_view() {
        for text in
            ["", "plain text", "100% of 50%zz", r"C:\Users\ann", "müller über 連絡先", "a & b; c &d", "%c3", "%00"]
        {
            assert_eq!(seen(text), "(itself)", "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_part_of_a_view_comes_from_the_part_of_the_text_that_encodes_it(text in "([a-c@]|%40|%C3%BC|\\\\n|&amp;|＠|\u{200b}|ü|%|\\\\|&){0,12}") {
            if let Some(view) = View::of(&text) {
                prop_assert_eq!(view.starts.len(), view.text.len() + 1);
                prop_assert!(view.starts.is_sorted());
                for (at, _) in view.text.char_indices() {
                    prop_assert!(text.is_char_boundary(view.source(at)));
                }
                prop_assert_eq!(view.source(view.text.len()), text.len());
            }
        }
    }
}
