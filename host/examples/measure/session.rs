//! What the plugin itself takes: an instance, and all the calls of a session.
//! Replies come from memory, and the time for making them is not counted.

use crate::far_ends::FarEnds;
use crate::far_ends::INCIDENT;
use crate::table::heading;
use crate::table::line;
use crate::table::median;
use crate::table::spread;
use anyhow::bail;
use anyhow::ensure;
use integration_gateway::MemoryStore;
use integration_gateway::Runtime;
use integration_gateway::Session;
use integration_gateway::Store;
use integration_gateway::contract::Context;
use integration_gateway::contract::Effect;
use integration_gateway::contract::Input;
use integration_gateway::contract::Reply;
use integration_gateway::contract::Request;
use integration_gateway::contract::Standing;
use integration_gateway::contract::Verdict;
use integration_gateway::contract::Work;
use serde_json::json;
use servicenow_sync::config::Draft;
use servicenow_sync::runtime::RuntimeOptions;
use servicenow_sync::runtime::WasmRuntime;
use std::path::Path;
use std::time::Duration;
use std::time::Instant;

/// Changes that are carried from one side to the other.
const CHANGES: u64 = 2000;
/// Of these, the first ones are not counted: they touch memory that is new.
const WARM_UP: usize = 200;
/// Longer than a store is new.
const NEW_STORE_WAITS_MS: u64 = 300_000;

pub(crate) async fn measure(component: &Path, configuration: &Path) -> anyhow::Result<()> {
    heading("a session, its instance included, without I/O");
    let pooled = RuntimeOptions {
        cache_directory: Some(Draft::read(configuration)?.cache_directory()),
        ..RuntimeOptions::default()
    };
    // No machine has address space for a pool of this size.
    let on_demand = RuntimeOptions {
        sessions: 1 << 20,
        ..pooled.clone()
    };
    let mut medians = Vec::new();
    for (name, options) in [("", pooled), (", no pool", on_demand)] {
        let runtime = WasmRuntime::from_file(component, &options)?;
        let config = Draft::read(configuration)?.check(&runtime)?;
        let mut changes = Changes::new(runtime, config.configuration);
        changes.run().await?;
        medians.push(changes.work_median());
        spread(&format!("a webhook is taken{name}"), changes.requests);
        spread(
            &format!("a change is read, decided and carried{name}"),
            changes.works,
        );
    }
    let ratio = medians[1].as_secs_f64() / medians[0].as_secs_f64();
    line("no pool, against a pool", format!("{ratio:.1} times"));
    Ok(())
}

/// One pair whose severity changes in Flashduty again and again.
struct Changes {
    runtime: WasmRuntime,
    configuration: String,
    store: MemoryStore,
    far_ends: FarEnds,
    now_ms: u64,
    requests: Vec<Duration>,
    works: Vec<Duration>,
}

impl Changes {
    fn new(runtime: WasmRuntime, configuration: String) -> Self {
        Self {
            runtime,
            configuration,
            store: MemoryStore::new(),
            far_ends: FarEnds::new(),
            now_ms: 1_700_000_000_000,
            requests: Vec::new(),
            works: Vec::new(),
        }
    }

    async fn run(&mut self) -> anyhow::Result<()> {
        for change in 0..CHANGES {
            self.far_ends.severity = if change % 2 == 0 {
                "Warning"
            } else {
                "Critical"
            };
            let before = self.far_ends.updates;
            let body = json!({
                "event_id": format!("event-{change}"),
                "event_type": "i_r_severity",
                "incident": self.far_ends.incident(),
            });
            let request = Input::Request(Request {
                method: "POST".into(),
                path: "/flashduty/demo".into(),
                query: String::new(),
                headers: vec![("content-type".into(), "application/json".into())],
                body: body.to_string().into(),
            });
            let taken = self.session(request).await?;
            self.requests.push(taken);
            let work = Input::Work(Work {
                key: format!("demo.f-{INCIDENT}"),
                reasons: vec!["Flashduty i_r_severity".into()],
                attempt: 0,
            });
            let mut taken = self.session(work.clone()).await?;
            if change == 0 {
                // A new store waits before it creates anything.
                self.now_ms += NEW_STORE_WAITS_MS;
                taken = self.session(work).await?;
            }
            self.works.push(taken);
            // The first one creates the record.
            let carried = self.far_ends.updates > before;
            ensure!(carried || change == 0, "change {change} was not carried");
        }
        self.requests.drain(..WARM_UP);
        self.works.drain(..WARM_UP);
        Ok(())
    }

    /// Runs a session to its end; returns how long the plugin had the word.
    async fn session(&mut self, input: Input) -> anyhow::Result<Duration> {
        let context = Context {
            configuration: self.configuration.clone(),
            rehearsal: None,
        };
        let start = Instant::now();
        let mut session = self.runtime.open(input, context).await?;
        let mut taken = start.elapsed();
        let mut replies = Vec::new();
        loop {
            self.now_ms += 1;
            let start = Instant::now();
            let effects = session.resume(self.now_ms, replies).await?;
            taken += start.elapsed();
            if effects.is_empty() {
                let start = Instant::now();
                drop(session);
                return Ok(taken + start.elapsed());
            }
            replies = Vec::with_capacity(effects.len());
            for effect in effects {
                replies.push(self.reply(effect).await?);
            }
        }
    }

    async fn reply(&mut self, effect: Effect) -> anyhow::Result<Reply> {
        Ok(match effect {
            Effect::Http(request) => Reply::Http(Ok(self.far_ends.answer(&request))),
            Effect::Get(keys) => Reply::Entries(self.store.get(&keys).await?),
            Effect::Scan(scan) => Reply::Page(self.store.scan(&scan).await?),
            Effect::Write(write) => Reply::Written(self.store.write(write).await?.map_err(|_| ())),
            Effect::AwaitWork(_) => Reply::Standing(Standing::None),
            Effect::Respond(response) => {
                ensure!(
                    response.status == 200,
                    "the webhook was answered {}",
                    response.status
                );
                Reply::Done
            }
            Effect::Finish(verdict) => match verdict {
                Verdict::Done => Reply::Done,
                Verdict::Retry(_) if self.works.is_empty() => Reply::Done,
                other => bail!("the work ended in {other:?}"),
            },
            Effect::Schedule(_) | Effect::Log(_) => Reply::Done,
        })
    }

    fn work_median(&self) -> Duration {
        let mut sorted = self.works.clone();
        sorted.sort();
        median(&sorted)
    }
}
