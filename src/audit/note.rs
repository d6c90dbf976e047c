//! Signed notes and checkpoints, as C2SP defines them (signed-note/v1.0.0, tlog-checkpoint/v1.0.0), with Ed25519.
//!
//! ```text
//! gateway.example/audit/tn_0011223344556677      origin: which log; also the name of the key
//! 8                                              tree size
//! XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=   root
//!                                                (empty line: what stands above it is signed)
//! — gateway.example/audit/tn_... QfbaHEwE+NX3…   one line per signature: key name, base64(key id (4) | signature (64))
//! ```
//!
//! A verifier knows a key as `name+hex(key id)+base64(0x01 | public key)`. Signatures of keys that it does not know
//! are ignored, so that witnesses may add theirs; one false signature of a known key spoils the note.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::tree::{Hash, SIZE_MAX, sha256};
use crate::keys::{SigningKey, seal};

/// The largest note that is read.
pub const NOTE_BYTES_MAX: usize = 64 * 1024;
/// The most signatures that a note may carry; the specification asks for at least 16.
pub const SIGNATURES_MAX: usize = 64;

const ED25519: u8 = 1;
const DASH: &str = "\u{2014} ";

/// Why a note, a checkpoint or a key cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not of the form that the specification asks for.
    #[error("malformed {0}")]
    Malformed(&'static str),
    /// The signature of a known key is false.
    #[error("the signature is false")]
    FalseSignature,
    /// No signature is by a known key.
    #[error("not signed by the expected key")]
    Unsigned,
    /// The checkpoint is of another log.
    #[error("the checkpoint is of another log")]
    OtherOrigin,
}

/// What a verifier must know of a signer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    public: [u8; 32],
}

impl VerifierKey {
    /// The key `public` under this name, which must be as [`is_key_name`] says.
    pub fn new(name: &str, public: [u8; 32]) -> Result<Self, Error> {
        if !is_key_name(name) {
            return Err(Error::Malformed("key name"));
        }
        Ok(VerifierKey { name: name.to_owned(), public })
    }

    /// The key's name; of a log's key, its origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Four bytes that tell the keys of one name apart.
    pub fn id(&self) -> [u8; 4] {
        let [a, b, c, d, ..] = sha256(&[self.name.as_bytes(), b"\n", &[ED25519], &self.public]);
        [a, b, c, d]
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![ED25519];
        key.extend_from_slice(&self.public);
        write!(f, "{}+{}+{}", self.name, hex::encode(self.id()), STANDARD.encode(key))
    }
}

impl FromStr for VerifierKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let malformed = Error::Malformed("verifier key");
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(malformed);
        };
        let key = STANDARD.decode(key).map_err(|_| malformed)?;
        let (&[ED25519], public) = key.split_first_chunk::<1>().ok_or(malformed)? else { return Err(malformed) };
        let key = VerifierKey::new(name, public.try_into().map_err(|_| malformed)?)?;
        if hex::encode(key.id()) == id { Ok(key) } else { Err(malformed) }
    }
}

/// Whether a text may be the name of a key: not empty, no white space, no control character, no `+`.
pub fn is_key_name(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+')
}

/// Signs `text`, which must end with a line feed, as `name`. Answers the whole note.
pub fn sign(text: &str, name: &str, key: &SigningKey) -> Result<String, Error> {
    check_text(text)?;
    let id = VerifierKey::new(name, key.public())?.id();
    let mut signature = id.to_vec();
    signature.extend_from_slice(&key.sign(text.as_bytes()));
    Ok(format!("{text}\n{DASH}{name} {}\n", STANDARD.encode(signature)))
}

/// A note that was read but not yet verified.
#[derive(Debug)]
pub struct Note<'a> {
    text: &'a str,
    signatures: Vec<Signature<'a>>,
}

#[derive(Debug)]
struct Signature<'a> {
    name: &'a str,
    id: [u8; 4],
    bytes: Vec<u8>,
}

impl<'a> Note<'a> {
    /// Reads a note.
    pub fn parse(note: &'a str) -> Result<Self, Error> {
        if note.len() > NOTE_BYTES_MAX {
            return Err(Error::Malformed("note: too large"));
        }
        let (text, lines) = note.rsplit_once("\n\n").ok_or(Error::Malformed("note: no signatures"))?;
        let text = note.get(..text.len() + 1).ok_or(Error::Malformed("note"))?;
        check_text(text)?;
        let lines = lines.strip_suffix('\n').ok_or(Error::Malformed("note: no line feed at the end"))?;
        let signatures =
            lines.split('\n').take(SIGNATURES_MAX + 1).map(Signature::parse).collect::<Result<Vec<_>, _>>()?;
        if signatures.len() > SIGNATURES_MAX {
            return Err(Error::Malformed("note: too many signatures"));
        }
        Ok(Note { text, signatures })
    }

    /// The signed text, if `key` signed it.
    pub fn verify(&self, key: &VerifierKey) -> Result<&'a str, Error> {
        let id = key.id();
        let mut signed = Err(Error::Unsigned);
        for signature in self.signatures.iter().filter(|signature| signature.name == key.name && signature.id == id) {
            if !seal::verify(&key.public, self.text.as_bytes(), &signature.bytes) {
                return Err(Error::FalseSignature);
            }
            signed = Ok(self.text);
        }
        signed
    }
}

impl<'a> Signature<'a> {
    fn parse(line: &'a str) -> Result<Self, Error> {
        let malformed = Error::Malformed("signature line");
        let (name, signature) = line.strip_prefix(DASH).and_then(|line| line.split_once(' ')).ok_or(malformed)?;
        let signature = STANDARD.decode(signature).map_err(|_| malformed)?;
        let (id, bytes) = signature.split_first_chunk::<4>().ok_or(malformed)?;
        if !is_key_name(name) || bytes.is_empty() {
            return Err(malformed);
        }
        Ok(Signature { name, id: *id, bytes: bytes.to_vec() })
    }
}

/// A note's text ends with a line feed and has no other control characters below space.
fn check_text(text: &str) -> Result<(), Error> {
    let whole = text.ends_with('\n') && !text.contains(|c: char| c < ' ' && c != '\n');
    if whole { Ok(()) } else { Err(Error::Malformed("note text")) }
}

/// What a log says of itself: how many leaves it has, and their root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: String,
    /// The number of leaves.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

impl Checkpoint {
    /// The note's text.
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(self.origin.len() + 70);
        let written = writeln!(text, "{}\n{}\n{}", self.origin, self.size, STANDARD.encode(self.root));
        written.expect("a string can always be written to");
        text
    }

    /// Signs this checkpoint; the key's name is the origin. Answers the whole note.
    pub fn sign(&self, key: &SigningKey) -> Result<String, Error> {
        sign(&self.text(), &self.origin, key)
    }

    /// Reads a note's text. Extension lines are allowed and left out.
    pub fn parse(text: &str) -> Result<Checkpoint, Error> {
        let malformed = Error::Malformed("checkpoint");
        let mut lines = text.strip_suffix('\n').ok_or(malformed)?.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(malformed);
        };
        let root = STANDARD.decode(root).ok().and_then(|root| root.try_into().ok()).ok_or(malformed)?;
        if origin.is_empty() || lines.any(str::is_empty) {
            return Err(malformed);
        }
        Ok(Checkpoint { origin: origin.to_owned(), size: parse_size(size).ok_or(malformed)?, root })
    }

    /// Reads a signed checkpoint of the log whose key and origin `key` names.
    pub fn open(note: &str, key: &VerifierKey) -> Result<Checkpoint, Error> {
        let note = Note::parse(note)?;
        let claimed = Checkpoint::parse(note.text)?;
        if claimed.origin != key.name {
            return Err(Error::OtherOrigin);
        }
        note.verify(key)?;
        Ok(claimed)
    }
}

/// A decimal number without sign or leading zeros.
fn parse_size(text: &str) -> Option<u64> {
    let canonical = text == "0" || (!text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit()));
    text.parse().ok().filter(|size| canonical && *size <= SIZE_MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::keys::Secret;

    const VECTORS: &str = include_str!("../../tests/fixtures/note_vectors.txt");
    const EXAMPLE_KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    const EXAMPLE_NOTE: &str = "This is an example message.\n\n\u{2014} example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

    /// The key of the vectors: its seed is the bytes 0 to 31.
    fn key() -> SigningKey {
        SigningKey::from_seed(&Secret::new(std::array::from_fn(|at| at as u8)))
    }

    /// From the vectors file: the verifier key, the signed checkpoint, and the witness's signature line.
    fn vectors() -> (VerifierKey, String, &'static str) {
        let (_, rest) = VECTORS.split_once("\nvkey ").unwrap();
        let (vkey, rest) = rest.split_once('\n').unwrap();
        let (checkpoint, rest) = rest.split_once("\n\u{2014} witness").unwrap();
        let witness = rest.split_once('\n').unwrap().0;
        (vkey.parse().unwrap(), format!("{checkpoint}\n"), witness)
    }

    #[test]
    fn the_examples_of_the_specification_verify() {
        let key: VerifierKey = EXAMPLE_KEY.parse().unwrap();
        assert_eq!(key.to_string(), EXAMPLE_KEY);
        assert_eq!(Note::parse(EXAMPLE_NOTE).unwrap().verify(&key), Ok("This is an example message.\n"));
    }

    #[test]
    fn signing_gives_the_bytes_of_the_vector() {
        let (vkey, note, _) = vectors();
        assert_eq!(VerifierKey::new("gateway.example/audit/acme", key().public()), Ok(vkey.clone()));
        let checkpoint = Checkpoint::open(&note, &vkey).unwrap();
        assert_eq!((checkpoint.origin.as_str(), checkpoint.size), ("gateway.example/audit/acme", 8));
        assert_eq!(hex::encode(checkpoint.root), "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328");
        assert_eq!(checkpoint.sign(&key()).unwrap(), note);
    }

    #[test]
    fn a_witness_may_add_its_signature() {
        let (vkey, note, witness) = vectors();
        let cosigned = format!("{note}\u{2014} witness{witness}\n");
        assert_eq!(Checkpoint::open(&cosigned, &vkey), Checkpoint::open(&note, &vkey));
    }

    #[test]
    fn a_false_signature_of_a_known_key_spoils_the_note_and_an_unknown_key_does_not_help() {
        let (vkey, note, _) = vectors();
        let forged = note.replace("\n8\n", "\n9\n");
        assert_eq!(Checkpoint::open(&forged, &vkey), Err(Error::FalseSignature));
        let line = note.rsplit_once("\n\n").unwrap().1;
        let other = format!("{}{}", forged.rsplit_once("\u{2014}").unwrap().0, line);
        assert_eq!(Checkpoint::open(&format!("{note}{}", line), &vkey).map(|c| c.size), Ok(8));
        assert_eq!(Checkpoint::open(&other, &vkey), Err(Error::FalseSignature));
        let stranger = VerifierKey::new("gateway.example/audit/acme", [7; 32]).unwrap();
        assert_eq!(Checkpoint::open(&note, &stranger), Err(Error::Unsigned));
        let elsewhere = VerifierKey::new("gateway.example/audit/other", key().public()).unwrap();
        assert_eq!(Checkpoint::open(&note, &elsewhere), Err(Error::OtherOrigin));
    }

    #[test]
    fn malformed_notes_are_refused() {
        let (_, note, _) = vectors();
        for bad in [
            String::new(),
            "text\n".into(),
            note.replace("\n\n", "\n"),
            note.trim_end().into(),
            note.replace('\u{2014}', "-"),
            note.replace("QfbaH", "Qfb!H"),
            note.replace("\n8\n", "\n8\r\n"),
            format!("{note}\n"),
            format!("{note}{}", "x".repeat(NOTE_BYTES_MAX)),
            format!("{note}{}", format!("{}\n", note.rsplit('\n').nth(1).unwrap()).repeat(SIGNATURES_MAX)),
        ] {
            assert!(matches!(Note::parse(&bad), Err(Error::Malformed(_))), "{bad:.100}");
        }
    }

    #[test]
    fn malformed_checkpoints_and_keys_are_refused() {
        let root = STANDARD.encode([1; 32]);
        for size in ["", "-1", "+1", "01", "1 ", "0x1", "18446744073709551615"] {
            assert!(Checkpoint::parse(&format!("o\n{size}\n{root}\n")).is_err(), "{size}");
        }
        for text in [
            "",
            "o\n1\n",
            "o\n1\nAAAA\n",
            &format!("\n1\n{root}\n"),
            &format!("o\n1\n{root}"),
            &format!("o\n1\n{root}\n\n"),
        ] {
            assert!(Checkpoint::parse(text).is_err(), "{text}");
        }
        assert_eq!(Checkpoint::parse(&format!("o\n0\n{root}\nextension\n")).map(|c| c.size), Ok(0));
        for key in ["", "a+b", "a+b+c", &EXAMPLE_KEY.replace("530d", "530e"), &EXAMPLE_KEY.replace("+Ae", "+Be")] {
            assert!(key.parse::<VerifierKey>().is_err(), "{key}");
        }
        for name in ["", "a b", "a+b", "a\u{2003}b", "a\nb"] {
            assert!(VerifierKey::new(name, [0; 32]).is_err(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_checkpoint_reads_back(size in 0..=SIZE_MAX, root: Hash) {
            let checkpoint = Checkpoint { origin: "here/audit".into(), size, root };
            let note = checkpoint.sign(&key()).unwrap();
            let vkey = VerifierKey::new("here/audit", key().public()).unwrap();
            prop_assert_eq!(Checkpoint::open(&note, &vkey), Ok(checkpoint));
        }

        #[test]
        fn any_text_is_read_without_panic(text: String, lines in "(\u{2014} |[a-z0-9+/= ]|\n){0,40}") {
            let (key, note, _) = vectors();
            for text in [&text, &lines, &format!("{note}{lines}")] {
                drop((Checkpoint::open(text, &key), Checkpoint::parse(text), text.parse::<VerifierKey>()));
            }
        }

        #[test]
        fn a_changed_byte_never_verifies_as_something_else(at: usize, to in 0x20..0x7fu8) {
            let (key, note, _) = vectors();
            let mut bytes = note.clone().into_bytes();
            let at = at % bytes.len();
            bytes[at] = to;
            let read = String::from_utf8(bytes).ok().and_then(|changed| Checkpoint::open(&changed, &key).ok());
            prop_assert!(read.is_none_or(|read| read == Checkpoint::open(&note, &key).unwrap()));
        }
    }
}
