//! Dates as they stand inside numbers.

/// Whether a month has this day; 29 February counts.
pub(super) fn is_day(month: u32, day: u32) -> bool {
    let days = match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day)
}

/// Whether somebody who is alive may be born in this year. (Years to come are left out by a century's end.)
pub(super) fn is_year_of_birth(year: u32) -> bool {
    (1900..=2029).contains(&year)
}
