//! Named moments of a change, at which tests look at what a crash would leave: they copy the data directory and open the copy.
//!
//! In a build that serves, passing one is nothing.

/// Passes the moment called `name`.
#[cfg(not(test))]
pub(crate) fn passed(_: &'static str) {}

#[cfg(test)]
pub(crate) use watched::{passed, watch};

#[cfg(test)]
mod watched {
    use std::cell::RefCell;

    type Watcher = Box<dyn FnMut(&'static str)>;

    thread_local! {
        static WATCHER: RefCell<Option<Watcher>> = const { RefCell::new(None) };
    }

    /// Passes the moment called `name`.
    pub(crate) fn passed(name: &'static str) {
        WATCHER.with_borrow_mut(|watcher| watcher.iter_mut().for_each(|watcher| watcher(name)));
    }

    /// Does `work`, and calls `watcher` at every moment that this thread passes meanwhile.
    pub(crate) fn watch<T>(watcher: impl FnMut(&'static str) + 'static, work: impl FnOnce() -> T) -> T {
        WATCHER.set(Some(Box::new(watcher)));
        let done = work();
        WATCHER.set(None);
        done
    }
}
