//! Bodies that a thread of its own makes piece by piece: exports.
//!
//! What such a body holds (pieces that wait, its share of the places for exports) ends in one of three ways: it was read to its end, its client has
//! left, or its time is up, whether the client reads or not. Whatever the thread is doing then, it ends at its next look at [`Outlet::is_over`] or with
//! its next piece; its place is free once both have ended. A body that does not come to its end breaks off with an error, so that no client takes a part
//! for the whole.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use actix_web::rt;
use actix_web::rt::task::JoinHandle;
use actix_web::web;
use bytes::Bytes;
use futures_util::Stream;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::query;

use super::Services;
use super::error::Problem;
use super::questions::Gone;

/// Pieces that wait for a slow client.
const PIECES_AHEAD: usize = 2;

/// The right to make one such body.
pub(super) struct Place {
    permit: OwnedSemaphorePermit,
    working: Arc<()>,
    time: Duration,
}

impl Place {
    /// Takes a place, if there is one.
    pub(super) fn take(services: &Services) -> Result<Place, Problem> {
        let permit = Arc::clone(&services.exports).try_acquire_owned();
        let permit = permit.map_err(|_| Problem::overloaded("too many exports are under way; try again later"))?;
        Ok(Place { permit, working: Arc::clone(&services.working), time: services.live.load().export_timeout })
    }
}

enum Piece {
    Bytes(Bytes),
    End,
    Broken(io::Error),
}

/// Where the thread gives its pieces.
pub(super) struct Outlet {
    to_client: mpsc::Sender<Piece>,
    over: Arc<AtomicBool>,
}

impl Outlet {
    /// Whether nobody takes any more pieces: the client has left, or time is up.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Gives a piece, waiting for a slow client; `false` when nobody takes it.
    pub(super) fn give(&self, piece: Vec<u8>) -> bool {
        self.to_client.blocking_send(Piece::Bytes(Bytes::from(piece))).is_ok()
    }
}

/// What a body holds until it ends.
struct Held {
    pieces: mpsc::Receiver<Piece>,
    _permit: Arc<OwnedSemaphorePermit>,
    _gone: Gone,
}

#[derive(Default)]
struct Lease {
    held: Option<Held>,
    /// Who waits for the next piece.
    reader: Option<Waker>,
    /// Whether the body's end was told.
    ended: bool,
}

/// The body.
pub(super) struct Pieces {
    lease: Arc<Mutex<Lease>>,
    timer: JoinHandle<()>,
}

impl Pieces {
    /// Sets `work` going on a thread of its own.
    pub(super) fn begin(
        place: Place,
        work: impl FnOnce(&Outlet) -> Result<(), query::Error> + Send + 'static,
    ) -> Pieces {
        let Place { permit, working, time } = place;
        let permit = Arc::new(permit);
        let (to_client, pieces) = mpsc::channel(PIECES_AHEAD);
        let gone = Gone::default();
        let outlet = Outlet { to_client, over: Arc::clone(&gone.0) };
        let held = Held { pieces, _permit: Arc::clone(&permit), _gone: gone };
        let lease = Arc::new(Mutex::new(Lease { held: Some(held), ..Lease::default() }));
        // Detached on purpose: it ends with the lease.
        drop(web::block(move || {
            let last = match work(&outlet) {
                Ok(()) => Piece::End,
                Err(error) => {
                    if !outlet.is_over() {
                        tracing::warn!(error = &error as &dyn std::error::Error, "an export was broken off");
                    }
                    Piece::Broken(io::Error::other(error))
                }
            };
            // Whoever has left needs no end.
            let _ = outlet.to_client.blocking_send(last);
            drop((working, permit));
        }));
        let timed = Arc::clone(&lease);
        let timer = rt::spawn(async move {
            tokio::time::sleep(time).await;
            tracing::warn!("an export was broken off: its time is up");
            end(&timed);
        });
        Pieces { lease, timer }
    }
}

impl Stream for Pieces {
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut lease = locked(&self.lease);
        let next = match &mut lease.held {
            Some(held) => match held.pieces.poll_recv(context) {
                Poll::Ready(next) => next,
                Poll::Pending => {
                    lease.reader = Some(context.waker().clone());
                    return Poll::Pending;
                }
            },
            None => None,
        };
        if let Some(Piece::Bytes(bytes)) = next {
            return Poll::Ready(Some(Ok(bytes)));
        }
        lease.held = None;
        let was_ended = std::mem::replace(&mut lease.ended, true);
        Poll::Ready(match next {
            Some(Piece::Broken(error)) => Some(Err(error)),
            None if !was_ended => Some(Err(io::Error::other("the answer was broken off"))),
            Some(Piece::End | Piece::Bytes(_)) | None => None,
        })
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        self.timer.abort();
        end(&self.lease);
    }
}

/// Lets go of everything, and tells whoever waits for a piece.
fn end(lease: &Mutex<Lease>) {
    let (held, reader) = {
        let mut lease = locked(lease);
        (lease.held.take(), lease.reader.take())
    };
    drop(held);
    if let Some(reader) = reader {
        reader.wake();
    }
}

/// A panic of another holder cannot leave it half changed: every change is one assignment.
fn locked(lease: &Mutex<Lease>) -> MutexGuard<'_, Lease> {
    lease.lock().unwrap_or_else(PoisonError::into_inner)
}
