//! The program that libFuzzer runs, for the target that `FUZZ_TARGET` names:
//! one program for all, since building one takes longer than a short run of it.
#![no_main]
#![allow(unsafe_code)] // How libFuzzer, which is C++, finds the two functions.

use servicenow_sync_fuzz::TARGETS;
use servicenow_sync_fuzz::Target;
use std::env;
use std::sync::OnceLock;

static TARGET: OnceLock<Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(
    init: {
        let name = env::var("FUZZ_TARGET").unwrap_or_default();
        let target = TARGETS.into_iter().find(|target| target.name == name);
        let Some(target) = target else {
            panic!("FUZZ_TARGET is \"{name}\", which is no target; run `cargo xtask fuzz`");
        };
        let _ = TARGET.set(target);
    },
    |data: &[u8]| {
        if let Some(target) = TARGET.get() {
            (target.run)(data);
        }
    }
);
