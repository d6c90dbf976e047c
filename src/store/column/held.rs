//! How [`super::super::columns::Columns`] holds a column: its own while it grows, shared once it is decoded.

use std::ops::Deref;
use std::sync::Arc;

use super::bits::Bits;
use super::decimal::Presence;

/// A column, own or shared.
#[derive(Clone)]
pub(in crate::store) enum Held<T> {
    /// May grow.
    Own(T),
    /// Is also in a cache.
    Shared(Arc<T>),
}

impl<T: Default> Default for Held<T> {
    fn default() -> Self {
        Held::Own(T::default())
    }
}

impl<T> Deref for Held<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self {
            Held::Own(own) => own,
            Held::Shared(shared) => shared,
        }
    }
}

impl<T: Clone> Held<T> {
    /// The column to change; copied first if others see it.
    #[inline]
    pub(in crate::store) fn to_mut(&mut self) -> &mut T {
        match self {
            Held::Own(own) => own,
            Held::Shared(shared) => Arc::make_mut(shared),
        }
    }
}

/// Fixed-size values that rows may lack, up to the last row that has one.
#[derive(Clone, Default)]
pub(in crate::store) struct Sparse<T> {
    present: Bits,
    values: Vec<T>,
}

impl<T: Copy + Default> Sparse<T> {
    /// Sets the value of a row behind all others that have one.
    #[inline]
    pub(in crate::store) fn push(&mut self, row: usize, value: T) {
        if self.values.len() < row {
            self.values.resize(row, T::default());
            self.present.pad(row);
        }
        self.values.push(value);
        self.present.push(true);
    }

    /// The values of those of `rows` rows that have one.
    pub(super) fn spread(rows: usize, presence: &Presence, values: Vec<T>) -> Sparse<T> {
        let mut present = Bits::default();
        let places = match presence {
            Presence::All(rows) => {
                present.fill(*rows);
                return Sparse { present, values };
            }
            Presence::Some(places) => places,
        };
        let mut all = vec![T::default(); rows];
        for (place, value) in places.iter().zip(values) {
            present.pad(*place as usize);
            present.push(true);
            if let Some(slot) = all.get_mut(*place as usize) {
                *slot = value;
            }
        }
        Sparse { present, values: all }
    }

    /// The value of a row.
    #[inline]
    pub(in crate::store) fn get(&self, row: usize) -> Option<T> {
        self.values.get(row).copied().filter(|_| self.present.get(row))
    }

    /// Bytes of memory held.
    pub(in crate::store) fn bytes(&self) -> usize {
        self.values.capacity() * size_of::<T>() + self.present.bytes()
    }

    /// Gives spare capacity back.
    pub(in crate::store) fn shrink(&mut self) {
        self.values.shrink_to_fit();
        self.present.shrink();
    }
}
