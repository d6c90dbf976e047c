//! Which columns a reader looks at.
//!
//! Open buckets hold every column in memory anyway; of sealed ones only what is needed is read, decrypted and decoded. A column that was
//! not asked for reads as absent, so a reader that forgets to ask is wrong at once and everywhere, and its tests say so.

use super::row::TextColumn;

/// A set of columns. Event time and arrival are always there as far as the range needs them; ask when they are looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Need {
    bits: u64,
    paths: Vec<String>,
}

/// A column that is not text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Plain {
    /// When the event happened.
    Time = 32,
    /// When it arrived.
    Received = 33,
    /// Its type.
    EventType = 34,
    /// Whether it succeeded.
    Ok = 35,
    /// How long it took.
    Duration = 36,
    /// HTTP status.
    Status = 37,
    /// Measured value.
    Value = 38,
    /// All attributes as one JSON object.
    Attributes = 39,
    /// Whether the session was derived from address and agent.
    SessionDerived = 40,
}

impl Plain {
    /// Every one.
    pub const ALL: [Plain; 9] = [
        Plain::Time,
        Plain::Received,
        Plain::EventType,
        Plain::Ok,
        Plain::Duration,
        Plain::Status,
        Plain::Value,
        Plain::Attributes,
        Plain::SessionDerived,
    ];
}

impl Need {
    /// No column: enough to count rows.
    pub const NONE: Need = Need { bits: 0, paths: Vec::new() };

    /// Every column.
    pub fn all() -> Need {
        Need::of(&Plain::ALL, &TextColumn::ALL)
    }

    /// Exactly these.
    pub fn of(plain: &[Plain], text: &[TextColumn]) -> Need {
        let bits = plain.iter().map(|column| *column as u64).chain(text.iter().map(|column| *column as u64));
        Need { bits: bits.fold(0, |bits, bit| bits | 1 << bit), paths: Vec::new() }
    }

    /// These and one text column.
    #[must_use]
    pub fn text(mut self, column: TextColumn) -> Need {
        self.bits |= 1 << column as u64;
        self
    }

    /// These and one plain column.
    #[must_use]
    pub fn plain(mut self, column: Plain) -> Need {
        self.bits |= 1 << column as u64;
        self
    }

    /// These and one member of the attributes, as [`super::columns::Columns::attribute`] names it.
    #[must_use]
    pub fn attribute(mut self, path: &str) -> Need {
        if !self.paths.iter().any(|known| known == path) {
            self.paths.push(path.to_owned());
        }
        self
    }

    /// Everything that either asks for.
    #[must_use]
    pub fn and(mut self, other: &Need) -> Need {
        self.bits |= other.bits;
        other.paths.iter().fold(self, |need, path| need.attribute(path))
    }

    /// Whether a text column is asked for.
    pub fn has_text(&self, column: TextColumn) -> bool {
        self.bits & 1 << column as u64 != 0
    }

    /// Whether a plain column is asked for.
    pub fn has(&self, column: Plain) -> bool {
        self.bits & 1 << column as u64 != 0
    }

    /// The members of the attributes that are asked for.
    pub fn paths(&self) -> &[String] {
        &self.paths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_need_has_what_was_asked_for_and_nothing_else() {
        let need = Need::of(&[Plain::Ok], &[TextColumn::Name]).attribute("a.b").attribute("a.b");
        assert!(need.has(Plain::Ok) && !need.has(Plain::Time));
        assert!(need.has_text(TextColumn::Name) && !need.has_text(TextColumn::ParentId));
        assert_eq!(need.paths(), ["a.b"]);
        let both = Need::NONE.text(TextColumn::User).and(&need);
        assert!(both.has_text(TextColumn::User) && both.has(Plain::Ok) && both.paths() == ["a.b"]);
        let all = Need::all();
        assert!(TextColumn::ALL.iter().all(|column| all.has_text(*column)) && Plain::ALL.iter().all(|p| all.has(*p)));
    }
}
