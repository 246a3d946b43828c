//! Flags about the ways that connections take.

use std::path::PathBuf;

use clap::Args;

use crate::run::config::RawConnect;

#[derive(Debug, Default, Args)]
pub(super) struct ConnectArgs {
    /// Connect to this Unix socket, whatever host and port the URL has
    #[arg(long, value_name = "PATH", help_heading = "Connection")]
    unix_socket: Option<PathBuf>,
    /// Addresses for a host and port, in place of the resolver's; may be given several times
    #[arg(long, value_name = "HOST:PORT:ADDR[,ADDR]", help_heading = "Connection")]
    resolve: Vec<String>,
    /// Local addresses that share the connections, such as 10.0.0.7,10.0.0.8 or 127.0.1.0/28; may be given several times
    #[arg(long = "source", value_name = "ADDR[,ADDR]", help_heading = "Connection")]
    sources: Vec<String>,
    /// TCP congestion control, such as cubic [default: the system's]
    #[arg(long, value_name = "NAME", help_heading = "Connection")]
    tcp_congestion: Option<String>,
    /// How long the addresses of a name are believed; 0: each connection has them looked up [default: the whole run]
    #[arg(long, value_name = "TIME", help_heading = "Connection")]
    dns_ttl: Option<String>,
    /// Public host, or *.HOST for all below it, that a target on this host or in a private network may redirect to; may be given several times
    #[arg(long = "allow-host", value_name = "HOST", help_heading = "Connection")]
    allow_hosts: Vec<String>,
}

impl ConnectArgs {
    pub(super) fn take_raw(&mut self) -> RawConnect {
        RawConnect {
            unix_socket: self.unix_socket.take(),
            resolve: std::mem::take(&mut self.resolve),
            sources: std::mem::take(&mut self.sources),
            congestion: self.tcp_congestion.take(),
            dns_ttl: self.dns_ttl.take(),
            allow_hosts: std::mem::take(&mut self.allow_hosts),
        }
    }
}
