//! IP addresses. The standard library's parser would be three times as large.

use crate::text;
use alloc::vec::Vec;

/// An address of either version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// Of version 4.
    V4(u32),
    /// Of version 6.
    V6(u128),
}

impl Address {
    /// Reads `10.0.0.1` or `2001:db8::1`, in every form of RFC 4291.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match parse_v4(text) {
            Some(bits) => Some(Self::V4(bits)),
            None => parse_v6(text).map(Self::V6),
        }
    }

    /// How many bits it has.
    pub(crate) fn width(self) -> u32 {
        match self {
            Self::V4(_) => u32::BITS,
            Self::V6(_) => u128::BITS,
        }
    }

    /// Its first bits; the others are none.
    pub(crate) fn prefix(self, bits: u32) -> Self {
        let rest = self.width().saturating_sub(bits);
        match self {
            Self::V4(all) => Self::V4(all.checked_shr(rest).unwrap_or(0)),
            Self::V6(all) => Self::V6(all.checked_shr(rest).unwrap_or(0)),
        }
    }
}

fn parse_v4(text: &str) -> Option<u32> {
    let mut bits = 0;
    let mut count = 0;
    for part in text.split('.') {
        // A leading zero would be octal to some.
        let is_plain = part == "0" || !part.starts_with('0');
        let byte = number(part, 10, 3).filter(|byte| is_plain && *byte < 256)?;
        bits = bits << 8 | byte;
        count += 1;
    }
    (count == 4).then_some(bits)
}

fn parse_v6(text: &str) -> Option<u128> {
    let groups = match text::split_once(text, "::") {
        None => parse_groups(text)?,
        Some((head, tail)) => {
            let is_whole = head.contains('.');
            let (mut groups, tail) = (parse_groups(head)?, parse_groups(tail)?);
            let gap = 8_usize.checked_sub(groups.len() + tail.len())?;
            if gap == 0 || is_whole {
                return None;
            }
            groups.resize(groups.len() + gap, 0);
            groups.extend(tail);
            groups
        }
    };
    let bits = groups.iter().fold(0, |bits, g| bits << 16 | u128::from(*g));
    (groups.len() == 8).then_some(bits)
}

/// Groups of 16 bits, of which an address of version 4 may be the last two.
fn parse_groups(text: &str) -> Option<Vec<u32>> {
    let mut groups = Vec::new();
    let mut parts = text.split(':').peekable();
    if text.is_empty() {
        return Some(groups);
    }
    while let Some(part) = parts.next() {
        match parse_v4(part) {
            Some(bits) if parts.peek().is_none() => groups.extend([bits >> 16, bits & 0xffff]),
            _ => groups.push(number(part, 16, 4)?),
        }
    }
    Some(groups)
}

/// A number of so many digits at most.
fn number(text: &str, radix: u32, most: usize) -> Option<u32> {
    if text.is_empty() || text.len() > most {
        return None;
    }
    text.chars()
        .try_fold(0, |number, c| Some(number * radix + c.to_digit(radix)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::IpAddr;
    use proptest::prelude::*;

    fn standard(text: &str) -> Option<Address> {
        text.parse().ok().map(|address| match address {
            IpAddr::V4(v4) => Address::V4(v4.into()),
            IpAddr::V6(v6) => Address::V6(v6.into()),
        })
    }

    #[test]
    fn addresses_are_read_as_the_standard_library_reads_them() {
        for text in [
            "0.0.0.0",
            "255.255.255.255",
            "256.0.0.1",
            "1.2.3",
            "1.2.3.4.5",
            "01.2.3.4",
            "1..2.3",
            "",
            ".",
            ":",
            "::",
            ":::",
            "::1",
            "1::",
            "1:2:3:4:5:6:7:8",
            "1:2:3:4:5:6:7",
            "1:2:3:4:5:6:7::",
            "::2:3:4:5:6:7:8",
            "1::2:3:4:5:6:7:8",
            "1::3::8",
            "::ffff:10.0.0.1",
            "10.0.0.1::",
            "1:10.0.0.1::",
            "1:2:3:4:5:6:10.0.0.1",
            "1:2:3:4:5:6:7:10.0.0.1",
            "00001::",
            "fe80::1%eth0",
            "g::",
            "::01.2.3.4",
            "1:2:3:4:5:6:7:8:9",
            " ::",
            "+1.2.3.4",
            "::+1",
            "2001:DB8::a",
            "1:::2",
            "::1.2.3.4:5",
        ] {
            assert_eq!(Address::parse(text), standard(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_resembles_an_address_is_read_alike(text in "(::|:|[.]|0|1|10|255|256|abc|ffff){1,17}") {
            prop_assert_eq!(Address::parse(&text), standard(&text));
        }
    }
}
