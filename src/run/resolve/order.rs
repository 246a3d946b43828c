//! The order of a name's addresses (RFC 6724, section 6), as getaddrinfo(3) has it.

use std::cmp::Reverse;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};

/// Prefix, its length, precedence and label (RFC 6724, section 2.1).
const POLICY: [(Ipv6Addr, u32, u8, u8); 9] = [
    (Ipv6Addr::LOCALHOST, 128, 50, 0),
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96, 35, 4),
    (Ipv6Addr::UNSPECIFIED, 96, 1, 3),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32, 5, 5),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, 30, 2),
    (Ipv6Addr::new(0x3ffe, 0, 0, 0, 0, 0, 0, 0), 16, 1, 12),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, 1, 11),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, 3, 13),
    (Ipv6Addr::UNSPECIFIED, 0, 40, 1),
];

/// Best first; what is equally good stays in its order.
pub(super) fn sorted(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    sorted_by(addresses, source)
}

/// Whether there is a route to it.
pub(super) fn is_usable(ip: IpAddr) -> bool {
    source(ip).is_some()
}

/// The address that a connection to `to` would come from. Connecting a UDP socket sends nothing.
fn source(to: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = if to.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).ok()?;
    socket.connect(SocketAddr::new(to, 53)).ok()?;
    socket.local_addr().ok().map(|addr| addr.ip())
}

fn sorted_by(mut addresses: Vec<IpAddr>, source: impl Fn(IpAddr) -> Option<IpAddr>) -> Vec<IpAddr> {
    if addresses.len() > 1 {
        addresses.sort_by_cached_key(|to| rank(*to, source(*to)));
    }
    addresses
}

/// Rules 1, 2, 5, 6, 8 and 9, in that order; the smaller the better. Rules 3, 4 and 7 are about mobility and tunnels, and rule 9 is not
/// applied to IPv4, where it would undo the turns that a name server takes.
fn rank(to: IpAddr, from: Option<IpAddr>) -> impl Ord {
    let (precedence, label) = policy(to);
    let same_scope = from.is_some_and(|from| scope(from) == scope(to));
    let same_label = from.is_some_and(|from| policy(from).1 == label);
    let in_common = match (to, from) {
        (IpAddr::V6(to), Some(IpAddr::V6(from))) => (to.to_bits() ^ from.to_bits()).leading_zeros(),
        _ => 0,
    };
    let better = Reverse((from.is_some(), same_scope, same_label, precedence));
    (better, scope(to), Reverse(in_common))
}

fn policy(ip: IpAddr) -> (u8, u8) {
    let bits = match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().to_bits(),
        IpAddr::V6(ip) => ip.to_bits(),
    };
    let within = |(prefix, length, ..): &&(Ipv6Addr, u32, u8, u8)| {
        (bits ^ prefix.to_bits()).checked_shr(128 - length).unwrap_or(0) == 0
    };
    // From the longest prefix to the shortest, so that the first one counts; the last one is for all.
    let (.., precedence, label) = POLICY.iter().find(within).expect("the last one is for all");
    (*precedence, *label)
}

/// RFC 6724, sections 3.1 and 3.2: 2 within a link, 5 within a site, 14 everywhere.
fn scope(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(ip) if ip.is_loopback() || ip.is_link_local() => 2,
        IpAddr::V6(ip) if ip.is_multicast() => ip.octets()[1] & 0xf,
        IpAddr::V6(ip) if ip.is_loopback() || ip.is_unicast_link_local() => 2,
        IpAddr::V6(ip) if ip.segments()[0] & 0xffc0 == 0xfec0 => 5,
        _ => 14,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// The examples of RFC 6724, section 10.2, as far as one address for each destination says it.
    #[test]
    fn the_order_is_that_of_the_rfc() {
        type Pair = (&'static str, Option<&'static str>);
        let cases: [(&[Pair], &[&str]); 7] = [
            // Prefer matching scope.
            (
                &[("198.51.100.121", Some("169.254.13.78")), ("2001:db8:1::1", Some("2001:db8:1::2"))],
                &["2001:db8:1::1", "198.51.100.121"],
            ),
            (
                &[("2001:db8:1::1", Some("fe80::1")), ("198.51.100.121", Some("198.51.100.117"))],
                &["198.51.100.121", "2001:db8:1::1"],
            ),
            // Prefer higher precedence.
            (
                &[("10.1.2.3", Some("10.1.2.4")), ("2001:db8:1::1", Some("2001:db8:1::2"))],
                &["2001:db8:1::1", "10.1.2.3"],
            ),
            // Prefer smaller scope.
            (
                &[("2001:db8:1::1", Some("2001:db8:1::2")), ("fe80::1", Some("fe80::2"))],
                &["fe80::1", "2001:db8:1::1"],
            ),
            // Prefer matching label.
            (
                &[
                    ("2002:c633:6401::1", Some("2002:c633:6401::2")),
                    ("2001:db8:1::1", Some("2002:c633:6401::2")),
                ],
                &["2002:c633:6401::1", "2001:db8:1::1"],
            ),
            // Avoid what cannot be reached.
            (&[("2001:db8:1::1", None), ("192.0.2.1", Some("192.0.2.7"))], &["192.0.2.1", "2001:db8:1::1"]),
            // All alike: as they came.
            (
                &[("192.0.2.9", Some("192.0.2.7")), ("192.0.2.1", Some("192.0.2.7"))],
                &["192.0.2.9", "192.0.2.1"],
            ),
        ];
        for (pairs, expected) in cases {
            let addresses = pairs.iter().map(|(to, _)| ip(to)).collect();
            let source = |to| pairs.iter().find(|(own, _)| ip(own) == to).unwrap().1.map(ip);
            let expected: Vec<IpAddr> = expected.iter().map(|text| ip(text)).collect();
            assert_eq!(sorted_by(addresses, source), expected, "{pairs:?}");
        }
    }
}
