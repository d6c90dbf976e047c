//! The baseline: a server that does what no durable ingestion over HTTP can do without, and nothing else.
//!
//! Built of the standard library alone, a thread a connection: with many connections a server that waits for all of them in few threads may well
//! use less. It reads requests by their `Content-Length`, appends bodies to one file, syncs that file once for all who wait, and answers. It parses
//! no event, knows no key and keeps nothing in memory. What a gateway costs above it is what the gateway does.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use super::driver;

/// The argument that makes the bench binary this server.
pub(crate) const BASELINE: &str = "serve-baseline";

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{\"status\":\"ok\"}";

/// Bodies on their way to the file.
#[derive(Default)]
struct Group {
    bytes: Vec<u8>,
    /// Number of the group that gathers now; all below `synced` are on the disk.
    gathering: u64,
    synced: u64,
}

#[derive(Default)]
struct Log {
    group: Mutex<Group>,
    /// There is something to write.
    filled: Condvar,
    /// A group is on the disk.
    on_disk: Condvar,
}

/// Serves until killed; writes `DIR/address` first.
pub(crate) fn serve(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let log = Arc::new(Log::default());
    let file = File::create(dir.join("log"))?;
    let writer = Arc::clone(&log);
    thread::spawn(move || writer.write(file));
    let listener = TcpListener::bind("127.0.0.1:0")?;
    fs::write(dir.join("address.new"), format!("{}\n", listener.local_addr()?))?;
    fs::rename(dir.join("address.new"), dir.join("address"))?;
    for stream in listener.incoming() {
        let (stream, log) = (stream?, Arc::clone(&log));
        // A connection that ends takes its thread with it; there is nobody to tell.
        thread::spawn(move || log.answer(stream));
    }
    Ok(())
}

impl Log {
    /// Writes and syncs one group after the other.
    fn write(&self, mut file: File) -> io::Result<()> {
        let mut bytes = Vec::new();
        loop {
            let mut group = self.group.lock().unwrap_or_else(PoisonError::into_inner);
            while group.bytes.is_empty() {
                group = self.filled.wait(group).unwrap_or_else(PoisonError::into_inner);
            }
            std::mem::swap(&mut bytes, &mut group.bytes);
            group.gathering += 1;
            drop(group);
            file.write_all(&bytes)?;
            file.sync_data()?;
            bytes.clear();
            let mut group = self.group.lock().unwrap_or_else(PoisonError::into_inner);
            group.synced = group.gathering;
            drop(group);
            self.on_disk.notify_all();
        }
    }

    /// Adds a body and waits until it is on the disk.
    fn append(&self, body: &[u8]) {
        let mut group = self.group.lock().unwrap_or_else(PoisonError::into_inner);
        let own = group.gathering;
        group.bytes.extend_from_slice(body);
        self.filled.notify_one();
        while group.synced <= own {
            group = self.on_disk.wait(group).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Answers the requests of one connection.
    fn answer(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let (mut request, mut chunk) = (Vec::new(), [0u8; 64 * 1024]);
        loop {
            let whole = loop {
                if let Some(whole) = driver::length(&request)?.filter(|whole| request.len() >= *whole) {
                    break whole;
                }
                let read = stream.read(&mut chunk)?;
                if read == 0 {
                    return Ok(());
                }
                request.extend_from_slice(chunk.get(..read).unwrap_or_default());
            };
            let body = memchr::memmem::find(&request, b"\r\n\r\n").map_or(0, |end| end + 4);
            self.append(request.get(body..whole).unwrap_or_default());
            request.drain(..whole);
            stream.write_all(ANSWER)?;
        }
    }
}
