//! User names in the paths of home directories: `/home/ann/`, `/Users/ann/`, `C:\Users\ann\`.

use super::{Scan, is_word};

/// Names of machines' and images' accounts, not of people.
const NOBODY: [&str; 24] = [
    "runner",
    "ubuntu",
    "root",
    "user",
    "users",
    "app",
    "node",
    "admin",
    "administrator",
    "public",
    "shared",
    "default",
    "vscode",
    "jenkins",
    "ec2-user",
    "circleci",
    "docker",
    "git",
    "www-data",
    "debian",
    "nonroot",
    "service",
    "gitlab-runner",
    "all users",
];

/// The name in the path whose first slash or backslash is at `i`.
pub(super) fn find(scan: &Scan<'_>, i: usize) -> Option<(usize, usize)> {
    let mark = scan.at(i);
    let doubled = mark == b'\\' && scan.at(i + 1) == b'\\';
    let folder = if doubled { i + 2 } else { i + 1 };
    let is = |name: &[u8]| scan.slice(folder, folder + name.len()).eq_ignore_ascii_case(name);
    let length = match scan.at(folder) {
        b'h' if mark == b'/' && is(b"home/") => 5,
        b'U' | b'u' if is(b"Users") && scan.at(folder + 5) == mark => {
            6 + usize::from(doubled && scan.at(folder + 6) == b'\\')
        }
        _ => return None,
    };
    // `src/home/page` and `/api/users/12` are no home directories: the path starts here, or at a drive; `users` in lower case only there.
    let before = scan.before(i);
    if is_word(before) || matches!(before, b'.' | b'-') || scan.at(folder) == b'u' && before != b':' {
        return None;
    }
    let start = folder + length;
    let end =
        scan.run_end(start, start + 64, |b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-') || b >= 0x80);
    let end = (start..=end).rev().find(|end| scan.text.is_char_boundary(*end))?;
    let name = scan.str(start, end).trim_end_matches('.');
    let person = name.len() >= 2
        && !NOBODY.iter().any(|known| name.eq_ignore_ascii_case(known))
        && name.chars().any(char::is_alphabetic);
    person.then_some((start, start + name.len()))
}
