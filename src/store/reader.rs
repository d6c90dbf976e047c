//! Reading sealed runs: fetch, decrypt, decode, remember.
//!
//! Only the blocks of the columns that are needed are touched; [`Reader::blocks_opened`] counts them, so that a test can tell. Decoded columns are
//! kept in a bounded cache, since a dashboard asks the same again and again. What a query holds beyond that is charged to its budget.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::keys::seal::commitment;
use crate::keys::{Secret, Vault};
use crate::kv::{Family, Kv};

use super::Error;
use super::block::{self, Place};
use super::budget::{Budget, Reservation};
use super::column::{BlockId, Decoded, Layout, decode_block};
use super::columns::Columns;
use super::key::RunId;
use super::need::Need;
use super::row::Reader as Bytes;
use super::run::{Form, Run};

/// The one block of a run of form [`Form::Frame`]: all other blocks, each led by its id and its length (varints).
pub(super) const FRAME: BlockId = BlockId(u16::MAX);
/// What an entry of the cache costs besides its columns.
const ENTRY_BYTES: u64 = 128;

/// Opens sealed runs.
pub struct Reader {
    kv: Arc<Kv>,
    vault: Arc<Vault>,
    cache: Cache<(RunId, BlockId), Kept, ByBytes>,
    budget: Arc<Budget>,
    blocks_opened: AtomicU64,
    bytes_read: AtomicU64,
}

/// With what it weighs. A block may grow while it is read (it remembers where things are), and a cache that weighs it otherwise when it goes than when
/// it came loses count.
#[derive(Clone)]
enum Kept {
    Layout(Arc<Layout>, u64),
    Block(Decoded, u64),
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<(RunId, BlockId), Kept> for ByBytes {
    fn weight(&self, _: &(RunId, BlockId), kept: &Kept) -> u64 {
        ENTRY_BYTES
            + match kept {
                Kept::Layout(_, bytes) | Kept::Block(_, bytes) => *bytes,
            }
    }
}

impl Reader {
    /// A reader with a cache of `cache_bytes`.
    pub fn new(kv: Arc<Kv>, vault: Arc<Vault>, budget: Arc<Budget>, cache_bytes: u64) -> Reader {
        /// A decoded column of a run of full size; only the cache's first guess at how many entries it will have.
        const TYPICAL_ENTRY_BYTES: u64 = 32 << 10;
        let entries = usize::try_from(cache_bytes / TYPICAL_ENTRY_BYTES).unwrap_or(usize::MAX).max(64);
        Reader {
            kv,
            vault,
            cache: Cache::with_weighter(entries, cache_bytes, ByBytes),
            budget,
            blocks_opened: AtomicU64::new(0),
            bytes_read: AtomicU64::new(0),
        }
    }

    /// The columns of a run that are needed, and what they are charged with.
    pub fn load(&self, run: &Run, need: &Need) -> Result<(Columns, Reservation), Error> {
        let mut source = Source { reader: self, run, key: None, frame: None };
        let layout = self.layout(&mut source)?;
        let mut blocks: Vec<(BlockId, Decoded)> = Vec::new();
        for id in layout.blocks_for(need) {
            let decoded = match self.cache.get(&(run.id, id)) {
                Some(Kept::Block(decoded, _)) => decoded,
                Some(Kept::Layout(..)) | None => {
                    let decoded = decode(&layout, id, &source.block(id)?, &blocks)?;
                    let bytes = decoded.bytes() as u64;
                    self.cache.insert((run.id, id), Kept::Block(decoded.clone(), bytes));
                    decoded
                }
            };
            blocks.push((id, decoded));
        }
        let bytes = blocks.iter().map(|(_, decoded)| decoded.bytes()).sum();
        let reservation = self.budget.reserve(bytes).ok_or(Error::QueryMemory)?;
        Ok((assemble(&layout, blocks)?, reservation))
    }

    /// Reads every block of a run past the cache and compares it with what the manifest says.
    pub fn verify(&self, run: &Run) -> Result<Columns, Error> {
        let mut hasher = blake3::Hasher::new();
        let (mut bytes, mut damage) = (0, None);
        let prefix = run.id.run_key();
        self.kv.scan(Family::Sealed, &prefix, &prefix, &mut |_, value| {
            hasher.update(value);
            bytes += value.len() as u64;
            if block::verify(value, run.rows).is_err() {
                damage = Some(damaged("a block's checksum"));
            }
            std::ops::ControlFlow::Continue(())
        })?;
        if let Some(damage) = damage {
            return Err(damage);
        }
        if bytes != run.bytes || *hasher.finalize().as_bytes() != run.digest {
            return Err(damaged("its blocks are not those of the manifest"));
        }
        let mut source = Source { reader: self, run, key: None, frame: None };
        let layout = decode_layout(run, &source.block(BlockId::LAYOUT)?)?;
        if layout.spans() != run.spans {
            return Err(damaged("its times are not those of the manifest"));
        }
        let mut blocks = Vec::new();
        for id in layout.blocks_for(&Need::all()) {
            let decoded = decode(&layout, id, &source.block(id)?, &blocks)?;
            blocks.push((id, decoded));
        }
        assemble(&layout, blocks)
    }

    /// Forgets what it knows of a run.
    pub fn forget(&self, id: RunId) {
        self.cache.retain(|(run, _), _| *run != id);
    }

    /// Blocks that were fetched and decrypted since the start.
    pub fn blocks_opened(&self) -> u64 {
        self.blocks_opened.load(Ordering::Relaxed)
    }

    /// Stored bytes of those blocks.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    /// Bytes that queries hold.
    pub fn held_bytes(&self) -> usize {
        self.budget.held()
    }

    /// Bytes of decoded columns that are remembered.
    pub fn cached_bytes(&self) -> u64 {
        self.cache.weight()
    }

    fn layout(&self, source: &mut Source<'_>) -> Result<Arc<Layout>, Error> {
        let place = (source.run.id, BlockId::LAYOUT);
        if let Some(Kept::Layout(layout, _)) = self.cache.get(&place) {
            return Ok(layout);
        }
        let bytes = source.block(BlockId::LAYOUT)?;
        let layout = Arc::new(decode_layout(source.run, &bytes)?);
        self.cache.insert(place, Kept::Layout(Arc::clone(&layout), bytes.len() as u64));
        Ok(layout)
    }
}

fn decode_layout(run: &Run, bytes: &[u8]) -> Result<Layout, Error> {
    let layout = Layout::decode(bytes).map_err(|_| damaged("its layout"))?;
    if layout.rows() == run.rows as usize { Ok(layout) } else { Err(damaged("its number of rows")) }
}

fn decode(layout: &Layout, id: BlockId, raw: &[u8], before: &[(BlockId, Decoded)]) -> Result<Decoded, Error> {
    let others = |wanted| before.iter().find(|(id, _)| *id == wanted).map(|(_, decoded)| decoded.clone());
    decode_block(layout, id, raw, &others).map_err(|_| damaged("a column"))
}

fn assemble(layout: &Layout, blocks: Vec<(BlockId, Decoded)>) -> Result<Columns, Error> {
    Columns::assemble(layout, blocks).map_err(|_| damaged("its columns do not fit each other"))
}

fn damaged(what: &'static str) -> Error {
    Error::DamagedBucket { what }
}

/// Where the raw blocks of one run come from.
struct Source<'r> {
    reader: &'r Reader,
    run: &'r Run,
    key: Option<Arc<Secret>>,
    /// The inflated blocks of a run of form [`Form::Frame`].
    frame: Option<Vec<u8>>,
}

impl Source<'_> {
    fn block(&mut self, id: BlockId) -> Result<Vec<u8>, Error> {
        match self.run.form {
            Form::Columns => self.fetch(id),
            Form::Frame => {
                let frame = match self.frame.take() {
                    Some(frame) => frame,
                    None => self.fetch(FRAME)?,
                };
                let found = find_in_frame(&frame, id).map(<[u8]>::to_vec);
                self.frame = Some(frame);
                found.ok_or(damaged("a block is missing"))
            }
        }
    }

    fn fetch(&mut self, id: BlockId) -> Result<Vec<u8>, Error> {
        let Reader { kv, vault, blocks_opened, bytes_read, .. } = self.reader;
        let run_key = self.run.id.run_key();
        let key = match &self.key {
            Some(key) => Arc::clone(key),
            None => {
                let key = vault.dek(self.run.id.bucket.tenant, self.run.dek)?.ok_or(Error::Erased)?;
                if commitment(&key, &run_key) != self.run.commitment {
                    return Err(damaged("its key is another one"));
                }
                self.key.insert(key).clone()
            }
        };
        // An unlinked file means that the run was let go while it was being read.
        let block = kv.get(Family::Sealed, &self.run.id.block_key(id.0))?.ok_or(Error::Erased)?;
        blocks_opened.fetch_add(1, Ordering::Relaxed);
        bytes_read.fetch_add(block.len() as u64, Ordering::Relaxed);
        let place = Place { run: &run_key, block: id.0, rows: self.run.rows };
        block::open(&key, place, &block).map_err(|_| damaged("a block"))
    }
}

/// Puts blocks into the raw form of a frame.
pub(super) fn frame(blocks: &[(BlockId, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::with_capacity(blocks.iter().map(|(_, block)| block.len() + 6).sum());
    for (id, block) in blocks {
        super::row::put_varint(&mut out, u64::from(id.0));
        super::row::put_bytes(&mut out, block);
    }
    out
}

fn find_in_frame(frame: &[u8], wanted: BlockId) -> Option<&[u8]> {
    let mut bytes = Bytes { bytes: frame };
    while !bytes.bytes.is_empty() {
        let id = bytes.varint()?;
        let block = bytes.slice()?;
        if id == u64::from(wanted.0) {
            return Some(block);
        }
    }
    None
}
