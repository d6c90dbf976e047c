//! Payment card numbers: 13 to 19 digits of a known issuer range and length, Luhn's check digit, plain or grouped as cards are.

use super::checksum::luhn;
use super::number::{Number, digits, ends};
use super::topics::Topic;

/// The groupings printed on cards: most brands, American Express, Diners Club, and 19-digit cards.
const GROUPINGS: [&[usize]; 5] = [&[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4], &[4, 4, 4, 4, 3], &[6, 13]];

/// The end of the card number.
pub(super) fn find(number: &Number<'_, '_>) -> Option<usize> {
    let Number { scan, groups, .. } = number;
    if (13..=19).contains(&groups.length(0)) {
        let end = groups.end(0);
        // Longer numbers are often other ids.
        let sure = groups.length(0) <= 16 || number.is_told(Topic::Card);
        return (sure && ends(scan, end) && is_card(number.bytes(end))).then_some(end);
    }
    if !matches!(groups.length(0), 4 | 6) {
        return None;
    }
    GROUPINGS.iter().find_map(|grouping| {
        let separated = groups.are(grouping, b' ') || groups.are(grouping, b'-');
        let end = groups.end(grouping.len() - 1);
        (separated && ends(scan, end) && is_card(number.bytes(end))).then_some(end)
    })
}

fn is_card(text: &[u8]) -> bool {
    let length = digits(text).count();
    let head = |n: usize| digits(text).take(n).fold(0, |sum, d| sum * 10 + d);
    issued(head(6), length) && luhn(digits(text))
}

/// Whether an issuer with this six-digit prefix gives out numbers of this length.
fn issued(prefix: u32, length: usize) -> bool {
    let lengths = match prefix {
        400_000..=499_999 => [13, 16, 19],                     // Visa
        510_000..=559_999 | 222_100..=272_099 => [16; 3],      // Mastercard
        340_000..=349_999 | 370_000..=379_999 => [15; 3],      // American Express
        601_100..=601_199 | 644_000..=659_999 => [16, 19, 19], // Discover
        352_800..=358_999 => [16, 19, 19],                     // JCB
        620_000..=629_999 => [16, 17, 19],                     // UnionPay
        300_000..=305_999 | 309_500..=309_599 | 360_000..=369_999 | 380_000..=399_999 => [14, 16, 19], // Diners Club
        501_800..=501_899 | 502_000..=502_099 | 503_800..=503_899 | 630_400..=630_499 | 675_900..=676_399 => {
            [16, 18, 19]
        } // Maestro
        _ => return false,
    };
    lengths.contains(&length)
}
