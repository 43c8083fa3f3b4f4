//! Virtual time and an executor: everything that happens, happens here, one
//! thing after the other, in an order that follows from the seed.
//!
//! A gateway is a *process*: its tasks can be dropped in the middle of whatever
//! they wait for (a crash), or not be polled for a while (a pause). What it has
//! already sent is not part of it, and arrives all the same.

use crate::chance::Chance;
use crate::decisions::Decisions;
use crate::report::Report;
use crate::trace::Trace;
use std::cell::Cell;
use std::cell::RefCell;
use std::cell::RefMut;
use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Arguments;
use std::future::Future;
use std::future::pending;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::task::Context;
use std::task::Poll;
use std::task::Wake;
use std::task::Waker;

/// Unix time at which every run begins, in milliseconds: 2026-06-01T08:00:00Z.
pub const START_MS: u64 = 1_780_300_800_000;

type Ready = Arc<Mutex<Vec<u64>>>;
type Task = Pin<Box<dyn Future<Output = ()>>>;

enum Happening {
    Wake(Waker),
    Do(Box<dyn FnOnce()>),
}

/// A process as the stage sees it.
#[derive(Debug, Default)]
struct Process {
    is_paused: bool,
    /// Tasks that were woken while it was paused.
    held: Vec<u64>,
    has_crashed: bool,
}

/// Something that must never happen, and did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The rule that it breaks: a run that is made short must break it still.
    pub kind: &'static str,
    /// What happened.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.what)
    }
}

/// Where everything happens.
pub struct Stage {
    now_ms: Cell<u64>,
    counter: Cell<u64>,
    /// By time, then by chance, then in the order of planning.
    planned: RefCell<BTreeMap<(u64, u64, u64), Happening>>,
    tasks: RefCell<BTreeMap<u64, (usize, Option<Task>)>>,
    ready: Ready,
    processes: RefCell<Vec<Process>>,
    chance: RefCell<Chance>,
    /// What fate decides.
    pub decisions: RefCell<Decisions>,
    /// What happened.
    pub trace: RefCell<Trace>,
    /// What is counted.
    pub report: RefCell<Report>,
    /// What must never happen and did.
    violations: RefCell<Vec<Violation>>,
    /// The session that each task runs, if that works on something.
    asking: RefCell<BTreeMap<u64, String>>,
    /// The task that is polled.
    current: Cell<u64>,
}

struct Wakeup {
    task: u64,
    ready: Ready,
}

impl Wake for Wakeup {
    fn wake(self: Arc<Self>) {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if !ready.contains(&self.task) {
            ready.push(self.task);
        }
    }
}

impl Stage {
    /// An empty stage with so many processes.
    pub fn new(seed: u64, processes: usize, decisions: Decisions, trace: Trace) -> Rc<Self> {
        Rc::new(Self {
            now_ms: Cell::new(0),
            counter: Cell::new(0),
            planned: RefCell::default(),
            tasks: RefCell::default(),
            ready: Ready::default(),
            processes: RefCell::new((0..processes).map(|_| Process::default()).collect()),
            chance: RefCell::new(Chance::of(seed, &[u64::from_be_bytes(*b"in order")])),
            decisions: RefCell::new(decisions),
            trace: RefCell::new(trace),
            report: RefCell::default(),
            violations: RefCell::default(),
            asking: RefCell::default(),
            current: Cell::default(),
        })
    }

    /// Virtual milliseconds since the beginning.
    pub fn now_ms(&self) -> u64 {
        self.now_ms.get()
    }

    /// Unix time by the clock that is right.
    pub fn unix_ms(&self) -> u64 {
        START_MS + self.now_ms()
    }

    /// Chance for what is no decision: how long things take, and their order.
    pub fn chance(&self) -> RefMut<'_, Chance> {
        self.chance.borrow_mut()
    }

    /// Takes down what happened.
    pub fn note(&self, what: Arguments<'_>) {
        self.trace.borrow_mut().note(self.now_ms(), what);
    }

    /// Takes down what must never happen.
    pub fn violation(&self, kind: &'static str, what: String) {
        self.note(format_args!("VIOLATION {kind}: {what}"));
        self.violations.borrow_mut().push(Violation { kind, what });
    }

    /// What must never happen and did.
    pub fn violations(&self) -> Vec<Violation> {
        self.violations.borrow().clone()
    }

    /// The task that is polled runs this session from now on, or one that works on
    /// nothing.
    pub fn asks(&self, key: Option<String>) {
        let mut all = self.asking.borrow_mut();
        match key {
            Some(key) => all.insert(self.current.get(), key),
            None => all.remove(&self.current.get()),
        };
    }

    /// The key of the work that opened the session of the task that is polled. It
    /// stays that for as long as it waits for anything.
    pub fn asking(&self) -> Option<String> {
        self.asking.borrow().get(&self.current.get()).cloned()
    }

    fn plan(&self, at_ms: u64, happening: Happening) {
        let order = self.chance().draw();
        let number = self.counter.get();
        self.counter.set(number + 1);
        let at_ms = at_ms.max(self.now_ms());
        let mut planned = self.planned.borrow_mut();
        planned.insert((at_ms, order, number), happening);
    }

    /// Does something after so many milliseconds.
    pub fn after(&self, ms: u64, act: impl FnOnce() + 'static) {
        self.plan(self.now_ms() + ms, Happening::Do(Box::new(act)));
    }

    /// Waits for so many milliseconds.
    pub async fn sleep(&self, ms: u64) {
        let until_ms = self.now_ms() + ms;
        let mut is_planned = false;
        poll_fn(|task| {
            if self.now_ms() >= until_ms && (is_planned || ms == 0) {
                return Poll::Ready(());
            }
            // The waker of a task never changes here.
            if !is_planned {
                is_planned = true;
                self.plan(until_ms, Happening::Wake(task.waker().clone()));
            }
            Poll::Pending
        })
        .await;
    }

    /// Lets everything else that is ready go first.
    pub async fn step_back(&self) {
        let mut has_waited = false;
        poll_fn(|task| {
            if has_waited {
                return Poll::Ready(());
            }
            has_waited = true;
            task.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    /// Begins a task of a process.
    pub fn spawn(&self, process: usize, task: impl Future<Output = ()> + 'static) {
        let id = self.counter.get();
        self.counter.set(id + 1);
        let task: Task = Box::pin(task);
        self.tasks.borrow_mut().insert(id, (process, Some(task)));
        self.lock_ready().push(id);
    }

    /// Ends the process that calls, right here.
    pub async fn crash(&self, process: usize) {
        self.crash_from_outside(process);
        pending::<()>().await;
    }

    /// Ends a process before its next step.
    pub fn crash_from_outside(&self, process: usize) {
        if let Some(process) = self.processes.borrow_mut().get_mut(process) {
            process.has_crashed = true;
        }
    }

    /// The processes that have crashed since this was last asked; their tasks
    /// are gone.
    pub fn bury(&self) -> Vec<usize> {
        let mut crashed = Vec::new();
        for (index, process) in self.processes.borrow_mut().iter_mut().enumerate() {
            if std::mem::take(&mut process.has_crashed) {
                process.held.clear();
                process.is_paused = false;
                crashed.push(index);
            }
        }
        for process in &crashed {
            let mut tasks = self.tasks.borrow_mut();
            let all = std::mem::take(&mut *tasks);
            let (dead, alive) = all
                .into_iter()
                .partition(|(_, (owner, _))| owner == process);
            *tasks = alive;
            drop(tasks);
            // What is dropped may still want to look at the stage.
            let dead: BTreeMap<u64, (usize, Option<Task>)> = dead;
            self.asking
                .borrow_mut()
                .retain(|id, _| !dead.contains_key(id));
            drop(dead);
        }
        crashed
    }

    /// Stops polling a process for so many milliseconds.
    pub fn pause(self: &Rc<Self>, process: usize, ms: u64) {
        if let Some(paused) = self.processes.borrow_mut().get_mut(process) {
            paused.is_paused = true;
        }
        let stage = Rc::clone(self);
        self.after(ms, move || stage.go_on(process));
    }

    /// Polls a paused process again.
    pub fn go_on(&self, process: usize) {
        if let Some(process) = self.processes.borrow_mut().get_mut(process) {
            process.is_paused = false;
            self.lock_ready().append(&mut process.held);
        }
    }

    /// Runs until a time, or until a process has crashed. True if that time is
    /// reached.
    pub fn run_until(&self, until_ms: u64) -> bool {
        loop {
            while let Some(id) = self.next_ready() {
                self.poll(id);
                if self.processes.borrow().iter().any(|p| p.has_crashed) {
                    return false;
                }
            }
            let next = self.planned.borrow().first_key_value().map(|(at, _)| *at);
            let Some((at_ms, order, number)) = next.filter(|(at_ms, ..)| *at_ms <= until_ms) else {
                self.now_ms.set(until_ms);
                return true;
            };
            self.now_ms.set(at_ms);
            let happening = self.planned.borrow_mut().remove(&(at_ms, order, number));
            match happening {
                Some(Happening::Wake(waker)) => waker.wake(),
                Some(Happening::Do(act)) => act(),
                None => {}
            }
            if self.processes.borrow().iter().any(|p| p.has_crashed) {
                return false;
            }
        }
    }

    /// Forgets everything that was to happen.
    pub fn clear(&self) {
        let tasks = std::mem::take(&mut *self.tasks.borrow_mut());
        drop(tasks);
        let planned = std::mem::take(&mut *self.planned.borrow_mut());
        drop(planned);
    }

    fn next_ready(&self) -> Option<u64> {
        loop {
            let id = {
                let mut ready = self.lock_ready();
                if ready.is_empty() {
                    return None;
                }
                let index = match ready.len() {
                    1 => 0,
                    several => self.chance().below(several as u64) as usize,
                };
                ready.swap_remove(index)
            };
            // A task that is over, or whose process is dead, is not there.
            let Some(owner) = self.tasks.borrow().get(&id).map(|(owner, _)| *owner) else {
                continue;
            };
            match self.processes.borrow_mut().get_mut(owner) {
                Some(process) if process.is_paused => process.held.push(id),
                _ => return Some(id),
            }
        }
    }

    fn poll(&self, id: u64) {
        let mut tasks = self.tasks.borrow_mut();
        let Some(mut task) = tasks.get_mut(&id).and_then(|(_, task)| task.take()) else {
            return;
        };
        drop(tasks);
        self.current.set(id);
        let wakeup = Wakeup {
            task: id,
            ready: Arc::clone(&self.ready),
        };
        let waker = Waker::from(Arc::new(wakeup));
        let is_over = task.as_mut().poll(&mut Context::from_waker(&waker));
        let mut tasks = self.tasks.borrow_mut();
        match is_over {
            Poll::Ready(()) => {
                drop(tasks.remove(&id));
                self.asking.borrow_mut().remove(&id);
            }
            Poll::Pending => {
                if let Some((_, place)) = tasks.get_mut(&id) {
                    *place = Some(task);
                }
            }
        }
    }

    fn lock_ready(&self) -> std::sync::MutexGuard<'_, Vec<u64>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
