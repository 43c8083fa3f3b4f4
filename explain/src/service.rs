//! Answers a request.
//!
//! | | |
//! | --- | --- |
//! | `GET /healthz` | 200 as long as the runtime makes instances; open |
//! | `POST /explain` | what would be done with an event, as JSON |
//!
//! All but health wants the operator's token. Whoever has none is told so before
//! the configuration or the body is read.

use crate::environment::CONFIGURATION;
use crate::environment::Environment;
use crate::environment::TOKEN;
use crate::question::Question;
use futures_util::FutureExt as _;
use integration_gateway::Incoming;
use integration_gateway::MOST_BODY_BYTES;
use integration_gateway::Runtime;
use integration_gateway::alive;
use integration_gateway::contract::Problem;
use integration_gateway::contract::Requirements;
use integration_gateway::contract::Response;
use integration_gateway::document::Document;
use integration_gateway::document::in_words;
use integration_gateway::error_response;
use integration_gateway::expected_method;
use integration_gateway::explain::Event;
use integration_gateway::explain::ExplainError;
use integration_gateway::explain::Explainer;
use integration_gateway::settings::LimitSettings;
use integration_gateway::unauthorized;

const EXPLAIN: &str = "/explain";

/// All that an answer depends on, beside the request.
pub(crate) struct Service<'a, R> {
    /// Runs the plugin.
    pub(crate) runtime: &'a R,
    /// The plugin's `configure`.
    pub(crate) configure: &'a dyn Fn(&str) -> Result<Requirements, Vec<Problem>>,
    pub(crate) environment: &'a Environment,
    /// What time it is, in Unix milliseconds.
    pub(crate) now_ms: u64,
    /// Tells whoever runs the service a line.
    pub(crate) tell: &'a dyn Fn(&str),
}

/// A configuration that the plugin takes.
struct Configuration {
    /// The plugin's document, as JSON text.
    document: String,
    requirements: Requirements,
    limits: LimitSettings,
}

impl<R: Runtime> Service<'_, R> {
    /// Answers a request. `body` reads its body, up to so many bytes and a little
    /// beyond them, or says how it was cut.
    pub(crate) fn answer(
        &self,
        head: Incoming,
        body: &dyn Fn(usize) -> Result<Vec<u8>, String>,
    ) -> Response {
        if let Some(alive) = alive(&head) {
            return alive;
        }
        let explained = self.explained(head, body);
        explained.unwrap_or_else(|refusal| refusal)
    }

    fn explained(
        &self,
        mut request: Incoming,
        body: &dyn Fn(usize) -> Result<Vec<u8>, String>,
    ) -> Result<Response, Response> {
        self.authorise(&request)?;
        if request.path != EXPLAIN {
            let expected = format!("expected POST {EXPLAIN} or GET /healthz");
            return Err(error_response(404, &expected));
        }
        if request.method != "POST" {
            return Err(expected_method("POST"));
        }
        let configuration = self.configuration().map_err(|problems| {
            let why = format!(
                "the configuration cannot be used:\n  {}",
                problems.join("\n  ")
            );
            self.unusable(&why)
        })?;
        let cut = |why| error_response(400, &format!("the body was cut: {why}"));
        request.body = body(MOST_BODY_BYTES).map_err(cut)?;
        if request.body.len() > MOST_BODY_BYTES {
            let why =
                format!("the body is longer than the {MOST_BODY_BYTES} bytes that are accepted");
            return Err(error_response(413, &why));
        }
        let question = Question::read(request).map_err(|why| error_response(400, &why))?;
        let document = self
            .explain(&configuration, question)
            .map_err(|why| error_response(422, &why))?;
        Ok(Response {
            status: 200,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: document.into_bytes(),
        })
    }

    /// Lets nobody in if nobody has a token.
    fn authorise(&self, request: &Incoming) -> Result<(), Response> {
        let accepted = &self.environment.accepted;
        if accepted.is_empty() {
            return Err(self.unusable(&format!(
                "the environment variable {TOKEN} is empty, so nobody may ask; set it to a token \
                 that nobody can guess, and start this again"
            )));
        }
        let remedy = format!(
            "expected the header authorization: Bearer <token>, with the token that the \
             environment variable {TOKEN} holds here"
        );
        unauthorized(request, accepted, &remedy).map_or(Ok(()), Err)
    }

    fn unusable(&self, why: &str) -> Response {
        (self.tell)(why);
        error_response(503, why)
    }

    /// The configuration, or everything that is wrong with it. What is about a
    /// process of its own, or a store, is not looked at.
    fn configuration(&self) -> Result<Configuration, Vec<String>> {
        let text = &self.environment.configuration;
        if text.trim().is_empty() {
            return Err(vec![format!(
                "the environment variable {CONFIGURATION} is empty; expected the text of \
                 sync.toml in it, for instance by {CONFIGURATION}=\"$(cat sync.toml)\""
            )]);
        }
        let document = Document::parse(text);
        let mut document = document.map_err(|why| vec![format!("{CONFIGURATION}: {why}")])?;
        document.ignore("admin", "listen");
        let mut problems = Vec::new();
        let settings = document.settings(&mut problems);
        let (document, requirements) =
            document
                .ask(self.configure, problems)
                .map_err(|problems| -> Vec<String> {
                    let told = problems.iter().map(|p| in_words(CONFIGURATION, p));
                    told.collect()
                })?;
        Ok(Configuration {
            document,
            requirements,
            limits: settings.limits,
        })
    }

    /// What `servicenow-sync explain --json` prints.
    fn explain(&self, configuration: &Configuration, question: Question) -> Result<String, String> {
        let explainer = Explainer {
            runtime: self.runtime,
            configuration: &configuration.document,
            requirements: &configuration.requirements,
            limits: &configuration.limits,
        };
        let event = Event {
            body: question.event,
            path: question.path,
            pair: question.pair,
            now_ms: self.now_ms,
        };
        // Nothing in a rehearsal waits for anything, and nor does the plugin.
        let explained = explainer.explain(&event).now_or_never();
        let explained = explained.ok_or("the plugin waits for what a rehearsal never gives")?;
        let explanation = explained.map_err(|error| match error {
            ExplainError::Ambiguous(paths) => format!(
                "several paths take the event; name one of them as {EXPLAIN}?path=PATH: {}",
                paths.join(", ")
            ),
            error => error.to_string(),
        })?;
        Ok(explanation.document())
    }
}
