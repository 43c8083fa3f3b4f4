//! What is checked, by the guarantee of the contract that it belongs to.

mod acknowledged;
mod at_least_once;
mod egress;
mod limits;
mod one_at_a_time;
mod restart;
mod secrets;
mod store;

use crate::site::Site;
use std::fmt;
use std::pin::Pin;

type Checking<'a> = Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send + 'a>>;

/// Something that a gateway promises.
pub struct Promise {
    /// The number of its guarantee in `docs/contract.md`.
    pub guarantee: u8,
    /// A sentence, with underscores.
    pub name: &'static str,
    check: fn(&Site) -> Checking<'_>,
}

/// What came of a check.
#[derive(Debug)]
pub enum Outcome {
    /// The gateway does as it promised.
    Kept,
    /// It does not.
    Broken(anyhow::Error),
    /// It could not be seen, for this reason.
    NotChecked(String),
}

/// Why something cannot be checked here.
#[derive(Debug)]
pub(crate) struct CannotTell(pub(crate) &'static str);

impl fmt::Display for CannotTell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for CannotTell {}

impl Promise {
    /// The name as people write it.
    pub fn sentence(&self) -> String {
        self.name.replace('_', " ")
    }

    /// Looks whether a gateway keeps it.
    pub async fn check(&self, site: &Site) -> Outcome {
        match (self.check)(site).await {
            Ok(()) => Outcome::Kept,
            Err(error) => match error.downcast_ref::<CannotTell>() {
                Some(why) => Outcome::NotChecked(why.to_string()),
                None => Outcome::Broken(error),
            },
        }
    }
}

macro_rules! promises {
    ($($guarantee:literal $module:ident: $($name:ident)*;)*) => {
        /// All promises, the harmless ones first.
        pub const PROMISES: &[Promise] = &[$($(Promise {
            guarantee: $guarantee,
            name: stringify!($name),
            check: |site| Box::pin($module::$name(site)),
        },)*)*];
    };
}

promises! {
    1 store:
        a_confirmed_write_is_seen_by_every_later_read
        a_key_is_created_once
        a_write_at_another_revision_is_refused_and_changes_nothing
        a_key_that_was_deleted_does_not_stand_at_its_old_revision
        increments_at_a_revision_are_not_lost
        keys_are_scanned_in_the_order_of_their_bytes_page_by_page
        values_of_any_bytes_and_of_a_mebibyte_are_kept
        keys_of_two_hundred_bytes_are_kept
        the_records_of_the_gateway_are_out_of_reach;
    2 acknowledged:
        what_was_asked_for_before_the_answer_is_done_although_the_session_broke_after_it
        a_session_that_breaks_before_its_answer_is_answered_with_a_failure
        a_session_goes_on_after_its_answer
        a_session_without_an_answer_acknowledges_nothing
        an_operator_is_heard_as_a_sender_is;
    3 one_at_a_time:
        work_of_one_key_runs_in_one_session_at_a_time
        what_is_scheduled_during_a_session_makes_the_work_run_once_more
        what_is_scheduled_before_its_session_is_one_item
        work_does_not_run_before_it_is_due
        the_earlier_due_time_stays
        at_most_sixteen_reasons_are_kept
        work_of_other_keys_runs_meanwhile;
    4 at_least_once:
        standing_work_is_run
        a_retry_that_counts_is_an_attempt
        a_retry_that_does_not_count_is_none
        a_retry_is_not_before_its_time
        a_session_that_traps_is_an_attempt
        a_session_without_a_verdict_is_an_attempt
        what_stands_before_a_verdict_is_done_and_what_stands_behind_it_is_not
        parked_work_shows_its_reason_and_goes_on_when_it_is_scheduled
        parked_work_is_released_by_the_operator
        waiting_work_says_why
        work_that_waits_for_a_far_end_goes_on_when_that_does;
    5 secrets:
        a_request_without_a_proof_opens_no_session
        a_session_sees_nothing_of_the_proof
        the_operators_proof_opens_what_is_the_operators_and_nothing_else
        a_credential_is_attached_where_it_belongs
        a_credential_goes_nowhere_else
        a_credential_that_does_not_exist_is_refused
        a_request_without_a_credential_carries_none
        a_far_end_that_repeats_a_credential_does_not_give_it_away
        the_headers_that_are_the_gateways_are_never_the_plugins;
    6 egress:
        what_no_operator_named_is_not_reached
        a_redirect_is_an_answer_and_is_not_followed
        every_status_is_an_answer
        bodies_arrive_as_they_were_sent
        a_far_end_that_is_not_there_was_not_asked
        an_answer_that_is_cut_or_late_may_have_been_carried_out;
    2 restart:
        what_was_acknowledged_is_done_after_a_crash
        a_confirmed_write_survives_a_crash
        work_whose_session_was_cut_runs_again
        standing_work_is_run_at_every_start;
    7 limits:
        a_body_of_256_kib_is_taken_and_one_of_8_mib_is_not
        what_breaks_the_contract_ends_the_session_and_nothing_of_that_step_is_done
        a_session_that_goes_over_a_limit_is_ended_and_no_other
        a_session_that_calculates_for_ever_is_ended
        a_work_session_that_goes_over_a_limit_is_tried_again;
}

/// Checks all promises but those of the names in `left_out`, and tells of each
/// that is not kept, or could not be seen, a line.
pub async fn broken(site: &Site, left_out: &[&str]) -> Vec<String> {
    let mut broken = Vec::new();
    for promise in PROMISES {
        if left_out.contains(&promise.name) {
            continue;
        }
        let sentence = promise.sentence();
        match promise.check(site).await {
            Outcome::Kept => {}
            Outcome::Broken(error) => broken.push(format!("{sentence}: {error:#}")),
            Outcome::NotChecked(why) => broken.push(format!("{sentence}: not checked, {why}")),
        }
    }
    broken
}
