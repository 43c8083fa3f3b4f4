//! A work item: bring one pair in step.
//!
//! ```text
//! load pair and hints -> obey orders -> create what is missing -> converge the fields
//!                     -> introduce each side to the other -> carry comments -> drop the hints
//! ```
//!
//! Writes are ordered so that a crash between any two of them leaves a state
//! from which the same work can be done again: the intention to create is
//! stored before the request is sent, an agreement after the writes that
//! establish it, and a hint is dropped last of all.

mod birth;
mod case;
mod comments;
mod converge;
mod ending;
mod introduce;
mod lookup;
mod merged;
mod notes;
mod orders;
mod rehearsal;
mod succession;

use crate::Problem;
use crate::Retry;
use crate::Verdict;
use crate::Work;
use crate::configuration::Configuration;
use crate::far_end::Kind;
use crate::far_end::Trouble;
use crate::keys;
use crate::keys::Job;
use crate::plan::Side;
use crate::reconcile;
use crate::session::Effects;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use birth::Birth;
use case::Case;
use case::Loaded;
use rehearsal::Supposed;

/// How often a refusal is believed to be of the moment, and how long to wait
/// after each: business rules and locks pass, missing rights do not.
const PATIENCE_MS: [u64; 4] = [15_000, 60_000, 180_000, 600_000];

/// The work ends before it is done. Boxed, since every result that is passed on
/// has room for it.
#[derive(Debug)]
pub(crate) struct Stop(Box<Why>);

/// Why the work ends.
#[derive(Debug)]
pub(crate) enum Why {
    /// A call failed.
    Trouble(Trouble),
    /// Something that may still happen must have happened or not by then.
    Wait { until_ms: u64, reason: String },
    /// Somebody else wrote the pair's record meanwhile.
    Overtaken,
    /// An operator has to look at it.
    Park(String),
    /// Nothing more can be told without changing something.
    Rehearsed,
    /// It belongs to another pair, whose work has been scheduled and takes the
    /// hints.
    Elsewhere,
}

impl From<Why> for Stop {
    fn from(why: Why) -> Self {
        Self(Box::new(why))
    }
}

impl From<Trouble> for Stop {
    fn from(trouble: Trouble) -> Self {
        Why::Trouble(trouble).into()
    }
}

impl Stop {
    /// Waits until then, for that reason. Out of line, since many may wait.
    #[inline(never)]
    fn wait(until_ms: u64, reason: &str) -> Self {
        let reason = reason.into();
        Why::Wait { until_ms, reason }.into()
    }

    /// Whether a far end understood and declined.
    fn is_refusal(&self) -> bool {
        matches!(&*self.0, Why::Trouble(trouble) if trouble.kind() == Kind::Refused)
    }

    /// On which side what is missing, if that is why.
    fn missing(&self) -> Option<(Side, &str)> {
        match &*self.0 {
            Why::Trouble(trouble) => Some((trouble.missing()?, trouble.reason())),
            _ => None,
        }
    }

    /// What the gateway is told, at the given attempt.
    fn verdict(self, now_ms: u64, attempt: u32) -> Verdict {
        let wait = |not_before_ms, reason| {
            Verdict::Retry(Retry {
                not_before_ms,
                counts: false,
                reason,
            })
        };
        let trouble = match *self.0 {
            Why::Trouble(trouble) => trouble,
            Why::Wait { until_ms, reason } => return wait(Some(until_ms), reason),
            Why::Overtaken => return wait(None, "the pair was written by another session".into()),
            Why::Park(reason) => return Verdict::Park(reason),
            Why::Rehearsed | Why::Elsewhere => return Verdict::Done,
        };
        let reason = trouble.reason().into();
        match trouble.kind() {
            Kind::NotNow | Kind::Unknown => wait(None, reason),
            Kind::NotBefore(until_ms) => wait(Some(until_ms), reason),
            Kind::Refused | Kind::Missing(_) => match pause_ms(attempt) {
                Some(pause) => Verdict::Retry(Retry {
                    not_before_ms: Some(now_ms.saturating_add(pause)),
                    counts: true,
                    reason,
                }),
                None => Verdict::Park(reason),
            },
            Kind::Forbidden => Verdict::Park(reason),
        }
    }
}

/// How long to wait after a refusal at the given attempt; none if it is the last.
fn pause_ms(attempt: u32) -> Option<u64> {
    PATIENCE_MS.get(usize::try_from(attempt).ok()?).copied()
}

/// Does one work item and says how that ended.
pub async fn run(
    effects: &Effects,
    configuration: Result<Configuration, Vec<Problem>>,
    rehearsal: Option<&str>,
    work: Work,
) -> Verdict {
    let job = keys::parse_work(&work.key);
    let integration = job
        .as_ref()
        .and_then(|(id, _)| configuration.as_ref().ok()?.integration(id));
    let all = configuration.as_ref().map_or(&[][..], |c| &c.integrations);
    let (integration, entity) = match (integration, job) {
        (Some(integration), Some((_, Job::Pair(entity)))) => (integration, entity),
        (Some(integration), Some((_, Job::Poll(side)))) => {
            return reconcile::run(effects, integration, side).await;
        }
        // There is nobody to ask any more.
        (None, Some((_, Job::Poll(_)))) => return Verdict::Done,
        _ => {
            return Verdict::Park(format!(
                "no integration in the configuration owns \"{}\"",
                work.key
            ));
        }
    };
    let supposed = match rehearsal.map(Supposed::parse).transpose() {
        Ok(supposed) => supposed,
        Err(why) => return Verdict::Park(why),
    };
    let is_last_try = pause_ms(work.attempt).is_none();
    let outcome = async {
        match Case::load(effects, (integration, all), entity, supposed).await? {
            Loaded::Case(mut case) => match bring_in_step(&mut case).await {
                Ok(()) => {
                    case.is_found().await?;
                    case.conclude();
                    Ok(())
                }
                Err(stop) => {
                    let is_over = match stop.missing() {
                        Some((side, what)) if case.pair.is_linked() => {
                            case.ends_with_one(side, what).await?
                        }
                        Some((Side::ServiceNow, what)) if is_last_try => case.lets_go(what).await?,
                        Some(_) => false,
                        None => matches!(*stop.0, Why::Rehearsed),
                    };
                    if !is_over {
                        return Err(stop);
                    }
                    case.conclude();
                    Ok(())
                }
            },
            Loaded::Elsewhere => Ok(()),
        }
    };
    match outcome.await {
        Ok(()) => Verdict::Done,
        Err(stop) => stop.verdict(effects.now_ms(), work.attempt),
    }
}

async fn bring_in_step(case: &mut Case<'_>) -> Result<(), Stop> {
    case.obey().await?;
    let birth = match case.pair.ended.clone() {
        Some(why) => Birth::NotWanted(why),
        None if case.pair.is_linked() => Birth::Linked,
        None => case.give_birth().await?,
    };
    if let Birth::Elsewhere = birth {
        return Err(Why::Elsewhere.into());
    }
    let mut merged = case.follow_merges().await?;
    if let Birth::NotWanted(why) = birth {
        return case.turn_down(&why).await;
    }
    let mut declined = None;
    loop {
        if !case.pair.may_be_created() {
            match case.converge(&mut merged).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(stop) if stop.is_refusal() && !case.is_dry => {
                    declined = Some(stop);
                    break;
                }
                Err(stop) => return Err(stop),
            }
        }
        if !case.replace_record().await? {
            return Ok(());
        }
    }
    if declined.is_none() {
        case.told_of_merges(&merged).await?;
    }
    if case.is_dry {
        case.rehearse_comments();
        return Ok(());
    }
    // What people say travels though a side declines the fields.
    let said = match case.introduce().await {
        Ok(()) => case.carry_comments().await,
        stopped => stopped,
    };
    match (declined, said) {
        // Of two refusals the fields' own is told.
        (Some(declined), Ok(())) => return Err(declined),
        (Some(declined), Err(stop)) if stop.is_refusal() => return Err(declined),
        (_, said) => said?,
    }
    case.watch_snooze().await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(attempt: u32) -> Verdict {
        Stop::from(Kind::Refused.because("no".into())).verdict(1000, attempt)
    }

    #[test]
    fn a_refusal_is_tried_four_times_with_growing_pauses_and_then_parked() {
        for (attempt, pause) in (0..).zip(PATIENCE_MS) {
            let not_before_ms = Some(1000 + pause);
            let retry = Retry {
                not_before_ms,
                counts: true,
                reason: "no".into(),
            };
            assert_eq!(refused(attempt), Verdict::Retry(retry));
        }
        assert_eq!(refused(4), Verdict::Park("no".into()));
    }

    #[test]
    fn waiting_for_a_far_end_never_counts() {
        for kind in [Kind::NotNow, Kind::NotBefore(5), Kind::Unknown] {
            let verdict = Stop::from(kind.because("x".into())).verdict(1000, 99);
            assert!(
                matches!(verdict, Verdict::Retry(Retry { counts: false, .. })),
                "{verdict:?}"
            );
        }
    }
}
