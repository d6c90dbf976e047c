//! Group commit: one thread turns many small submissions into few synced writes.
//!
//! A submission has two halves. Its *stage* adds to the group's batch; stages run on the writer's thread, one after the other, so
//! they may decide things that need a total order (is this event id new? which index does this leaf get?). Its *done* is
//! called after the group is on the disk, or with the reason why it is not.
//!
//! While one group is being synced the next one gathers. When several submitters are at work the writer also waits a moment
//! ([`WriterSettings::linger`]) for as many submissions as the group before had: with many clients that each wait
//! for their answer this makes few large groups out of many small ones; a lone client never waits.
//!
//! A failed write is ambiguous: what of it is on the disk is not known, and the stages have changed their heads already. It poisons the
//! writer. A full disk is foreseen instead, before anything is staged, and passes ([`CommitError::Full`]): events are refused while less than
//! [`WriterSettings::disk_free_min`] is free. Small changes may use half of that, since they are owed (records of reads) or make room (expiry).

use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::{Batch, Error, Kv};

/// Small changes are counted at this cost, so that a flood of them is bounded too.
const SMALL_COST: usize = 1024;

/// Why a submission did not become durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// Too much is waiting to be written; try again later.
    #[error("too much is waiting to be written")]
    Overloaded,
    /// The disk is full. Nothing was written; it will be again when there is room.
    #[error("the disk is full")]
    Full,
    /// A write failed earlier; nothing is written until a restart.
    #[error("an earlier write failed; the gateway must be restarted")]
    Poisoned,
    /// The gateway is shutting down.
    #[error("the gateway is shutting down")]
    Stopped,
}

/// Something whose in-memory head advances with every group, such as the journal or an audit log. All calls come from the writer's thread.
pub trait Participant: Send + Sync {
    /// Every submission of the group is staged: adds what is written once per group.
    fn close_group(&self, batch: &mut Batch);
    /// The group is durable: what was staged may now be shown.
    fn committed(&self);
}

/// Bounds and timing of the writer.
#[derive(Clone, Copy, Debug)]
pub struct WriterSettings {
    /// How long a group may wait for companions.
    pub linger: Duration,
    /// A group is closed at this cost (bytes).
    pub group_bytes_max: usize,
    /// Submissions beyond this cost (bytes) in waiting are refused.
    pub queue_bytes_max: usize,
    /// Events are refused while fewer bytes than this are free on the disk.
    pub disk_free_min: u64,
}

/// One group, for metrics.
#[derive(Clone, Copy, Debug)]
pub struct GroupStats {
    /// Submissions in it.
    pub submissions: usize,
    /// From the moment the group was closed until it was durable.
    pub took: Duration,
    /// Whether it was written.
    pub written: bool,
}

/// Both halves of a submission, and what the first one handed to the second.
struct Halves<S, T, D> {
    stage: Option<S>,
    staged: Option<T>,
    done: D,
}

trait Submission: Send {
    fn stage(&mut self, batch: &mut Batch);
    fn done(self: Box<Self>, result: Result<(), CommitError>);
}

impl<S, T, D> Submission for Halves<S, T, D>
where
    S: FnOnce(&mut Batch) -> T + Send,
    T: Send,
    D: FnOnce(Result<T, CommitError>) + Send,
{
    fn stage(&mut self, batch: &mut Batch) {
        self.staged = self.stage.take().map(|stage| stage(batch));
    }

    fn done(self: Box<Self>, result: Result<(), CommitError>) {
        let Halves { staged, done, .. } = *self;
        done(result.and_then(|()| staged.ok_or(CommitError::Poisoned)));
    }
}

struct Waiting {
    cost: usize,
    submission: Box<dyn Submission>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Waiting>,
    cost: usize,
    closed: Option<CommitError>,
    /// The writer sleeps until this many wait; `None` while it is at work. Waking it for each one would cost more than the group saves.
    wake_at: Option<usize>,
}

impl Queue {
    fn is_full_enough(&self, bytes_max: usize) -> bool {
        self.wake_at.is_some_and(|count| self.waiting.len() >= count || self.cost >= bytes_max)
    }
}

struct Shared {
    kv: Arc<Kv>,
    queue: Mutex<Queue>,
    changed: Condvar,
    settings: WriterSettings,
    /// Whether the disk was found full and that was logged.
    full: AtomicBool,
}

impl Shared {
    /// The queue; a panic elsewhere cannot leave it half changed, since every change is a single push or take.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether `bytes` may be written with at least `free_min` left. A disk that does not tell how full it is shows it by failing.
    fn has_room(&self, bytes: usize, free_min: u64) -> bool {
        let needed = free_min.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        self.kv.free_bytes().is_none_or(|free| free >= needed)
    }

    fn note_full(&self) {
        if !self.full.swap(true, Ordering::Relaxed) {
            tracing::error!("the disk is full: events are refused until there is room");
        }
    }

    fn note_written(&self) {
        let has_room = || self.has_room(0, self.settings.disk_free_min);
        if self.full.load(Ordering::Relaxed) && has_room() {
            self.full.store(false, Ordering::Relaxed);
            tracing::info!("there is room on the disk again");
        }
    }

    fn close(&self, reason: CommitError) {
        let mut queue = self.queue();
        if queue.closed != Some(CommitError::Poisoned) {
            queue.closed = Some(reason);
        }
        drop(queue);
        self.changed.notify_all();
    }
}

/// Handle to the writer's thread; clones share it. The thread ends at [`Writer::stop`] or with the last of them.
#[derive(Clone)]
pub struct Writer {
    shared: Arc<Shared>,
    thread: Arc<Thread>,
}

struct Thread {
    shared: Arc<Shared>,
    handle: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Thread {
    /// Waits for the thread, so that the database is closed and not caught open by the end of the process; but not when the last handle goes on
    /// the thread itself, with a submission that held it.
    fn drop(&mut self) {
        self.shared.close(CommitError::Stopped);
        let handle = self.handle.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(handle) = handle.filter(|handle| handle.thread().id() != std::thread::current().id()) {
            // A panic of the thread was reported when it happened.
            let _ = handle.join();
        }
    }
}

impl Writer {
    /// Starts the thread. `observe` is told of every group.
    pub fn start(
        kv: Arc<Kv>,
        participants: Vec<Arc<dyn Participant>>,
        settings: WriterSettings,
        observe: impl Fn(GroupStats) + Send + 'static,
    ) -> std::io::Result<Writer> {
        let (queue, changed, full) = Default::default();
        let shared = Arc::new(Shared { kv, queue, changed, settings, full });
        let mut work = Work {
            participants,
            shared: Arc::clone(&shared),
            expected: Expected { last: 1, groups: 0 },
            observe: Box::new(observe),
        };
        let handle = std::thread::Builder::new().name("writer".into()).spawn(move || work.run())?;
        let thread = Arc::new(Thread { shared: Arc::clone(&shared), handle: Mutex::new(Some(handle)) });
        Ok(Writer { shared, thread })
    }

    /// Queues events of about `cost` bytes. `stage` and `done` run on the writer's thread (see the module); what the one returns the
    /// other gets, once it is durable.
    ///
    /// # Errors
    /// Nothing was queued and neither half will be called.
    pub fn submit<T: Send + 'static>(
        &self,
        cost: usize,
        stage: impl FnOnce(&mut Batch) -> T + Send + 'static,
        done: impl FnOnce(Result<T, CommitError>) + Send + 'static,
    ) -> Result<(), CommitError> {
        self.enqueue(cost, self.shared.settings.disk_free_min, stage, done)
    }

    /// Queues a small change, which may also use room that events must leave.
    fn submit_small<T: Send + 'static>(
        &self,
        stage: impl FnOnce(&mut Batch) -> T + Send + 'static,
        done: impl FnOnce(Result<T, CommitError>) + Send + 'static,
    ) -> Result<(), CommitError> {
        self.enqueue(SMALL_COST, self.shared.settings.disk_free_min / 2, stage, done)
    }

    fn enqueue<T: Send + 'static>(
        &self,
        cost: usize,
        free_min: u64,
        stage: impl FnOnce(&mut Batch) -> T + Send + 'static,
        done: impl FnOnce(Result<T, CommitError>) + Send + 'static,
    ) -> Result<(), CommitError> {
        let has_room = self.shared.has_room(cost, free_min);
        let submission = Box::new(Halves { stage: Some(stage), staged: None, done });
        let mut queue = self.shared.queue();
        if let Some(reason) = queue.closed {
            return Err(reason);
        }
        if !has_room {
            self.shared.note_full();
            return Err(CommitError::Full);
        }
        if queue.cost.saturating_add(cost) > self.shared.settings.queue_bytes_max {
            return Err(CommitError::Overloaded);
        }
        queue.cost += cost;
        queue.waiting.push(Waiting { cost, submission });
        let wake = queue.is_full_enough(self.shared.settings.group_bytes_max);
        drop(queue);
        if wake {
            self.shared.changed.notify_one();
        }
        Ok(())
    }

    /// Submits a small change and blocks until it is durable; returns what `stage` returned. Not to be called from an async task.
    pub fn commit<T: Send + 'static>(
        &self,
        stage: impl FnOnce(&mut Batch) -> T + Send + 'static,
    ) -> Result<T, CommitError> {
        self.begin(stage)?.blocking_recv().unwrap_or(Err(CommitError::Poisoned))
    }

    /// Submits a small change and waits until it is durable; returns what `stage` returned.
    pub async fn commit_async<T: Send + 'static>(
        &self,
        stage: impl FnOnce(&mut Batch) -> T + Send + 'static,
    ) -> Result<T, CommitError> {
        self.begin(stage)?.await.unwrap_or(Err(CommitError::Poisoned))
    }

    /// Submits a small change, calls `then` on the writer's thread once it is durable, and waits for what that returns. `then` is called
    /// even if nobody waits any more: what must follow from a durable change does not depend on the patience of a client.
    pub async fn commit_then<T: Send + 'static, U: Send + 'static>(
        &self,
        stage: impl FnOnce(&mut Batch) -> T + Send + 'static,
        then: impl FnOnce(T) -> U + Send + 'static,
    ) -> Result<U, CommitError> {
        let (answer, answered) = oneshot::channel();
        self.submit_small(stage, move |result| _ = answer.send(result.map(then)))?;
        answered.await.unwrap_or(Err(CommitError::Poisoned))
    }

    fn begin<T: Send + 'static>(
        &self,
        stage: impl FnOnce(&mut Batch) -> T + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T, CommitError>>, CommitError> {
        let (answer, answered) = oneshot::channel();
        // The submitter may have gone away; what it asked for is done all the same.
        self.submit_small(stage, move |result| _ = answer.send(result))?;
        Ok(answered)
    }

    /// Whether a write failed and nothing is written any more.
    pub fn is_poisoned(&self) -> bool {
        self.shared.queue().closed == Some(CommitError::Poisoned)
    }

    /// Whether the disk has room for events.
    pub fn has_room(&self) -> bool {
        self.shared.has_room(0, self.shared.settings.disk_free_min)
    }

    /// Bytes waiting to be written.
    pub fn queued_bytes(&self) -> usize {
        self.shared.queue().cost
    }

    /// Writes what is queued, refuses what comes later, and ends the thread.
    pub fn stop(&self) {
        self.shared.close(CommitError::Stopped);
        let handle = self.thread.handle.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(handle) = handle {
            // A panic of the thread has poisoned the queue already; there is nothing left to do about it here.
            let _ = handle.join();
        }
    }
}

/// What the thread owns.
struct Work {
    participants: Vec<Arc<dyn Participant>>,
    shared: Arc<Shared>,
    expected: Expected,
    observe: Box<dyn Fn(GroupStats) + Send>,
}

impl Work {
    fn run(&mut self) {
        while let Some(group) = self.gather() {
            self.expected.learn(group.len());
            self.write(group);
            if self.shared.queue().closed == Some(CommitError::Poisoned) {
                return;
            }
        }
    }

    /// Waits for the next group; `None` when the writer is closed and everything queued is written or refused.
    fn gather(&self) -> Option<Vec<Waiting>> {
        let bytes_max = self.shared.settings.group_bytes_max;
        let expected = self.expected.count();
        let mut queue = self.shared.queue();
        queue.wake_at = Some(1);
        while queue.waiting.is_empty() {
            if queue.closed.is_some() {
                return None;
            }
            queue = self.shared.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        if expected > 1 {
            queue.wake_at = Some(expected);
            let gathering = |queue: &mut Queue| queue.closed.is_none() && !queue.is_full_enough(bytes_max);
            let waited = self.shared.changed.wait_timeout_while(queue, self.shared.settings.linger, gathering);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        queue.wake_at = None;
        Some(take_group(&mut queue, bytes_max))
    }

    fn write(&mut self, mut group: Vec<Waiting>) {
        let closed_at = Instant::now();
        let result = self.check_writable().and_then(|()| {
            // A stage with a fault may have changed its head and not the batch: the same as a failed write.
            let written = panic::catch_unwind(AssertUnwindSafe(|| self.stage_and_write(&mut group))).unwrap_or(false);
            if written { Ok(()) } else { Err(CommitError::Poisoned) }
        });
        match result {
            Ok(()) => self.shared.note_written(),
            Err(CommitError::Poisoned) => {
                self.shared.close(CommitError::Poisoned);
                self.shared.kv.freeze();
            }
            Err(CommitError::Full | CommitError::Overloaded | CommitError::Stopped) => {}
        }
        let written = result.is_ok();
        (self.observe)(GroupStats { submissions: group.len(), took: closed_at.elapsed(), written });
        for waiting in group {
            waiting.submission.done(result);
        }
    }

    /// Whether a group may be staged: from then on a write that is refused leads no way back.
    fn check_writable(&self) -> Result<(), CommitError> {
        match self.shared.kv.check_writable() {
            Ok(()) => Ok(()),
            Err(Error::Full(_)) => {
                self.shared.note_full();
                Err(CommitError::Full)
            }
            Err(error) => {
                log_failure(&error);
                Err(CommitError::Poisoned)
            }
        }
    }

    fn stage_and_write(&self, group: &mut [Waiting]) -> bool {
        let mut batch = Batch::default();
        for waiting in group {
            waiting.submission.stage(&mut batch);
        }
        for participant in &self.participants {
            participant.close_group(&mut batch);
        }
        let written = batch.is_empty() || self.write_or_log(batch);
        if written {
            for participant in &self.participants {
                participant.committed();
            }
        }
        written
    }

    fn write_or_log(&self, batch: Batch) -> bool {
        self.shared.kv.write_synced(batch).inspect_err(log_failure).is_ok()
    }
}

fn log_failure(error: &Error) {
    tracing::error!(error = error as &dyn std::error::Error, "a write failed; nothing is written until a restart");
}

impl Drop for Work {
    /// The thread ends, by order or by panic: whoever still waits is told.
    fn drop(&mut self) {
        let mut queue = self.shared.queue();
        let reason = *queue.closed.get_or_insert(CommitError::Poisoned);
        let waiting = std::mem::take(&mut queue.waiting);
        queue.cost = 0;
        drop(queue);
        for waiting in waiting {
            waiting.submission.done(Err(reason));
        }
    }
}

/// How many submissions to wait for: as many as came before, and now and then a few more, to find out whether more would come.
struct Expected {
    last: usize,
    groups: usize,
}

impl Expected {
    /// Groups between two tries with more.
    const TRY_EVERY: usize = 16;

    fn learn(&mut self, submissions: usize) {
        self.last = submissions;
        self.groups = self.groups.wrapping_add(1);
    }

    fn count(&self) -> usize {
        if self.last > 1 && self.groups.is_multiple_of(Self::TRY_EVERY) {
            self.last + self.last / 4 + 1
        } else {
            self.last
        }
    }
}

/// Takes submissions from the front up to `bytes_max`; the first one goes in whatever it costs.
fn take_group(queue: &mut Queue, bytes_max: usize) -> Vec<Waiting> {
    let mut cost = 0usize;
    let mut count = 0;
    for submission in &queue.waiting {
        cost = cost.saturating_add(submission.cost);
        if count > 0 && cost > bytes_max {
            break;
        }
        count += 1;
    }
    let rest = queue.waiting.split_off(count);
    let group = std::mem::replace(&mut queue.waiting, rest);
    queue.cost = queue.cost.saturating_sub(group.iter().map(|s| s.cost).sum());
    group
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::Family;
    use super::*;

    const SETTINGS: WriterSettings = WriterSettings {
        linger: Duration::from_millis(1),
        group_bytes_max: 1 << 20,
        queue_bytes_max: 1 << 20,
        disk_free_min: 0,
    };

    fn writer(kv: &Arc<Kv>) -> Writer {
        Writer::start(Arc::clone(kv), Vec::new(), SETTINGS, |_| ()).unwrap()
    }

    #[test]
    fn what_is_committed_is_there_after_a_reopen() {
        let dir = tempfile::tempdir().unwrap();
        {
            let kv = Arc::new(Kv::open(dir.path()).unwrap());
            let writer = writer(&kv);
            let answer = writer.commit(|batch| {
                batch.put(Family::Meta, b"k", b"v");
                7
            });
            assert_eq!(answer, Ok(7));
            writer.stop();
            assert_eq!(writer.commit(|_| ()), Err(CommitError::Stopped));
        }
        let kv = Kv::open(dir.path()).unwrap();
        assert_eq!(kv.get(Family::Meta, b"k").unwrap().unwrap(), b"v");
    }

    #[test]
    fn stages_run_in_submission_order_and_every_done_is_called() {
        let dir = tempfile::tempdir().unwrap();
        let kv = Arc::new(Kv::open(dir.path()).unwrap());
        let writer = writer(&kv);
        let (order, answered) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
        for n in 0..500 {
            let (order, answered) = (Arc::clone(&order), Arc::clone(&answered));
            let stage = move |_: &mut Batch| order.lock().unwrap().push(n);
            let done =
                move |result: Result<(), _>| _ = answered.fetch_add(usize::from(result.is_ok()), Ordering::SeqCst);
            writer.submit(1, stage, done).unwrap();
        }
        writer.stop();
        assert_eq!(*order.lock().unwrap(), (0..500).collect::<Vec<_>>());
        assert_eq!(answered.load(Ordering::SeqCst), 500);
    }

    #[test]
    fn a_full_queue_refuses_and_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let writer = writer(&Arc::new(Kv::open(dir.path()).unwrap()));
        let refused = writer.submit(SETTINGS.queue_bytes_max + 1, |_| (), |_| ());
        assert_eq!(refused, Err(CommitError::Overloaded));
        writer.stop();
    }

    #[test]
    fn a_full_disk_refuses_before_anything_is_queued() {
        let dir = tempfile::tempdir().unwrap();
        let kv = Arc::new(Kv::open(dir.path()).unwrap());
        let settings = WriterSettings { disk_free_min: u64::MAX, ..SETTINGS };
        let writer = Writer::start(Arc::clone(&kv), Vec::new(), settings, |_| ()).unwrap();
        let refused = writer.submit(1, |_| panic!("it was staged"), |_: Result<(), _>| panic!("it was answered twice"));
        assert_eq!(refused, Err(CommitError::Full));
        assert_eq!(writer.commit(|_| ()), Err(CommitError::Full));
        assert!(!writer.is_poisoned());
        writer.stop();
    }

    #[test]
    fn without_a_handle_the_thread_ends_and_lets_go_of_the_database() {
        let dir = tempfile::tempdir().unwrap();
        let kv = Arc::new(Kv::open(dir.path()).unwrap());
        drop(writer(&kv));
        while Arc::strong_count(&kv) > 1 {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_stage_that_panics_poisons_the_writer_and_nobody_waits_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let writer = writer(&Arc::new(Kv::open(dir.path()).unwrap()));
        assert_eq!(writer.commit(|_| -> () { panic!("a stage with a fault") }), Err(CommitError::Poisoned));
        assert!(writer.is_poisoned());
        assert_eq!(writer.commit(|_| ()), Err(CommitError::Poisoned));
    }
}
