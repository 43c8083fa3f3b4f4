//! The glue between the contract's world and the probe, and its configuration.

use crate::Context;
use crate::Destination;
use crate::Effect;
use crate::Guest;
use crate::GuestSession;
use crate::Input;
use crate::Manifest;
use crate::Problem;
use crate::Reply;
use crate::Requirements;
use crate::Route;
use crate::session::Probe;
use alloc::format;
use alloc::string::String;
use alloc::string::ToString as _;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;
use serde::Deserialize;

#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: rlsf::GlobalTlsf = rlsf::GlobalTlsf::new();

#[cfg(target_arch = "wasm32")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

/// The key of its standing work, and of what that writes.
pub(crate) const STANDING: &str = "conformance-standing";

const SCHEMA: &str = r#"{
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "probe": {
            "type": "object",
            "properties": {
                "far-end": { "type": "string" },
                "other": { "type": "string" }
            },
            "required": ["far-end", "other"],
            "additionalProperties": false
        }
    },
    "required": ["probe"],
    "additionalProperties": false
}"#;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    probe: Configuration,
}

/// Where the far ends are.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Configuration {
    /// The origin that says what to do, of the credential `probe`.
    pub(crate) far_end: String,
    /// The origin of the credential `other`.
    pub(crate) other: String,
}

impl Configuration {
    pub(crate) fn parse(configuration: &str) -> Result<Self, String> {
        let document: Document = serde_json::from_str(configuration).map_err(|e| e.to_string())?;
        Ok(document.probe)
    }
}

struct Plugin;

impl Guest for Plugin {
    type Session = RefCell<Probe>;

    fn describe() -> Manifest {
        Manifest {
            name: "integration-probe".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            description: "Shows what a gateway makes of the contract.".into(),
            configuration_schema: SCHEMA.into(),
        }
    }

    fn configure(configuration: String) -> Result<Requirements, Vec<Problem>> {
        let problem = |message| {
            let expected = "expected probe.far-end and probe.other, each an origin";
            vec![Problem {
                pointer: String::new(),
                message: format!("{expected}: {message}"),
            }]
        };
        let configuration = Configuration::parse(&configuration).map_err(problem)?;
        let destination = |origin: &str, credential: &str| Destination {
            origin: origin.into(),
            credential: Some(credential.into()),
            purpose: "to be told what to do".into(),
        };
        Ok(Requirements {
            routes: vec![Route {
                path: "/probe".into(),
                summary: "a program".into(),
            }],
            destinations: vec![
                destination(&configuration.far_end, "probe"),
                destination(&configuration.other, "other"),
            ],
            standing: vec![STANDING.into()],
        })
    }
}

impl GuestSession for RefCell<Probe> {
    fn new(input: Input, context: Context) -> Self {
        RefCell::new(Probe::open(input, context))
    }

    fn resume(&self, now_ms: u64, replies: Vec<Reply>) -> Vec<Effect> {
        self.borrow_mut().resume(now_ms, &replies)
    }
}

// The generated exports are the one place that needs `unsafe`: they read what
// the gateway wrote into linear memory.
#[allow(unsafe_code, missing_docs, unreachable_pub)]
mod exports {
    use super::Plugin;
    use crate::contract;
    contract::export!(Plugin with_types_in contract);
}
