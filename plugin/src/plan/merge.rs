//! One field, merged three ways.

use super::Decision;
use super::Note;
use super::Outcome;
use super::Side;
use crate::configuration::Preference;
use crate::pair::Agreed;
use crate::text;
use alloc::string::String;
use alloc::vec::Vec;

/// How much a note shows of the value that won, which stands in the field: it is
/// there for the one that lost.
const WON: usize = 100;

/// What Flashduty's value becomes in a record that holds the second argument,
/// or why it cannot be there.
type ToServiceNow<'a, F, S> = &'a dyn Fn(&F, Option<&S>) -> Result<S, String>;

/// What ServiceNow's value becomes, or why Flashduty cannot take it.
type ToFlashduty<'a, F, S> = &'a dyn Fn(&S) -> Result<F, String>;

/// One field on both sides and how its values translate.
pub(super) struct Field<'a, F, S> {
    pub(super) name: &'a str,
    pub(super) base: &'a Agreed<F, S>,
    pub(super) flashduty: Option<&'a F>,
    pub(super) servicenow: Option<&'a S>,
    /// Whether Flashduty's and ServiceNow's changes may go to the other side.
    pub(super) sends: (bool, bool),
    /// Whether two values of ServiceNow mean the same to Flashduty.
    pub(super) same: &'a dyn Fn(&S, &S) -> bool,
    pub(super) to_servicenow: ToServiceNow<'a, F, S>,
    pub(super) to_flashduty: ToFlashduty<'a, F, S>,
    pub(super) conflict: Preference,
    /// Which side's value is the higher one, where values have an order.
    pub(super) higher: &'a dyn Fn(&F, &S) -> Option<Side>,
    pub(super) show_flashduty: &'a dyn Fn(&F) -> String,
    pub(super) show_servicenow: &'a dyn Fn(&S) -> String,
}

/// What becomes of a field.
pub(super) struct Merged<F, S> {
    pub(super) agreed: Agreed<F, S>,
    pub(super) to_flashduty: Option<F>,
    pub(super) to_servicenow: Option<S>,
}

/// What all fields of one plan have in common.
pub(super) struct Merge<'a> {
    /// The side where the pair was born.
    pub(super) birth: Side,
    /// The side whose incident was changed last.
    pub(super) newest: Side,
    /// Whether fields that nobody changed get a decision too.
    pub(super) explain: bool,
    pub(super) decisions: &'a mut Vec<Decision>,
    pub(super) notes: &'a mut Vec<Note>,
}

impl Merge<'_> {
    pub(super) fn field<F, S>(&mut self, field: &Field<'_, F, S>) -> Merged<F, S>
    where
        F: Clone + PartialEq,
        S: Clone + PartialEq,
    {
        let f = field.flashduty.or(field.base.flashduty.as_ref());
        let s = field.servicenow.or(field.base.servicenow.as_ref());
        let kept = Merged {
            agreed: Agreed {
                flashduty: f.cloned(),
                servicenow: s.cloned(),
            },
            to_flashduty: None,
            to_servicenow: None,
        };
        let f_moved = field
            .flashduty
            .is_some_and(|f| field.base.flashduty.as_ref() != Some(f));
        let s_moved = field.servicenow.is_some_and(|now| {
            !field
                .base
                .servicenow
                .as_ref()
                .is_some_and(|base| (field.same)(base, now))
        });
        if !f_moved && !s_moved && !self.explain {
            return kept;
        }
        let to_s = f.map(|f| (field.to_servicenow)(f, s));
        let to_f = s.map(field.to_flashduty);
        let shown = [f.map(field.show_flashduty), s.map(field.show_servicenow)];
        let (birth, newest) = (self.birth, self.newest);
        let mut decide = |outcome, to: Option<&String>, why: String| {
            let decision = Decision::new(field.name, outcome, &shown, to, why);
            self.decisions.push(decision);
        };
        if !f_moved && !s_moved {
            decide(Outcome::Unmoved, None, "no change since they agreed".into());
            return kept;
        }
        let in_step = matches!((&to_s, s), (Some(Ok(to)), Some(s)) if to == s)
            || (s_moved && matches!((&to_f, f), (Some(Ok(to)), Some(f)) if to == f));
        if in_step {
            decide(Outcome::InStep, None, "both sides hold the same".into());
            return kept;
        }
        // A side that may not write cannot win, or the other one's change would
        // be lost with it.
        let mut f_sends = f_moved && field.sends.0;
        let mut s_sends = s_moved && field.sends.1;
        // Nor can a value that the other side does not take, as long as that one's own
        // is taken.
        if f_sends && s_sends {
            f_sends = !matches!(to_s, Some(Err(_)));
            s_sends = !f_sends || !matches!(to_f, Some(Err(_)));
        }
        let both = f_sends && s_sends;
        let (winner, why) = match (f_sends, s_sends, f, s) {
            (true, true, Some(f), Some(s)) => {
                let (side, rule) = prefer(field, f, s, birth, newest);
                (side, format!("both sides moved; {rule}"))
            }
            (true, ..) => (Side::Flashduty, "changed in Flashduty".into()),
            (_, true, ..) => (Side::ServiceNow, "changed in ServiceNow".into()),
            _ => {
                let why = match f_moved {
                    true => "changed in Flashduty, whose changes do not travel",
                    false => "changed in ServiceNow, whose changes do not travel",
                };
                decide(Outcome::Kept, None, why.into());
                return kept;
            }
        };
        let cannot = match (winner, &to_s, &to_f) {
            (Side::Flashduty, Some(Err(cannot)), _) | (Side::ServiceNow, _, Some(Err(cannot))) => {
                Some(cannot)
            }
            _ => None,
        };
        if let Some(cannot) = cannot {
            decide(Outcome::Kept, None, format!("{why}; {cannot}"));
            return kept;
        }
        if both {
            let [f, s] = shown.each_ref().map(|s| s.as_deref().unwrap_or_default());
            let (to, lost, won) = match winner {
                Side::Flashduty => (Side::ServiceNow, s, f),
                Side::ServiceNow => (Side::Flashduty, f, s),
            };
            let text = format!(
                "Both sides had changed the {}. This value was replaced by the other side's, \
                 \"{}\":\n{lost}",
                field.name,
                text::cut(won, WON)
            );
            self.notes.push(Note { to, text });
        }
        match (winner, to_s, to_f) {
            (Side::Flashduty, Some(Ok(to)), _) => {
                decide(
                    Outcome::ToServicenow,
                    Some(&(field.show_servicenow)(&to)),
                    why,
                );
                Merged {
                    agreed: Agreed {
                        flashduty: f.cloned(),
                        servicenow: Some(to.clone()),
                    },
                    to_flashduty: None,
                    to_servicenow: Some(to),
                }
            }
            (Side::ServiceNow, _, Some(Ok(to))) => {
                decide(
                    Outcome::ToFlashduty,
                    Some(&(field.show_flashduty)(&to)),
                    why,
                );
                Merged {
                    agreed: Agreed {
                        flashduty: Some(to.clone()),
                        servicenow: s.cloned(),
                    },
                    to_flashduty: Some(to),
                    to_servicenow: None,
                }
            }
            _ => kept,
        }
    }
}

/// Who wins where both moved apart, and by which rule.
fn prefer<F, S>(
    field: &Field<'_, F, S>,
    f: &F,
    s: &S,
    birth: Side,
    newest: Side,
) -> (Side, &'static str) {
    match (field.conflict, (field.higher)(f, s)) {
        (Preference::Flashduty, _) => (Side::Flashduty, "Flashduty wins"),
        (Preference::Servicenow, _) => (Side::ServiceNow, "ServiceNow wins"),
        (Preference::Newest, _) => (newest, "the incident that was changed last wins"),
        (Preference::Highest, Some(side)) => (side, "the graver or further along wins"),
        (Preference::Birth | Preference::Highest, _) => (birth, "the side where it was born wins"),
    }
}
