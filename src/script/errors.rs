//! k6's error codes and texts.

use crate::stats::outcome::ErrorKind;

/// All that has none of its own.
pub const OTHER: u32 = 1_000;
/// What is no URL.
pub const NO_URL: u32 = 1_020;
/// A host that the options block.
pub const BLOCKED: u32 = 1_111;
/// An address that cannot be called.
pub const DIAL: u32 = 1_210;
/// The body is not in the coding that its head names.
pub const DECODING: u32 = 1_701;

/// k6's code for a status; `None` below 400.
pub fn code_of_status(status: u16) -> Option<u32> {
    (status >= 400).then_some(1_000 + u32::from(status))
}

/// k6's code for a kind of failure.
pub fn code(kind: ErrorKind) -> u32 {
    match kind {
        ErrorKind::Timeout | ErrorKind::Unanswered => 1_050,
        ErrorKind::Dns | ErrorKind::DnsTimeout => 1_101,
        ErrorKind::NotAllowed => 1_111,
        ErrorKind::Connect => 1_212,
        ErrorKind::ConnectTimeout => 1_211,
        ErrorKind::PortExhausted | ErrorKind::FdExhausted => 1_213,
        ErrorKind::Proxy => 1_210,
        ErrorKind::Reset => 1_220,
        ErrorKind::Tls | ErrorKind::TlsTimeout => 1_300,
        ErrorKind::TlsUnknownIssuer => 1_310,
        ErrorKind::TlsNameMismatch => 1_311,
        ErrorKind::Closed
        | ErrorKind::TlsExpired
        | ErrorKind::ClosedIdle
        | ErrorKind::Protocol
        | ErrorKind::Other
        | ErrorKind::Template
        | ErrorKind::Memory => 1_000,
    }
}

/// Why there is no response, in the field's words.
pub fn text(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Timeout | ErrorKind::Unanswered => "request timeout",
        ErrorKind::Dns => "lookup: no such host",
        ErrorKind::DnsTimeout => "lookup: timeout",
        ErrorKind::NotAllowed => "hostname is blocked",
        ErrorKind::Connect => "dial: connection refused",
        ErrorKind::ConnectTimeout => "dial: i/o timeout",
        ErrorKind::PortExhausted => "dial: no local port is free",
        ErrorKind::FdExhausted => "dial: too many open files",
        ErrorKind::Proxy => "the proxy did not open a tunnel",
        ErrorKind::Reset => "read: connection reset by peer",
        ErrorKind::Tls => "tls: handshake failed",
        ErrorKind::TlsTimeout => "tls: handshake timeout",
        ErrorKind::TlsExpired => "x509: certificate has expired or is not yet valid",
        ErrorKind::TlsUnknownIssuer => "x509: unknown authority",
        ErrorKind::TlsNameMismatch => "x509: certificate doesn't match hostname",
        ErrorKind::Closed | ErrorKind::ClosedIdle => "EOF",
        ErrorKind::Protocol => "malformed HTTP response",
        ErrorKind::Template => "the request could not be put together",
        ErrorKind::Memory => "the body would have taken more memory than the run may have",
        ErrorKind::Other => "unknown error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_texts_are_k6_s() {
        // As k6 1.1 told of servers that failed in these ways.
        for (kind, k6) in [
            (ErrorKind::Timeout, (1_050, "request timeout")),
            (ErrorKind::Dns, (1_101, "lookup: no such host")),
            (ErrorKind::NotAllowed, (1_111, "hostname is blocked")),
            (ErrorKind::Connect, (1_212, "dial: connection refused")),
            (ErrorKind::Reset, (1_220, "read: connection reset by peer")),
            (ErrorKind::Closed, (1_000, "EOF")),
            (ErrorKind::TlsUnknownIssuer, (1_310, "x509: unknown authority")),
            (ErrorKind::TlsExpired, (1_000, "x509: certificate has expired or is not yet valid")),
            (ErrorKind::TlsNameMismatch, (1_311, "x509: certificate doesn't match hostname")),
        ] {
            assert_eq!((code(kind), text(kind)), k6, "{kind:?}");
        }
        let all = [200, 302, 399, 404, 503].map(code_of_status);
        assert_eq!(all, [None, None, None, Some(1_404), Some(1_503)]);
    }
}
