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
use integration_gateway::contract;
use integration_gateway::contract::Response;
use serde_json::json;
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

/// The gateway as an instance puts it together.
pub(crate) type SpinGateway = Gateway<ImportedPlugin, SpinStore, SpinClient, SpinEnvironment>;

/// Answers one request, and does what comes of it.
pub(crate) async fn serve(request: Request, caller: Caller) {
    let incoming = wasi::head(&request);
    if let Some(response) = integration_gateway::alive(&incoming) {
        return wasi::answer(caller, response);
    }
    let configuration = match configuration().await {
        Ok(configuration) => configuration,
        Err(problems) => {
            for problem in problems {
                tracing::error!(problem, "the configuration cannot be used");
            }
            let why = "the gateway's configuration cannot be used; its log says why";
            return wasi::answer(caller, failure(503, why));
        }
    };
    log::set_level(configuration.level);
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
    let most = match is_operators || incoming.path == TICK {
        true => OPERATOR_BODY_BYTES,
        false => gateway.body_limit(&incoming.path),
    };
    incoming.body = match wasi::read(request, most).await {
        Ok(body) => body,
        Err(why) => {
            return wasi::answer(caller, failure(400, &format!("the body was cut: {why}")));
        }
    };
    if incoming.path == TICK {
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
    let is_over = Cell::new(false);
    let request = pin!(async {
        request.await;
        is_over.set(true);
    });
    let request = match select(request, pin!(environment.alarm())).await {
        Either::Left(_) if !environment.is_raised() => return,
        Either::Left(_) => None,
        Either::Right(((), request)) => Some(request),
    };
    let work = async {
        if attend(gateway).await.is_ok() {
            let bound = Bound::after_a_request(environment);
            work::run(gateway, environment, bound, &|| is_over.get()).await;
        }
    };
    match request {
        Some(request) => drop(join(request, work).await),
        None => work.await,
    }
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
        let mut refusal = failure(405, "expected POST");
        refusal
            .headers
            .push(("allow".to_owned(), "POST".to_owned()));
        return wasi::answer(caller, refusal);
    }
    let seconds = match seconds(&incoming.query) {
        Ok(seconds) => seconds,
        Err(why) => return wasi::answer(caller, failure(400, &why)),
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

fn ticked(gateway: &SpinGateway, ran: Option<u32>) -> Response {
    let body = json!({ "sessions": ran, "work": gateway.status().work });
    answer(200, &body)
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
    failure(503, why)
}

/// Looks at the gates, or tells why that failed.
async fn attend(gateway: &SpinGateway) -> Result<(), Response> {
    let looked = gateway.attend().await;
    looked.map_err(|error| refusal(&error.to_string()))
}

async fn configuration() -> Result<Configuration, Vec<String>> {
    let text = variables::read(configuration::VARIABLE).await;
    let text = text.map_err(|why| {
        vec![format!(
            "the Spin variable {}: {why}",
            configuration::VARIABLE
        )]
    })?;
    let draft = Draft::read(&text)?;
    let mut secrets = Vec::new();
    for name in draft.secrets() {
        let value = variables::secret(&name).await;
        secrets.push((name, value));
    }
    draft.check(&Sources {
        manifest: &contract::describe,
        configure: &contract::configure,
        secrets: &secrets,
    })
}

fn failure(status: u16, why: &str) -> Response {
    answer(status, &json!({ "error": why }))
}

fn answer(status: u16, body: &serde_json::Value) -> Response {
    let json = ("content-type".to_owned(), "application/json".to_owned());
    Response {
        status,
        headers: vec![json],
        // No value can fail to serialise.
        body: serde_json::to_vec(body).unwrap_or_default(),
    }
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
