//! Sends requests over kept-alive connections, one thread each, and counts what is answered.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use memchr::memmem;

use crate::events::{Body, ID_DIGITS, Ids, Source};

use super::server::Server;

/// Stack of a connection's thread; it calls little.
const STACK_BYTES: usize = 256 * 1024;
/// A head of an answer longer than this is a mistake.
const HEAD_MAX: usize = 64 * 1024;
/// No answer takes longer, or the run is void.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Connections begin at bodies so far from each other.
const STRIDE: usize = 37;

/// Requests without their heads, which hold a server's key.
pub(super) struct Requests {
    bodies: Vec<Body>,
    /// Number of the next event id.
    next_id: AtomicU64,
}

impl Requests {
    pub(super) fn new(source: &mut Source, events: usize, count: usize, ids: Ids) -> Requests {
        let bodies = (0..count).map(|_| source.body(events, ids)).collect();
        Requests { bodies, next_id: AtomicU64::new(1) }
    }
}

/// What was answered in one window.
#[derive(Default)]
pub(super) struct Driven {
    /// Acknowledged events.
    pub(super) events: u64,
    /// Answers that do not acknowledge all events of their request.
    pub(super) failures: u64,
    /// Bytes of the bodies that were acknowledged.
    pub(super) body_bytes: u64,
    /// From the first request to the last answer.
    pub(super) elapsed: Duration,
    /// From sending a request to having read its answer, ascending, in microseconds.
    pub(super) latencies_us: Vec<u32>,
}

/// Drives `server` over so many connections for so long.
pub(super) fn drive(server: &Server, requests: &Requests, connections: usize, window: Duration) -> io::Result<Driven> {
    let heads: Vec<Vec<u8>> = requests.bodies.iter().map(|body| server.head(body.bytes.len())).collect();
    // Every connection is open before the clock starts.
    let opened = (0..connections).map(|_| Connection::open(server.address)).collect::<io::Result<Vec<_>>>()?;
    let begin = Instant::now();
    let mut total = thread::scope(|scope| {
        let drive = |(number, mut connection): (usize, Connection)| {
            let heads = &heads;
            let work = move || connection.drive(server, requests, heads, number * STRIDE, begin + window);
            thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work)
        };
        let threads = opened.into_iter().enumerate().map(drive).collect::<io::Result<Vec<_>>>()?;
        threads.into_iter().try_fold(Driven::default(), |mut total, thread| {
            let own = thread.join().map_err(|_| io::Error::other("a driver's thread panicked"))??;
            total.events += own.events;
            total.failures += own.failures;
            total.body_bytes += own.body_bytes;
            total.latencies_us.extend(own.latencies_us);
            Ok::<_, io::Error>(total)
        })
    })?;
    total.elapsed = begin.elapsed();
    total.latencies_us.sort_unstable();
    Ok(total)
}

/// One kept-alive connection.
struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Connection {
    fn open(address: SocketAddr) -> io::Result<Connection> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        Ok(Connection { stream, request: Vec::new(), answer: Vec::new() })
    }

    fn drive(
        &mut self,
        server: &Server,
        requests: &Requests,
        heads: &[Vec<u8>],
        first: usize,
        end: Instant,
    ) -> io::Result<Driven> {
        let mut driven = Driven::default();
        let turns = heads.iter().zip(&requests.bodies).cycle().skip(first % heads.len());
        for (head, body) in turns {
            self.prepare(head, body, &requests.next_id);
            let begin = Instant::now();
            if begin >= end {
                break;
            }
            self.stream.write_all(&self.request)?;
            let accepted = self.read_answer()? && server.acknowledges(&self.answer, body.events);
            driven.latencies_us.push(begin.elapsed().as_micros().try_into().unwrap_or(u32::MAX));
            if accepted {
                driven.events += body.events as u64;
                driven.body_bytes += body.bytes.len() as u64;
            } else {
                driven.failures += 1;
            }
        }
        Ok(driven)
    }

    /// Puts the request together, with ids that no other request has.
    fn prepare(&mut self, head: &[u8], body: &Body, next_id: &AtomicU64) {
        self.request.clear();
        self.request.extend_from_slice(head);
        self.request.extend_from_slice(&body.bytes);
        let first = next_id.fetch_add(body.ids.len() as u64, Ordering::Relaxed);
        for (id, place) in (first..).zip(&body.ids) {
            let place = head.len() + place;
            if let Some(mut digits) = self.request.get_mut(place..place + ID_DIGITS) {
                // The slot has exactly as many bytes as are written.
                let _ = write!(digits, "{id:0ID_DIGITS$x}");
            }
        }
    }

    /// Reads one answer whole; `true` for status 200.
    fn read_answer(&mut self) -> io::Result<bool> {
        self.answer.clear();
        let mut chunk = [0u8; 16 * 1024];
        let mut whole = None;
        loop {
            let read = self.stream.read(&mut chunk)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.answer.extend_from_slice(chunk.get(..read).unwrap_or_default());
            if whole.is_none() {
                whole = length(&self.answer)?;
            }
            if whole.is_some_and(|whole| self.answer.len() >= whole) {
                return Ok(self.answer.get(9..12) == Some(b"200"));
            }
        }
    }
}

/// Bytes of the whole answer, once its head is there.
pub(super) fn length(answer: &[u8]) -> io::Result<Option<usize>> {
    let Some(end) = memmem::find(answer, b"\r\n\r\n") else {
        return if answer.len() > HEAD_MAX { Err(io::ErrorKind::InvalidData.into()) } else { Ok(None) };
    };
    let head = std::str::from_utf8(answer.get(..end).unwrap_or_default()).map_err(|_| io::ErrorKind::InvalidData)?;
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    let body = fields
        .filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .find_map(|(_, value)| value.trim().parse::<usize>().ok());
    body.map(|body| Some(end + 4 + body)).ok_or_else(|| io::ErrorKind::InvalidData.into())
}
