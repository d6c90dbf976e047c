//! The checks of national ids that are digits only. What is checked is the number without its separators.

use super::Id;
use crate::privacy::detect::calendar::is_day;
use crate::privacy::detect::checksum::{ean, luhn, mod_11_10, verhoeff, weighted};

impl Id {
    /// The digits.
    fn digits(&self) -> &[u32] {
        self.values.get(..self.length).unwrap_or(&[])
    }

    /// The number that `length` digits from `from` on make.
    pub(super) fn number(&self, from: usize, length: usize) -> u64 {
        self.values.iter().skip(from).take(length).fold(0, |number, d| number * 10 + u64::from(*d))
    }

    pub(super) fn two(&self, from: usize) -> u32 {
        self.value(from) * 10 + self.value(from + 1)
    }

    /// Year, month and day at these places are a date.
    pub(super) fn dated(&self, month: usize, day: usize) -> bool {
        is_day(self.two(month), self.two(day))
    }

    fn is_one_digit(&self) -> bool {
        self.digits().iter().all(|d| *d == self.value(0))
    }

    /// The digit `at` is the remainder modulo 11 of the weighted digits before it, 10 counting as 0.
    fn checks_mod_11(&self, at: usize, weights: &[u32]) -> bool {
        weighted(self.digits(), weights) % 11 % 10 == self.value(at)
    }

    /// The digit `at` completes the weighted digits before it to a multiple of 11, remainders 0 and 1 giving 0.
    fn completes_mod_11(&self, at: usize, weights: &[u32]) -> bool {
        let rest = weighted(self.digits(), weights) % 11;
        self.value(at) == if rest < 2 { 0 } else { 11 - rest }
    }
}

/// Sex, year, month, department, commune, number, and 97 minus the remainder of all that. Corsica's departments 2A and 2B count as 19 and 18.
pub(super) fn fr_nir(id: &Id) -> bool {
    let corsica = match id.value(6) {
        10 => 19,
        11 => 18,
        digit => u64::from(id.value(5)) * 10 + u64::from(digit),
    };
    let number = (id.number(0, 5) * 100 + corsica) * 1_000_000 + id.number(7, 6);
    let month = id.two(3);
    matches!(id.value(0), 1..=4 | 7 | 8)
        && matches!(month, 1..=12 | 20..=42 | 50..=99)
        && (id.value(6) < 10 || id.value(5) == 2)
        && 97 - number % 97 == id.number(13, 2)
}

pub(super) fn de_tax_id(id: &Id) -> bool {
    id.value(0) != 0 && mod_11_10(id.digits())
}

/// Nine weights, the last one minus one.
pub(super) fn nl_bsn(id: &Id) -> bool {
    let sum = weighted(id.digits(), &[9, 8, 7, 6, 5, 4, 3, 2]);
    id.number(0, 9) > 9_999_999 && sum % 11 == id.value(8)
}

/// Those born from 2000 on are checked with a 2 in front.
pub(super) fn be_nrn(id: &Id) -> bool {
    let (number, check) = (id.number(0, 9), id.number(9, 2));
    let month = id.two(2) % 20;
    let dated = is_day(month, id.two(4)) || month == 0 || id.two(4) == 0;
    dated && (97 - number % 97 == check || 97 - (2_000_000_000 + number) % 97 == check)
}

/// Months tell the century by 20, 40, 60 or 80 more.
pub(super) fn pl_pesel(id: &Id) -> bool {
    is_day(id.two(2) % 20, id.two(4)) && weighted(id.digits(), &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]).is_multiple_of(10)
}

/// Ten digits, or twelve with the century; days of coordination numbers are 60 more.
pub(super) fn se_personnummer(id: &Id) -> bool {
    let century = id.length - 10;
    let day = id.two(century + 4);
    let day = if day > 60 { day - 60 } else { day };
    let last = id.digits().iter().skip(century).copied();
    (century == 0 || matches!(id.two(0), 19 | 20)) && is_day(id.two(century + 2), day) && luhn(last)
}

/// A date and a serial number; there has been no check digit since 2007.
pub(super) fn dk_cpr(id: &Id) -> bool {
    id.dated(2, 0)
}

/// Two check digits. Days are 40 more in D numbers, months 40 more in others.
pub(super) fn no_fnr(id: &Id) -> bool {
    let (day, month) = (id.two(0), id.two(2));
    is_day(month % 40, day % 40)
        && (11 - weighted(id.digits(), &[3, 7, 6, 1, 8, 9, 4, 5, 2]) % 11) % 11 == id.value(9)
        && (11 - weighted(id.digits(), &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11) % 11 == id.value(10)
}

pub(super) fn pt_nif(id: &Id) -> bool {
    matches!(id.value(0), 1..=3 | 5 | 6 | 8 | 9) && id.completes_mod_11(8, &[9, 8, 7, 6, 5, 4, 3, 2])
}

/// Serial number, check digit, day, month (13 to 15 where days ran out), year.
pub(super) fn at_svnr(id: &Id) -> bool {
    let sum = weighted(id.digits(), &[3, 7, 9, 0, 5, 8, 4, 2, 1, 6]);
    let month = id.two(6);
    let dated = is_day(month, id.two(4)) || (13..=15).contains(&month);
    id.value(0) != 0 && dated && sum % 11 == id.value(3)
}

/// Divisible by 11. Women's months are 50 more, and 20 more where numbers ran out.
pub(super) fn cz_rc(id: &Id) -> bool {
    let month = id.two(2) % 50 % 20;
    let check = u64::from(id.value(9));
    is_day(month, id.two(4)) && (id.length == 9 || id.number(0, 9) % 11 % 10 == check)
}

/// Sex and century, date, county, serial number, check digit.
pub(super) fn ro_cnp(id: &Id) -> bool {
    id.value(0) != 0 && id.dated(3, 5) && id.two(7) <= 52 && {
        let rest = weighted(id.digits(), &[2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9]) % 11;
        id.value(12) == if rest == 10 { 1 } else { rest }
    }
}

/// Months tell the century by 20 or 40 more.
pub(super) fn bg_egn(id: &Id) -> bool {
    is_day(id.two(2) % 20, id.two(4)) && id.checks_mod_11(9, &[2, 4, 8, 5, 10, 9, 7, 3, 6])
}

pub(super) fn gr_amka(id: &Id) -> bool {
    id.dated(2, 0) && luhn(id.digits().iter().copied())
}

pub(super) fn hr_oib(id: &Id) -> bool {
    mod_11_10(id.digits())
}

/// Estonia and Lithuania: sex and century, date, serial number, check digit.
pub(super) fn baltic_code(id: &Id) -> bool {
    let first = weighted(id.digits(), &[1, 2, 3, 4, 5, 6, 7, 8, 9, 1]) % 11;
    let second = weighted(id.digits(), &[3, 4, 5, 6, 7, 8, 9, 1, 2, 3]) % 11;
    let check = if first < 10 { first } else { second % 10 };
    matches!(id.value(0), 1..=8) && id.dated(3, 5) && check == id.value(10)
}

/// Latvia: a date and a century; or 32 and no date.
pub(super) fn lv_code(id: &Id) -> bool {
    let dated = id.dated(2, 0) && id.value(6) <= 2;
    let sum = weighted(id.digits(), &[10, 5, 8, 4, 2, 1, 6, 3, 7, 9]);
    id.two(0) == 32 || dated && (1 + sum) % 11 % 10 == id.value(10)
}

/// The country's number, 756, and the check of article numbers.
pub(super) fn ch_ahv(id: &Id) -> bool {
    id.number(0, 3) == 756 && ean(id.digits())
}

pub(super) fn br_cpf(id: &Id) -> bool {
    !id.is_one_digit()
        && id.completes_mod_11(9, &[10, 9, 8, 7, 6, 5, 4, 3, 2])
        && id.completes_mod_11(10, &[11, 10, 9, 8, 7, 6, 5, 4, 3, 2])
}

pub(super) fn br_cnpj(id: &Id) -> bool {
    !id.is_one_digit()
        && id.completes_mod_11(12, &[5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2])
        && id.completes_mod_11(13, &[6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2])
}

pub(super) fn in_aadhaar(id: &Id) -> bool {
    id.value(0) >= 2 && verhoeff(id.digits())
}

pub(super) fn ca_sin(id: &Id) -> bool {
    !matches!(id.value(0), 0 | 8) && luhn(id.digits().iter().copied())
}

pub(super) fn au_tfn(id: &Id) -> bool {
    let weights: &[u32] = if id.length == 9 { &[1, 4, 3, 7, 5, 8, 6, 9, 10] } else { &[10, 7, 8, 4, 6, 3, 5, 1] };
    id.number(0, id.length) > 0 && weighted(id.digits(), weights).is_multiple_of(11)
}

/// Eight digits, a check digit, the issue, and perhaps the member of the family.
pub(super) fn au_medicare(id: &Id) -> bool {
    matches!(id.value(0), 2..=6) && weighted(id.digits(), &[1, 3, 7, 9, 1, 3, 7, 9]) % 10 == id.value(8)
}

/// Eight or nine digits; second weights where the first leave ten.
pub(super) fn nz_ird(id: &Id) -> bool {
    let pad = 9 - id.length;
    let check = |weights: &[u32]| (11 - weighted(id.digits(), weights.get(pad..).unwrap_or(&[])) % 11) % 11;
    let first = check(&[3, 2, 7, 6, 5, 4, 3, 2]);
    let check = if first == 10 { check(&[7, 4, 3, 2, 5, 2, 7, 6]) } else { first };
    (10_000_000..150_000_000).contains(&id.number(0, id.length)) && check == id.value(id.length - 1)
}

/// Date, serial number, citizenship, and Luhn's check.
pub(super) fn za_id(id: &Id) -> bool {
    id.dated(2, 4) && id.value(10) <= 2 && luhn(id.digits().iter().copied())
}

/// Date, sex and century, and a check digit that numbers given since October 2020 have no more.
pub(super) fn kr_rrn(id: &Id) -> bool {
    is_kr_shaped(id) && {
        let sum = weighted(id.digits(), &[2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]);
        let check = (11 - sum % 11) % 10;
        check == id.value(12) || (13 - sum % 11) % 10 == id.value(12)
    }
}

pub(super) fn is_kr_shaped(id: &Id) -> bool {
    id.dated(2, 4) && matches!(id.value(6), 1..=8)
}

pub(super) fn tr_tckn(id: &Id) -> bool {
    let odd: u32 = [0, 2, 4, 6, 8].iter().map(|at| id.value(*at)).sum();
    let even: u32 = [1, 3, 5, 7].iter().map(|at| id.value(*at)).sum();
    let tenth = (odd * 7 + 90 - even) % 10;
    id.value(0) != 0 && tenth == id.value(9) && (odd + even + tenth) % 10 == id.value(10)
}

pub(super) fn jp_my_number(id: &Id) -> bool {
    id.completes_mod_11(11, &[6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2])
}

/// 9xx-50 to 99, but for a few groups that are not given out.
pub(super) fn us_itin(id: &Id) -> bool {
    id.value(0) == 9 && matches!(id.two(3), 50..=65 | 70..=88 | 90..=92 | 94..=99)
}

pub(super) fn uk_nhs(id: &Id) -> bool {
    let check = 11 - weighted(id.digits(), &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    id.number(0, 10) > 0 && check % 11 == id.value(9)
}

/// Date, serial number, check digit, century.
pub(super) fn is_kennitala(id: &Id) -> bool {
    let day = id.two(0) % 40;
    is_day(id.two(2), day) && matches!(id.value(9), 0 | 8 | 9) && id.completes_mod_11(8, &[3, 2, 7, 6, 5, 4, 3, 2])
}

pub(super) fn gr_afm(id: &Id) -> bool {
    id.checks_mod_11(8, &[256, 128, 64, 32, 16, 8, 4, 2])
}

pub(super) fn hu_taj(id: &Id) -> bool {
    weighted(id.digits(), &[3, 7, 3, 7, 3, 7, 3, 7]) % 10 == id.value(8)
}

/// Day, month, the last three digits of the year, region, serial number, check digit.
pub(super) fn jmbg(id: &Id) -> bool {
    id.dated(2, 0) && id.completes_mod_11(12, &[7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2])
}

pub(super) fn ar_cuit(id: &Id) -> bool {
    let kind = matches!(id.two(0), 20 | 23..=27 | 30 | 33 | 34);
    let rest = weighted(id.digits(), &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
    kind && (11 - rest) % 11 == id.value(10)
}

pub(super) fn th_id(id: &Id) -> bool {
    let sum = weighted(id.digits(), &[13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]);
    id.value(0) != 0 && (11 - sum % 11) % 10 == id.value(12)
}

pub(super) fn il_id(id: &Id) -> bool {
    id.number(0, 9) > 0 && luhn(id.digits().iter().copied())
}

/// Date, place of birth, serial number; no check digit.
pub(super) fn my_nric(id: &Id) -> bool {
    id.dated(2, 4) && id.two(6) > 0
}

/// Province, district and family, number of the member; no check digit.
pub(super) fn pk_cnic(id: &Id) -> bool {
    matches!(id.value(0), 1..=7)
}
