//! Sockets as every driver wants them: nonblocking, TCP_NODELAY, bound late.

use std::io;
use std::net::{IpAddr, SocketAddr};

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::IpBindAddressNoPort;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::Endpoint;

/// A new socket for `endpoint`, not yet connected.
///
/// # Errors
/// EMFILE or ENFILE without free descriptors, EADDRNOTAVAIL for a source address that is not
/// ours, ENOENT for an unknown congestion control.
pub fn open(endpoint: &Endpoint) -> io::Result<Socket> {
    let domain = endpoint.addr.domain();
    let tcp = domain != Domain::UNIX;
    let socket = Socket::new(domain, Type::STREAM.nonblocking().cloexec(), tcp.then_some(Protocol::TCP))?;
    if tcp {
        // Without it the 40 ms delayed-ACK timer ends up in the measured latency (wrk #488).
        socket.set_tcp_nodelay(true)?;
    }
    if let Some(name) = &endpoint.congestion {
        socket.set_tcp_congestion(name.as_bytes())?;
    }
    if let Some(ip) = endpoint.source {
        bind_late(&socket, ip)?;
    }
    Ok(socket)
}

/// Binds the address now and the port at connect (ip(7), IP_BIND_ADDRESS_NO_PORT, Linux 4.2): a
/// port is then unique per connection, not per host.
fn bind_late(socket: &Socket, ip: IpAddr) -> io::Result<()> {
    setsockopt(socket, IpBindAddressNoPort, &true)?;
    socket.bind(&SockAddr::from(SocketAddr::new(ip, 0)))
}
