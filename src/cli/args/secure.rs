//! Flags about TLS and proxies.

use std::path::PathBuf;

use clap::Args;

use crate::run::config::RawTls;

#[derive(Debug, Default, Args)]
pub(super) struct SecureArgs {
    /// Trust any certificate
    #[arg(short = 'k', long, help_heading = "Connection")]
    insecure: bool,
    /// File with the certificates to trust (PEM) [default: the system's]
    #[arg(long, value_name = "FILE", help_heading = "Connection")]
    cacert: Option<PathBuf>,
    /// File with a certificate to show to the server, and its issuers' (PEM)
    #[arg(long, value_name = "FILE", help_heading = "Connection")]
    cert: Option<PathBuf>,
    /// File with the private key of --cert (PEM) [default: the file of --cert]
    #[arg(long, value_name = "FILE", help_heading = "Connection")]
    key: Option<PathBuf>,
    /// Oldest version of TLS, 1.2 or 1.3 [default: 1.2]
    #[arg(long, value_name = "VERSION", help_heading = "Connection")]
    tls_min: Option<String>,
    /// Let connections resume the TLS sessions of earlier ones; without it each does a whole handshake
    #[arg(long, help_heading = "Connection")]
    tls_resumption: bool,
    /// How long a TLS handshake may take; as --connect-timeout when not given
    #[arg(long, value_name = "TIME", help_heading = "Connection")]
    tls_timeout: Option<String>,
    /// Proxy to go through, such as http://user:password@host:3128; https targets are tunnelled
    #[arg(long, value_name = "URL", help_heading = "Connection")]
    pub(super) proxy: Option<String>,
}

impl SecureArgs {
    pub(super) fn take_tls(&mut self) -> RawTls {
        RawTls {
            insecure: self.insecure,
            cacert: self.cacert.take(),
            cert: self.cert.take(),
            key: self.key.take(),
            min_version: self.tls_min.take(),
            resumption: self.tls_resumption,
            timeout: self.tls_timeout.take(),
        }
    }
}
