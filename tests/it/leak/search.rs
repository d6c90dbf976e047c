//! Looks for words in everything that a gateway left behind: files as they are, stored values, stored rows decrypted, answers.
//!
//! Texts are found in any case and with any separators between their characters: a card number is the same number with blanks, hyphens or
//! nothing in between.

use std::collections::BTreeSet;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aho_corasick::AhoCorasick;
use tidegate::id::{Entropy, SystemEntropy};
use tidegate::keys::{FileKeks, KeyFile, Vault};
use tidegate::kv::{Family, Kv};
use tidegate::store::check;

use crate::gateway::Answer;

/// Bytes with the name of the place where they were found.
pub type Piece = (String, Vec<u8>);

/// The words that are looked for.
pub struct Words {
    names: Vec<String>,
    plain: AhoCorasick,
}

impl Words {
    /// Words with a name each, under which a find is reported.
    pub fn new<'w>(words: impl IntoIterator<Item = (&'w str, &'w str)>) -> Words {
        let (names, words): (Vec<_>, Vec<_>) =
            words.into_iter().map(|(name, word)| (name.to_owned(), plain(word.as_bytes()))).unzip();
        assert!(words.iter().all(|word| word.len() >= 6), "shorter words are found by chance");
        Words { names, plain: AhoCorasick::new(words).expect("the words fit") }
    }

    /// Every word found, as `place: name`.
    pub fn find(&self, pieces: &[Piece]) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for (place, bytes) in pieces {
            for hit in self.plain.find_overlapping_iter(&plain(bytes)) {
                found.insert(format!("{place}: {}", self.names[hit.pattern().as_usize()]));
            }
        }
        found
    }

    /// Fails with every find, if there is one.
    #[track_caller]
    pub fn assert_absent(&self, pieces: &[Piece]) {
        let found = self.find(pieces);
        assert!(found.is_empty(), "{} leaks:\n{}", found.len(), found.into_iter().collect::<Vec<_>>().join("\n"));
    }

    /// Fails unless every word is found in one of the pieces.
    #[track_caller]
    pub fn assert_present(&self, pieces: &[Piece]) {
        let found = self.find(pieces);
        let missing = self.names.iter().filter(|name| !found.iter().any(|hit| hit.ends_with(&format!(": {name}"))));
        assert_eq!(missing.collect::<Vec<_>>(), Vec::<&String>::new(), "these must be found, or the search is blind");
    }
}

/// Lower case, without what may stand between the parts of a number or a name.
fn plain(bytes: &[u8]) -> Vec<u8> {
    let separator = |byte: &u8| matches!(byte, b' ' | b'-' | b'.' | b'/' | b':' | b'(' | b')' | b'_' | b'\\');
    bytes.iter().filter(|byte| !separator(byte)).map(u8::to_ascii_lowercase).collect()
}

/// Every file below `dir`, byte by byte.
pub fn files(dir: &Path) -> Vec<Piece> {
    let mut found = Vec::new();
    let mut waiting: Vec<PathBuf> = vec![dir.to_owned()];
    while let Some(dir) = waiting.pop() {
        for entry in fs::read_dir(&dir).expect("a readable directory") {
            let entry = entry.expect("an entry");
            let kind = entry.file_type().expect("its kind");
            // Names of files are bytes on the disk as well.
            found.push(("a file's name".to_owned(), entry.file_name().into_encoded_bytes()));
            if kind.is_dir() {
                waiting.push(entry.path());
            } else if kind.is_file() {
                found.push((entry.path().display().to_string(), fs::read(entry.path()).expect("a readable file")));
            }
        }
    }
    found
}

/// Every key and value of the database in the data directory of a gateway that does not run, as they are, and every stored row decrypted.
pub fn stored(data: &Path) -> Vec<Piece> {
    let kv = Arc::new(Kv::open_read_only(&data.join("db")).expect("the database opens"));
    let mut found = Vec::new();
    for family in Family::ALL {
        let place = |what: &str| format!("{what} in {family:?}");
        let scanned = kv.scan(family, b"", b"", &mut |key, value| {
            found.push((place("a key"), key.to_vec()));
            found.push((place("a value"), value.to_vec()));
            ControlFlow::Continue(())
        });
        scanned.expect("the family can be read");
    }
    let vault = vault(data);
    let rows = check::for_each_row(&kv, &vault, &mut |_, row| {
        found.push(("a stored row".to_owned(), format!("{row:?}").into_bytes()));
    });
    rows.expect("every row can be read");
    found
}

/// The keys of a data directory, for reading.
pub fn vault(data: &Path) -> Arc<Vault> {
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let file = Arc::new(KeyFile::open_read_only(&data.join("keys"), &*entropy).expect("the key file"));
    let keks = Arc::new(FileKeks::new(Arc::clone(&file), Arc::clone(&entropy)));
    Arc::new(Vault::new(file, keks, entropy))
}

/// Head and body of an answer.
pub fn answer(place: &str, answer: &Answer) -> Piece {
    (format!("the answer of {place}"), answer.everything().into_bytes())
}

#[test]
fn a_word_is_found_in_a_file_whatever_its_case_and_separators() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("deeper")).unwrap();
    fs::write(dir.path().join("deeper/file"), b"\x00\xff4539-1488 0343.6467\x00 ANN@Example.org").unwrap();
    let words = Words::new([("card", "4539148803436467"), ("email", "ann@example.org")]);
    words.assert_present(&files(dir.path()));
    let absent = Words::new([("another", "4539148803436468")]);
    absent.assert_absent(&files(dir.path()));
}
