//! Whether a store looks, to clients that use it at the same time, as if it did
//! one thing after another.
//!
//! Each client notes when an operation began, when it was answered and what the
//! answer was. A history is linearizable if its operations can be put into one
//! order that contradicts neither the clocks nor the answers. Since keys are
//! independent, each is checked by itself, by the search of Wing and Gong with
//! the states that were seen remembered.

use crate::Store;
use crate::contract::Precondition;
use crate::contract::Write;
use std::collections::HashSet;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::thread;

const CLIENTS: usize = 6;
const KEYS: usize = 3;
const OPERATIONS: usize = 150;

/// Lets six threads read, create, replace and delete three keys at the same
/// time, and checks that their answers fit into one order.
///
/// `block_on` runs a client to its end on the thread that it is called on. The
/// seed decides what the clients do, though not how they meet.
///
/// # Panics
///
/// If the store fails, or the answers fit into no order.
pub fn is_linearizable<S: Store + Sync>(
    store: &S,
    seed: u64,
    block_on: impl Fn(Pin<Box<dyn Future<Output = ()> + '_>>) + Sync,
) {
    let keys: Vec<String> = (0..KEYS)
        .map(|n| format!("conformance.history.{seed}.{n}"))
        .collect();
    let clock = AtomicU64::new(0);
    let histories = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (keys, clock, histories, block_on) = (&keys, &clock, &histories, &block_on);
            scope.spawn(move || {
                let dice = Dice(seed ^ (client as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
                block_on(Box::pin(async move {
                    let history = run(store, keys, clock, client, dice).await;
                    let mut histories = histories.lock().unwrap_or_else(PoisonError::into_inner);
                    histories.push(history);
                }));
            });
        }
    });
    let histories = histories
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    assert_eq!(histories.len(), CLIENTS, "a client came to no end");
    for (n, key) in keys.iter().enumerate() {
        let of_key = |history: &Vec<(usize, Operation)>| {
            let mine = history.iter().filter(|(key, _)| *key == n);
            mine.map(|(_, operation)| operation.clone()).collect()
        };
        let clients: Vec<Vec<Operation>> = histories.iter().map(of_key).collect();
        if let Err(stuck) = check(&clients) {
            panic!(
                "seed {seed}: the answers about {key} fit into no order; what could not be placed: \
                 {stuck:#?}"
            );
        }
    }
}

/// What a key holds: a revision and a number that no other write wrote.
type State = Option<(u64, u64)>;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Operation {
    began: u64,
    answered: u64,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Read(State),
    /// Puts the number there if the key stands at the revision (or is absent);
    /// with the new revision, if it did.
    Put(Option<u64>, u64, Option<u64>),
    /// Deletes the key if it stands at the revision; whether it did.
    Delete(u64, bool),
}

async fn run<S: Store>(
    store: &S,
    keys: &[String],
    clock: &AtomicU64,
    client: usize,
    mut dice: Dice,
) -> Vec<(usize, Operation)> {
    let tick = || clock.fetch_add(1, Ordering::SeqCst);
    let mut seen: Vec<State> = vec![None; keys.len()];
    let mut history = Vec::new();
    for n in 0..OPERATIONS {
        let key = dice.below(keys.len());
        let name = keys[key].clone();
        let number = (client * OPERATIONS + n) as u64;
        // Mostly from what was seen last, so that many writes succeed.
        let what = dice.below(10);
        let began = tick();
        let what = match (what, seen[key]) {
            (0..4, _) => {
                let found = store.get(&[name]).await.expect("the store answers");
                let found = found.into_iter().next().flatten();
                let found = found.map(|entry| (entry.revision, number_of(&entry.value)));
                seen[key] = found;
                What::Read(found)
            }
            (4..6, Some((revision, _))) => {
                let write = write(name, Precondition::Revision(revision), None);
                let done = store.write(write).await.expect("the store answers").is_ok();
                seen[key] = None;
                What::Delete(revision, done)
            }
            (_, stands) => {
                let expected = stands.map(|(revision, _)| revision);
                let precondition = expected.map_or(Precondition::Absent, Precondition::Revision);
                let write = write(name, precondition, Some(number));
                let done = store.write(write).await.expect("the store answers").ok();
                seen[key] = done.map(|revision| (revision, number)).or(stands);
                What::Put(expected, number, done)
            }
        };
        let answered = tick();
        let operation = Operation {
            began,
            answered,
            what,
        };
        history.push((key, operation));
    }
    history
}

fn write(key: String, precondition: Precondition, number: Option<u64>) -> Write {
    Write {
        key,
        precondition,
        value: number.map(|number| number.to_be_bytes().to_vec()),
    }
}

fn number_of(value: &[u8]) -> u64 {
    let bytes = value.try_into().expect("a value that was written");
    u64::from_be_bytes(bytes)
}

/// Looks for an order; else returns what each client was about to do where the
/// search came furthest.
fn check(clients: &[Vec<Operation>]) -> Result<(), Vec<Operation>> {
    let begin = (vec![0; clients.len()], None);
    let mut seen: HashSet<(Vec<usize>, State)> = HashSet::from([begin.clone()]);
    let mut open = vec![begin];
    let mut furthest = vec![0; clients.len()];
    while let Some((places, state)) = open.pop() {
        if places.iter().sum::<usize>() > furthest.iter().sum() {
            furthest.clone_from(&places);
        }
        let next: Vec<Option<&Operation>> = clients
            .iter()
            .zip(&places)
            .map(|(history, place)| history.get(*place))
            .collect();
        let Some(first_answer) = next.iter().flatten().map(|o| o.answered).min() else {
            return Ok(());
        };
        for (client, operation) in next.iter().enumerate() {
            // What began after another was answered comes after that.
            let Some(operation) = operation.filter(|o| o.began < first_answer) else {
                continue;
            };
            let Some(state) = after(state, &operation.what) else {
                continue;
            };
            let mut places = places.clone();
            places[client] += 1;
            if seen.insert((places.clone(), state)) {
                open.push((places, state));
            }
        }
    }
    let stuck = clients.iter().zip(&furthest);
    Err(stuck
        .filter_map(|(history, place)| history.get(*place).cloned())
        .collect())
}

/// The state after an operation; none if its answer does not fit the state.
fn after(state: State, what: &What) -> Option<State> {
    let stands = state.map(|(revision, _)| revision);
    match what {
        What::Read(found) => (*found == state).then_some(state),
        What::Put(expected, number, Some(revision)) => {
            let is_new = Some(*revision) != stands;
            (*expected == stands && is_new).then_some(Some((*revision, *number)))
        }
        What::Put(expected, _, None) => (*expected != stands).then_some(state),
        What::Delete(revision, true) => (Some(*revision) == stands).then_some(None),
        What::Delete(revision, false) => (Some(*revision) != stands).then_some(state),
    }
}

/// Numbers that look random, the same for the same seed.
struct Dice(u64);

impl Dice {
    /// SplitMix64.
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(began: u64, answered: u64, what: What) -> Operation {
        Operation {
            began,
            answered,
            what,
        }
    }

    fn put(number: u64) -> What {
        What::Put(None, number, Some(number))
    }

    #[test]
    fn a_read_may_see_a_write_that_is_under_way_or_not() {
        for found in [None, Some((1, 1))] {
            let clients = [vec![at(0, 3, put(1))], vec![at(1, 2, What::Read(found))]];
            assert_eq!(check(&clients), Ok(()));
        }
    }

    #[test]
    fn a_read_that_misses_a_confirmed_write_is_found_out() {
        let clients = [vec![at(0, 1, put(1))], vec![at(2, 3, What::Read(None))]];
        assert_eq!(check(&clients), Err(vec![clients[1][0].clone()]));
    }

    #[test]
    fn two_reads_that_see_two_writes_in_different_orders_are_found_out() {
        let replaced = What::Put(Some(1), 2, Some(2));
        let clients = [
            vec![at(0, 1, put(1)), at(2, 9, replaced)],
            vec![at(3, 4, What::Read(Some((2, 2))))],
            vec![at(5, 6, What::Read(Some((1, 1))))],
        ];
        assert!(check(&clients).is_err());
    }

    #[test]
    fn a_key_that_two_clients_created_is_found_out() {
        let clients = [vec![at(0, 3, put(1))], vec![at(1, 2, put(2))]];
        assert!(check(&clients).is_err());
    }

    #[test]
    fn a_refusal_without_a_reason_is_found_out() {
        let clients = [vec![at(0, 1, What::Put(None, 1, None))]];
        assert!(check(&clients).is_err());
    }
}
