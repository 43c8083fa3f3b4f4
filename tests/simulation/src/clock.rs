//! A gateway's clock, dice and alarm.

use crate::chance::Chance;
use crate::stage::Stage;
use integration_gateway::Environment;
use std::cell::Cell;
use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::task::Waker;

/// The longest that a worker sleeps: its clock may be set while it does.
const LONGEST_SLEEP_MS: u64 = 10_000;

/// The clock on the wall of one machine. It outlives the processes there.
#[derive(Debug, Default)]
pub struct WallClock {
    /// How far it is ahead of what is right, in milliseconds.
    ahead_ms: Cell<i64>,
}

impl WallClock {
    /// Sets the clock forward, or back.
    pub fn set_ahead(&self, ms: i64) {
        self.ahead_ms.set(ms);
    }

    /// How far it is ahead, in milliseconds.
    pub fn ahead_ms(&self) -> i64 {
        self.ahead_ms.get()
    }
}

/// The environment of one gateway process. Clones are of the same process.
#[derive(Clone)]
pub struct Clock(Rc<Inner>);

struct Inner {
    stage: Rc<Stage>,
    wall: Rc<WallClock>,
    dice: RefCell<Chance>,
    first_drawn: Cell<Option<u64>>,
    /// Counts the alarms.
    alarms: Cell<u64>,
    waiting: RefCell<Vec<Waker>>,
}

impl Clock {
    /// The environment of the process that starts now on a machine.
    pub fn new(stage: Rc<Stage>, wall: Rc<WallClock>, dice: Chance) -> Self {
        Self(Rc::new(Inner {
            stage,
            wall,
            dice: RefCell::new(dice),
            first_drawn: Cell::new(None),
            alarms: Cell::new(0),
            waiting: RefCell::default(),
        }))
    }

    /// By which name the gateway signs its leases: its first draw.
    pub fn holder(&self) -> String {
        format!("{:016x}", self.0.first_drawn.get().unwrap_or_default())
    }

    /// How often the alarm has rung so far.
    pub fn alarms(&self) -> u64 {
        self.0.alarms.get()
    }

    /// Waits until a time by this clock, or until the alarm has rung more often
    /// than `alarms`; for a while at most.
    pub async fn until(&self, until_ms: Option<u64>, alarms: u64) {
        let ms = until_ms.map_or(LONGEST_SLEEP_MS, |until_ms| {
            until_ms.saturating_sub(self.now_ms()).min(LONGEST_SLEEP_MS)
        });
        let mut sleep = Box::pin(self.0.stage.sleep(ms));
        poll_fn(|task| {
            if self.alarms() > alarms {
                return Poll::Ready(());
            }
            self.0.waiting.borrow_mut().push(task.waker().clone());
            sleep.as_mut().poll(task)
        })
        .await;
    }
}

impl Environment for Clock {
    fn now_ms(&self) -> u64 {
        let ahead_ms = self.0.wall.ahead_ms();
        self.0.stage.unix_ms().saturating_add_signed(ahead_ms)
    }

    fn steady_ms(&self) -> u64 {
        self.0.stage.now_ms()
    }

    fn random(&self) -> u64 {
        let drawn = self.0.dice.borrow_mut().draw();
        if self.0.first_drawn.get().is_none() {
            self.0.first_drawn.set(Some(drawn));
        }
        drawn
    }

    async fn sleep(&self, ms: u64) {
        self.0.stage.sleep(ms).await;
    }

    fn work_due(&self, _due_ms: u64) {
        self.0.alarms.set(self.0.alarms.get() + 1);
        for waker in self.0.waiting.take() {
            waker.wake();
        }
    }
}
