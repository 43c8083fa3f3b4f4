//! Several things at a time.

use anyhow::Result;
use anyhow::bail;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::thread;

/// Does something with each item, `together` at a time, and returns what came of
/// it, in no order. After an error nothing more is begun.
pub(crate) fn each<T: Send, R: Send>(
    items: Vec<T>,
    together: usize,
    act: impl Fn(T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let waiting = Mutex::new(items.into_iter());
    let next = || lock(&waiting).next();
    let worker = || -> Result<Vec<R>> {
        let mut done = Vec::new();
        while let Some(item) = next() {
            match act(item) {
                Ok(result) => done.push(result),
                Err(error) => {
                    while next().is_some() {}
                    return Err(error);
                }
            }
        }
        Ok(done)
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..together).map(|_| scope.spawn(worker)).collect();
        let mut all = Vec::new();
        for worker in workers {
            match worker.join() {
                Ok(done) => all.extend(done?),
                Err(_) => bail!("a thread of xtask panicked"),
            }
        }
        Ok(all)
    })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering;

    #[test]
    fn each_item_is_taken_once() {
        let mut done = each((0..100).collect(), 3, |n: usize| Ok(n)).expect("no error");
        done.sort_unstable();
        assert!(done.into_iter().eq(0..100));
    }

    #[test]
    fn after_an_error_nothing_more_is_begun() {
        let begun = AtomicUsize::new(0);
        let act = |n: usize| -> Result<()> {
            begun.fetch_add(1, Ordering::Relaxed);
            match n {
                0 => bail!("no"),
                _ => Ok(()),
            }
        };
        let error = each((0..100).collect(), 1, act).expect_err("one");
        assert_eq!(error.to_string(), "no");
        assert_eq!(begun.into_inner(), 1);
    }
}
