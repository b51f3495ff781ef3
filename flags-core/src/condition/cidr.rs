//! Networks as ranges of addresses: sorted and merged, so that a long list costs little more than
//! a short one.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::IpAddr;

use ipnet::IpNet;

#[derive(Debug)]
pub(crate) struct Networks {
    /// The first and the last address of each.
    v4: Box<[(u32, u32)]>,
    v6: Box<[(u128, u128)]>,
    /// As given, in canonical form.
    written: Box<[IpNet]>,
}

/// Why a text is not a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotANetwork {
    Unreadable,
    /// The address has bits beyond the length; this is the network that holds it.
    HostBits(IpNet),
}

impl Networks {
    pub(crate) fn new(networks: Vec<IpNet>) -> Self {
        let v4 = networks.iter().filter_map(|network| match network {
            IpNet::V4(v4) => Some((v4.network().to_bits(), v4.broadcast().to_bits())),
            IpNet::V6(_) => None,
        });
        let v6 = networks.iter().filter_map(|network| match network {
            IpNet::V4(_) => None,
            IpNet::V6(v6) => Some((v6.network().to_bits(), v6.broadcast().to_bits())),
        });
        Self { v4: merged(v4), v6: merged(v6), written: networks.into() }
    }

    pub(crate) fn networks(&self) -> impl Iterator<Item = &IpNet> {
        self.written.iter()
    }

    pub(super) fn contain(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(v4) => holds(&self.v4, v4.to_bits()),
            IpAddr::V6(v6) => holds(&self.v6, v6.to_bits()),
        }
    }
}

/// Networks are nested or apart: those within another one go.
fn merged<T: Ord + Copy>(ranges: impl Iterator<Item = (T, T)>) -> Box<[(T, T)]> {
    let mut ranges: Vec<(T, T)> = ranges.collect();
    ranges.sort_by(|(a, a_end), (b, b_end)| a.cmp(b).then(b_end.cmp(a_end)));
    ranges.dedup_by(|(_, end), (_, outer_end)| end <= outer_end);
    ranges.into()
}

fn holds<T: Ord>(ranges: &[(T, T)], address: T) -> bool {
    let after = ranges.partition_point(|(start, _)| *start <= address);
    after.checked_sub(1).and_then(|last| ranges.get(last)).is_some_and(|(_, end)| address <= *end)
}

/// Reads `10.0.0.0/8`, or one address; IPv4-mapped addresses become IPv4.
pub(crate) fn read_network(text: &str) -> Result<IpNet, NotANetwork> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().map_err(|_| NotANetwork::Unreadable)?;
    let Some(length) = length else {
        return Ok(address.to_canonical().into());
    };
    let is_decimal =
        length.bytes().all(|b| b.is_ascii_digit()) && (length == "0" || !length.starts_with('0'));
    let length: u8 = length.parse().ok().filter(|_| is_decimal).ok_or(NotANetwork::Unreadable)?;
    let network = match (address, address.to_canonical()) {
        (IpAddr::V6(_), v4 @ IpAddr::V4(_)) if length >= 96 => IpNet::new(v4, length - 96),
        (address, _) => IpNet::new(address, length),
    };
    let network = network.map_err(|_| NotANetwork::Unreadable)?;
    if network.trunc() == network {
        Ok(network)
    } else {
        Err(NotANetwork::HostBits(network.trunc()))
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn networks_are_read_strictly() {
        for (text, canonical) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("10.1.2.3", "10.1.2.3/32"),
            ("10.1.2.3/32", "10.1.2.3/32"),
            ("2001:DB8:0::/32", "2001:db8::/32"),
            ("::1", "::1/128"),
            ("::/0", "::/0"),
            ("::ffff:10.1.2.3", "10.1.2.3/32"),
            ("::ffff:a00:0/104", "10.0.0.0/8"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
            ("::10.1.2.3", "::a01:203/128"),
        ] {
            assert_eq!(read_network(text).unwrap().to_string(), canonical, "{text}");
        }
        for text in [
            "",
            "/",
            "/8",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/08",
            "10.0.0.0/+8",
            "10.0.0.0/-1",
            "10.0.0.0/ 8",
            "10.0.0.0/8/8",
            "10.0.0.0/255.0.0.0",
            "10.0.0/8",
            "010.0.0.0/8",
            "10/8",
            "::/129",
            "::/256",
            "fe80::1%eth0",
            "[::1]",
            "::1:80:",
            "10.0.0.1:80",
            "example.com",
            "0x0a000000",
        ] {
            assert_eq!(read_network(text), Err(NotANetwork::Unreadable), "{text}");
        }
        for (text, network) in [
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("10.1.2.3/0", "0.0.0.0/0"),
            ("2001:db8::1/64", "2001:db8::/64"),
            ("::ffff:10.1.2.3/104", "10.0.0.0/8"),
            ("::ffff:10.0.0.0/90", "::ffc0:0:0/90"),
        ] {
            let expected = NotANetwork::HostBits(network.parse().unwrap());
            assert_eq!(read_network(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn an_ipv6_network_holds_no_ipv4_address() {
        let of = |text: &str| Networks::new(vec![read_network(text).unwrap()]);
        let v4: IpAddr = "10.1.2.3".parse().unwrap();
        let mapped: IpAddr = "::ffff:10.1.2.3".parse().unwrap();
        for (network, expected) in [
            ("10.0.0.0/8", true),
            ("::ffff:0:0/96", true),
            ("0.0.0.0/0", true),
            ("::/0", false),
            ("::fffe:0:0/95", false),
        ] {
            assert_eq!(of(network).contain(v4), expected, "{network}");
            assert_eq!(of(network).contain(mapped), expected, "{network}");
        }
    }

    proptest! {
        #[test]
        fn halving_finds_what_trying_each_would(
            networks in prop::collection::vec((any::<u32>(), 0..=32_u8), 1..20),
            near in any::<prop::sample::Index>(),
            change in 0..=32_u32,
        ) {
            let networks: Vec<IpNet> = networks
                .into_iter()
                .map(|(bits, length)| IpNet::new(IpAddr::V4(bits.into()), length).unwrap().trunc())
                .collect();
            let IpAddr::V4(base) = near.get(&networks).addr() else { unreachable!() };
            let flipped = base.to_bits() ^ 1_u32.checked_shl(change).unwrap_or(0);
            let address = IpAddr::V4(flipped.into());
            let expected = networks.iter().any(|network| network.contains(&address));
            prop_assert_eq!(Networks::new(networks).contain(address), expected);
        }
    }
}
