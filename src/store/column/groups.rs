//! Where one session ends and the next begins in the rows of a run.

use super::super::row::Reader;
use super::ints;

/// Neighbouring rows of one session each; rows without a session make one group.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::store) struct Groups {
    /// Where each group ends.
    ends: Vec<u32>,
}

impl Groups {
    /// The groups of rows with these session codes.
    pub(super) fn of(codes: impl Iterator<Item = u32>) -> Groups {
        let mut groups = Groups::default();
        let mut last = None;
        for (row, code) in (0..).zip(codes) {
            if last == Some(code) {
                if let Some(end) = groups.ends.last_mut() {
                    *end = row + 1;
                }
            } else {
                groups.ends.push(row + 1);
            }
            last = Some(code);
        }
        groups
    }

    /// Number of groups.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Number of rows.
    pub(super) fn rows(&self) -> usize {
        self.ends.last().map_or(0, |end| *end as usize)
    }

    /// The first row of each group.
    pub(super) fn starts(&self) -> impl Iterator<Item = usize> + '_ {
        std::iter::once(0).chain(self.ends.iter().map(|end| *end as usize)).take(self.ends.len())
    }

    /// How many rows each group has, at least one.
    pub(super) fn sizes(&self) -> impl Iterator<Item = usize> + '_ {
        self.ends.iter().zip(self.starts()).map(|(end, start)| *end as usize - start)
    }

    /// Takes the first of every group out of a list with one number a row.
    pub(super) fn remove_starts<T>(&self, numbers: &mut Vec<T>) {
        let mut starts = self.starts().peekable();
        let mut row = 0;
        numbers.retain(|_| {
            let first = starts.next_if_eq(&row).is_some();
            row += 1;
            !first
        });
    }

    /// Appends the sizes.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        super::super::row::put_varint(out, self.len() as u64);
        ints::put(out, &self.sizes().map(|size| size as u64 - 1).collect::<Vec<_>>());
    }

    /// Reads the groups of so many rows.
    pub(super) fn take(reader: &mut Reader<'_>, rows: usize) -> Option<Groups> {
        let groups = usize::try_from(reader.varint()?).ok().filter(|groups| *groups <= rows)?;
        let mut ends = ints::take(reader, groups, |size| size)?;
        let mut end = 0u64;
        for slot in &mut ends {
            end = end.checked_add(*slot)?.checked_add(1)?;
            *slot = end;
        }
        let ends = ends.into_iter().map(|end| u32::try_from(end).ok()).collect::<Option<Vec<u32>>>()?;
        let groups = Groups { ends };
        (groups.rows() == rows).then_some(groups)
    }

    /// Bytes of memory held.
    pub(super) fn bytes(&self) -> usize {
        self.ends.capacity() * 4
    }
}
