//! Scenarios that cross several modules.
