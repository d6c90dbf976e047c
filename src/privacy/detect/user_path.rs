//! User names in the paths of home directories and mailboxes: `/home/ann/`, `/Users/ann/`, `C:\Users\ann\`, `/var/mail/ann`.

use super::{Scan, is_word};

/// Names of machines' and images' accounts, not of people.
#[rustfmt::skip]
const NOBODY: [&str; 78] = [
    "runner", "runneradmin", "ubuntu", "root", "user", "users", "app", "appuser", "node", "admin", "administrator", "public",
    "shared", "default", "vscode", "jenkins", "ec2-user", "circleci", "docker", "git", "www-data", "www", "debian", "nonroot",
    "service", "gitlab-runner", "nobody", "guest", "test", "build", "builder", "buildkite-agent", "travis", "vagrant",
    "azureuser", "opc", "centos", "fedora", "rocky", "core", "bitnami", "airflow", "jovyan", "coder", "gitpod", "codespace",
    "linuxbrew", "postgres", "mysql", "redis", "nginx", "hadoop", "spark", "oracle", "elasticsearch", "kafka", "deploy",
    "deployer", "pi", "vsts", "containeradministrator", "username", "yourname", "your_username", "you", "me", "name", "system",
    "web", "homebrew", "conda", "sandbox", "worker", "container", "dev", "developer", "all users", "default user",
];

/// Folders under which the home directories of a network or of another machine's disk are.
const ABOVE_HOME: [&[u8]; 9] =
    [b"/var", b"/export", b"/mnt", b"/data", b"/nfs", b"/usr", b"/rootfs", b"/host", b"/net"];

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
        b'D' if is(b"Documents and Settings") && scan.at(folder + 22) == mark => 23 + usize::from(doubled),
        b'v' if mark == b'/' && is(b"var/mail/") => 9,
        b'v' if mark == b'/' && is(b"var/spool/mail/") => 15,
        b'v' if mark == b'/' && is(b"var/spool/cron/crontabs/") => 24,
        _ => return None,
    };
    if !may_start(scan, i) {
        return None;
    }
    let start = folder + length;
    let end =
        scan.run_end(start, start + 64, |b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-') || b >= 0x80);
    let end = (start..=end).rev().find(|end| scan.text.is_char_boundary(*end))?;
    let name = scan.str(start, end).trim_end_matches('.');
    let end = spaced_end(scan, start + name.len(), mark).unwrap_or(start + name.len());
    let name = scan.str(start, end);
    let person = name.len() >= 2
        && !NOBODY.iter().any(|known| name.eq_ignore_ascii_case(known))
        && name.chars().any(char::is_alphabetic);
    person.then_some((start, end))
}

/// Whether the path of a home directory may start with the mark at `i`. `src/home/page` and `/api/users/12` are none: the path starts here, at
/// a drive, on an application's own scheme or below a folder that holds home directories; `users` in lower case only at a drive.
fn may_start(scan: &Scan<'_>, i: usize) -> bool {
    let before = scan.before(i);
    if matches!(scan.at(i + 1), b'u') || scan.at(i + 1) == b'\\' && scan.at(i + 2) == b'u' {
        return before == b':';
    }
    if !is_word(before) && !matches!(before, b'.' | b'-') {
        return true;
    }
    let behind = scan.behind(i, 48);
    let path = behind.iter().rposition(|b| b.is_ascii_whitespace() || matches!(b, b'"' | b'\'' | b'(' | b'='));
    let path = behind.get(path.map_or(0, |at| at + 1)..).unwrap_or(behind);
    let drive = matches!(path, [.., b'/' | b'\\', drive] if drive.is_ascii_alphabetic());
    let above =
        ABOVE_HOME.iter().any(|above| path.ends_with(above) && (path.len() == above.len() || path.ends_with(b":")));
    let scheme = memchr::memmem::find(path, b"://").is_some_and(|at| {
        let scheme = path.get(..at).unwrap_or(&[]);
        scheme.ends_with(b"-file") || scheme.ends_with(b"file") || scheme.ends_with(b"vscode-remote")
    });
    drive || above || scheme
}

/// Where a name with blanks ends, which are allowed where a further part of the path follows: `C:\Users\Ann Smith\`.
fn spaced_end(scan: &Scan<'_>, end: usize, mark: u8) -> Option<usize> {
    const PARTS_MAX: usize = 3;
    let mut end = end;
    for _ in 0..PARTS_MAX {
        if scan.at(end) == mark || scan.at(end) == b'\\' {
            return Some(end);
        }
        let part = end + 1;
        let letter = scan.at(part).is_ascii_uppercase() || scan.at(part) >= 0x80;
        if scan.at(end) != b' ' || !letter {
            return None;
        }
        end = scan
            .run_end(part, part + 32, |b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-') || b >= 0x80);
    }
    (scan.at(end) == mark).then_some(end)
}
