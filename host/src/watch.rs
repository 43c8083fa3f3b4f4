//! Notices that a file has changed, by looking at it now and then.
//!
//! What a system call tells of a file differs after every way in which files
//! are changed: written in place, replaced by another under the same name,
//! removed, come into being, or reached through a symbolic link that points
//! elsewhere, as Kubernetes does with mounted secrets. Notifications of the
//! kernel would miss the last, and all of them on network file systems.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::path::PathBuf;

/// Files as they were right before they were read.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    read: RefCell<Looks>,
}

/// How files look; none is a file that is not there.
pub(crate) type Looks = BTreeMap<PathBuf, Option<Look>>;

/// What tells one state of a file from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    file: (u64, u64),
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Look {
    fn at(path: &Path) -> Option<Self> {
        let found = fs::metadata(path).ok()?;
        Some(Self {
            file: (found.dev(), found.ino()),
            bytes: found.len(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    }
}

impl Watch {
    /// Forgets all files: those that are read next are the ones that count. Returns
    /// those that counted before.
    pub(crate) fn begin(&self) -> Looks {
        self.read.take()
    }

    /// Lets files count that were read before, as they look now, beside those that
    /// have been read since.
    pub(crate) fn keep(&self, before: &Looks) {
        let mut read = self.read.borrow_mut();
        for path in before.keys() {
            let look = || Look::at(path);
            read.entry(path.clone()).or_insert_with(look);
        }
    }

    /// Looks at a file that is about to be read. In this order, so that a
    /// change in between is noticed later rather than never.
    pub(crate) fn note(&self, path: &Path) {
        let look = Look::at(path);
        self.read.borrow_mut().insert(path.to_owned(), look);
    }

    /// How the files look now, if not as they did before they were read.
    pub(crate) fn changes(&self) -> Option<Looks> {
        let read = self.read.borrow();
        let now: Looks = read
            .keys()
            .map(|path| (path.clone(), Look::at(path)))
            .collect();
        (now != *read).then_some(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// Whether a change of the file behind a symbolic link is noticed, and only
    /// then.
    #[track_caller]
    fn assert_noticed(change: impl FnOnce(&Path)) {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        fs::write(folder.join("one"), "1").unwrap();
        fs::write(folder.join("two"), "2").unwrap();
        symlink("one", folder.join("link")).unwrap();
        let watch = Watch::default();
        watch.note(&folder.join("link"));
        watch.note(&folder.join("none"));
        assert_eq!(watch.changes(), None);
        change(folder);
        assert!(watch.changes().is_some());
        watch.begin();
        watch.note(&folder.join("link"));
        watch.note(&folder.join("none"));
        assert_eq!(watch.changes(), None);
    }

    #[test]
    fn what_was_read_before_may_go_on_to_count() {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        fs::write(&secret, "1").unwrap();
        let watch = Watch::default();
        watch.note(&secret);
        let before = watch.begin();
        fs::write(&secret, "22").unwrap();
        assert_eq!(watch.changes(), None);
        watch.keep(&before);
        assert_eq!(watch.changes(), None, "as it looks now");
        fs::write(&secret, "333").unwrap();
        assert!(watch.changes().is_some());
    }

    #[test]
    fn every_way_to_change_a_file_is_noticed() {
        assert_noticed(|folder| fs::write(folder.join("one"), "more").unwrap());
        assert_noticed(|folder| fs::rename(folder.join("two"), folder.join("one")).unwrap());
        assert_noticed(|folder| fs::remove_file(folder.join("one")).unwrap());
        assert_noticed(|folder| fs::write(folder.join("none"), "").unwrap());
        assert_noticed(|folder| {
            symlink("two", folder.join("new")).unwrap();
            fs::rename(folder.join("new"), folder.join("link")).unwrap();
        });
    }
}
