//! Link-local addresses: which interface they are on (RFC 4007, RFC 6874).

use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};

use nix::net::if_::{if_nameindex, if_nametoindex};

use crate::http::url::Url;

/// Whether the host is an address that stands for nothing without an interface.
pub(super) fn is_link_local(url: &Url) -> bool {
    url.unzoned_host().parse::<Ipv6Addr>().is_ok_and(|address| address.is_unicast_link_local())
}

/// The address of such a host, with the number of its interface.
///
/// # Errors
/// When it names none, or one that is not there.
pub(super) fn address(url: &Url) -> Result<SocketAddr, String> {
    let host = url.unzoned_host();
    let address: Ipv6Addr = host.parse().map_err(|_| format!("`{host}` is not an IPv6 address"))?;
    let Some(zone) = url.zone() else {
        return Err(format!(
            "`{host}` is a link-local address, which there may be one of on each interface: name the interface, as in \
             http://[{host}%25{}]/",
            interfaces().first().map_or("eth0", String::as_str)
        ));
    };
    let known = if_nametoindex(zone).ok().or_else(|| zone.parse().ok().filter(|number| *number > 0));
    let scope = known.ok_or_else(|| {
        format!("there is no interface `{zone}` here, but {}: name one of these", interfaces().join(", "))
    })?;
    Ok(SocketAddrV6::new(address, url.port, 0, scope).into())
}

/// The names of this host's interfaces, loopback last.
fn interfaces() -> Vec<String> {
    let all = if_nameindex().map(|all| {
        all.to_slice().iter().map(|one| one.name().to_string_lossy().into_owned()).collect::<Vec<_>>()
    });
    let mut all = all.unwrap_or_default();
    all.sort_by_key(|name| name == "lo");
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn an_interface_is_found_by_name_and_number() {
        let lo = if_nametoindex("lo").unwrap();
        for text in ["http://[fe80::1%25lo]:81/", &format!("http://[fe80::1%25{lo}]:81/")] {
            let SocketAddr::V6(address) = address(&url(text)).unwrap() else { panic!("{text}") };
            assert_eq!(
                (address.ip().to_string().as_str(), address.port(), address.scope_id()),
                ("fe80::1", 81, lo)
            );
        }
        assert!(is_link_local(&url("http://[fe80::1%25lo]/")) && !is_link_local(&url("http://[fd00::1]/")));
    }

    #[test]
    fn an_interface_that_is_not_there_or_not_named_is_asked_for() {
        let none = address(&url("http://[fe80::1%25nowhere7]/")).unwrap_err();
        assert!(
            none.starts_with("there is no interface `nowhere7` here, but ") && none.contains("lo"),
            "{none}"
        );
        let without = address(&url("http://[fe80::1]/")).unwrap_err();
        assert!(
            without.contains("`fe80::1` is a link-local address") && without.contains("http://[fe80::1%25"),
            "{without}"
        );
    }
}
