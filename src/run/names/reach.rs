//! Who may be reached from where.

use std::net::IpAddr;

use crate::http::url::Url;
use crate::run::config::NameRules;
use crate::run::resolve;

/// This host, a private network (RFC 1918, RFC 4193), or the link (RFC 3927; RFC 4291, section 2.5.6).
pub(super) fn is_inner(ip: IpAddr) -> bool {
    match ip {
        // 0.0.0.0 leads to this host too.
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified(),
        IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
            Some(mapped) => is_inner(mapped.into()),
            None => {
                ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_unspecified()
            }
        },
    }
}

/// The same by what is written alone: a name says nothing, unless it is localhost.
pub(super) fn is_inner_by_name(host: &str) -> bool {
    resolve::literal(host).map_or_else(|| resolve::is_localhost(host), is_inner)
}

/// The addresses of `to` that a response from an origin may lead to; `inner` says whether that is on this host or in a private network.
/// Of a name with both, an inner origin leads to the inner addresses.
///
/// # Errors
/// The sentence that says what would allow it, when none is left.
pub(super) fn allowed(
    rules: &NameRules,
    (from, inner): (&Url, bool),
    to: &Url,
    addresses: Vec<IpAddr>,
) -> Result<Vec<IpAddr>, String> {
    if !inner || rules.allowed.iter().any(|pattern| pattern.fits(&to.host)) {
        return Ok(addresses);
    }
    let (own, public): (Vec<IpAddr>, Vec<IpAddr>) = addresses.into_iter().partition(|ip| is_inner(*ip));
    match public.first() {
        Some(ip) if own.is_empty() => Err(refusal(from, to, &ip.to_string())),
        _ => Ok(own),
    }
}

/// Why `to` is not reached from an inner origin.
pub(super) fn refusal(from: &Url, to: &Url, ip: &str) -> String {
    format!(
        "{} led to {} ({ip}), from this host or a private network to a public address: allow it with --allow-host {}",
        from.authority(),
        to.authority(),
        to.host
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inner_is_what_cannot_be_reached_from_everywhere() {
        for inner in [
            "127.0.0.1",
            "127.9.9.9",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.1.1",
            "0.0.0.0",
            "::1",
            "::",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(is_inner(inner.parse().unwrap()) && is_inner_by_name(inner), "{inner}");
        }
        for public in [
            "8.8.8.8",
            "172.32.0.1",
            "192.169.0.1",
            "11.0.0.1",
            "169.255.0.1",
            "2001:db8::1",
            "fe00::1",
            "::ffff:8.8.8.8",
        ] {
            assert!(!is_inner(public.parse().unwrap()) && !is_inner_by_name(public), "{public}");
        }
        assert!(is_inner_by_name("localhost") && is_inner_by_name("a.localhost"));
        assert!(!is_inner_by_name("example.com") && !is_inner_by_name("localhost.example"));
    }
}
