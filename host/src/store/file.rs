//! The embedded store: one file, kept by redb.
//!
//! A webhook is answered only after it is durable, so the time of one commit
//! would limit how many webhooks a second the gateway takes. Hence **group
//! commit**: one thread owns all writing, takes every write that is waiting,
//! carries them out in one transaction, and answers them all after its commit.
//! The slower the disk, the larger the groups.
//!
//! Reads run where they are asked, on the caller's thread: they see the last
//! commit, take microseconds from the page cache, and a hop to another thread
//! would cost more than the read.
//!
//! After an I/O error redb answers nothing until its file is opened anew, not
//! even when the disk is well again. So the writer thread opens it anew after a
//! commit that failed, and when a read tells it that it failed: everything that
//! writes reads first, so without a read that can be done, no write would come.
//!
//! Commits are immediate and two-phase: with redb's default, the choice of the
//! valid half of a torn file rests on a checksum that is not cryptographic, and
//! what this file holds was written by strangers. The second phase costs half as
//! much again (0.37 ms instead of 0.24 ms for a commit, where it was measured).

mod damage;
mod disk;
#[cfg(test)]
mod failing_disk;
#[cfg(test)]
mod forgetful_disk;
#[cfg(test)]
mod power_cuts;

use damage::guarded;
use damage::is_damage;
use damage::remedy;
use disk::Disk;
use disk::Files;
use integration_gateway::Refused;
use integration_gateway::Store;
use integration_gateway::StoreError;
use integration_gateway::UNBROKEN;
use integration_gateway::contract::Entry;
use integration_gateway::contract::KeyedEntry;
use integration_gateway::contract::Page;
use integration_gateway::contract::Precondition;
use integration_gateway::contract::Scan;
use integration_gateway::contract::Write;
use redb::Builder;
use redb::Database;
use redb::DatabaseError;
use redb::Durability;
use redb::ReadableDatabase;
use redb::ReadableTable;
use redb::StorageError;
use redb::TableDefinition;
use redb::TableError;
use std::io;
use std::ops::Bound;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::RwLockReadGuard;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;
use std::time::Instant;
use tokio::sync::mpsc;
use tokio::sync::oneshot;

/// Key to revision and value.
const KEYS: TableDefinition<&str, (u64, &[u8])> = TableDefinition::new("keys");
/// `schema`, `revision`, and [`IDENTITY`].
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
/// Under these names the file's [`Disk::identity`].
const IDENTITY: [&str; 2] = ["inode", "made"];
/// Of the tables above. It grows when an older program could not read them.
const SCHEMA: u64 = 1;

/// The most writes that share one commit: beyond this the wait of the first
/// grows and the throughput hardly does.
const GROUP: usize = 128;
/// Writes that may wait for the writer thread before callers are held back.
const WAITING: usize = 1024;
/// Between two openings that reads ask for. Each reads the whole file if it was
/// not closed properly.
const REST: Duration = Duration::from_secs(1);
/// redb would use a gigabyte by default.
const CACHE_BYTES: usize = 64 << 20;
/// A page ends behind this many bytes of values, whatever its limit.
const PAGE_BYTES: usize = 4 << 20;
/// The most entries of a page.
const PAGE_ENTRIES: u32 = 1000;

/// Why a store file was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenFileError {
    /// Another process has it open.
    #[error(
        "store {}: another process has this file open; stop that process, or give this one \
         a file of its own with `path` in `[store]`", .0.display()
    )]
    InUse(PathBuf),
    /// It was written by a program that knows more than this one.
    #[error(
        "store {}: this file has schema {found}, and this program knows schema {SCHEMA}; nothing \
         was changed; run the version that wrote the file, or name another file in `[store]`",
        path.display()
    )]
    Schema {
        /// The file.
        path: PathBuf,
        /// The schema that it says it has.
        found: u64,
    },
    /// It is a redb file, but not one of ours.
    #[error(
        "store {}: this file belongs to another program; nothing was changed; name another file \
         in `[store]`", .0.display()
    )]
    Foreign(PathBuf),
    /// It is no file of redb's, or what is in it makes no sense.
    #[error("store {}: {}", path.display(), remedy(reason))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What redb stumbled over.
        reason: String,
    },
    /// Everything else: permissions, a full disk.
    #[error("store {}: {reason}", path.display())]
    Io {
        /// The file, or the folder that was to hold it.
        path: PathBuf,
        /// What the operating system or redb said.
        reason: String,
    },
}

/// A [`Store`] in one file. Clones share it; the last one to go closes it.
#[derive(Clone)]
pub struct FileStore(Arc<Handle>);

impl FileStore {
    /// Opens the file, or creates it together with the folders above it.
    pub fn open(path: &Path) -> Result<Self, OpenFileError> {
        // A new store in its place would hide the one on a disk that is not there yet.
        if let Ok(there) = path.read_link()
            && !path.exists()
        {
            let there = there.display();
            return Err(OpenFileError::Io {
                path: path.to_owned(),
                reason: format!(
                    "it is a link to {there}, where nothing is; is its disk there? For a \
                     new store name the place itself in `[store]`"
                ),
            });
        }
        Self::open_on(Arc::new(Files), path)
    }

    fn open_on(disk: Arc<dyn Disk>, path: &Path) -> Result<Self, OpenFileError> {
        if !disk.exists(path) {
            create(&*disk, path)?;
        }
        Self::with(open_for_use, disk, path)
    }

    /// Opens the file if there is one, for a look.
    pub fn open_existing(path: &Path) -> Result<Self, OpenFileError> {
        Self::with(open_existing, Arc::new(Files), path)
    }

    /// The same, once every byte that is in use was compared with its checksum.
    /// That reads the whole file.
    pub fn open_verified(path: &Path) -> Result<Self, OpenFileError> {
        Self::with(open_verified, Arc::new(Files), path)
    }

    fn with(open: Open, disk: Arc<dyn Disk>, path: &Path) -> Result<Self, OpenFileError> {
        let shared = Arc::new(Shared {
            database: RwLock::new(Some(open_guarded(open, &*disk, path)?)),
            open,
            disk,
            path: path.to_owned(),
            commits: AtomicU64::new(0),
        });
        let (sender, receiver) = mpsc::channel(WAITING);
        let writer = thread::Builder::new()
            .name("store-writer".into())
            .spawn({
                let shared = Arc::clone(&shared);
                move || work_in_groups(&shared, receiver)
            })
            .map_err(|e| OpenFileError::Io {
                path: path.to_owned(),
                reason: e.to_string(),
            })?;
        Ok(Self(Arc::new(Handle {
            shared,
            sender: Some(sender),
            writer: Some(writer),
        })))
    }

    /// How many bytes the file has.
    pub fn bytes_on_disk(&self) -> Result<u64, StoreError> {
        let shared = &self.0.shared;
        let bytes = shared.disk.len(&shared.path);
        bytes.map_err(|e| StoreError(e.to_string()))
    }

    /// How many transactions were committed since the file was opened. At most
    /// as many as there were writes, and far fewer under load.
    pub fn commits(&self) -> u64 {
        self.0.shared.commits.load(Ordering::Relaxed)
    }

    /// Reads, and once more after the file was seen to if it is of no use. The
    /// task waits for that, and not its thread.
    async fn read<T>(
        &self,
        read: impl Fn(&Shared) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        let shared = &*self.0.shared;
        let read =
            |shared: &Shared| guarded(|| read(shared)).unwrap_or_else(|why| Err(corrupted(why)));
        let mut outcome = read(shared);
        if let Err(error @ (redb::Error::Io(_) | redb::Error::PreviousIo)) = &outcome {
            let because = shared.failure(error);
            self.ask(|answer| Order::Reopen { because, answer }).await?;
            outcome = read(shared);
        }
        outcome.map_err(|e| shared.failure(&e))
    }

    /// Gives the writer thread an order, and waits for its answer.
    async fn ask<T>(
        &self,
        order: impl FnOnce(oneshot::Sender<T>) -> Order,
    ) -> Result<T, StoreError> {
        let closed = || StoreError("it is closed".into());
        let sender = self.0.sender.as_ref().ok_or_else(closed)?;
        let (answer, answered) = oneshot::channel();
        sender.send(order(answer)).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())
    }
}

impl Store for FileStore {
    fn is_shared(&self) -> bool {
        false
    }

    async fn get(&self, keys: &[String]) -> Result<Vec<Option<Entry>>, StoreError> {
        self.read(|shared| shared.get(keys)).await
    }

    async fn scan(&self, scan: &Scan) -> Result<Page, StoreError> {
        self.read(|shared| shared.scan(scan)).await
    }

    async fn write(&self, write: Write) -> Result<Result<u64, Refused>, StoreError> {
        self.ask(|answer| Order::Write(Waiting { write, answer }))
            .await?
    }
}

struct Handle {
    shared: Arc<Shared>,
    sender: Option<mpsc::Sender<Order>>,
    writer: Option<thread::JoinHandle<()>>,
}

impl Drop for Handle {
    /// Waits for the last commit, so that the file is closed and unlocked when
    /// the store is gone.
    fn drop(&mut self) {
        self.sender = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

/// What the writer thread is told to do.
enum Order {
    Write(Waiting),
    /// Open the file anew, unless that was tried within [`REST`].
    Reopen {
        because: StoreError,
        answer: oneshot::Sender<()>,
    },
}

struct Waiting {
    write: Write,
    answer: oneshot::Sender<Result<Result<u64, Refused>, StoreError>>,
}

type Open = fn(&dyn Disk, &Path) -> Result<Database, OpenFileError>;

struct Shared {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    open: Open,
    /// Absent only while a failed file is opened anew, or could not be. Only the
    /// writer thread changes it.
    database: RwLock<Option<Database>>,
    commits: AtomicU64,
}

impl Shared {
    fn get(&self, keys: &[String]) -> Result<Vec<Option<Entry>>, redb::Error> {
        let database = self.database();
        let table = database_of(&database)?.begin_read()?.open_table(KEYS)?;
        keys.iter()
            .map(|key| Ok(table.get(key.as_str())?.map(|found| entry(found.value()))))
            .collect()
    }

    fn scan(&self, scan: &Scan) -> Result<Page, redb::Error> {
        let database = self.database();
        let table = database_of(&database)?.begin_read()?.open_table(KEYS)?;
        let from = match &scan.after {
            Some(after) if after.as_str() >= scan.prefix.as_str() => {
                Bound::Excluded(after.as_str())
            }
            _ => Bound::Included(scan.prefix.as_str()),
        };
        let limit = scan.limit.clamp(1, PAGE_ENTRIES) as usize;
        let (mut entries, mut bytes) = (Vec::<KeyedEntry>::new(), 0);
        for found in table.range::<&str>((from, Bound::Unbounded))? {
            let (key, value) = found?;
            if !key.value().starts_with(&scan.prefix) {
                break;
            }
            if entries.len() == limit || bytes > PAGE_BYTES {
                let next = entries.last().map(|last| last.key.clone());
                return Ok(Page { entries, next });
            }
            let entry = entry(value.value());
            bytes += entry.value.len();
            entries.push(KeyedEntry {
                key: key.value().to_owned(),
                entry,
            });
        }
        Ok(Page {
            entries,
            next: None,
        })
    }

    /// Carries out a group of writes in one transaction.
    fn commit(&self, writes: &[Waiting]) -> Result<Vec<Result<u64, Refused>>, redb::Error> {
        let database = self.database();
        let mut transaction = database_of(&database)?.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        transaction.set_two_phase_commit(true);
        let mut outcomes = Vec::with_capacity(writes.len());
        {
            let mut keys = transaction.open_table(KEYS)?;
            let mut meta = transaction.open_table(META)?;
            // One counter for all keys, so that a key that is deleted and
            // created again never returns to a revision that it once had.
            let mut revision = meta.get("revision")?.map_or(0, |r| r.value());
            for Waiting { write, .. } in writes {
                let key = write.key.as_str();
                let stands_at = keys.get(key)?.map(|found| found.value().0);
                let holds = match write.precondition {
                    Precondition::Absent => stands_at.is_none(),
                    Precondition::Revision(expected) => stands_at == Some(expected),
                };
                outcomes.push(match &write.value {
                    _ if !holds => Err(Refused),
                    Some(value) => {
                        revision += 1;
                        keys.insert(key, (revision, value.as_slice()))?;
                        Ok(revision)
                    }
                    None => {
                        keys.remove(key)?;
                        Ok(0)
                    }
                });
            }
            meta.insert("revision", revision)?;
        }
        if outcomes.iter().any(Result::is_ok) {
            transaction.commit()?;
            self.commits.fetch_add(1, Ordering::Relaxed);
        } else {
            transaction.abort()?;
        }
        Ok(outcomes)
    }

    /// Opens the file anew, while reads find none.
    fn reopen(&self) {
        // The old one must let go of its lock first.
        let old = self.replace(None);
        let _ = guarded(|| drop(old));
        match open_guarded(self.open, &*self.disk, &self.path) {
            Ok(database) => drop(self.replace(Some(database))),
            Err(error) => tracing::error!(error = %error, "the store cannot be opened anew"),
        }
    }

    fn replace(&self, database: Option<Database>) -> Option<Database> {
        let mut place = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *place, database)
    }

    fn database(&self) -> RwLockReadGuard<'_, Option<Database>> {
        self.database.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn failure(&self, error: &redb::Error) -> StoreError {
        let reason = match error {
            redb::Error::Corrupted(reason) => remedy(reason),
            redb::Error::Io(error) if is_damage(error) => remedy(&error.to_string()),
            other => other.to_string(),
        };
        StoreError(format!("{}: {reason}", self.path.display()))
    }
}

impl Drop for Shared {
    /// Closes the file. Where it is damaged, not even that may be possible.
    fn drop(&mut self) {
        let database = self.replace(None);
        let _ = guarded(|| drop(database));
    }
}

fn corrupted(reason: String) -> redb::Error {
    redb::Error::Corrupted(reason)
}

fn database_of(database: &Option<Database>) -> Result<&Database, redb::Error> {
    database.as_ref().ok_or(redb::Error::PreviousIo)
}

fn entry((revision, value): (u64, &[u8])) -> Entry {
    Entry {
        value: value.to_vec(),
        revision,
    }
}

/// The writer thread. It ends when the last store handle is gone and every
/// order that was waiting has been answered.
fn work_in_groups(shared: &Shared, mut receiver: mpsc::Receiver<Order>) {
    let mut orders = Vec::with_capacity(GROUP);
    let mut group = Vec::with_capacity(GROUP);
    let mut reopened = None::<Instant>;
    while receiver.blocking_recv_many(&mut orders, GROUP) > 0 {
        for order in orders.drain(..) {
            match order {
                Order::Write(waiting) => group.push(waiting),
                Order::Reopen { because, answer } => {
                    if reopened.is_none_or(|reopened| reopened.elapsed() >= REST) {
                        tracing::error!(error = %because, "store read failed");
                        shared.reopen();
                        reopened = Some(Instant::now());
                    }
                    let _ = answer.send(());
                }
            }
        }
        if group.is_empty() {
            continue;
        }
        let committed = guarded(|| shared.commit(&group));
        match committed.unwrap_or_else(|why| Err(corrupted(why))) {
            // A caller that went away gets no answer, and its write stands.
            Ok(outcomes) => group
                .drain(..)
                .zip(outcomes)
                .for_each(|(waiting, outcome)| {
                    let _ = waiting.answer.send(Ok(outcome));
                }),
            Err(error) => {
                let error = shared.failure(&error);
                tracing::error!(error = %error, writes = group.len(), "store write failed");
                for waiting in group.drain(..) {
                    let _ = waiting.answer.send(Err(error.clone()));
                }
                shared.reopen();
                reopened = Some(Instant::now());
            }
        }
    }
}

fn open_guarded(open: Open, disk: &dyn Disk, path: &Path) -> Result<Database, OpenFileError> {
    guarded(|| open(disk, path)).unwrap_or_else(|reason| {
        Err(OpenFileError::Damaged {
            path: path.to_owned(),
            reason,
        })
    })
}

/// Opens a file that exists, after a look that changes nothing.
fn open_existing(disk: &dyn Disk, path: &Path) -> Result<Database, OpenFileError> {
    open_with(Builder::new(), disk, path)
}

/// The same, and redb compares every page with its checksum. Where one is wrong
/// it could go back to the commit before, which is no longer there: the last one
/// had two phases.
fn open_verified(disk: &dyn Disk, path: &Path) -> Result<Database, OpenFileError> {
    let mut builder = Builder::new();
    builder.set_check_integrity_on_open(true);
    open_with(builder, disk, path)
}

fn open_with(
    mut builder: Builder,
    disk: &dyn Disk,
    path: &Path,
) -> Result<Database, OpenFileError> {
    match disk.open_read_only(path) {
        Ok(database) => {
            let transaction = database.begin_read().map_err(|e| damaged(path, e))?;
            check_schema(path, transaction.open_table(META))?;
        }
        // A file that was not closed properly, and that opening will mend.
        Err(DatabaseError::RepairAborted) => {}
        Err(error) => return Err(unopened(path, error)),
    }
    let database = disk
        .open(path, builder.set_cache_size(CACHE_BYTES))
        .map_err(|e| unopened(path, e))?;
    let transaction = database.begin_read().map_err(|e| damaged(path, e))?;
    check_schema(path, transaction.open_table(META))?;
    drop(transaction);
    Ok(database)
}

/// Opens a file that exists, for more than a look.
fn open_for_use(disk: &dyn Disk, path: &Path) -> Result<Database, OpenFileError> {
    let database = open_existing(disk, path)?;
    notice(disk, path, &database).map_err(|e| damaged(path, e))?;
    Ok(database)
}

/// A copy does not know what happened after it was made. So each file holds what
/// tells it from its copies, and where that is not so what holds only while
/// nothing was lost is deleted.
fn notice(disk: &dyn Disk, path: &Path, database: &Database) -> Result<(), redb::Error> {
    let identity = disk.identity(path).map_err(StorageError::Io)?;
    let meta = database.begin_read()?.open_table(META)?;
    let mut known = [None; 2];
    for (known, name) in known.iter_mut().zip(IDENTITY) {
        *known = meta.get(name)?.map(|value| value.value());
    }
    if known == identity.map(Some) {
        return Ok(());
    }
    let mut transaction = database.begin_write()?;
    transaction.set_two_phase_commit(true);
    let mut deleted = 0;
    {
        let mut keys = transaction.open_table(KEYS)?;
        keys.retain_in(UNBROKEN.., |key, _| {
            let holds = !key.starts_with(UNBROKEN);
            deleted += usize::from(!holds);
            holds
        })?;
        let mut meta = transaction.open_table(META)?;
        for (name, value) in IDENTITY.iter().zip(identity) {
            meta.insert(name, value)?;
        }
    }
    transaction.commit()?;
    if deleted > 0 {
        tracing::warn!(
            store = %path.display(),
            "the file is another than the one that was last in use, so it may be a copy and have \
             been set back; for 150 s nothing is created for incidents that existed before"
        );
    }
    Ok(())
}

fn check_schema(
    path: &Path,
    meta: Result<redb::ReadOnlyTable<&'static str, u64>, TableError>,
) -> Result<(), OpenFileError> {
    let meta = match meta {
        Ok(meta) => meta,
        Err(TableError::Storage(error)) => return Err(damaged(path, error)),
        Err(_) => return Err(OpenFileError::Foreign(path.to_owned())),
    };
    match meta
        .get("schema")
        .map_err(|e| damaged(path, e))?
        .map(|schema| schema.value())
    {
        Some(SCHEMA) => Ok(()),
        Some(found) => Err(OpenFileError::Schema {
            path: path.to_owned(),
            found,
        }),
        None => Err(OpenFileError::Foreign(path.to_owned())),
    }
}

/// Creates the file under another name and moves it into place when it is
/// whole, since redb refuses a file that a power cut left half created.
fn create(disk: &dyn Disk, path: &Path) -> Result<(), OpenFileError> {
    let folder = folder_of(path);
    make_folders(disk, folder).map_err(|e| damaged(folder, e))?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let unfinished = folder.join(name);

    // Two processes may be at this point. Only the one with the lock goes on,
    // and it looks again, because the other may have finished in between.
    let Some(fill) = disk
        .lock_new(&unfinished)
        .map_err(|e| damaged(&unfinished, e))?
    else {
        return Err(OpenFileError::InUse(path.to_owned()));
    };
    if disk.exists(path) {
        return Ok(());
    }
    let fill = || -> Result<Database, redb::Error> {
        let database = fill()?;
        let mut transaction = database.begin_write()?;
        transaction.set_two_phase_commit(true);
        transaction.open_table(KEYS)?;
        transaction.open_table(META)?.insert("schema", SCHEMA)?;
        transaction.commit()?;
        Ok(database)
    };
    // Open, and thereby locked, until it has its name.
    let database = fill().map_err(|e| damaged(&unfinished, e))?;
    let place = || -> io::Result<()> {
        disk.sync(&unfinished)?;
        disk.rename(&unfinished, path)?;
        disk.sync(folder)
    };
    place().map_err(|e| damaged(&unfinished, e))?;
    database.close().map_err(|e| damaged(path, e))
}

/// Makes a folder and those above it, each of which is there after a power cut:
/// else what is written into it would be lost with it.
fn make_folders(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    if disk.exists(folder) {
        return Ok(());
    }
    let above = folder_of(folder);
    make_folders(disk, above)?;
    disk.make_folder(folder)?;
    disk.sync(above)
}

fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

fn unopened(path: &Path, error: DatabaseError) -> OpenFileError {
    match error {
        DatabaseError::DatabaseAlreadyOpen => OpenFileError::InUse(path.to_owned()),
        other => damaged(path, other),
    }
}

fn damaged(path: &Path, error: impl Into<redb::Error>) -> OpenFileError {
    let path = path.to_owned();
    let error = error.into();
    match error {
        redb::Error::Corrupted(reason) => OpenFileError::Damaged { path, reason },
        redb::Error::Io(error) if is_damage(&error) => OpenFileError::Damaged {
            path,
            reason: error.to_string(),
        },
        other => OpenFileError::Io {
            path,
            reason: other.to_string(),
        },
    }
}
