//! Personal data that belongs to nobody, for the airlock to find.
//!
//! Each value is well formed (check digits included), and lies in a range reserved for examples and tests, so that no real person,
//! account or machine is ever named: `example.*` mail, 555-01xx telephone numbers, card numbers of the test range, an invented bank, IPv4 addresses
//! of the benchmarking network (RFC 2544), IPv6 addresses of the documentation prefix (RFC 3849).

use super::random::Rng;

/// A sentence in which one to two personal values stand, as people write them into tickets and prompts.
pub(super) fn sentence(rng: &mut Rng) -> String {
    let (mail, phone) = (email(rng), phone(rng));
    match rng.below(8) {
        0 => format!("customer {mail} asks again about the refund"),
        1 => format!("card {} was declined, please retry with the one on file", card(rng)),
        2 => format!("call back at {phone} before friday, or write to {mail}"),
        3 => format!("pay out to {} as agreed", iban(rng)),
        4 => format!("login from {} looks odd, the usual address is {}", ipv4(rng), ipv4(rng)),
        5 => format!("the form still shows SSN {}, {mail} is worried", ssn(rng)),
        6 => format!("use Authorization: Bearer {} for staging", rng.token(40)),
        _ => format!("callback https://hooks.example.com/in?token={}&id={}", rng.token(24), rng.below(1000)),
    }
}

/// `mara.lind482@example.org`.
pub(super) fn email(rng: &mut Rng) -> String {
    let name = *rng.pick(&["ana.petrova", "li.wei", "j.doe", "mara.lind", "omar", "yuki.sato", "t.okafor", "sofia"]);
    format!("{name}{}@{}", rng.below(1000), rng.pick(&["example.com", "example.org", "mail.example.net"]))
}

/// Sixteen digits with a Luhn check digit, together or in groups of four.
pub(super) fn card(rng: &mut Rng) -> String {
    let mut digits = format!("411111{}", rng.digits(9));
    digits.push(luhn_digit(&digits));
    match rng.below(3) {
        0 => grouped(&digits, " "),
        1 => grouped(&digits, "-"),
        _ => digits,
    }
}

/// A German account number with its two check digits, of a bank code that was never given out.
pub(super) fn iban(rng: &mut Rng) -> String {
    let account = format!("00000000{}", rng.digits(10));
    // ISO 13616: country as numbers (D = 13, E = 14) and `00` behind, remainder modulo 97, subtracted from 98.
    let remainder = format!("{account}131400").bytes().fold(0u32, |r, digit| (r * 10 + u32::from(digit - b'0')) % 97);
    let whole = format!("DE{:02}{account}", 98 - remainder);
    if rng.chance(0.5) { grouped(&whole, " ") } else { whole }
}

/// An American number of the range reserved for fiction, in one of its usual forms.
pub(super) fn phone(rng: &mut Rng) -> String {
    let (area, line) = (*rng.pick(&[202, 303, 415, 512, 617]), 100 + rng.below(100));
    match rng.below(3) {
        0 => format!("+1-{area}-555-0{line}"),
        1 => format!("({area}) 555-0{line}"),
        _ => format!("+1 {area} 555 0{line}"),
    }
}

/// A US social security number by form.
pub(super) fn ssn(rng: &mut Rng) -> String {
    format!("{}-{}-{}", rng.between(100, 665), rng.between(10, 99), rng.between(1000, 9999))
}

/// A whole IPv4 address.
pub(super) fn ipv4(rng: &mut Rng) -> String {
    format!("198.{}.{}.{}", 18 + rng.below(2), rng.below(256), rng.between(1, 255))
}

/// A whole IPv6 address.
pub(super) fn ipv6(rng: &mut Rng) -> String {
    format!("2001:db8:{:x}:{:x}::{:x}", rng.below(0x10000), rng.below(0x10000), rng.between(1, 0x10000))
}

fn luhn_digit(digits: &str) -> char {
    let doubled = |(place, digit): (usize, u8)| {
        let value = u32::from(digit - b'0') * if place % 2 == 0 { 2 } else { 1 };
        if value > 9 { value - 9 } else { value }
    };
    let sum: u32 = digits.bytes().rev().enumerate().map(doubled).sum();
    char::from_digit((10 - sum % 10) % 10, 10).expect("a remainder of 10 is one digit")
}

fn grouped(text: &str, separator: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    characters.chunks(4).map(|four| four.iter().collect::<String>()).collect::<Vec<_>>().join(separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_and_accounts_have_right_check_digits() {
        assert_eq!(luhn_digit("411111111111111"), '1');
        let mut rng = Rng::new(3, 3);
        for _ in 0..200 {
            let iban: String = iban(&mut rng).replace(' ', "");
            let (head, rest) = iban.split_at(4);
            let moved = format!("{rest}1314{}", &head[2..]);
            assert_eq!(moved.bytes().fold(0u32, |r, d| (r * 10 + u32::from(d - b'0')) % 97), 1, "{iban}");
            let card: String = card(&mut rng).chars().filter(char::is_ascii_digit).collect();
            assert_eq!(card.len(), 16);
            assert_eq!(card.chars().last(), Some(luhn_digit(&card[..15])));
        }
    }
}
