//! Request bodies, bounded in size, time and memory.
//!
//! A body is read chunk by chunk up to its limit, under a deadline of its own, and inflated by ourselves through a bounded reader: the
//! framework never inflates anything. Memory for all bodies together comes out of one budget; without it the answer is 503.
//!
//! A client that has sent its whole request and leaves without waiting has sent its events all the same: [`to_the_end`] takes them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, rt, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;

use crate::protocol::inflate::{Encoding, InflateError, inflate};

use super::error::Problem;
use super::extract::header;

/// A compressed body is first granted this many times its size; only one that inflates to more asks for the whole limit.
const RATIO_GRANTED: usize = 16;
/// The least that is granted to a compressed body.
const GRANT_MIN: usize = 64 << 10;

/// Bounds of one body.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Bytes as sent.
    pub sent_max: usize,
    /// Bytes after inflation.
    pub inflated_max: usize,
    /// Time for all of it to arrive, and again for inflating it.
    pub timeout: Duration,
}

/// Memory that all bodies share.
#[derive(Clone)]
pub struct BodyBudget {
    used: Arc<AtomicUsize>,
    max: usize,
}

impl BodyBudget {
    /// A budget of `max` bytes.
    pub fn new(max: usize) -> BodyBudget {
        BodyBudget { used: Arc::default(), max }
    }

    fn take(&self, bytes: usize) -> Result<Share, Problem> {
        let fits = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= self.max);
        match self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits) {
            Ok(_) => Ok(Share { budget: self.clone(), bytes }),
            Err(_) => Err(Problem::overloaded("too many request bodies are in memory; try again later")),
        }
    }
}

/// A part of the budget, given back when dropped.
struct Share {
    budget: BodyBudget,
    bytes: usize,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A complete, inflated body.
pub struct Body {
    bytes: Bytes,
    _share: Share,
}

impl std::ops::Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Bodies that are not compressed and up to this size are decoded and scrubbed where they arrive; others on other threads, so that one large
/// request does not hold up the small ones on its connection's thread.
pub const INLINE_BYTES_MAX: usize = 256 << 10;

/// Takes the events of a request. `work` ends when the client leaves; but once the body has arrived, its events are taken. A small body is decoded and
/// handed to the writer in the moment in which its last byte arrives; any other takes a while, and has a task of its own that nobody's leaving ends.
///
/// # Errors
/// Those of `work`.
pub async fn to_the_end(
    request: &HttpRequest,
    work: impl Future<Output = Result<HttpResponse, Problem>> + 'static,
) -> Result<HttpResponse, Problem> {
    let is_small = announced(request).is_some_and(|length| length <= INLINE_BYTES_MAX);
    if is_small && header(request, "content-encoding").is_none() {
        return work.await;
    }
    rt::spawn(work).await.map_err(|_| Problem::overloaded("the gateway is shutting down"))?
}

fn announced(request: &HttpRequest) -> Option<usize> {
    header(request, "content-length").and_then(|length| length.parse().ok())
}

/// Reads and inflates the body of a request.
pub async fn read(
    request: &HttpRequest,
    payload: web::Payload,
    limits: BodyLimits,
    budget: &BodyBudget,
) -> Result<Body, Problem> {
    let encoding = Encoding::from_header(header(request, "content-encoding"))?;
    let announced = announced(request);
    if announced.is_some_and(|length| length > limits.sent_max) {
        return Err(too_large(limits));
    }
    let share = budget.take(announced.unwrap_or(GRANT_MIN))?;
    let sent = tokio::time::timeout(limits.timeout, collect(payload, announced, limits, budget)).await;
    let (sent, more) =
        sent.map_err(|_| Problem::new(StatusCode::REQUEST_TIMEOUT, "the body took too long to arrive"))??;
    if encoding == Encoding::Identity {
        return Ok(Body { bytes: sent, _share: more.unwrap_or(share) });
    }
    inflated(encoding, sent, limits, budget).await
}

fn too_large(limits: BodyLimits) -> Problem {
    Problem::too_large("the body is larger than allowed", limits.sent_max)
}

/// Reads the payload; a body of unannounced length takes more of the budget as it grows.
async fn collect(
    mut payload: web::Payload,
    announced: Option<usize>,
    limits: BodyLimits,
    budget: &BodyBudget,
) -> Result<(Bytes, Option<Share>), Problem> {
    let mut sent = BytesMut::with_capacity(announced.unwrap_or_default().min(limits.sent_max));
    let mut share: Option<Share> = None;
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Problem::bad_request("the body did not arrive completely"))?;
        if sent.len() + chunk.len() > limits.sent_max {
            return Err(too_large(limits));
        }
        if announced.is_none() && sent.len() + chunk.len() > share.as_ref().map_or(GRANT_MIN, |share| share.bytes) {
            let double = ((sent.len() + chunk.len()) * 2).min(limits.sent_max);
            drop(share.take());
            share = Some(budget.take(double)?);
        }
        sent.extend_from_slice(&chunk);
    }
    Ok((sent.freeze(), share))
}

async fn inflated(encoding: Encoding, sent: Bytes, limits: BodyLimits, budget: &BodyBudget) -> Result<Body, Problem> {
    let first = sent.len().saturating_mul(RATIO_GRANTED).clamp(GRANT_MIN, limits.inflated_max.max(GRANT_MIN));
    match inflate_within(encoding, sent.clone(), first.min(limits.inflated_max), limits, budget).await? {
        Err(InflateError::TooLarge { limit }) if limit < limits.inflated_max => {
            Ok(inflate_within(encoding, sent, limits.inflated_max, limits, budget).await??)
        }
        done => Ok(done?),
    }
}

async fn inflate_within(
    encoding: Encoding,
    sent: Bytes,
    most: usize,
    limits: BodyLimits,
    budget: &BodyBudget,
) -> Result<Result<Body, InflateError>, Problem> {
    /// Bodies that inflate to at most this are done where they are; larger ones on another thread.
    const INLINE_MAX: usize = 1 << 20;
    let share = budget.take(most)?;
    let started = Instant::now();
    // The share goes along: the work goes on when the client leaves, and holds the memory until it ends.
    let work = move || (inflate(encoding, &sent, most, &mut || started.elapsed() > limits.timeout), share);
    let (bytes, share) = if most <= INLINE_MAX {
        work()
    } else {
        web::block(work).await.map_err(|_| Problem::overloaded("the gateway is shutting down"))?
    };
    Ok(bytes.map(|bytes| Body { bytes: Bytes::from(bytes), _share: share }))
}
