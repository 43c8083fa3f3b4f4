//! A disk on which nothing can be read or written for a while. The store is of
//! use again when the disk is, whatever failed first.

use super::FileStore;
use super::OpenFileError;
use super::REST;
use super::forgetful_disk::ForgetfulDisk;
use integration_gateway::Refused;
use integration_gateway::Store;
use integration_gateway::StoreError;
use integration_gateway::contract::Precondition;
use integration_gateway::contract::Scan;
use integration_gateway::contract::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;
use tokio::time::sleep;

const FILE: &str = "/var/sync.redb";
/// Nothing that should happen takes as long.
const PATIENCE: Duration = Duration::from_secs(10);

fn open(disk: &ForgetfulDisk) -> Result<FileStore, OpenFileError> {
    FileStore::open_on(Arc::new(disk.clone()), Path::new(FILE))
}

async fn create(store: &FileStore, key: &str) -> Result<Result<u64, Refused>, StoreError> {
    let write = Write {
        key: key.into(),
        precondition: Precondition::Absent,
        value: Some(b"x".to_vec()),
    };
    store.write(write).await
}

async fn keys(store: &FileStore) -> Result<Vec<String>, StoreError> {
    let everything = Scan {
        prefix: String::new(),
        after: None,
        limit: 1000,
    };
    let page = store.scan(&everything).await?;
    Ok(page.entries.into_iter().map(|entry| entry.key).collect())
}

/// Reads, as everything does before it writes, until that succeeds.
async fn keys_at_last(store: &FileStore) -> Vec<String> {
    let begin = Instant::now();
    loop {
        match keys(store).await {
            Ok(keys) => return keys,
            Err(error) => assert!(begin.elapsed() < PATIENCE, "it is not read: {error}"),
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// A commit fails, and the opening that follows it. Until then what is in the
/// cache can be read.
async fn fail(disk: &ForgetfulDisk, store: &FileStore) {
    disk.cut_after(1);
    create(store, "b").await.unwrap_err();
    while keys(store).await.is_ok() {}
}

#[tokio::test]
async fn a_file_that_could_not_be_opened_anew_after_a_failed_commit_is_read_when_it_can_be() {
    let disk = ForgetfulDisk::new("/var", 1);
    let store = open(&disk).unwrap();
    create(&store, "a").await.unwrap().unwrap();
    fail(&disk, &store).await;

    disk.heal();
    let found = keys_at_last(&store).await;
    assert!(found.contains(&"a".to_owned()), "{found:?}");
    create(&store, "c").await.unwrap().unwrap();
    let refused = open(&disk).err();
    assert!(matches!(refused, Some(OpenFileError::InUse(_))));
}

#[tokio::test]
async fn a_file_is_read_again_after_a_read_that_failed() {
    let disk = ForgetfulDisk::new("/var", 1);
    disk.open_uncached();
    let store = open(&disk).unwrap();
    create(&store, "a").await.unwrap().unwrap();
    disk.cut_after(0);
    keys(&store).await.unwrap_err();

    disk.heal();
    assert_eq!(keys_at_last(&store).await, ["a"]);
}

#[tokio::test]
async fn reads_wait_for_the_file_that_one_of_them_has_opened_anew() {
    let disk = ForgetfulDisk::new("/var", 1);
    let store = open(&disk).unwrap();
    create(&store, "a").await.unwrap().unwrap();
    fail(&disk, &store).await;

    disk.heal();
    sleep(REST).await;
    let (one, other) = tokio::join!(keys(&store), keys(&store));
    assert_eq!(one.unwrap(), other.unwrap());
}
