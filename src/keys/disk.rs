//! The key file on disk: reading, repairing, growing, rewriting slots.
//!
//! Owns the open file with its lock, and what is known of every slot. Its invariant is the order of writes: first
//! copies, sync, second copies, sync; new groups, sync, then the header that counts them. It keeps no keys in memory;
//! [`KeyFile`](super::KeyFile) does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use super::keystore::{Error, Key};
use super::slot::{self, COPY_BYTES, Content, Copy, GROUP_SLOTS, Header, PAGE_BYTES, PAIR_BYTES, Slot, VERSION};
use super::{KeyName, Secret};
use crate::id::{Entropy, random};

/// The most groups of 64 slots that a file may have: 4 million keys, half a gigabyte.
const GROUPS_MAX: u32 = 65_536;

/// The file, and what is known of its slots. Used under a lock.
pub(super) struct Disk {
    pub path: PathBuf,
    /// Holds the advisory lock for as long as it is open.
    file: File,
    header: Header,
    /// The generation of every slot.
    generations: Vec<u32>,
    /// Slots without a key, to be used lowest first.
    free: BTreeSet<u32>,
    /// A write has begun that has not ended well.
    pub failed: bool,
    noise: Noise,
}

impl Disk {
    /// Opens or creates the file, repairs torn copies, and answers the keys in it.
    pub fn open(path: &Path, entropy: &dyn Entropy) -> Result<(Disk, BTreeMap<KeyName, Key>), Error> {
        let io = |source| Error::Io { path: path.to_owned(), source };
        if !path.try_exists().map_err(io)? {
            create(path, entropy).map_err(io)?;
        }
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(io)?;
        let mode = file.metadata().map_err(io)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(Error::Permissions { path: path.to_owned(), mode });
        }
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => Error::InUse { path: path.to_owned() },
            TryLockError::Error(source) => io(source),
        })?;
        let (header, whole) = read_header(path, &file)?;
        let mut disk = Disk {
            path: path.to_owned(),
            file,
            header,
            generations: Vec::new(),
            free: BTreeSet::new(),
            failed: false,
            noise: Noise::new(entropy),
        };
        if !whole {
            disk.write_header()?;
        }
        let live = disk.load()?;
        Ok((disk, live))
    }

    /// Reads every slot and repairs every torn or outdated copy.
    fn load(&mut self) -> Result<BTreeMap<KeyName, Key>, Error> {
        let mut live = BTreeMap::new();
        let mut repairs = Vec::new();
        let Disk { path, file, header, generations, free, .. } = self;
        read_slots(path, file, *header, |slot, current, repair| {
            repairs.extend(repair.map(|bytes| (slot, bytes)));
            generations.push(current.generation);
            if matches!(current.content, Content::Free) {
                free.insert(slot);
            }
            insert_live(path, &mut live, slot, current.content)
        })?;
        if !repairs.is_empty() {
            self.write(&repairs)?;
        }
        Ok(live)
    }

    /// Creates and syncs a key for every name.
    pub fn create(
        &mut self,
        names: &BTreeSet<KeyName>,
        entropy: &dyn Entropy,
    ) -> Result<BTreeMap<KeyName, Key>, Error> {
        if self.free.len() < names.len() {
            self.grow(names.len() - self.free.len())?;
        }
        let mut created = BTreeMap::new();
        let mut copies = Vec::with_capacity(names.len());
        for name in names {
            let (slot, generation) = self.take_free().ok_or_else(|| Error::Full { path: self.path.clone() })?;
            let secret = Secret::random(entropy);
            copies.push((slot, slot::encode_live(slot, generation, *name, &secret)));
            created.insert(*name, Key { slot, secret: Arc::new(secret) });
        }
        self.write(&copies)?;
        Ok(created)
    }

    /// Overwrites a slot with noise and frees it.
    pub fn wipe(&mut self, slot: u32) -> Result<(), Error> {
        let noise = self.noise.next();
        match self.next_generation(slot) {
            Some(generation) => {
                self.write(&[(slot, slot::encode_free(slot, generation, &noise))])?;
                self.free.insert(slot);
                Ok(())
            }
            None => Err(self.damaged(slot, "its generation is exhausted")),
        }
    }

    /// The lowest free slot and the generation with which to write it. A slot after 4 thousand million rewrites is
    /// retired.
    fn take_free(&mut self) -> Option<(u32, u32)> {
        while let Some(slot) = self.free.pop_first() {
            // The last generation is kept for the slot's destruction.
            if let Some(generation) = self.next_generation(slot).filter(|next| *next < u32::MAX) {
                return Some((slot, generation));
            }
        }
        None
    }

    fn next_generation(&mut self, slot: u32) -> Option<u32> {
        let generation = self.generations.get_mut(usize::try_from(slot).ok()?)?;
        *generation = generation.checked_add(1)?;
        Some(*generation)
    }

    /// Appends groups for at least `slots` more slots, an eighth of the file at the least. The new groups are synced
    /// before the header counts them.
    fn grow(&mut self, slots: usize) -> Result<(), Error> {
        let full = || Error::Full { path: self.path.clone() };
        let needed = u32::try_from(slots).map_err(|_| full())?.div_ceil(GROUP_SLOTS);
        let before = self.header.groups;
        let groups = needed.max((before / 8).min(GROUPS_MAX - before)) + before;
        if groups > GROUPS_MAX {
            return Err(full());
        }
        let first = before * GROUP_SLOTS;
        let end = groups * GROUP_SLOTS;
        // Should this fail (a full disk), nothing refers to the new groups yet: a later growth writes them anew.
        self.write_free(first, end).map_err(|source| self.io(source))?;
        self.failed = true;
        self.header.generation = self.header.generation.wrapping_add(1);
        self.header.groups = groups;
        self.write_header()?;
        self.failed = false;
        self.generations.extend((first..end).map(|_| 0));
        self.free.extend(first..end);
        Ok(())
    }

    fn write_free(&mut self, first: u32, end: u32) -> io::Result<()> {
        for start in (first..end).step_by(GROUP_SLOTS as usize) {
            let page: Vec<u8> =
                (start..start + GROUP_SLOTS).flat_map(|slot| *slot::encode_free(slot, 0, &self.noise.next())).collect();
            self.file.write_all_at(&page.repeat(2), slot_offset(start))?;
        }
        self.file.sync_all()
    }

    fn write_header(&self) -> Result<(), Error> {
        for offset in [0, PAGE_BYTES as u64] {
            let written = self.file.write_all_at(&self.header.encode(), offset);
            written.and_then(|()| self.file.sync_all()).map_err(|source| self.io(source))?;
        }
        Ok(())
    }

    /// Writes both copies of the slots: first copies, sync, second copies, sync.
    fn write(&mut self, copies: &[(u32, Copy)]) -> Result<(), Error> {
        self.failed = true;
        for page in [0, PAGE_BYTES as u64] {
            for (slot, copy) in copies {
                self.file.write_all_at(&copy[..], slot_offset(*slot) + page).map_err(|source| self.io(source))?;
            }
            self.file.sync_data().map_err(|source| self.io(source))?;
        }
        self.failed = false;
        Ok(())
    }

    fn io(&self, source: io::Error) -> Error {
        Error::Io { path: self.path.clone(), source }
    }

    fn damaged(&self, slot: u32, what: &'static str) -> Error {
        damaged(&self.path, slot, what)
    }
}

fn damaged(path: &Path, slot: u32, what: &'static str) -> Error {
    Error::Slot { path: path.to_owned(), slot, what }
}

/// The bytes that replace destroyed keys: a keyed stream, so that destroying needs no source of randomness at hand.
struct Noise {
    key: hmac::Key,
    drawn: u64,
}

impl Noise {
    fn new(entropy: &dyn Entropy) -> Self {
        Noise { key: hmac::Key::new(hmac::HMAC_SHA256, &random::<32>(entropy)), drawn: 0 }
    }

    fn next(&mut self) -> [u8; 48] {
        let mut noise = [0u8; 48];
        for part in noise.chunks_mut(32) {
            self.drawn += 1;
            let block = hmac::sign(&self.key, &self.drawn.to_be_bytes());
            part.iter_mut().zip(block.as_ref()).for_each(|(to, from)| *to = *from);
        }
        noise
    }
}

/// Where copy A of a slot lies.
pub(super) fn slot_offset(slot: u32) -> u64 {
    let (group, number) = (u64::from(slot / GROUP_SLOTS), u64::from(slot % GROUP_SLOTS));
    (1 + group) * PAIR_BYTES as u64 + number * COPY_BYTES as u64
}

/// The good copy, or of two good ones the newer; with its bytes.
fn newest(slot: u32, a: &[u8], b: &[u8]) -> Option<(Slot, [u8; COPY_BYTES])> {
    let read = |copy: &[u8]| Some((slot::decode(slot, copy)?, copy.try_into().ok()?));
    match (read(a), read(b)) {
        (Some(a), Some(b)) if a.0.generation == b.0.generation && a.1 != b.1 => None,
        (Some(a), Some(b)) if a.0.generation < b.0.generation => Some(b),
        (Some(a), _) => Some(a),
        (None, b) => b,
    }
}

/// Reads the keys of a file without locking or repairing it, also while another process has it open.
pub(super) fn read_only(path: &Path) -> Result<BTreeMap<KeyName, Key>, Error> {
    let file = File::open(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
    let (header, _) = read_header(path, &file)?;
    let mut live = BTreeMap::new();
    read_slots(path, &file, header, |slot, current, _| insert_live(path, &mut live, slot, current.content))?;
    Ok(live)
}

/// Calls `visit` with the newest good copy of every slot, and with its bytes if the other copy is to be repaired.
fn read_slots(
    path: &Path,
    file: &File,
    header: Header,
    mut visit: impl FnMut(u32, Slot, Option<Zeroizing<[u8; COPY_BYTES]>>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut pair = Zeroizing::new([0u8; PAIR_BYTES]);
    for group in 0..header.groups {
        let first = group * GROUP_SLOTS;
        file.read_exact_at(&mut pair[..], slot_offset(first)).map_err(|source| {
            let ended = source.kind() == io::ErrorKind::UnexpectedEof;
            if ended {
                damaged(path, first, "the file ends before it")
            } else {
                Error::Io { path: path.to_owned(), source }
            }
        })?;
        let (page_a, page_b) = pair.split_at(PAGE_BYTES);
        for ((slot, a), b) in (first..).zip(page_a.chunks(COPY_BYTES)).zip(page_b.chunks(COPY_BYTES)) {
            let (current, bytes) = newest(slot, a, b).ok_or_else(|| damaged(path, slot, "both copies are damaged"))?;
            visit(slot, current, (a != b).then(|| Zeroizing::new(bytes)))?;
        }
    }
    Ok(())
}

fn insert_live(path: &Path, live: &mut BTreeMap<KeyName, Key>, slot: u32, content: Content) -> Result<(), Error> {
    match content {
        Content::Free => Ok(()),
        Content::Live(name, secret) => match live.insert(name, Key { slot, secret: Arc::new(secret) }) {
            None => Ok(()),
            Some(_) => Err(damaged(path, slot, "it repeats the key of another slot")),
        },
        Content::UnknownKind => Err(damaged(path, slot, "its kind of key is unknown to this build")),
    }
}

/// The newer good copy of the header, and whether the other one agrees.
fn read_header(path: &Path, file: &File) -> Result<(Header, bool), Error> {
    let mut pair = [0u8; PAIR_BYTES];
    let not_a_key_file = || Error::NotAKeyFile { path: path.to_owned() };
    file.read_exact_at(&mut pair, 0).map_err(|source| {
        let ended = source.kind() == io::ErrorKind::UnexpectedEof;
        if ended { not_a_key_file() } else { Error::Io { path: path.to_owned(), source } }
    })?;
    let copies: Vec<_> = pair.chunks(PAGE_BYTES).map(|page| Header::decode(page.get(..COPY_BYTES)?)).collect();
    let newest = copies.iter().flatten().max_by_key(|header| header.generation);
    let header = *newest.ok_or_else(not_a_key_file)?;
    if header.version != VERSION {
        return Err(Error::Version { path: path.to_owned(), version: header.version });
    }
    Ok((header, copies.iter().all(|copy| *copy == Some(header))))
}

/// Makes an empty key file appear at `path` at once, whole and synced, unless somebody else was faster.
fn create(path: &Path, entropy: &dyn Entropy) -> io::Result<()> {
    let mut name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidFilename))?.to_owned();
    name.push(format!(".new-{}", hex::encode(random::<8>(entropy))));
    let draft = path.with_file_name(name);
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    let header = Header { version: VERSION, generation: 1, groups: 0 }.encode();
    let mut page = [0u8; PAGE_BYTES];
    page.iter_mut().zip(header).for_each(|(to, from)| *to = from);
    file.write_all_at(&page.repeat(2), 0)?;
    file.sync_all()?;
    // A link, unlike a rename, does not replace a file that another process created meanwhile; where links are
    // missing, a rename must do.
    match std::fs::hard_link(&draft, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => std::fs::rename(&draft, path)?,
        Ok(()) | Err(_) => std::fs::remove_file(&draft)?,
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}
