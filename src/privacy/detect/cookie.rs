//! Cookies: which pieces of a header's value are theirs. Every value goes but for preferences and flags (`theme=dark`, `seen=1`); names and attributes stay.

use crate::privacy::redaction::is_settled;

const ATTRIBUTES: [&str; 8] = ["path", "domain", "expires", "max-age", "samesite", "priority", "version", "comment"];

/// Values that tell yes from no, and nobody apart.
const FLAGS: [&str; 6] = ["true", "false", "yes", "no", "on", "off"];

/// Names under which a single short word is somebody's taste and tells nobody apart.
const PREFERENCES: [&str; 12] = [
    "theme",
    "lang",
    "language",
    "locale",
    "currency",
    "color_scheme",
    "color-mode",
    "dark_mode",
    "layout",
    "units",
    "consent",
    "i18n",
];

pub(in crate::privacy) fn is_preference(name: &str, value: &str) -> bool {
    let flag = value.len() < 2 || FLAGS.iter().any(|flag| value.eq_ignore_ascii_case(flag));
    flag || value.len() <= 8
        && value.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-' || b == b'_')
        && PREFERENCES.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Whether a name is that of an attribute of a cookie.
pub(in crate::privacy) fn is_attribute(name: &str) -> bool {
    ATTRIBUTES.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Where the values are in `a=b; c=d; Path=/` that are not dealt with yet.
pub(in crate::privacy) fn values(text: &str) -> impl Iterator<Item = (usize, usize)> + '_ {
    let mut start = 0;
    text.split(';').filter_map(move |pair| {
        let at = start;
        start += pair.len() + 1;
        let (name, value) = pair.split_once('=')?;
        let from = at + name.len() + 1;
        let value = value.trim_end();
        let kept = is_attribute(name.trim()) || is_preference(name.trim(), value);
        (!kept && !value.is_empty() && !is_settled(value)).then_some((from, from + value.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_go_and_names_and_attributes_stay() {
        let of = |text: &'static str| values(text).map(|(start, end)| &text[start..end]).collect::<Vec<_>>();
        assert_eq!(of("a=bc; sid=c=d ; Path=/; HttpOnly; Max-Age=3; ok=1; seen=true"), ["bc", "c=d"]);
        assert_eq!(of("theme=dark; lang=fr-FR; theme=ann1; user=ann"), ["ann1", "ann"]);
        assert_eq!(of("a=[cookie]; b=; enabled"), [""; 0]);
    }
}
