//! Which IP addresses a client may connect to.
//!
//! A name that an operator allowed may resolve to anything, tomorrow to
//! something else than today. So a client resolves the name once, asks here
//! about every address, and connects to the very address that was asked about.
//! Only addresses of the public internet pass by default; a private network is
//! reached if the operator named it.

use std::fmt;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;

/// The addresses that may be connected to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressPolicy {
    private: Vec<Network>,
}

impl AddressPolicy {
    /// All public addresses, and the given networks whatever they are.
    pub fn new(private: Vec<Network>) -> Self {
        Self { private }
    }

    /// Whether a connection may be made, or why not and what would change it.
    pub fn check(&self, address: IpAddr) -> Result<(), String> {
        let address = plain(address);
        if is_public(address) || self.private.iter().any(|n| n.contains(address)) {
            return Ok(());
        }
        Err(format!(
            "{address} is not a public address; if it is meant, add its network to egress.private"
        ))
    }
}

/// A range of addresses in CIDR notation, such as `10.20.0.0/16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    prefix: u8,
}

impl Network {
    /// Reads CIDR notation; a lone address is a network of one.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expected =
            || format!("expected a network such as 10.20.0.0/16 or fd00::/8, found {text:?}");
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let base: IpAddr = address.parse().map_err(|_| expected())?;
        let width = if base.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.parse().map_err(|_| expected())?,
            None => width,
        };
        if prefix > width {
            return Err(expected());
        }
        let network = Self { base, prefix };
        if network.first() != bits(base) {
            return Err(format!(
                "expected the first address of the network, found {text:?}, whose host bits are set"
            ));
        }
        Ok(network)
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.base.is_ipv4() == address.is_ipv4()
            && self.first()
                == Self {
                    base: address,
                    prefix: self.prefix,
                }
                .first()
    }

    /// The bits of the base with the host's part cleared.
    fn first(&self) -> u128 {
        let width: u32 = if self.base.is_ipv4() { 32 } else { 128 };
        let host = width - u32::from(self.prefix);
        match host {
            128 => 0,
            host => bits(self.base) >> host << host,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

/// An IPv4 address may be dressed as IPv6; what is inside counts.
fn plain(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else {
        return address;
    };
    let embedded = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match v6.segments() {
        // IPv4-mapped, and the translation prefix of NAT64.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            embedded(high, low)
        }
        // 6to4.
        [0x2002, high, low, ..] => embedded(high, low),
        _ => address,
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

/// The special-purpose registry of IPv4, reduced to what is not public.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(a == 0
        || address.is_private()
        || (a == 100 && (64..128).contains(&b))
        || address.is_loopback()
        || address.is_link_local()
        || (a == 192 && b == 0 && (c == 0 || c == 2))
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (18..20).contains(&b))
        || address.is_documentation()
        || a >= 224)
}

/// Public IPv6 is what the registries hand out: `2000::/3`, less the parts of
/// it that are set aside.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    (0x2000..0x4000).contains(&a)
        && !(a == 0x2001 && (b < 0x200 || b == 0xdb8))
        && !(a == 0x3fff && b < 0x1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(policy: &AddressPolicy, address: &str) -> bool {
        policy.check(address.parse().unwrap()).is_ok()
    }

    #[test]
    fn only_public_addresses_pass_by_default() {
        let policy = AddressPolicy::default();
        for public in [
            "8.8.8.8",
            "203.0.114.1",
            "2606:4700::1111",
            "::ffff:8.8.8.8",
            "172.32.0.1",
        ] {
            assert!(allows(&policy, public), "{public}");
        }
        for private in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.8.8.8",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::",
            "::127.0.0.1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "fec0::1",
        ] {
            assert!(!allows(&policy, private), "{private}");
        }
    }

    #[test]
    fn a_named_network_passes_and_its_neighbours_do_not() {
        let policy = AddressPolicy::new(vec![
            Network::parse("10.20.0.0/16").unwrap(),
            Network::parse("fd00::/8").unwrap(),
            Network::parse("127.0.0.1").unwrap(),
        ]);
        for inside in [
            "10.20.0.1",
            "10.20.255.255",
            "::ffff:10.20.3.4",
            "fd12::1",
            "127.0.0.1",
        ] {
            assert!(allows(&policy, inside), "{inside}");
        }
        for outside in [
            "10.21.0.1",
            "10.19.255.255",
            "fc00::1",
            "127.0.0.2",
            "192.168.0.1",
        ] {
            assert!(!allows(&policy, outside), "{outside}");
        }
    }

    #[test]
    fn a_network_of_everything_has_no_first_bits() {
        let all = AddressPolicy::new(vec![
            Network::parse("0.0.0.0/0").unwrap(),
            Network::parse("::/0").unwrap(),
        ]);
        assert!(allows(&all, "10.0.0.1"));
        assert!(allows(&all, "fe80::1"));
    }

    #[test]
    fn a_bad_network_is_told_what_a_good_one_is() {
        for bad in [
            "",
            "10.0.0.0/33",
            "10.0.0/8",
            "::/129",
            "ten",
            "10.0.0.0/",
            "10.0.0.0/-1",
        ] {
            assert_eq!(
                Network::parse(bad).unwrap_err(),
                format!("expected a network such as 10.20.0.0/16 or fd00::/8, found {bad:?}")
            );
        }
        assert_eq!(
            Network::parse("10.20.3.0/16").unwrap_err(),
            "expected the first address of the network, found \"10.20.3.0/16\", whose host bits are set"
        );
    }

    #[test]
    fn a_refusal_says_what_would_change_it() {
        assert_eq!(
            AddressPolicy::default()
                .check("::ffff:10.1.2.3".parse().unwrap())
                .unwrap_err(),
            "10.1.2.3 is not a public address; if it is meant, add its network to egress.private"
        );
    }
}
