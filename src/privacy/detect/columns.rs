//! Values that the list of columns before them names: `INSERT INTO users (name, password) VALUES ('ann', '...')`.

use super::Scan;
use super::key_name::{Grade, grade};
use super::secret_value::secret_start;

/// The list of columns ends at most so far before `VALUES`.
const COLUMNS_MAX: usize = 512;

/// A row is read so far.
const ROW_MAX: usize = 4096;

/// The next secret in the row behind the word `VALUES` that ends at `end`.
#[inline(never)]
pub(super) fn find(scan: &Scan<'_>, start: usize, end: usize) -> Option<(usize, usize)> {
    let columns = columns(scan.behind(start, COLUMNS_MAX))?;
    let open = scan.run_end(end, end + 4, |b| b.is_ascii_whitespace());
    if scan.at(open) != b'(' {
        return None;
    }
    let limit = scan.bytes.len().min(open + ROW_MAX);
    let mut at = open;
    for column in columns.split(|b| *b == b',') {
        let (from, to, next) = literal(scan, at + 1, limit);
        let grade = std::str::from_utf8(column).ok().and_then(grade).filter(|grade| *grade != Grade::Query);
        let secret = |grade| secret_start(scan.str(from, to), grade).is_some();
        if scan.at(from - 1) == b'\'' && grade.is_some_and(secret) {
            return Some((from, to));
        }
        if scan.at(next) != b',' {
            return None;
        }
        at = next;
    }
    None
}

/// What is between the brackets that end `behind`, after `INTO` and the name of a table.
fn columns(behind: &[u8]) -> Option<&[u8]> {
    let list = behind.trim_ascii_end().strip_suffix(b")")?;
    let open = memchr::memrchr(b'(', list)?;
    let mut words = list.get(..open)?.trim_ascii_end().rsplit(u8::is_ascii_whitespace);
    words.next()?;
    words.next().filter(|into| into.eq_ignore_ascii_case(b"into"))?;
    list.get(open + 1..)
}

/// The literal at `at`, without its quotes, and where the mark behind it is.
fn literal(scan: &Scan<'_>, at: usize, limit: usize) -> (usize, usize, usize) {
    let start = scan.run_end(at, limit, |b| b.is_ascii_whitespace());
    if scan.at(start) != b'\'' {
        let end = scan.run_end(start, limit, |b| b != b',' && b != b')');
        return (start, end, end);
    }
    let mut end = scan.run_end(start + 1, limit, |b| b != b'\'');
    while scan.at(end + 1) == b'\'' && end < limit {
        end = scan.run_end(end + 2, limit, |b| b != b'\'');
    }
    (start + 1, end, scan.run_end(end + 1, limit, |b| b.is_ascii_whitespace()))
}
