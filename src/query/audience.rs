//! Whether an answer that is filtered by what is linked to people is about enough of them.
//!
//! The numbers of a filtered answer are told to who may read aggregates only when at least `k` people are in it, and when those that it leaves
//! out are at least `k` too, or nobody: the answer without the filter is open to the same reader, and the one subtracted from the other is an
//! answer about the rest. `type` and `name` are no such filters: tools are nobody.

use serde::Serialize;

use super::disclosure::{Disclosure, Guard};
use super::scan::Filter;
use super::subject::{People, Subjects};
use super::{Error, Moment, Params, Scan};

/// An answer, or that there is none to be told.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Told<T> {
    /// Too few people are in it, or outside of it.
    Withheld(Withheld),
    /// The answer.
    Answer(T),
}

/// What is told instead of an answer.
#[derive(Debug, Serialize)]
pub struct Withheld {
    /// Start of the range, inclusive.
    pub from: Moment,
    /// End of the range, exclusive.
    pub to: Moment,
    /// Says so.
    pub disclosure: Disclosure,
}

/// The answer, unless it is filtered by what is linked to people and about too few of them.
///
/// # Errors
/// [`Error::Stopped`], [`Error::Damaged`], [`Error::Erased`], and those of the answer.
pub fn guarded<T>(
    scan: &Scan<'_>,
    params: &Params,
    guard: Guard,
    answer: impl FnOnce() -> Result<T, Error>,
) -> Result<Told<T>, Error> {
    if guard.is_on() && params.is_subject_filtered() && hides(scan, params, guard)? {
        let disclosure = guard.withheld();
        return Ok(Told::Withheld(Withheld { from: Moment(params.from), to: Moment(params.to), disclosure }));
    }
    answer().map(Told::Answer)
}

fn hides(scan: &Scan<'_>, params: &Params, guard: Guard) -> Result<bool, Error> {
    let filter = params.filter();
    let open = Filter { session: None, ..filter };
    let (mut subjects, mut inside, mut outside) = (Subjects::default(), People::new(), People::new());
    for chunk in scan.chunks(&Subjects::need().and(&filter.need()), open) {
        let chunk = chunk?;
        let codes = scan.codes(&chunk, filter)?;
        let mut of_chunk = subjects.of(&chunk);
        for row in chunk.rows() {
            let is_inside = codes.as_ref().is_some_and(|codes| codes.matches(chunk.columns(), row));
            let people = if is_inside { &mut inside } else { &mut outside };
            people.extend(of_chunk.at(row));
        }
    }
    Ok(guard.hides(subjects.count(&inside)) || guard.hides(subjects.count(&outside)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::oracle::{self, Query, Sample, samples};
    use super::super::params::Question;
    use super::*;

    proptest! {
        #[test]
        fn a_filter_tells_of_enough_people_on_both_sides(samples in samples(), chunk in 1..20usize, query in oracle::query(), k in 2..5u64) {
            let params = query.params(Question::Summary);
            let parts = query.parts(&samples, chunk);
            let scan = Scan::new(&parts, 1000).unwrap();
            let told = guarded(&scan, &params, Guard::of(k), || Ok(())).unwrap();
            let open = Query { session: None, ..query.clone() }.matching(&samples);
            let read: Vec<Sample> = open.iter().map(|s| (*s).clone()).collect();
            let (inside, outside): (Vec<&Sample>, Vec<&Sample>) = open.iter().partition(|s| query.is_match(s));
            let few = |rows: &[&Sample]| (1..k).contains(&oracle::subjects(rows, &read));
            let expected = query.session.is_some() && (few(&inside) || few(&outside));
            prop_assert_eq!(matches!(told, Told::Withheld(_)), expected);
            prop_assert!(matches!(guarded(&scan, &params, Guard::OFF, || Ok(())).unwrap(), Told::Answer(())));
        }
    }
}
