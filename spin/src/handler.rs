//! Answers a request.

use crate::client::SpinClient;
use crate::configuration;
use crate::configuration::Configuration;
use crate::configuration::Draft;
use crate::configuration::Sources;
use crate::environment::SpinEnvironment;
use crate::log;
use crate::runtime::ImportedPlugin;
use crate::store::SpinStore;
use crate::variables;
use crate::wasi;
use crate::wasi::Caller;
use crate::wasi::Request;
use crate::work;
use crate::work::Bound;
use futures_util::future::Either;
use futures_util::future::join;
use futures_util::future::select;
use integration_gateway::Environment;
use integration_gateway::Gateway;
use integration_gateway::Incoming;
use integration_gateway::OPERATOR_ROUTES;
use integration_gateway::Sender;
use integration_gateway::WorkCounts;
use integration_gateway::contract;
use integration_gateway::contract::Response;
use integration_gateway::error_response;
use integration_gateway::expected_method;
use integration_gateway::unserved;
use serde::Serialize;
use std::cell::Cell;
use std::future::poll_fn;
use std::pin::Pin;
use std::pin::pin;

/// Where somebody calls now and then to have done what is due.
pub(crate) const TICK: &str = "/tick";
/// How long a tick works unless it says otherwise. Longer than a lease, so that
/// it takes over what a dead instance had in hand, and shorter than the half
/// minute that some runtimes allow.
const TICK_SECONDS: u32 = 25;
const LONGEST_TICK_SECONDS: u32 = 300;
/// A body for the operator's surface carries next to nothing.
const OPERATOR_BODY_BYTES: usize = 64 << 10;
/// How long a body may take. Nobody else limits that, and whoever sends it may be
/// anybody.
const BODY_SECONDS: u32 = 10;

/// The gateway as an instance puts it together.
pub(crate) type SpinGateway = Gateway<ImportedPlugin, SpinStore, SpinClient, SpinEnvironment>;

/// Answers one request, and does what comes of it.
pub(crate) async fn serve(request: Request, caller: Caller) {
    let incoming = wasi::head(&request);
    if let Some(response) = integration_gateway::alive(&incoming) {
        return wasi::answer(caller, response);
    }
    let configuration = match configuration(&incoming.path).await {
        Ok(configuration) => configuration,
        Err(refusal) => return wasi::answer(caller, refusal),
    };
    let environment = SpinEnvironment::default();
    let client = SpinClient {
        addresses: configuration.policy.addresses().clone(),
        environment: environment.clone(),
    };
    let store = SpinStore::new(configuration.store);
    let gateway = Gateway::new(
        configuration.policy,
        configuration.document,
        ImportedPlugin,
        store.clone(),
        client,
        environment.clone(),
    );
    let mut handling = pin!(handle(&gateway, &environment, request, incoming, caller));
    poll_fn(|context| {
        let polled = handling.as_mut().poll(context);
        store.rest();
        polled
    })
    .await;
}

/// Leads a request to what answers it.
async fn handle(
    gateway: &SpinGateway,
    environment: &SpinEnvironment,
    request: Request,
    mut incoming: Incoming,
    caller: Caller,
) {
    let is_operators = OPERATOR_ROUTES
        .iter()
        .any(|route| route.leads_to(&incoming.path));
    let is_tick = incoming.path == TICK;
    // Who is answered for the head alone is not waited for.
    let most = if is_tick {
        let is_let_in = gateway.without_token(&incoming).is_none();
        is_let_in.then_some(OPERATOR_BODY_BYTES)
    } else if is_operators {
        let route = gateway.operator_route(&incoming);
        let is_let_in = route.is_ok_and(|route| !route.is_open);
        is_let_in.then_some(OPERATOR_BODY_BYTES)
    } else {
        let may_be_taken = gateway.sender(&incoming) != Sender::Refused;
        may_be_taken.then(|| gateway.body_limit(&incoming.path))
    };
    if let Some(most) = most {
        incoming.body = match body(environment, request, most).await {
            Ok(body) => body,
            Err(refusal) => {
                if refusal.status == 408 && !is_tick && !is_operators {
                    gateway.refused_a_slow_body(&incoming.path);
                }
                return wasi::answer(caller, refusal);
            }
        };
    }
    if is_tick {
        tick(gateway, environment, incoming, caller).await;
    } else if is_operators {
        let answer = pin!(async {
            let response = operate(gateway, incoming).await;
            wasi::answer(caller, response);
        });
        beside(gateway, environment, answer).await;
    } else {
        let answer = gateway.receive(incoming, |response| wasi::answer(caller, response));
        beside(gateway, environment, pin!(answer)).await;
    }
}

/// Reads a body, or says what to answer whoever does not send it.
async fn body(
    environment: &SpinEnvironment,
    request: Request,
    most: usize,
) -> Result<Vec<u8>, Response> {
    let limit = environment.sleep(u64::from(BODY_SECONDS) * 1000);
    match select(pin!(wasi::read(request, most)), pin!(limit)).await {
        Either::Left((read, _)) => {
            read.map_err(|why| error_response(400, &format!("the body was cut: {why}")))
        }
        Either::Right(_) => {
            let why = format!("the body did not come within {BODY_SECONDS} s");
            Err(error_response(408, &why))
        }
    }
}

/// Answers an operator. Only what is about the whole queue costs a look at all
/// of it, and who is not let in costs none.
async fn operate(gateway: &SpinGateway, incoming: Incoming) -> Response {
    let looked = match gateway.operator_route(&incoming) {
        Ok(route) if route.is_about_the_queue() => load(gateway).await,
        // What a plugin sends for an operator stops at closed gates too.
        Ok(route) if !route.is_open => attend(gateway).await,
        _ => Ok(()),
    };
    match looked {
        Ok(()) => gateway.operate(incoming).await,
        Err(refusal) => refusal,
    }
}

/// Runs a request to its end, and beside it and afterwards the work that it
/// scheduled. All other work is left to ticks.
async fn beside(
    gateway: &SpinGateway,
    environment: &SpinEnvironment,
    request: Pin<&mut dyn Future<Output = ()>>,
) {
    let request = match select(request, pin!(environment.alarm())).await {
        Either::Left(_) if !environment.is_raised() => return,
        Either::Left(_) => None,
        Either::Right(((), request)) => Some(request),
    };
    let is_over = Cell::new(request.is_none());
    let end = async {
        if let Some(request) = request {
            request.await;
            is_over.set(true);
            // Whoever waits for more work of it need not.
            environment.raise();
        }
    };
    let work = async {
        if attend(gateway).await.is_ok() {
            let bound = Bound::after_a_request(environment);
            work::run(gateway, environment, bound, &|| is_over.get()).await;
        }
    };
    join(end, work).await;
}

/// Does what is due, answers when the bound is reached or nothing is left, and
/// lets the sessions that are running then come to their end.
async fn tick(
    gateway: &SpinGateway,
    environment: &SpinEnvironment,
    incoming: Incoming,
    caller: Caller,
) {
    if let Some(refusal) = gateway.without_token(&incoming) {
        return wasi::answer(caller, refusal);
    }
    if incoming.method != "POST" {
        return wasi::answer(caller, expected_method("POST"));
    }
    let seconds = match seconds(&incoming.query) {
        Ok(seconds) => seconds,
        Err(why) => return wasi::answer(caller, error_response(400, &why)),
    };
    let bound = Bound::of_a_tick(environment, seconds);
    let limit = pin!(environment.sleep(u64::from(seconds) * 1000));
    // The limit comes first, since its time begins when it is first asked.
    let limit = match select(limit, pin!(load(gateway))).await {
        Either::Right((Ok(()), limit)) => limit,
        Either::Right((Err(refusal), _)) => return wasi::answer(caller, refusal),
        Either::Left(_) => {
            let why = format!(
                "the work queue was not read in {seconds} s, and nothing was done; a tick may \
                 have seconds={LONGEST_TICK_SECONDS}"
            );
            return wasi::answer(caller, refusal(&why));
        }
    };
    let work = pin!(work::run(gateway, environment, bound, &|| true));
    match select(work, limit).await {
        Either::Left((ran, _)) => wasi::answer(caller, ticked(gateway, Some(ran))),
        Either::Right(((), work)) => {
            wasi::answer(caller, ticked(gateway, None));
            work.await;
        }
    }
}

/// What came of a tick.
#[derive(Serialize)]
struct Ticked {
    /// None where some are still running.
    sessions: Option<u32>,
    work: WorkCounts,
}

fn ticked(gateway: &SpinGateway, ran: Option<u32>) -> Response {
    let json = ("content-type".to_owned(), "application/json".to_owned());
    let ticked = Ticked {
        sessions: ran,
        work: gateway.status().work,
    };
    Response {
        status: 200,
        headers: vec![json],
        // No value can fail to serialise.
        body: serde_json::to_vec(&ticked).unwrap_or_default(),
    }
}

/// How long a tick is to work: `?seconds=50`.
fn seconds(query: &str) -> Result<u32, String> {
    let Some(text) = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("seconds="))
    else {
        return Ok(TICK_SECONDS);
    };
    let seconds = text.parse().ok();
    let seconds = seconds.filter(|seconds| (1..=LONGEST_TICK_SECONDS).contains(seconds));
    seconds.ok_or_else(|| {
        format!("expected seconds=1 to seconds={LONGEST_TICK_SECONDS}, found {text:?}")
    })
}

/// Reads the whole queue, or tells why that failed.
async fn load(gateway: &SpinGateway) -> Result<(), Response> {
    let loaded = gateway.resume().await;
    loaded.map_err(|error| refusal(&error.to_string()))
}

/// The answer to an operator where the store does not say what is to be done.
fn refusal(why: &str) -> Response {
    tracing::error!(why, "cannot read what is to be done");
    error_response(503, why)
}

/// Looks at the gates, or tells why that failed.
async fn attend(gateway: &SpinGateway) -> Result<(), Response> {
    let looked = gateway.attend().await;
    looked.map_err(|error| refusal(&error.to_string()))
}

/// The configuration for a request for this path, or the answer if there is none.
/// Secrets are looked up, and the plugin asked, only where something is served.
async fn configuration(path: &str) -> Result<Configuration, Response> {
    let text = variables::read(configuration::VARIABLE).await;
    let text = text.map_err(|why| {
        vec![format!(
            "the Spin variable {}: {why}",
            configuration::VARIABLE
        )]
    });
    let draft = text.and_then(|text| Draft::read(&text));
    let draft = draft.map_err(unusable)?;
    log::set_level(draft.level);
    if !draft.serves(path) {
        tracing::info!(
            path = "unknown",
            outcome = "unknown_route",
            "refused a request"
        );
        return Err(unserved());
    }
    let mut secrets = Vec::new();
    for name in draft.secrets() {
        let value = variables::secret(&name).await;
        secrets.push((name, value));
    }
    let checked = draft.check(&Sources {
        manifest: &contract::describe,
        configure: &contract::configure,
        secrets: &secrets,
    });
    checked.map_err(unusable)
}

/// The answer where the configuration cannot be used, and to whoever reads the
/// log why.
fn unusable(problems: Vec<String>) -> Response {
    for problem in problems {
        tracing::error!(problem, "the configuration cannot be used");
    }
    let why = "the gateway's configuration cannot be used; its log says why";
    error_response(503, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_is_bounded_whatever_it_asks_for() {
        assert_eq!(seconds(""), Ok(25));
        assert_eq!(seconds("a=b&seconds=300"), Ok(300));
        for (query, found) in [
            ("seconds=0", "0"),
            ("seconds=301", "301"),
            ("seconds=x", "x"),
            ("seconds=", ""),
        ] {
            let expected = format!("expected seconds=1 to seconds=300, found {found:?}");
            assert_eq!(seconds(query), Err(expected));
        }
    }
}
