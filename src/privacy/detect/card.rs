//! Payment card numbers: a known issuer's range and length, Luhn's check digit; plain, or in groups as cards have them.
//!
//! Where a word or name announces a card, any grouping and any issuer will do. A plain number under a name that says something else (an order, a
//! transaction) is none: one in ten numbers has the right check digit.

use super::Scan;
use super::checksum::luhn;
use super::number::{Number, digits, ends};
use super::topics::Topic;

/// The groupings printed on cards: most brands, American Express, Diners Club, 19-digit cards, and those without the blank in the middle.
const GROUPINGS: [&[usize]; 8] =
    [&[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4], &[4, 4, 4, 4, 3], &[6, 13], &[6, 10], &[8, 8], &[6, 8]];

/// A card has at most six groups; one more tells that a number goes on.
const GROUPS_MAX: usize = 7;

/// The end of the card number.
pub(super) fn find(number: &Number<'_, '_>) -> Option<usize> {
    let Number { scan, start, groups, .. } = number;
    let first = groups.length(0);
    if (12..=19).contains(&first) {
        let end = groups.end(0);
        return (ends(scan, end) && is_plain_card(number, end)).then_some(end);
    }
    if !matches!(first, 3..=8) {
        return None;
    }
    let written = Written::read(scan, *start)?;
    let text = number.bytes(written.end);
    if !(12..=19).contains(&digits(text).count()) || !ends(scan, written.end) || !luhn(digits(text)) {
        return None;
    }
    let printed = GROUPINGS.iter().any(|grouping| *grouping == written.lengths());
    let sure = printed && issued(text) && !(written.dotted && number.is_told(Topic::Version));
    (sure || number.context().tells(Topic::Card)).then_some(written.end)
}

fn is_plain_card(number: &Number<'_, '_>, end: usize) -> bool {
    let text = number.bytes(end);
    if !luhn(digits(text)) {
        return false;
    }
    let context = number.context();
    // Longer numbers are often other ids.
    let sure = (13..=16).contains(&text.len()) && issued(text) && !context.near.has(Topic::Other);
    sure || context.tells(Topic::Card)
}

/// Groups of digits with the same separator between all of them: a mark, two blanks, or a mark between blanks.
struct Written {
    lengths: [usize; GROUPS_MAX],
    count: usize,
    end: usize,
    dotted: bool,
}

impl Written {
    fn read(scan: &Scan<'_>, start: usize) -> Option<Written> {
        let mut written = Written { lengths: [0; GROUPS_MAX], count: 0, end: start, dotted: false };
        let mut separator: &[u8] = b"";
        let mut at = start;
        loop {
            let end = scan.run_end(at, at + 20, |b| b.is_ascii_digit());
            *written.lengths.get_mut(written.count)? = end - at;
            written.count += 1;
            written.end = end;
            let next = scan.run_end(end, end + 3, |b| matches!(b, b' ' | b'-' | b'.'));
            let mark = scan.slice(end, next);
            if next == end || !scan.at(next).is_ascii_digit() || written.count > 1 && mark != separator {
                break;
            }
            separator = mark;
            at = next;
        }
        written.dotted = separator.contains(&b'.');
        (written.count > 1).then_some(written)
    }

    fn lengths(&self) -> &[usize] {
        self.lengths.get(..self.count).unwrap_or(&[])
    }
}

/// Whether some issuer gives out numbers that begin like this one and are as long.
fn issued(text: &[u8]) -> bool {
    let prefix = digits(text).take(6).fold(0, |sum, d| sum * 10 + d);
    let lengths: &[usize] = match prefix {
        400_000..=499_999 => &[13, 16, 19],                 // Visa
        510_000..=559_999 | 222_100..=272_099 => &[16],     // Mastercard
        340_000..=349_999 | 370_000..=379_999 => &[15],     // American Express
        601_100..=601_199 | 644_000..=659_999 => &[16, 19], // Discover, RuPay
        352_800..=358_999 => &[16, 19],                     // JCB
        620_000..=629_999 => &[16, 17, 18, 19],             // UnionPay
        300_000..=305_999 | 309_500..=309_599 | 360_000..=369_999 | 380_000..=399_999 => &[14, 16, 19], // Diners Club
        501_800..=501_899 | 502_000..=502_099 | 503_800..=503_899 | 630_400..=630_499 | 675_900..=676_399 => {
            &[16, 18, 19]
        } // Maestro
        220_000..=220_499 => &[16, 17, 18, 19],             // Mir
        606_900..=606_999 | 607_000..=608_499 | 508_500..=508_999 | 817_200..=820_199 => &[16], // RuPay
        506_000..=506_799 | 509_000..=509_999 | 636_297 | 636_368 => &[16], // Elo, Verve
        606_282 | 637_095 | 637_568..=637_612 => &[16, 19], // Hipercard
        979_200..=979_289 => &[16],                         // Troy
        _ => return false,
    };
    lengths.contains(&digits(text).count())
}
