//! Ways to connect, through the real binary on both drivers: Unix sockets, names with addresses of one's own, several
//! sources, congestion control, interfaces, proxies of the environment, ports and descriptors that run out, and how connections end.

#[path = "connect/asked.rs"]
mod asked;
#[path = "connect/closing.rs"]
mod closing;
mod common;
#[path = "connect/limits.rs"]
mod limits;
#[path = "connect/pairs.rs"]
mod pairs;
#[path = "connect/server.rs"]
mod server;
#[path = "connect/unix.rs"]
mod unix;
