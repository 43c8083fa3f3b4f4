//! Requests of the gateways on their way to both systems, and what can happen
//! to one.

use crate::coverage::Moment;
use crate::coverage::network_point;
use crate::decisions::Stream;
use crate::far_ends::FarEnds;
use crate::far_ends::SERVICENOW_URL;
use crate::far_ends::Side;
use crate::profile::Profile;
use crate::stage::Stage;
use crate::store::SharedStore;
use crate::store::pause_ms;
use integration_gateway::Client;
use integration_gateway::OutgoingRequest;
use integration_gateway::SendFailure;
use integration_gateway::contract::Response;
use serde_json::Value;
use simulators::Request;
use simulators::flashduty::READS;
use std::cell::Cell;
use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::task::Waker;
use std::time::Duration;
use std::time::UNIX_EPOCH;

/// For how long a gateway believes in a lease without hearing of it again: three
/// quarters of the term. A store that loses something forgets leases meanwhile.
const BELIEF_MS: u64 = 15_000;

/// Where the store keeps items of work.
const WORK: &str = "g.work.";

/// The network of one run.
pub struct Network {
    stage: Rc<Stage>,
    far_ends: Rc<FarEnds>,
    profile: Rc<Profile>,
    store: Rc<SharedStore>,
    /// The leases that stood in the store when it last lost something, and when
    /// that was.
    forgotten: RefCell<Vec<Forgotten>>,
    /// What was written since this was last emptied.
    pub written: RefCell<Vec<String>>,
    /// Systems that cannot be reached, until when.
    pub outages: [Cell<u64>; 2],
}

/// A lease that the store has lost.
struct Forgotten {
    key: String,
    holder: Value,
    /// In virtual milliseconds.
    lost_ms: u64,
}

/// The network as one process reaches it.
#[derive(Clone)]
pub struct Wire {
    network: Rc<Network>,
    process: usize,
    holder: Rc<dyn Fn() -> String>,
}

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NetworkFault {
    CrashBefore,
    CrashAfter,
    Pause(u64),
    Unreachable,
    Lost,
    AnswerLost,
    Late(u64),
}

/// Where an answer arrives.
#[derive(Default)]
struct Mailbox(RefCell<(Option<Mail>, Option<Waker>)>);

/// An answer, and when it was given, in Unix milliseconds.
type Mail = (simulators::Response, u64);

impl Mailbox {
    fn put(&self, mail: Mail) {
        let mut inside = self.0.borrow_mut();
        inside.0 = Some(mail);
        if let Some(waker) = inside.1.take() {
            drop(inside);
            waker.wake();
        }
    }
}

impl Network {
    /// A network to both systems.
    pub fn new(
        stage: Rc<Stage>,
        far_ends: Rc<FarEnds>,
        profile: Rc<Profile>,
        store: Rc<SharedStore>,
    ) -> Rc<Self> {
        Rc::new(Self {
            stage,
            far_ends,
            profile,
            store,
            forgotten: RefCell::default(),
            written: RefCell::default(),
            outages: Default::default(),
        })
    }

    /// The network as a process reaches it that signs its leases by this name.
    pub fn connect(self: &Rc<Self>, process: usize, holder: impl Fn() -> String + 'static) -> Wire {
        Wire {
            network: Rc::clone(self),
            process,
            holder: Rc::new(holder),
        }
    }

    fn fault(&self, side: Side, point: &str) -> Option<NetworkFault> {
        let Profile {
            network_crash,
            network_pause,
            network_loss,
            ..
        } = *self.profile;
        let (at_crash_point, moment) = self.profile.crashes_most(|| point.to_owned());
        let weights = [network_crash, network_pause, network_loss, at_crash_point];
        let mut decisions = self.stage.decisions.borrow_mut();
        let struck = decisions.strike(Stream::Network, weights.iter().sum());
        if self.outages[side as usize].get() > self.stage.now_ms() {
            return Some(NetworkFault::Unreachable);
        }
        let mut chance = struck?;
        Some(match (chance.weighted(&weights), chance.below(5)) {
            (3, _) if moment == Some(Moment::Before) => NetworkFault::CrashBefore,
            (3, _) => NetworkFault::CrashAfter,
            (0, 0..=1) => NetworkFault::CrashBefore,
            (0, _) => NetworkFault::CrashAfter,
            (1, _) => NetworkFault::Pause(pause_ms(&mut chance)),
            (_, 0) => NetworkFault::Unreachable,
            (_, 1) => NetworkFault::Lost,
            (_, 2..=3) => NetworkFault::AnswerLost,
            // What still happens happens before anybody believes that it did not.
            _ => NetworkFault::Late(match side {
                Side::Flashduty => chance.within(60_000, 100_000),
                Side::ServiceNow => chance.within(60_000, 130_000),
            }),
        })
    }

    /// Whether the work in hand is really this gateway's, now that it sends.
    fn check_lease(&self, process: usize, holder: &str) {
        let Some(key) = self.stage.asking() else {
            return;
        };
        let now_ms = self.stage.now_ms();
        let is_forgotten = self.forgotten.borrow().iter().any(|lease| {
            lease.key == key && lease.holder == holder && now_ms < lease.lost_ms + BELIEF_MS
        });
        if is_forgotten {
            return;
        }
        let record = self.store.peek(&format!("{WORK}{key}")).unwrap_or_default();
        let found = lease_holder(&record);
        if found != holder {
            self.stage.violation(
                "one at a time",
                format!("gateway {process} works on {key} without the lease, which {found} holds"),
            );
        }
    }

    /// To be told just before the store loses something.
    pub fn store_loses(&self) {
        let lost_ms = self.stage.now_ms();
        let mut forgotten = self.forgotten.borrow_mut();
        forgotten.retain(|lease| lost_ms < lease.lost_ms + BELIEF_MS);
        forgotten.extend(
            self.store
                .all(WORK)
                .into_iter()
                .map(|(key, record)| Forgotten {
                    key: key.trim_start_matches(WORK).to_owned(),
                    holder: lease_holder(&record),
                    lost_ms,
                }),
        );
    }
}

/// Who holds the lease of a stored item; null if nobody does.
fn lease_holder(record: &[u8]) -> Value {
    let record: Value = serde_json::from_slice(record).unwrap_or_default();
    record["lease"]["holder"].clone()
}

impl Client for Wire {
    async fn send(&self, request: OutgoingRequest) -> Result<Response, SendFailure> {
        let Self {
            network,
            process,
            holder,
        } = self;
        let stage = &network.stage;
        let side = match request.url.as_str().starts_with(SERVICENOW_URL) {
            true => Side::ServiceNow,
            false => Side::Flashduty,
        };
        let timeout_ms = u64::from(request.timeout_ms);
        let request = incoming(request);
        let (method, path) = (&request.method, &request.path);
        let point = network_point(method, path, &request.query, &request.body);
        let is_token = path == "/oauth_token.do";
        let writes = match side {
            Side::Flashduty => !READS.contains(&path.as_str()),
            Side::ServiceNow => method != "GET" && !is_token,
        };
        if !is_token {
            network.check_lease(*process, &holder());
        }
        let fault = network.fault(side, &point);
        stage.note(format_args!(
            "gateway {process}: {point} {path}{}",
            match fault {
                Some(fault) => format!(": {fault:?}"),
                None => String::new(),
            }
        ));
        {
            let mut report = stage.report.borrow_mut();
            match writes {
                true => report.writes += 1,
                false => report.reads += 1,
            }
            if let Some(fault) = fault {
                report.hit_network(&point, fault);
            }
        }
        if writes {
            network.written.borrow_mut().push(point);
        }
        match fault {
            Some(NetworkFault::CrashBefore) => stage.crash(*process).await,
            Some(NetworkFault::Unreachable) => {
                let ms = stage.chance().below(3000);
                stage.sleep(ms).await;
                return Err(SendFailure::Unreachable("no connection".to_owned()));
            }
            _ => {}
        }
        let (there_ms, back_ms) = {
            let mut chance = stage.chance();
            match chance.below(50) {
                0 => (chance.below(2000), chance.below(20_000)),
                _ => (chance.within(1, 60), chance.within(1, 60)),
            }
        };
        let mailbox = Rc::new(Mailbox::default());
        if fault != Some(NetworkFault::Lost) {
            let late_ms = match fault {
                Some(NetworkFault::Late(ms)) => ms,
                _ => there_ms,
            };
            let answers = matches!(
                fault,
                None | Some(NetworkFault::Pause(_) | NetworkFault::CrashAfter)
            );
            let (far_ends, mailbox) = (Rc::clone(&network.far_ends), Rc::clone(&mailbox));
            let later = Rc::clone(stage);
            stage.after(late_ms, move || {
                let response = far_ends.handle(side, &request);
                if matches!(response.status, simulators::CLOSE | 400..=403 | 405..) {
                    later.report.borrow_mut().refused += 1;
                }
                if matches!(response.status, 401 | 429) {
                    let refused = format!("{side:?} answered {}", response.status);
                    later.report.borrow_mut().count(&refused);
                }
                later.note(format_args!(
                    "{side:?} answers {} to {} {}",
                    response.status, request.method, request.path
                ));
                if answers {
                    let at_ms = far_ends.now_ms(side);
                    later.after(back_ms, move || mailbox.put((response, at_ms)));
                }
            });
        }
        match fault {
            Some(NetworkFault::CrashAfter) => {
                let ms = stage.chance().below(there_ms + back_ms + 1);
                stage.sleep(ms).await;
                stage.crash(*process).await;
            }
            Some(NetworkFault::Pause(ms)) => {
                stage.pause(*process, ms);
                stage.step_back().await;
            }
            // The line is cut, which is noticed at once or not at all.
            Some(NetworkFault::Lost | NetworkFault::AnswerLost | NetworkFault::Late(_)) => {
                let cut = stage.chance().below(2) == 0;
                if cut {
                    stage.sleep(there_ms + back_ms).await;
                    return Err(SendFailure::Unknown("the connection was cut".to_owned()));
                }
            }
            _ => {}
        }
        let mut patience = Box::pin(stage.sleep(timeout_ms));
        let response = poll_fn(|task| {
            let mut mail = mailbox.0.borrow_mut();
            if let Some(response) = mail.0.take() {
                return Poll::Ready(Some(response));
            }
            mail.1 = Some(task.waker().clone());
            patience.as_mut().poll(task).map(|()| None)
        })
        .await;
        match response {
            Some((response, _)) if response.status == simulators::CLOSE => {
                Err(SendFailure::Unknown("the connection was closed".to_owned()))
            }
            Some((response, answered_ms)) => Ok(Response {
                status: response.status,
                headers: with_date(response.headers, answered_ms),
                body: response.body,
            }),
            None => Err(SendFailure::Unknown("no answer in time".to_owned())),
        }
    }
}

fn incoming(request: OutgoingRequest) -> Request {
    let mut headers: Vec<(String, String)> = request
        .headers
        .into_iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect();
    let host = request.url.host_str().unwrap_or_default().to_owned();
    headers.push(("host".to_owned(), host));
    Request {
        method: request.method,
        path: request.url.path().to_owned(),
        query: request.url.query().unwrap_or_default().to_owned(),
        headers,
        body: request.body,
    }
}

/// As every server does, both systems say what time it is.
fn with_date(mut headers: Vec<(String, String)>, unix_ms: u64) -> Vec<(String, String)> {
    let time = UNIX_EPOCH + Duration::from_millis(unix_ms);
    headers.push(("date".to_owned(), httpdate::fmt_http_date(time)));
    headers
}
