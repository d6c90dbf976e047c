//! What a member's name says by itself, remembered.
//!
//! Programs send the same names again and again, so the reading of a name, which depends on nothing but the name, is kept per thread: in a table
//! of fixed size in which a newer name takes the place of an older one. A name in which something is found is not kept.

use std::cell::RefCell;

use super::context::{Beside, Names, Read};
use super::key_name::{self, Grade};
use super::view::View;
use super::{Kinds, label, scan};

/// Longer names are read each time.
const NAME_MAX: usize = 40;

/// Names remembered by a thread.
const SLOTS: usize = 4096;

/// What a name says.
#[derive(Clone, Copy, Debug)]
pub(in crate::privacy) struct Meaning {
    /// Whether the name itself holds nothing that a detector finds.
    pub(in crate::privacy) clean: bool,
    /// Whether it may say that its value is a name or an address.
    pub(in crate::privacy) may_say: bool,
    /// Whether that depends on its neighbours.
    pub(in crate::privacy) heeds_neighbours: bool,
    /// What it tells its neighbours.
    pub(in crate::privacy) beside: Beside,
    /// How it declares a secret.
    pub(in crate::privacy) grade: Option<Grade>,
}

impl Meaning {
    /// The meaning of a name.
    pub(in crate::privacy) fn of(name: &str) -> Meaning {
        remembered(name, |entry| entry.meaning)
    }

    fn read(name: &str) -> Meaning {
        let mut hits = Vec::new();
        scan(name, Names::default(), Kinds::ALL, &mut hits);
        Meaning {
            clean: hits.is_empty() && View::of(name).is_none(),
            may_say: label::may_say(name),
            heeds_neighbours: label::heeds_neighbours(name),
            beside: label::beside(name),
            grade: key_name::grade(name),
        }
    }
}

/// What a name announces.
pub(super) fn announced(name: &str) -> Read {
    remembered(name, |entry| entry.announced)
}

struct Entry {
    name: Box<str>,
    meaning: Meaning,
    announced: Read,
}

impl Entry {
    fn read(name: &str) -> Entry {
        Entry { name: name.into(), meaning: Meaning::read(name), announced: Read::of_name(name) }
    }
}

thread_local! {
    static KNOWN: RefCell<Vec<Option<Box<Entry>>>> = const { RefCell::new(Vec::new()) };
}

/// A part of what is known of a name, which is read now if it is not known.
fn remembered<T>(name: &str, part: impl Fn(&Entry) -> T) -> T {
    let slot = slot(name.as_bytes());
    let known = KNOWN.with_borrow(|known| match known.get(slot) {
        Some(Some(entry)) if *entry.name == *name => Some(part(entry)),
        _ => None,
    });
    known.unwrap_or_else(|| {
        // A name is scanned to be read, and so the table must not be in use meanwhile.
        let entry = Box::new(Entry::read(name));
        let answer = part(&entry);
        if name.len() <= NAME_MAX && entry.meaning.clean {
            KNOWN.with_borrow_mut(|known| {
                known.resize_with(SLOTS, || None);
                if let Some(place) = known.get_mut(slot) {
                    *place = Some(entry);
                }
            });
        }
        answer
    })
}

/// Where a name stands in the table: told by its length, its first and its last bytes.
fn slot(name: &[u8]) -> usize {
    const MIX: u64 = 0x9E37_79B9_7F4A_7C15;
    let ends = match (name.first_chunk(), name.last_chunk()) {
        (Some(first), Some(last)) => u64::from_le_bytes(*first) ^ u64::from_le_bytes(*last).rotate_left(29),
        _ => name.iter().fold(0, |bytes, b| bytes << 8 | u64::from(*b)),
    };
    let hash = (ends ^ name.len() as u64).wrapping_mul(MIX);
    (hash >> 40) as usize % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_the_same_however_often_it_is_asked_for() {
        let names: Vec<String> = (0..4 * SLOTS).map(|n| format!("field_{n}")).collect();
        for name in
            names.iter().map(String::as_str).chain(["password", "userEmail", "ann@example.com", "名前", "", "city"])
        {
            for _ in 0..2 {
                assert_eq!(format!("{:?}", Meaning::of(name)), format!("{:?}", Meaning::read(name)), "{name}");
            }
        }
        assert!(!Meaning::of("ann@example.com").clean && Meaning::of("city").clean);
        assert_eq!(Meaning::of("password").grade, Some(Grade::Secret));
    }
}
