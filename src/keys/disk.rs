//! The key file on disk: reading, repairing, growing, rewriting slots.
//!
//! Owns the open file with its lock, and what is known of every slot. Its invariant is the order of writes: first
//! copies, sync, second copies, sync; new groups, sync, then the header that counts them. It keeps no keys in memory;
//! [`KeyFile`](super::KeyFile) does, as [`Contents`](super::contents::Contents).

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use super::Error;
use super::contents::Contents;
use super::slot::{
    self, COPY_BYTES, Content, Copy, GROUP_SLOTS, Header, NOISE_BYTES, PAGE_BYTES, PAIR_BYTES, Slot, VERSION,
};
use crate::id::{Entropy, random};

/// The most groups of 64 slots that a file may have: 4 million keys, half a gigabyte.
const GROUPS_MAX: u32 = 65_536;
/// The last generation with which a slot may hold something; the very last one is kept for its destruction.
const LAST_IN_USE: u32 = u32::MAX - 1;

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
    /// Syncs since opening: the price of what was done.
    pub syncs: u64,
    noise: Noise,
}

/// What a slot is to hold from now on.
pub(super) enum Change {
    /// A new slot, the lowest free one.
    Add(Content),
    /// This slot, whatever it held.
    Replace(u32, Content),
    /// Nothing: this slot is overwritten with noise and freed.
    Wipe(u32),
}

impl Disk {
    /// Opens or creates the file, repairs torn copies, and answers the keys in it.
    pub fn open(path: &Path, entropy: &dyn Entropy) -> Result<(Disk, Contents), Error> {
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
            syncs: 0,
            noise: Noise::new(entropy),
        };
        if !whole {
            disk.write_header()?;
        }
        let contents = disk.load()?;
        Ok((disk, contents))
    }

    /// Reads every slot and repairs every torn or outdated copy.
    fn load(&mut self) -> Result<Contents, Error> {
        let mut contents = Contents::default();
        let mut repairs = Vec::new();
        let Disk { path, file, header, generations, free, .. } = self;
        read_slots(path, file, *header, |slot, current, repair| {
            repairs.extend(repair.map(|bytes| (slot, bytes)));
            generations.push(current.generation);
            if matches!(current.content, Some(Content::Free(_))) {
                free.insert(slot);
            }
            add(path, &mut contents, slot, current.content)
        })?;
        if !repairs.is_empty() {
            self.write(&mut repairs)?;
        }
        Ok(contents)
    }

    /// Carries out changes and syncs them, all at the price of one, and answers the slots in the order of the changes.
    /// Should power fail meanwhile, each slot holds what it held before or what it should hold, on its own.
    pub fn apply(&mut self, changes: &[Change]) -> Result<Vec<u32>, Error> {
        let new = changes.iter().filter(|change| matches!(change, Change::Add(_))).count();
        if self.free.len() < new {
            self.grow(new - self.free.len())?;
        }
        let mut slots = Vec::with_capacity(changes.len());
        let mut copies = Vec::with_capacity(changes.len());
        for change in changes {
            let (slot, copy) = match change {
                Change::Add(content) => {
                    let (slot, generation) = self.take_free().ok_or_else(|| Error::Full { path: self.path.clone() })?;
                    (slot, slot::encode(slot, generation, content))
                }
                Change::Replace(slot, content) => {
                    (*slot, slot::encode(*slot, self.next_generation(*slot, LAST_IN_USE)?, content))
                }
                Change::Wipe(slot) => {
                    let noise = Content::Free(self.noise.next());
                    (*slot, slot::encode(*slot, self.next_generation(*slot, u32::MAX)?, &noise))
                }
            };
            slots.push(slot);
            copies.push((slot, copy));
        }
        if !copies.is_empty() {
            self.write(&mut copies)?;
        }
        self.free.extend(changes.iter().filter_map(|change| match change {
            Change::Wipe(slot) => Some(*slot),
            Change::Add(_) | Change::Replace(..) => None,
        }));
        Ok(slots)
    }

    /// The lowest free slot and the generation with which to write it. A slot after 4 thousand million rewrites is
    /// retired.
    fn take_free(&mut self) -> Option<(u32, u32)> {
        while let Some(slot) = self.free.pop_first() {
            if let Ok(generation) = self.next_generation(slot, LAST_IN_USE) {
                return Some((slot, generation));
            }
        }
        None
    }

    fn next_generation(&mut self, slot: u32, last: u32) -> Result<u32, Error> {
        let known = usize::try_from(slot).ok().and_then(|slot| self.generations.get_mut(slot));
        match known.filter(|generation| **generation < last) {
            Some(generation) => {
                *generation += 1;
                Ok(*generation)
            }
            None => Err(damaged(&self.path, slot, "its generation is exhausted")),
        }
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
            let page: Vec<u8> = (start..start + GROUP_SLOTS)
                .flat_map(|slot| *slot::encode(slot, 0, &Content::Free(self.noise.next())))
                .collect();
            self.file.write_all_at(&page.repeat(2), slot_offset(start))?;
        }
        self.syncs += 1;
        self.file.sync_all()
    }

    fn write_header(&mut self) -> Result<(), Error> {
        for offset in [0, PAGE_BYTES as u64] {
            let written = self.file.write_all_at(&self.header.encode(), offset);
            written.and_then(|()| self.file.sync_all()).map_err(|source| self.io(source))?;
            self.syncs += 1;
        }
        Ok(())
    }

    /// Writes both copies of the slots: first copies, sync, second copies, sync.
    fn write(&mut self, copies: &mut [(u32, Copy)]) -> Result<(), Error> {
        copies.sort_unstable_by_key(|(slot, _)| *slot);
        self.failed = true;
        for page in [0, PAGE_BYTES as u64] {
            for run in copies.chunk_by(|(a, _), (b, _)| a / GROUP_SLOTS == b / GROUP_SLOTS && a + 1 == *b) {
                let Some((first, _)) = run.first() else { continue };
                let mut bytes = Zeroizing::new(Vec::with_capacity(run.len() * COPY_BYTES));
                run.iter().for_each(|(_, copy)| bytes.extend_from_slice(&copy[..]));
                self.file.write_all_at(&bytes, slot_offset(*first) + page).map_err(|source| self.io(source))?;
            }
            self.file.sync_data().map_err(|source| self.io(source))?;
            self.syncs += 1;
        }
        self.failed = false;
        Ok(())
    }

    /// Writes a copy of the file to `to`, which must not exist, with mode 0600, and syncs it.
    pub fn export(&self, to: &Path) -> Result<(), Error> {
        let io = |source| Error::Io { path: to.to_owned(), source };
        let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(io)?;
        let mut pair = Zeroizing::new([0u8; PAIR_BYTES]);
        for group in 0..=u64::from(self.header.groups) {
            self.file.read_exact_at(&mut pair[..], group * PAIR_BYTES as u64).map_err(|source| self.io(source))?;
            out.write_all(&pair[..]).map_err(io)?;
        }
        out.sync_all().and_then(|()| sync_parent(to)).map_err(io)
    }

    fn io(&self, source: io::Error) -> Error {
        Error::Io { path: self.path.clone(), source }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Closing unlocks too, but not while a process that is being started (`command`) still shares the open file.
        let _ = self.file.unlock();
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

    fn next(&mut self) -> [u8; NOISE_BYTES] {
        let mut noise = [0u8; NOISE_BYTES];
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
    // Almost always; and with a million slots, reading each once instead of twice is felt at the start.
    if a == b {
        return read(a);
    }
    match (read(a), read(b)) {
        (Some(a), Some(b)) if a.0.generation == b.0.generation && a.1 != b.1 => None,
        (Some(a), Some(b)) if a.0.generation < b.0.generation => Some(b),
        (Some(a), _) => Some(a),
        (None, b) => b,
    }
}

/// Reads a file without locking or repairing it, also while another process has it open. What is answered beside the keys refuses all changes.
pub(super) fn read_only(path: &Path, entropy: &dyn Entropy) -> Result<(Disk, Contents), Error> {
    let file = File::open(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
    let (header, _) = read_header(path, &file)?;
    let mut contents = Contents::default();
    read_slots(path, &file, header, |slot, current, _| add(path, &mut contents, slot, current.content))?;
    let disk = Disk {
        path: path.to_owned(),
        file,
        header,
        generations: Vec::new(),
        free: BTreeSet::new(),
        failed: true,
        syncs: 0,
        noise: Noise::new(entropy),
    };
    Ok((disk, contents))
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

fn add(path: &Path, contents: &mut Contents, slot: u32, content: Option<Content>) -> Result<(), Error> {
    let content = content.ok_or_else(|| damaged(path, slot, "its kind of key is unknown to this build"))?;
    let repeats = contents.insert(slot, content);
    if repeats { Err(damaged(path, slot, "it repeats the key of another slot")) } else { Ok(()) }
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
    sync_parent(path)
}

fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}
