//! The futures of a gateway are as mobile as its parts: a server may spawn
//! them on any thread, and a gateway whose parts cannot leave theirs works as
//! well.

use crate::scene::*;
use integration_gateway::Client;
use integration_gateway::Environment;
use integration_gateway::Gateway;
use integration_gateway::MemoryStore;
use integration_gateway::Next;
use integration_gateway::OutgoingRequest;
use integration_gateway::Refused;
use integration_gateway::Runtime;
use integration_gateway::SendFailure;
use integration_gateway::Session;
use integration_gateway::Store;
use integration_gateway::StoreError;
use integration_gateway::Trap;
use integration_gateway::contract::*;
use std::cell::Cell;
use std::cell::RefCell;
use std::rc::Rc;

fn is_send<T: Send>(_: &T) {}

#[test]
fn with_parts_that_can_be_sent_the_futures_can_be_sent() {
    fn futures(gateway: &TestGateway) {
        is_send(&gateway.receive(webhook(&[]), |_| {}));
        is_send(&gateway.run_next());
        is_send(&gateway.recover());
        is_send(&gateway.work(None));
        is_send(&gateway.release("pair"));
        is_send(&gateway.operate(webhook(&[])));
    }
    futures(&Scene::new().gateway);
}

/// Everything in one, and nothing of it may leave the thread.
#[derive(Clone)]
struct Homebody {
    store: Rc<MemoryStore>,
    calls: Rc<Cell<u32>>,
}

impl Runtime for Homebody {
    type Session = Steps;

    async fn open(&self, input: Input, _: Context) -> Result<Steps, Trap> {
        let steps = match input {
            Input::Request(_) | Input::Operator(_) => {
                vec![vec![schedule("pair", 0, "event"), respond(200)]]
            }
            Input::Work(_) => vec![
                vec![Effect::Http(get("https://other.example.com/", None))],
                vec![finish(Verdict::Done)],
            ],
        };
        Ok(Steps(Rc::new(RefCell::new(steps))))
    }
}

struct Steps(Rc<RefCell<Vec<Vec<Effect>>>>);

impl Session for Steps {
    async fn resume(&mut self, _: u64, _: Vec<Reply>) -> Result<Vec<Effect>, Trap> {
        let mut steps = self.0.borrow_mut();
        Ok(if steps.is_empty() {
            Vec::new()
        } else {
            steps.remove(0)
        })
    }
}

impl Store for Homebody {
    fn is_shared(&self) -> bool {
        false
    }

    async fn get(&self, keys: &[String]) -> Result<Vec<Option<Entry>>, StoreError> {
        self.store.get(keys).await
    }

    async fn scan(&self, scan: &Scan) -> Result<Page, StoreError> {
        self.store.scan(scan).await
    }

    async fn write(&self, write: Write) -> Result<Result<u64, Refused>, StoreError> {
        self.store.write(write).await
    }
}

impl Client for Homebody {
    async fn send(&self, _: OutgoingRequest) -> Result<Response, SendFailure> {
        self.calls.set(self.calls.get() + 1);
        Ok(response(200))
    }
}

impl Environment for Homebody {
    fn now_ms(&self) -> u64 {
        NOW
    }

    fn steady_ms(&self) -> u64 {
        0
    }

    fn random(&self) -> u64 {
        4
    }

    async fn sleep(&self, _: u64) {}

    fn work_due(&self, _: u64) {}
}

#[test]
fn with_parts_that_cannot_leave_their_thread_it_works_on_one() {
    let home = Homebody {
        store: Rc::default(),
        calls: Rc::default(),
    };
    let parts = home.clone();
    let gateway = Gateway::new(
        policy(SETTINGS),
        "{}".to_owned(),
        parts.clone(),
        parts.clone(),
        parts.clone(),
        parts,
    );
    let answered = Rc::new(Cell::new(0));
    let slot = answered.clone();
    // No thread, no timer, no spawning: a loop that polls is enough.
    pollster(async {
        gateway.recover().await.unwrap();
        let incoming = webhook(&[("authorization", "Bearer HOOK_NEW")]);
        gateway.receive(incoming, move |r| slot.set(r.status)).await;
        assert_eq!(gateway.run_next().await, Next::Ran);
        assert_eq!(gateway.run_next().await, Next::Idle { until_ms: None });
    });
    assert_eq!(answered.get(), 200);
    assert_eq!(home.calls.get(), 1);
}

fn pollster<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
}
