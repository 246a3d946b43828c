//! Why a connection could not be had, or broke.

use std::fmt;

/// What went wrong with a connection, below HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The operating system said so, with this errno.
    Os(i32),
    /// TLS could not be set up, or broke.
    Tls(TlsFailure),
    /// The proxy did not open a tunnel.
    Proxy(ProxyFailure),
    /// TCP ended without the end that TLS demands (close_notify; RFC 8446, section 6.1): what came may have been cut off.
    Truncated,
}

/// What went wrong with TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFailure {
    /// The server's certificate is past its end.
    Expired,
    /// The server's certificate is not valid yet.
    NotYetValid,
    /// None of the roots has issued the server's certificate.
    UnknownIssuer,
    /// The server's certificate is for other names.
    NameMismatch,
    /// The server's certificate is no good for another reason.
    BadCertificate,
    /// The peer gave up, with this alert (RFC 8446, section 6).
    Alert(u8),
    /// The server has no version, cipher suite or group in common with us.
    Incompatible,
    /// What came was not TLS, or broke its rules.
    Protocol,
    /// The connection was closed in the middle of the handshake.
    Closed,
}

/// What a proxy said instead of opening a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyFailure {
    /// A status other than 2xx (RFC 9110, section 9.3.6).
    Status(u16),
    /// Something that is not HTTP, or a head without end.
    NotHttp,
    /// It closed the connection.
    Closed,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Os(errno) => write!(f, "{}", std::io::Error::from_raw_os_error(*errno)),
            Failure::Tls(failure) => write!(f, "{failure}"),
            Failure::Proxy(failure) => write!(f, "{failure}"),
            Failure::Truncated => f.write_str("the connection ended without TLS's close_notify"),
        }
    }
}

impl fmt::Display for TlsFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            TlsFailure::Expired => "the server's certificate has expired (-k connects all the same)",
            TlsFailure::NotYetValid => {
                "the server's certificate is not valid yet (is the clock right? -k connects all the same)"
            }
            TlsFailure::UnknownIssuer => {
                "the server's certificate was issued by nobody that is trusted here (--cacert names a file \
                 with the issuer, -k connects all the same)"
            }
            TlsFailure::NameMismatch => {
                "the server's certificate is for another name than the URL's (--resolve gives a name an \
                 address of your choice, -k connects all the same)"
            }
            TlsFailure::BadCertificate => "the server's certificate is not valid (-k connects all the same)",
            TlsFailure::Alert(code) => {
                let (name, hint) = alert(*code);
                return write!(f, "the server ended TLS with the alert {code} ({name}){hint}");
            }
            TlsFailure::Incompatible => {
                "the server has no TLS version or cipher suite in common with squall (1.2 and 1.3, \
                 without CBC, RC4 and SHA-1; see --tls-min)"
            }
            TlsFailure::Closed => "the server closed the connection during the TLS handshake",
            TlsFailure::Protocol => "what the server sent was not TLS (is the port right for https?)",
        };
        f.write_str(text)
    }
}

/// Name of an alert (RFC 8446, section 6), and what may be done about it.
fn alert(code: u8) -> (&'static str, &'static str) {
    match code {
        10 => ("unexpected_message", ""),
        20 => ("bad_record_mac", ""),
        40 => ("handshake_failure", ": nothing in common, or it wants --cert and --key"),
        42 => ("bad_certificate", ": it does not like the certificate of --cert"),
        43 => ("unsupported_certificate", ": it does not like the certificate of --cert"),
        44 => ("certificate_revoked", ": the certificate of --cert was revoked"),
        45 => ("certificate_expired", ": the certificate of --cert has expired"),
        46 => ("certificate_unknown", ": it does not know the certificate of --cert"),
        47 => ("illegal_parameter", ""),
        48 => ("unknown_ca", ": it does not know who issued the certificate of --cert"),
        49 => ("access_denied", ""),
        50 => ("decode_error", ""),
        51 => ("decrypt_error", ""),
        70 => ("protocol_version", ": it wants another version; see --tls-min"),
        71 => ("insufficient_security", ""),
        80 => ("internal_error", ""),
        90 => ("user_canceled", ""),
        109 => ("missing_extension", ""),
        112 => ("unrecognized_name", ": it serves no such host name"),
        116 => ("certificate_required", ": it wants --cert and --key"),
        120 => ("no_application_protocol", ": it does not speak http/1.1"),
        _ => ("unassigned", ""),
    }
}

impl fmt::Display for ProxyFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProxyFailure::Status(407) => f.write_str(
                "the proxy wants credentials (status 407): --proxy http://USER:PASSWORD@HOST:PORT",
            ),
            ProxyFailure::Status(status) => {
                write!(f, "the proxy refused to open a tunnel with status {status}")
            }
            ProxyFailure::NotHttp => f.write_str("what the proxy answered to CONNECT was not HTTP"),
            ProxyFailure::Closed => {
                f.write_str("the proxy closed the connection instead of answering CONNECT")
            }
        }
    }
}
