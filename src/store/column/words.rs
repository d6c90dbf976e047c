//! Texts made of words that come again and again: queries, paths, messages.
//!
//! A text is a list of tokens: words (runs of letters, digits and whatever is not ASCII) and what stands between them. A single space between two words is left
//! out. The words of all texts form a dictionary; texts are lists of its codes.

use hashbrown::DefaultHashBuilder;

use super::super::row::{Reader, put_varint};
use super::ints;
use super::strings::{Pieces, Repeating};
use super::texts::{self, Others};

/// Most tokens in a list; more stays plain.
const TOKENS_MAX: usize = 1 << 22;

/// Writes `texts`, or `None` if there are too many tokens.
pub(super) fn put(texts: &[&str]) -> Option<Vec<u8>> {
    let (mut dictionary, hasher) = (Repeating::default(), DefaultHashBuilder::default());
    let mut codes = Vec::new();
    let mut lengths = Vec::with_capacity(texts.len());
    for text in texts {
        let before = codes.len();
        tokens(text, |token| {
            let known = dictionary.values.len() as u64;
            let code = u64::from(dictionary.code_of(token, &hasher));
            // The next new token is always 0.
            codes.push(if code > known { 0 } else { code });
        });
        lengths.push((codes.len() - before) as u64);
    }
    if codes.len() > TOKENS_MAX {
        return None;
    }
    let mut out = Vec::new();
    put_varint(&mut out, dictionary.values.len() as u64);
    texts::put_plain(&mut out, &dictionary.values.iter().collect::<Vec<_>>());
    ints::put(&mut out, &lengths);
    ints::put(&mut out, &codes);
    Some(out)
}

/// Whether a byte belongs to a word.
#[inline]
fn in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || !byte.is_ascii()
}

/// Gives the tokens of a text, single spaces between words left out.
#[inline]
fn tokens<'t>(text: &'t str, mut give: impl FnMut(&'t str)) {
    let bytes = text.as_bytes();
    let mut start = 0;
    let mut word = bytes.first().is_some_and(|first| in_word(*first));
    for (at, byte) in bytes.iter().enumerate() {
        if in_word(*byte) != word {
            let implied = !word && start > 0 && at == start + 1 && bytes.get(start) == Some(&b' ');
            if !implied {
                give(text.get(start..at).unwrap_or_default());
            }
            (start, word) = (at, !word);
        }
    }
    if start < bytes.len() {
        give(text.get(start..).unwrap_or_default());
    }
}

/// Reads `count` texts.
pub(super) fn take(reader: &mut Reader<'_>, count: usize) -> Option<Pieces> {
    let size = usize::try_from(reader.varint()?).ok().filter(|size| *size <= TOKENS_MAX)?;
    let dictionary = texts::take_plain(reader, size)?;
    let lengths = ints::take(reader, count, |length| usize::try_from(length).unwrap_or(usize::MAX))?;
    let total =
        lengths.iter().try_fold(0usize, |sum, length| sum.checked_add(*length)).filter(|total| *total <= TOKENS_MAX)?;
    let mut codes = ints::take(reader, total, |code| u32::try_from(code).unwrap_or(u32::MAX))?.into_iter();
    let mut fresh = 0usize;
    let mut lengths = lengths.into_iter();
    Others::default().fill(count, |out| {
        let mut after_word = false;
        for code in codes.by_ref().take(lengths.next()?) {
            let place = (code as usize).checked_sub(1).unwrap_or_else(|| {
                fresh += 1;
                fresh - 1
            });
            let token = dictionary.get(place)?;
            let word = token.bytes().next().is_some_and(in_word);
            if word && after_word {
                out.push(b' ');
            }
            out.extend_from_slice(token.as_bytes());
            if out.len() > texts::TEXT_MAX {
                return None;
            }
            after_word = word;
        }
        Some(())
    })
}
