//! Scenarios of the ServiceNow simulator, through its public face.
#![allow(clippy::unwrap_used)]

mod authentication;
mod business_rule;
mod desk;
mod faults;
mod incident_rules;
mod journals;
mod look_ups;
mod over_the_wire;
mod queries;
mod records;
mod scripts;
mod silent_drops;
