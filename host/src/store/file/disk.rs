//! What the store asks of the file system, so that a test can put one in its
//! place that loses what was not synced.

use redb::Builder;
use redb::Database;
use redb::DatabaseError;
use redb::ReadOnlyDatabase;
use redb::backends::FileBackend;
use std::fs;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

/// Empties a new file and makes a database of it.
pub(super) type Fill = Box<dyn FnOnce() -> Result<Database, redb::Error>>;

/// Files and folders, of which nothing survives a power cut but what was synced:
/// a file's content and a folder's names each by themselves.
pub(super) trait Disk: Send + Sync {
    /// Whether there is such a file or folder.
    fn exists(&self, path: &Path) -> bool;

    /// How many bytes a file has.
    fn len(&self, path: &Path) -> io::Result<u64>;

    /// What tells a file from a copy of it: the number of its inode, and when it
    /// was made, in nanoseconds; 0 if the system does not tell.
    fn identity(&self, path: &Path) -> io::Result<[u64; 2]>;

    /// Opens a database for a look that changes nothing.
    fn open_read_only(&self, path: &Path) -> Result<ReadOnlyDatabase, DatabaseError>;

    /// Opens a database that exists.
    fn open(&self, path: &Path, builder: &Builder) -> Result<Database, DatabaseError>;

    /// Opens a file, creating it if need be, and locks it; none if another
    /// process has it locked.
    fn lock_new(&self, path: &Path) -> io::Result<Option<Fill>>;

    /// Makes a folder in one that exists.
    fn make_folder(&self, path: &Path) -> io::Result<()>;

    /// Renames a file within its folder, over another one if need be.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Syncs a file's content, or the names in a folder.
    fn sync(&self, path: &Path) -> io::Result<()>;
}

/// The file system of the machine.
pub(super) struct Files;

impl Disk for Files {
    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        Ok(fs::metadata(path)?.len())
    }

    fn identity(&self, path: &Path) -> io::Result<[u64; 2]> {
        let metadata = fs::metadata(path)?;
        let made = metadata.created().ok();
        let made = made.and_then(|made| made.duration_since(SystemTime::UNIX_EPOCH).ok());
        let made = made.and_then(|made| u64::try_from(made.as_nanos()).ok());
        Ok([metadata.ino(), made.unwrap_or_default()])
    }

    fn open_read_only(&self, path: &Path) -> Result<ReadOnlyDatabase, DatabaseError> {
        Builder::new().open_read_only(path)
    }

    fn open(&self, path: &Path, builder: &Builder) -> Result<Database, DatabaseError> {
        builder.open(path)
    }

    fn lock_new(&self, path: &Path) -> io::Result<Option<Fill>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path)?;
        if file.try_lock().is_err() {
            return Ok(None);
        }
        Ok(Some(Box::new(move || {
            file.set_len(0)?;
            Ok(Builder::new().create_with_backend(FileBackend::new(file)?)?)
        })))
    }

    fn make_folder(&self, path: &Path) -> io::Result<()> {
        match fs::create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            made => made,
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}
