//! A disk that loses, at a power cut, a random part of what was not synced.
//!
//! It assumes no more than redb does: a byte is written or not, and a write
//! leaves the bytes beside it alone. Names are as forgetful as content: a new
//! file or a rename may be lost, or kept, until its folder is synced.

use super::disk::Disk;
use super::disk::Fill;
use fastrand::Rng;
use redb::BackendError;
use redb::Builder;
use redb::Database;
use redb::DatabaseError;
use redb::ReadOnlyDatabase;
use redb::StorageBackend;
use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;

/// What a disk writes as a whole, if nothing goes wrong.
const SECTOR: usize = 512;

/// Clones are the same disk.
#[derive(Clone)]
pub(super) struct ForgetfulDisk(Arc<Mutex<State>>);

struct State {
    random: Rng,
    /// Whether a database that is opened keeps nothing in memory.
    uncached: bool,
    /// How many more changes and syncs there are before the power is cut.
    left: u64,
    restarts: u64,
    files: Vec<Content>,
    names: Names,
    synced_names: Names,
    /// Since the folders were synced, in order.
    name_changes: Vec<NameChange>,
}

type Names = BTreeMap<PathBuf, Node>;

#[derive(Clone, Copy)]
enum Node {
    Folder,
    File(usize),
}

enum NameChange {
    Add(PathBuf, Node),
    Rename(PathBuf, PathBuf),
}

/// Of a file.
#[derive(Default)]
struct Content {
    bytes: Vec<u8>,
    synced: Vec<u8>,
    /// Since it was synced, in order.
    changes: Vec<Change>,
    locked: bool,
}

enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

impl ForgetfulDisk {
    /// An empty disk with one folder.
    pub(super) fn new(folder: &str, seed: u64) -> Self {
        let names = Names::from([(folder.into(), Node::Folder)]);
        Self(Arc::new(Mutex::new(State {
            random: Rng::with_seed(seed),
            uncached: false,
            left: u64::MAX,
            restarts: 0,
            files: Vec::new(),
            synced_names: names.clone(),
            names,
            name_changes: Vec::new(),
        })))
    }

    /// From now on, each read of a database that is opened comes to the disk.
    pub(super) fn open_uncached(&self) {
        self.state().uncached = true;
    }

    /// Cuts the power at the given change or sync from now on.
    pub(super) fn cut_after(&self, changes: u64) {
        self.state().left = changes;
    }

    pub(super) fn is_off(&self) -> bool {
        self.state().left == 0
    }

    /// Switches the power on again before anything noticed, as if a disk that
    /// failed were well again: nothing is lost, and what is open stays open.
    pub(super) fn heal(&self) {
        self.state().left = u64::MAX;
    }

    /// Switches the power on again, if need be after cutting it. Whatever was
    /// open must have been dropped.
    pub(super) fn restart(&self) {
        let mut state = self.state();
        let state = &mut *state;
        state.left = u64::MAX;
        state.restarts += 1;
        state.names = state.synced_names.clone();
        for change in state.name_changes.drain(..) {
            if state.random.bool() {
                change.apply(&mut state.names);
            }
        }
        state.synced_names = state.names.clone();
        for file in &mut state.files {
            file.tear(&mut state.random);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn handle(&self, path: &Path) -> io::Result<Handle> {
        let state = self.state();
        state.power()?;
        match state.names.get(path) {
            Some(Node::File(file)) => Ok(Handle {
                disk: self.clone(),
                file: *file,
                locks: Mutex::new(false),
            }),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl State {
    fn power(&self) -> io::Result<()> {
        match self.left {
            0 => Err(io::Error::other("the power is off")),
            _ => Ok(()),
        }
    }

    /// Counts a change that was made, or a sync that is to be made.
    fn count(&mut self) -> io::Result<()> {
        self.left -= 1;
        self.power()
    }
}

impl NameChange {
    fn folder(&self) -> Option<&Path> {
        let (Self::Add(path, _) | Self::Rename(_, path)) = self;
        path.parent()
    }

    fn apply(&self, names: &mut Names) {
        match self {
            Self::Add(path, node) => {
                if path.parent().is_some_and(|above| names.contains_key(above)) {
                    names.insert(path.clone(), *node);
                }
            }
            Self::Rename(from, to) => {
                if let Some(node) = names.remove(from) {
                    names.insert(to.clone(), node);
                }
            }
        }
    }
}

impl Content {
    fn write(bytes: &mut [u8], offset: usize, data: &[u8]) {
        // What lies behind the end was lost with the length.
        let Some(space) = bytes.get_mut(offset..) else {
            return;
        };
        let length = space.len().min(data.len());
        space[..length].copy_from_slice(&data[..length]);
    }

    /// Keeps a random part of what was not synced.
    fn tear(&mut self, random: &mut Rng) {
        let kept = [0.0, 0.1, 0.5, 0.9, 1.0][random.usize(..5)];
        for change in self.changes.drain(..) {
            match change {
                Change::Length(length) if random.f64() < kept => self.synced.resize(length, 0),
                Change::Length(_) => {}
                Change::Write(offset, data) => {
                    // Now and then a sector breaks in the middle.
                    let piece = match random.u8(..8) {
                        0 => random.usize(1..=SECTOR),
                        _ => SECTOR,
                    };
                    for (i, data) in data.chunks(piece).enumerate() {
                        if random.f64() < kept {
                            Self::write(&mut self.synced, offset + i * piece, data);
                        }
                    }
                }
            }
        }
        self.bytes.clone_from(&self.synced);
        self.locked = false;
    }
}

impl Disk for ForgetfulDisk {
    fn exists(&self, path: &Path) -> bool {
        self.state().names.contains_key(path)
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        self.handle(path)?.len()
    }

    /// As if each life had a copy of the file of the one before.
    fn identity(&self, _: &Path) -> io::Result<[u64; 2]> {
        Ok([self.state().restarts, 0])
    }

    fn open_read_only(&self, path: &Path) -> Result<ReadOnlyDatabase, DatabaseError> {
        Builder::new().open_read_only_with_backend(self.handle(path)?)
    }

    fn open(&self, path: &Path, builder: &Builder) -> Result<Database, DatabaseError> {
        let handle = self.handle(path)?;
        if self.state().uncached {
            return Builder::new().set_cache_size(0).create_with_backend(handle);
        }
        builder.create_with_backend(handle)
    }

    fn lock_new(&self, path: &Path) -> io::Result<Option<Fill>> {
        if !self.exists(path) {
            let mut state = self.state();
            state.power()?;
            let node = Node::File(state.files.len());
            state.files.push(Content::default());
            state.names.insert(path.to_owned(), node);
            state
                .name_changes
                .push(NameChange::Add(path.to_owned(), node));
            state.count()?;
        }
        let handle = self.handle(path)?;
        if !handle.lock() {
            return Ok(None);
        }
        Ok(Some(Box::new(move || {
            handle.set_len(0)?;
            Ok(Builder::new().create_with_backend(handle)?)
        })))
    }

    fn make_folder(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.power()?;
        state.names.insert(path.to_owned(), Node::Folder);
        let change = NameChange::Add(path.to_owned(), Node::Folder);
        state.name_changes.push(change);
        state.count()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.power()?;
        let change = NameChange::Rename(from.to_owned(), to.to_owned());
        change.apply(&mut state.names);
        state.name_changes.push(change);
        state.count()
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        let is_folder = matches!(self.state().names.get(path), Some(Node::Folder));
        if !is_folder {
            return self.handle(path)?.sync_data();
        }
        let mut state = self.state();
        let state = &mut *state;
        state.power()?;
        state.count()?;
        let (synced, rest) = std::mem::take(&mut state.name_changes)
            .into_iter()
            .partition::<Vec<_>, _>(|change| change.folder() == Some(path));
        for change in synced {
            change.apply(&mut state.synced_names);
        }
        state.name_changes = rest;
        Ok(())
    }
}

/// An open file.
struct Handle {
    disk: ForgetfulDisk,
    file: usize,
    locks: Mutex<bool>,
}

impl Handle {
    fn lock(&self) -> bool {
        let mut locks = self.locks.lock().unwrap();
        let locked = &mut self.disk.state().files[self.file].locked;
        let succeeds = *locks || !*locked;
        *locks |= succeeds;
        *locked |= succeeds;
        succeeds
    }

    fn unlock(&self) {
        let mut locks = self.locks.lock().unwrap();
        if std::mem::take(&mut *locks) {
            self.disk.state().files[self.file].locked = false;
        }
    }

    fn change(&self, change: Change) -> io::Result<()> {
        let mut state = self.disk.state();
        state.power()?;
        let file = &mut state.files[self.file];
        match &change {
            Change::Write(offset, data) => Content::write(&mut file.bytes, *offset, data),
            Change::Length(length) => file.bytes.resize(*length, 0),
        }
        file.changes.push(change);
        state.count()
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "file {}", self.file)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.unlock();
    }
}

impl StorageBackend for Handle {
    fn len(&self) -> io::Result<u64> {
        let state = self.disk.state();
        state.power()?;
        Ok(state.files[self.file].bytes.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.disk.state();
        state.power()?;
        let from = state.files[self.file].bytes.get(offset as usize..);
        let from = from.and_then(|bytes| bytes.get(..out.len()));
        out.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.change(Change::Length(length as usize))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        state.power()?;
        state.count()?;
        let file = &mut state.files[self.file];
        for change in file.changes.drain(..) {
            match change {
                Change::Write(offset, data) => Content::write(&mut file.synced, offset, &data),
                Change::Length(length) => file.synced.resize(length, 0),
            }
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(Change::Write(offset as usize, data.to_vec()))
    }

    fn close(&self) -> io::Result<()> {
        self.unlock();
        Ok(())
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        match (start, end) {
            (Bound::Unbounded | Bound::Included(0), Bound::Unbounded) => Ok(self.lock()),
            _ => Err(BackendError::Unsupported),
        }
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.try_lock_range(start, end)
    }

    fn unlock_range(&self, _start: Bound<u64>, _end: Bound<u64>) -> Result<(), BackendError> {
        self.unlock();
        Ok(())
    }
}
