//! What the kernel gives for connections: local addresses and ports, congestion control.

use std::io;
use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};

use super::read;

/// The ports that the kernel takes for outgoing connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalPorts {
    /// Lowest and highest (net.ipv4.ip_local_port_range).
    pub range: (u16, u16),
    /// How many of them are not reserved (net.ipv4.ip_local_reserved_ports).
    pub count: u32,
}

/// The ports for outgoing connections; `None` where the kernel does not tell.
pub fn local_ports() -> Option<LocalPorts> {
    let range = read("/proc/sys/net/ipv4/ip_local_port_range")?;
    let reserved = read("/proc/sys/net/ipv4/ip_local_reserved_ports").unwrap_or_default();
    parse_local_ports(&range, &reserved)
}

/// `32768 60999`, and a list such as `8080,9148,40000-40010`.
fn parse_local_ports(range: &str, reserved: &str) -> Option<LocalPorts> {
    let mut words = range.split_whitespace().map(str::parse::<u16>);
    let (low, high) = (words.next()?.ok()?, words.next()?.ok()?);
    let taken = reserved.trim().split(',').filter_map(|part| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (from, to) = (from.parse::<u16>().ok()?.max(low), to.parse::<u16>().ok()?.min(high));
        (from <= to).then(|| u32::from(to - from) + 1)
    });
    let all = (u32::from(high) + 1).checked_sub(u32::from(low))?;
    Some(LocalPorts { range: (low, high), count: all.saturating_sub(taken.sum()) })
}

/// Whether connections may come from `source`: tries to bind it.
///
/// # Errors
/// EADDRNOTAVAIL: it is not an address of this host.
pub fn try_source(source: IpAddr) -> io::Result<()> {
    let address = SocketAddr::new(source, 0);
    Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?.bind(&address.into())
}

/// Whether connections may have the congestion control `name`: tries to set it. Returns what the kernel calls it.
///
/// # Errors
/// ENOENT: there is none of this name; EPERM: not for this process.
pub fn try_congestion(name: &str) -> io::Result<String> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_tcp_congestion(name.as_bytes())?;
    let name = socket.tcp_congestion()?;
    // The option is a C string in a buffer of fixed length.
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
    Ok(String::from_utf8_lossy(&name[..end]).into_owned())
}

/// Names of the congestion controls that there are, and of those that every process may take.
pub fn congestion_controls() -> (Vec<String>, Vec<String>) {
    let list = |kind| {
        let text = read(format!("/proc/sys/net/ipv4/tcp_{kind}_congestion_control")).unwrap_or_default();
        text.split_whitespace().map(str::to_owned).collect()
    };
    (list("available"), list("allowed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_ports_are_taken_off_where_they_are_in_the_range() {
        let ports = |range, reserved| parse_local_ports(range, reserved).map(|ports| ports.count);
        assert_eq!(ports("32768\t60999\n", "\n"), Some(28_232));
        assert_eq!(ports("40000 40009", "8080,40001,40008-40020"), Some(7));
        assert_eq!(ports("40000 40009", "1-65535"), Some(0));
        assert_eq!(ports("9 8", ""), Some(0));
        assert_eq!(ports("many", ""), None);
        assert!(local_ports().is_none_or(|ports| ports.range.0 <= ports.range.1));
    }

    #[test]
    fn the_kernel_is_asked_by_trying() {
        assert!(try_source("127.0.0.77".parse().unwrap()).is_ok());
        let foreign = try_source("192.0.2.1".parse().unwrap()).unwrap_err();
        assert_eq!(foreign.raw_os_error(), Some(libc::EADDRNOTAVAIL));
        // The one that is always there.
        assert_eq!(try_congestion("reno").unwrap(), "reno");
        assert_eq!(try_congestion("nosuch").unwrap_err().raw_os_error(), Some(libc::ENOENT));
        assert!(congestion_controls().0.contains(&"reno".to_owned()));
    }
}
