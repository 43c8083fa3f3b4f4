//! Runs futures that wait for the runtime.
//!
//! An instance has one thread, and everything that it can wait for is a
//! `pollable`. So waiting is one call that blocks until one of them is ready.

use crate::p2::bindings::poll;
use crate::p2::bindings::poll::Pollable;
use std::cell::Cell;
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::pin::pin;
use std::rc::Rc;
use std::rc::Weak;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::task::Context;
use std::task::Poll;
use std::task::Wake;
use std::task::Waker;

thread_local! {
    /// What somebody waits for. Who has given up waiting has dropped it.
    static AWAITED: RefCell<Vec<Weak<Awaited>>> = const { RefCell::new(Vec::new()) };
}

struct Awaited {
    pollable: Pollable,
    is_ready: Cell<bool>,
    is_listed: Cell<bool>,
    waker: RefCell<Waker>,
}

/// Waits until a pollable is ready.
pub(crate) fn ready(pollable: Pollable) -> Ready {
    Ready(Rc::new(Awaited {
        pollable,
        is_ready: Cell::new(false),
        is_listed: Cell::new(false),
        waker: RefCell::new(Waker::noop().clone()),
    }))
}

pub(crate) struct Ready(Rc<Awaited>);

impl Future for Ready {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.0.is_ready.get() {
            return Poll::Ready(());
        }
        self.0.waker.replace(context.waker().clone());
        if !self.0.is_listed.replace(true) {
            AWAITED.with_borrow_mut(|all| all.push(Rc::downgrade(&self.0)));
        }
        Poll::Pending
    }
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs a future to its end.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let flag = Arc::new(Flag(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&flag));
    let mut context = Context::from_waker(&waker);
    loop {
        while flag.0.swap(false, Ordering::Relaxed) {
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return output;
            }
        }
        wait();
    }
}

/// Blocks until something is ready, and wakes whoever waits for it.
fn wait() {
    let awaited: Vec<Rc<Awaited>> = AWAITED.with_borrow_mut(|all| {
        all.retain(|awaited| awaited.upgrade().is_some_and(|a| !a.is_ready.get()));
        all.iter().filter_map(Weak::upgrade).collect()
    });
    // The runtime traps on an empty list, which says as much as a panic would:
    // somebody waits for what can never come.
    let pollables: Vec<_> = awaited.iter().map(|awaited| &awaited.pollable).collect();
    for place in poll::poll(&pollables) {
        if let Some(awaited) = awaited.get(place as usize) {
            awaited.is_ready.set(true);
            awaited.waker.borrow().wake_by_ref();
        }
    }
}
