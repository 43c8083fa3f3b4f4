//! Encoded queries, the language of `sysparm_query`.
//!
//! `^` joins conditions, `^OR` joins a condition to the one before it, `^NQ`
//! starts a new group; groups are alternatives. A `^` inside a value is
//! written `^^`. Field names are in lower case and operators are not, so
//! that nothing needs to stand between the two.
//!
//! Text is compared without regard to case, as the usual database of an
//! instance does; two whole numbers are compared as numbers.

use std::cmp::Ordering;

/// A parsed query.
#[derive(Debug, PartialEq)]
pub(super) struct Query {
    /// Any group must hold; in a group every clause; in a clause any condition.
    groups: Vec<Vec<Vec<Condition>>>,
    order: Vec<(String, Direction)>,
}

#[derive(Debug, PartialEq)]
struct Condition {
    field: String,
    test: Test,
}

#[derive(Debug, PartialEq)]
enum Test {
    Equal(String),
    NotEqual(String),
    Like(String),
    NotLike(String),
    StartsWith(String),
    EndsWith(String),
    In(Vec<String>),
    NotIn(Vec<String>),
    Empty,
    NotEmpty,
    Anything,
    Compare(Comparison, String),
    Between(String, String),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Direction {
    Ascending,
    Descending,
}

/// What an instance evaluates and the simulator does not.
#[derive(Debug, PartialEq)]
pub(super) struct Unsupported(pub(super) String);

/// Operators of the language that are left out. A term with one of them is
/// an error, so that nobody takes the answer to another question for this one.
const UNSUPPORTED: &[&str] = &[
    "DATEPART",
    "DYNAMIC",
    "IN_HIERARCHY",
    "LESSTHAN",
    "MORETHAN",
    "NSAMEAS",
    "ONLast",
    "ONNext",
    "ONThis",
    "ONToday",
    "ONYesterday",
    "RELATIVE",
    "RLQUERY",
    "SAMEAS",
    "TEXTQUERY",
];

impl Query {
    /// Parses the text. `javascript` evaluates the value after `javascript:`.
    pub(super) fn parse(
        text: &str,
        javascript: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Query, Unsupported> {
        let mut query = Query {
            groups: vec![Vec::new()],
            order: Vec::new(),
        };
        for term in terms(text) {
            if let Some(field) = term.strip_prefix("ORDERBYDESC") {
                query.order.push((field.to_owned(), Direction::Descending));
            } else if let Some(field) = term.strip_prefix("ORDERBY") {
                query.order.push((field.to_owned(), Direction::Ascending));
            } else if let Some(rest) = term.strip_prefix("NQ") {
                query.groups.push(Vec::new());
                query.add(rest, false, javascript)?;
            } else if let Some(rest) = term.strip_prefix("OR") {
                query.add(rest, true, javascript)?;
            } else if term != "EQ" {
                query.add(&term, false, javascript)?;
            }
        }
        Ok(query)
    }

    /// The query of `field=value` parameters.
    pub(super) fn of_equalities(equalities: impl Iterator<Item = (String, String)>) -> Query {
        let clause = |(field, value)| {
            vec![Condition {
                field,
                test: Test::Equal(value),
            }]
        };
        Query {
            groups: vec![equalities.map(clause).collect()],
            order: Vec::new(),
        }
    }

    fn add(
        &mut self,
        term: &str,
        alternative: bool,
        javascript: &dyn Fn(&str) -> Option<String>,
    ) -> Result<(), Unsupported> {
        if term.is_empty() {
            return Ok(());
        }
        let condition = condition(term, javascript)?;
        if let Some(group) = self.groups.last_mut() {
            match group.last_mut() {
                Some(clause) if alternative => clause.push(condition),
                _ => group.push(vec![condition]),
            }
        }
        Ok(())
    }

    /// Removes the conditions on unknown fields; tells whether there were any.
    pub(super) fn drop_unknown(&mut self, known: impl Fn(&str) -> bool) -> bool {
        let mut dropped = false;
        for group in &mut self.groups {
            for clause in group.iter_mut() {
                let before = clause.len();
                clause.retain(|condition| known(&condition.field));
                dropped |= clause.len() < before;
            }
            group.retain(|clause| !clause.is_empty());
        }
        self.order.retain(|(field, _)| known(field));
        dropped
    }

    /// Whether the query names a field for which this holds.
    pub(super) fn names(&self, holds: impl Fn(&str) -> bool) -> bool {
        let conditions = self.groups.iter().flatten().flatten();
        let tested = conditions.map(|condition| &condition.field);
        let ordered = self.order.iter().map(|(field, _)| field);
        tested.chain(ordered).any(|field| holds(field))
    }

    /// What a field must be in every record that is found, if the query says so.
    pub(super) fn required(&self, field: &str) -> Option<&str> {
        let [clauses] = self.groups.as_slice() else {
            return None;
        };
        clauses.iter().find_map(|clause| match clause.as_slice() {
            [condition] if condition.field == field => match &condition.test {
                Test::Equal(value) => Some(value.as_str()),
                _ => None,
            },
            _ => None,
        })
    }

    /// Whether a record is found; `value` gives the raw value of a field.
    pub(super) fn matches<'a>(&self, value: &dyn Fn(&str) -> &'a str) -> bool {
        let holds = |condition: &Condition| condition.test.holds(value(&condition.field));
        self.groups
            .iter()
            .any(|group| group.iter().all(|clause| clause.iter().any(holds)))
    }

    /// Puts records in the order that the query asks for.
    pub(super) fn sort<'a, T>(&self, records: &mut [T], value: impl Fn(&T, &str) -> &'a str) {
        records.sort_by(|a, b| {
            for (field, direction) in &self.order {
                let ordering = compare(value(a, field), value(b, field));
                let ordering = match direction {
                    Direction::Ascending => ordering,
                    Direction::Descending => ordering.reverse(),
                };
                if ordering != Ordering::Equal {
                    return ordering;
                }
            }
            Ordering::Equal
        });
    }
}

/// Splits at every single `^`.
fn terms(text: &str) -> Vec<String> {
    let mut terms = vec![String::new()];
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character != '^' {
            push(&mut terms, character);
        } else if characters.next_if_eq(&'^').is_some() {
            push(&mut terms, '^');
        } else {
            terms.push(String::new());
        }
    }
    terms
}

fn push(terms: &mut [String], character: char) {
    if let Some(term) = terms.last_mut() {
        term.push(character);
    }
}

fn condition(
    term: &str,
    javascript: &dyn Fn(&str) -> Option<String>,
) -> Result<Condition, Unsupported> {
    let end = term
        .find(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '.'))
        .unwrap_or(term.len());
    let (field, rest) = term.split_at(end);
    if let Some(operator) = UNSUPPORTED.iter().find(|name| rest.starts_with(**name)) {
        let text = format!("operator {operator} in the condition {term:?}");
        return Err(Unsupported(text));
    }
    let Some((operator, value)) = OPERATORS
        .iter()
        .find_map(|operator| Some((*operator, rest.strip_prefix(operator)?)))
    else {
        // Not a condition at all, such as the rest of a text with a `^` in
        // it: an instance ignores it like an unknown field.
        return Ok(Condition {
            field: term.to_owned(),
            test: Test::Anything,
        });
    };
    let value = match value.strip_prefix("javascript:") {
        None => value.to_owned(),
        Some(script) => javascript(script)
            .ok_or_else(|| Unsupported(format!("the script {script:?} in a query")))?,
    };
    let list = |value: &str| value.split(',').map(|one| one.trim().to_owned()).collect();
    let test = match operator {
        "=" => Test::Equal(value),
        "!=" => Test::NotEqual(value),
        "LIKE" | "*" => Test::Like(value),
        "NOT LIKE" | "!*" => Test::NotLike(value),
        "STARTSWITH" => Test::StartsWith(value),
        "ENDSWITH" | "%" => Test::EndsWith(value),
        "IN" => Test::In(list(&value)),
        "NOT IN" => Test::NotIn(list(&value)),
        "ISEMPTY" | "EMPTYSTRING" => Test::Empty,
        "ISNOTEMPTY" => Test::NotEmpty,
        "<=" => Test::Compare(Comparison::LessOrEqual, value),
        "<" => Test::Compare(Comparison::Less, value),
        ">=" => Test::Compare(Comparison::GreaterOrEqual, value),
        ">" => Test::Compare(Comparison::Greater, value),
        "BETWEEN" => match value.split_once('@') {
            Some((low, high)) => Test::Between(low.to_owned(), high.to_owned()),
            None => Test::Between(value.clone(), value),
        },
        _ => Test::Anything,
    };
    Ok(Condition {
        field: field.to_owned(),
        test,
    })
}

/// Of two operators one of which begins with the other, the longer is first.
const OPERATORS: &[&str] = &[
    "!=",
    "!*",
    "=",
    "NOT LIKE",
    "NOT IN",
    "LIKE",
    "*",
    "STARTSWITH",
    "ENDSWITH",
    "%",
    "ISEMPTY",
    "ISNOTEMPTY",
    "EMPTYSTRING",
    "ANYTHING",
    "IN",
    "<=",
    "<",
    ">=",
    ">",
    "BETWEEN",
];

impl Test {
    fn holds(&self, value: &str) -> bool {
        let equal = |other: &String| compare(value, other) == Ordering::Equal;
        match self {
            Test::Equal(other) => equal(other),
            // The platform counts an empty field as different from anything.
            Test::NotEqual(other) => !equal(other),
            Test::Like(part) => fold(value).contains(&fold(part)),
            Test::NotLike(part) => !fold(value).contains(&fold(part)),
            Test::StartsWith(start) => fold(value).starts_with(&fold(start)),
            Test::EndsWith(end) => fold(value).ends_with(&fold(end)),
            Test::In(values) => values.iter().any(equal),
            Test::NotIn(values) => !values.iter().any(equal),
            Test::Empty => value.is_empty(),
            Test::NotEmpty => !value.is_empty(),
            Test::Anything => true,
            // The database compares nothing with an empty field.
            Test::Compare(..) | Test::Between(..) if value.is_empty() => false,
            Test::Compare(comparison, other) => {
                let ordering = compare(value, other);
                match comparison {
                    Comparison::Less => ordering.is_lt(),
                    Comparison::LessOrEqual => ordering.is_le(),
                    Comparison::Greater => ordering.is_gt(),
                    Comparison::GreaterOrEqual => ordering.is_ge(),
                }
            }
            Test::Between(low, high) => compare(value, low).is_ge() && compare(value, high).is_le(),
        }
    }
}

fn fold(text: &str) -> String {
    folded(text).collect()
}

fn compare(a: &str, b: &str) -> Ordering {
    match (a.parse::<i64>(), b.parse::<i64>()) {
        (Ok(a), Ok(b)) => a.cmp(&b),
        _ => folded(a).cmp(folded(b)),
    }
}

fn folded(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(query: &str) -> Vec<&'static str> {
        find_with(Query::parse(query, &|_| None).unwrap())
    }

    /// The numbers of the records that a query finds, in its order.
    fn find_with(mut query: Query) -> Vec<&'static str> {
        let records: [[(&str, &'static str); 4]; 4] = [
            [
                ("number", "A"),
                ("state", "1"),
                ("urgency", "3"),
                ("text", "disk ^ full"),
            ],
            [
                ("number", "B"),
                ("state", "2"),
                ("urgency", "1"),
                ("text", "Disk slow"),
            ],
            [
                ("number", "C"),
                ("state", "2"),
                ("urgency", "10"),
                ("text", ""),
            ],
            [
                ("number", "D"),
                ("state", "6"),
                ("urgency", "2"),
                ("text", "CPU"),
            ],
        ];
        let value = |record: &[(&str, &'static str); 4], field: &str| {
            let found = record.iter().find(|(name, _)| *name == field);
            found.map(|(_, value)| *value).unwrap()
        };
        query.drop_unknown(|field| ["number", "state", "urgency", "text"].contains(&field));
        let mut found: Vec<_> = records.iter().collect();
        found.retain(|record| query.matches(&|field| value(record, field)));
        query.sort(&mut found, |record, field| value(record, field));
        found.iter().map(|record| record[0].1).collect()
    }

    #[test]
    fn or_binds_to_the_condition_before_it() {
        assert_eq!(find("state=2^urgency=1^ORurgency=2"), ["B"]);
        assert_eq!(find("state=1^ORstate=6^urgency=2"), ["D"]);
    }

    #[test]
    fn a_new_query_group_is_an_alternative_to_all_before_it() {
        assert_eq!(find("state=2^urgency=1^NQstate=6^urgency=2"), ["B", "D"]);
    }

    #[test]
    fn a_doubled_caret_is_a_caret_in_the_value() {
        assert_eq!(find("text=disk ^^ full"), ["A"]);
        // Unescaped it ends the value, and the rest is no condition.
        assert_eq!(find("text=disk ^ full"), Vec::<&str>::new());
    }

    #[test]
    fn text_operators_ignore_case() {
        assert_eq!(find("textLIKEDISK"), ["A", "B"]);
        assert_eq!(find("textSTARTSWITHcp"), ["D"]);
        assert_eq!(find("textENDSWITHSLOW"), ["B"]);
        assert_eq!(find("textNOT LIKEdisk"), ["C", "D"]);
    }

    #[test]
    fn an_empty_value_finds_empty_fields() {
        assert_eq!(find("text="), ["C"]);
        assert_eq!(find("textISEMPTY"), ["C"]);
        assert_eq!(find("textISNOTEMPTY"), ["A", "B", "D"]);
        assert_eq!(find("text!=CPU"), ["A", "B", "C"]);
    }

    #[test]
    fn sets_and_ranges_compare_numbers_as_numbers() {
        assert_eq!(find("stateIN1,6"), ["A", "D"]);
        assert_eq!(find("stateNOT IN1,6"), ["B", "C"]);
        assert_eq!(find("urgency>3"), ["C"]);
        assert_eq!(find("urgency<=2"), ["B", "D"]);
        assert_eq!(find("urgencyBETWEEN2@3"), ["A", "D"]);
        assert_eq!(find("text<z"), ["A", "B", "D"]);
    }

    #[test]
    fn records_come_in_the_order_asked_for() {
        assert_eq!(
            find("ORDERBYDESCstate^ORDERBYurgency"),
            ["D", "B", "C", "A"]
        );
        assert_eq!(find("state=2^ORDERBYDESCurgency"), ["C", "B"]);
    }

    #[test]
    fn an_unknown_field_is_ignored_so_that_more_is_found() {
        assert_eq!(find("correlation=x"), ["A", "B", "C", "D"]);
        assert_eq!(find("correlation=x^ORstate=6"), ["D"]);
    }

    #[test]
    fn what_every_found_record_must_have_is_known_from_the_query() {
        let required = |text: &str| {
            let query = Query::parse(text, &|_| None).unwrap();
            query.required("number").map(str::to_owned)
        };
        assert_eq!(required("state=2^number=B").as_deref(), Some("B"));
        for open in ["number!=B", "number=B^ORstate=2", "number=B^NQstate=2", ""] {
            assert_eq!(required(open), None, "{open}");
        }
    }

    #[test]
    fn a_script_is_evaluated_as_the_value() {
        let javascript = |script: &str| (script == "gs.getUserID()").then(|| "1".to_owned());
        let query = Query::parse("state=javascript:gs.getUserID()", &javascript).unwrap();
        assert_eq!(find_with(query), ["A"]);
        let refused = Query::parse("state=javascript:gs.sleep(9)", &javascript);
        assert_eq!(
            refused.unwrap_err().0,
            "the script \"gs.sleep(9)\" in a query"
        );
    }

    #[test]
    fn an_operator_that_is_left_out_is_an_error_and_not_ignored() {
        let refused = Query::parse("sys_updated_onRELATIVEGE@hour@ago@2", &|_| None);
        assert_eq!(
            refused.unwrap_err().0,
            "operator RELATIVE in the condition \"sys_updated_onRELATIVEGE@hour@ago@2\""
        );
    }
}
