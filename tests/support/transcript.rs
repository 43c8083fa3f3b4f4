//! What a gateway wrote in both systems, told so that two runs of one story can
//! be compared to the byte, whichever gateway each ran through.
//!
//! Of what differs between any two runs, addresses and times are replaced by
//! their names, and ids and marks by the order in which they first appear: so it
//! still shows where the same one stands again. Reads are left out: how many
//! there are depends on how many webhooks arrive during one session.

use crate::World;
use crate::writes::Writes;
use simulators::Request;
use std::collections::BTreeMap;

/// How many hex digits the ids of Flashduty and ServiceNow and the marks in
/// comments have.
const IDS: [usize; 3] = [24, 32, 10];
/// How a time is written in comments; a digit of it stands for any.
const TIME: &str = "0000-00-00 00:00";

impl Writes {
    /// What was written since the last look, first in ServiceNow and then in
    /// Flashduty: method, path with query, and body.
    pub fn transcript(&mut self, world: &World) -> Vec<String> {
        let mut requests = self.servicenow_requests();
        requests.extend(self.flashduty_requests());
        let addresses = [
            (world.flashduty.url(), "{flashduty}"),
            (world.servicenow.url(), "{servicenow}"),
        ];
        let mut names = Names::default();
        let tell = |request| {
            let mut text = told(&request);
            for (address, name) in &addresses {
                text = text.replace(address, name);
            }
            names.put(&text)
        };
        requests.into_iter().map(tell).collect()
    }
}

fn told(request: &Request) -> String {
    let Request {
        method,
        path,
        query,
        body,
        ..
    } = request;
    format!("{method} {path}?{query} {}", String::from_utf8_lossy(body))
}

/// The ids that have appeared, and their numbers.
#[derive(Default)]
struct Names(BTreeMap<String, usize>);

impl Names {
    fn put(&mut self, text: &str) -> String {
        let mut told = String::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let digits = rest.find(|c: char| !matches!(c, '0'..='9' | 'a'..='f'));
            let word = &rest[..digits.unwrap_or(rest.len())];
            let taken = if IDS.contains(&word.len()) {
                let next = self.0.len() + 1;
                let number = self.0.entry(word.to_owned()).or_insert(next);
                told += &format!("{{id {number}}}");
                word.len()
            } else if begins_with_time(rest) {
                told += "{time}";
                TIME.len()
            } else {
                // A word that is no id is gone through as a whole, or the end of
                // a longer one would be taken for one.
                let length = word.len().max(first.len_utf8());
                told += &rest[..length];
                length
            };
            rest = &rest[taken..];
        }
        told
    }
}

fn begins_with_time(text: &str) -> bool {
    let alike = |(found, expected): (u8, u8)| match expected {
        b'0' => found.is_ascii_digit(),
        _ => found == expected,
    };
    text.len() >= TIME.len() && text.bytes().zip(TIME.bytes()).all(alike)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_numbered_as_they_appear_and_times_are_hidden() {
        let mut names = Names::default();
        let text = "6b0b351eec89025cc18eec6f at 2026-11-28 20:10 UTC [fd:aede7232c1]";
        assert_eq!(names.put(text), "{id 1} at {time} UTC [fd:{id 2}]");
        assert_eq!(
            names.put("x=[fd:aede7232c1] 6b0b351eec89025cc18eec6f"),
            "x=[fd:{id 2}] {id 1}"
        );
    }

    #[test]
    fn other_numbers_and_words_stay() {
        let mut names = Names::default();
        for text in ["channel 2320000001777", "café, 2026-11-28", "deadbeef", ""] {
            assert_eq!(names.put(text), text);
        }
    }
}
