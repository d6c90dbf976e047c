//! Lists of texts: plain, of one template, of one pattern of numbers, or of words.
//!
//! Which form is best is tried on the first texts and judged by what zstd makes of it. Every form gives back every text exactly; a text that does
//! not fit the form of its list stands beside it, plain.

use super::super::row::Reader;
use super::ints;
use super::strings::Pieces;
use super::{fields, judge, template, words};

const PLAIN: u8 = 0;
const TEMPLATE: u8 = 1;
const FIELDS: u8 = 2;
const WORDS: u8 = 3;

/// Most text that one block may hold, so that decoding hostile bytes needs no more.
pub(super) const TEXT_MAX: usize = 64 << 20;
/// Text that forms are tried on.
const SAMPLE_BYTES: usize = 4 << 10;
/// Lists below this size stay plain.
const TRY_FROM: usize = 48;

/// One way to write a list; `None` when it does not suit.
type Form = fn(&[&str]) -> Option<Vec<u8>>;

const FORMS: [(u8, Form); 3] = [(TEMPLATE, template::put), (FIELDS, fields::put), (WORDS, words::put)];

/// Appends a list whose length the reader will know.
pub(super) fn put(out: &mut Vec<u8>, texts: &[&str]) {
    if texts.is_empty() {
        return;
    }
    let mut size = 0;
    let sampled = texts.iter().take_while(|text| {
        size += text.len() + 1;
        size <= SAMPLE_BYTES
    });
    let sample = texts.get(..sampled.count().max(1)).unwrap_or(texts);
    let best = if size < TRY_FROM { None } else { best_form(sample) };
    let formed = best.and_then(|best| {
        let bytes = if sample.len() == texts.len() { Some(best.sample) } else { (best.form)(texts) };
        bytes.map(|bytes| (best.tag, bytes))
    });
    match formed {
        Some((tag, bytes)) => {
            out.push(tag);
            out.extend_from_slice(&bytes);
        }
        None => {
            out.push(PLAIN);
            put_plain(out, texts);
        }
    }
}

/// A form that suits.
struct Best {
    tag: u8,
    form: Form,
    /// The sample in it.
    sample: Vec<u8>,
}

/// The form in which the sample is smallest; `None` when it is plain.
fn best_form(sample: &[&str]) -> Option<Best> {
    let mut plain = Vec::new();
    put_plain(&mut plain, sample);
    let plain = judge::compressed(&plain);
    let (mut least, mut best) = (plain, None);
    for (tag, form) in FORMS {
        let Some(bytes) = form(sample) else { continue };
        let size = judge::compressed(&bytes);
        if size < least {
            (least, best) = (size, Some(Best { tag, form, sample: bytes }));
        }
        // Good enough: the forms hardly ever suit the same texts.
        if least * 4 < plain * 3 {
            break;
        }
    }
    best
}

/// Reads a list of `count` texts.
pub(super) fn take(reader: &mut Reader<'_>, count: usize) -> Option<Pieces> {
    if count == 0 {
        return Some(Pieces::default());
    }
    match reader.byte()? {
        PLAIN => take_plain(reader, count),
        TEMPLATE => template::take(reader, count),
        FIELDS => fields::take(reader, count),
        WORDS => words::take(reader, count),
        _ => None,
    }
}

/// Appends lengths, then the texts in one piece.
pub(super) fn put_plain(out: &mut Vec<u8>, texts: &[&str]) {
    ints::put(out, &texts.iter().map(|text| text.len() as u64).collect::<Vec<_>>());
    texts.iter().for_each(|text| out.extend_from_slice(text.as_bytes()));
}

/// Reads what [`put_plain`] wrote.
pub(super) fn take_plain(reader: &mut Reader<'_>, count: usize) -> Option<Pieces> {
    let mut ends = ints::take(reader, count, |length| u32::try_from(length).unwrap_or(u32::MAX))?;
    let mut end = 0u32;
    for slot in &mut ends {
        end = end.checked_add(*slot)?;
        *slot = end;
    }
    let text = std::str::from_utf8(reader.take(end as usize)?).ok()?;
    Pieces::cut(text.to_owned(), ends)
}

/// Texts being put together, within [`TEXT_MAX`].
pub(super) struct Builder {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Builder {
    /// Room for so many texts.
    pub(super) fn new(count: usize) -> Builder {
        Builder { bytes: Vec::new(), ends: Vec::with_capacity(count) }
    }

    /// Where the bytes of the next text go.
    #[inline]
    pub(super) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Ends a text; `None` when there is too much of it.
    #[inline]
    pub(super) fn end(&mut self) -> Option<()> {
        self.ends.push(u32::try_from(self.bytes.len()).ok().filter(|_| self.bytes.len() <= TEXT_MAX)?);
        Some(())
    }

    /// All texts, if they are texts.
    pub(super) fn finish(self) -> Option<Pieces> {
        Pieces::cut(String::from_utf8(self.bytes).ok()?, self.ends)
    }
}

/// The texts of a list that do not fit its form, with their places.
#[derive(Default)]
pub(super) struct Others {
    places: Vec<u64>,
    texts: Pieces,
}

impl Others {
    /// Appends those of `texts` whose place is in `places`.
    pub(super) fn put(out: &mut Vec<u8>, texts: &[&str], places: &[usize]) {
        ints::put_ascending(out, places.iter().map(|place| *place as u64));
        let others: Vec<&str> = places.iter().filter_map(|place| texts.get(*place).copied()).collect();
        put_plain(out, &others);
    }

    /// Reads the others of `count` texts.
    pub(super) fn take(reader: &mut Reader<'_>, count: usize) -> Option<Others> {
        let places = ints::take_ascending(reader, count)?;
        if places.last().is_some_and(|last| *last >= count as u64) {
            return None;
        }
        let texts = take_plain(reader, places.len())?;
        Some(Others { places, texts })
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Puts `count` texts together, those that fit by `next`.
    pub(super) fn fill(&self, count: usize, mut next: impl FnMut(&mut Vec<u8>) -> Option<()>) -> Option<Pieces> {
        let mut builder = Builder::new(count);
        let mut others = self.places.iter().copied().zip(self.texts.iter()).peekable();
        for place in 0..count as u64 {
            match others.next_if(|(other, _)| *other == place) {
                Some((_, text)) => builder.bytes().extend_from_slice(text.as_bytes()),
                None => next(builder.bytes())?,
            }
            builder.end()?;
        }
        builder.finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn list() -> impl Strategy<Value = Vec<String>> {
        let of = |pattern: &'static str, n: usize| proptest::collection::vec(pattern, 0..n);
        prop_oneof![
            of("\\PC{0,12}", 40),
            of("ses_[0-9a-hjkmnp-tv-z]{24}", 40),
            of("u_[0-9a-f]{32}|anonymous", 40),
            of("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", 40),
            of("[1-9][0-9]{0,2}\\.[0-9]{1,3}\\.[0-9]{1,3}\\.0", 40),
            of("(error|timeout|the|user|[a-z]{1,8})( (error|timeout|the|user|é|x-y|42)){0,9}", 60),
            of("/src/(a|bb|ccc)/(x|y)\\.rs", 60),
            of("[ \\x00-\\x08a]{0,5}", 40),
        ]
    }

    proptest! {
        #[test]
        fn texts_come_back_whatever_the_form(texts in list()) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let mut out = Vec::new();
            put(&mut out, &texts);
            let mut reader = Reader { bytes: &out };
            let read = take(&mut reader, texts.len()).unwrap();
            prop_assert!(reader.bytes.is_empty());
            prop_assert_eq!(read.iter().collect::<Vec<_>>(), texts.clone());
            for (tag, form) in FORMS {
                if let Some(bytes) = form(&texts) {
                    let bytes = [vec![tag], bytes].concat();
                    let read = if texts.is_empty() { Pieces::default() } else { take(&mut Reader { bytes: &bytes }, texts.len()).unwrap() };
                    prop_assert_eq!(read.iter().collect::<Vec<_>>(), texts.clone());
                }
            }
        }

        #[test]
        fn changed_bytes_never_panic(texts in list(), place: prop::sample::Index, byte: u8, form in 0..4u8, count in 1..50usize) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let mut out = Vec::new();
            put(&mut out, &texts);
            if let Some((tag, form)) = FORMS.get(usize::from(form)) && let Some(bytes) = form(&texts) {
                out = [vec![*tag], bytes].concat();
            }
            if !out.is_empty() {
                let place = place.index(out.len());
                out[place] = byte;
            }
            for count in [count, texts.len()] {
                let read = take(&mut Reader { bytes: &out }, count);
                prop_assert!(read.is_none_or(|read| read.len() == count));
            }
        }
    }

    #[test]
    fn ids_take_no_more_than_their_random_bits() {
        let ids: Vec<String> = (0..200u64)
            .map(|n| {
                format!(
                    "u_{:016x}{:016x}",
                    (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15),
                    (n + 7).wrapping_mul(0xd134_2543_de82_ef95)
                )
            })
            .collect();
        let mut out = Vec::new();
        put(&mut out, &ids.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(out.len() <= 16 * ids.len() + 50, "{}", out.len());
    }
}
