//! How one request ended.

use crate::units::Nanos;

/// Why a request, or a connection attempt, failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum ErrorKind {
    /// Connecting failed (refused, unreachable, …).
    Connect,
    /// No whole response within the request's time limit.
    Timeout,
    /// The connection broke while a response was due: RST, or broken pipe.
    Reset,
    /// The peer closed the connection while a response was due.
    Closed,
    /// The response was not HTTP/1.1 as RFC 9112 has it, or bytes came that nobody had asked for.
    Protocol,
    /// TLS failed in another way than those below: an alert, nothing in common, broken rules.
    Tls,
    /// The name did not resolve.
    Dns,
    /// No local port was left (EADDRNOTAVAIL).
    PortExhausted,
    /// No descriptor was left (EMFILE, ENFILE).
    FdExhausted,
    /// Connecting took longer than its time limit.
    ConnectTimeout,
    /// Any other error of the operating system.
    Other,
    /// The request could not be put together: a value was missing, or would have broken it.
    Template,
    /// The server's certificate has expired.
    TlsExpired,
    /// The server's certificate was issued by nobody that is trusted.
    TlsUnknownIssuer,
    /// The server's certificate is for another name.
    TlsNameMismatch,
    /// The TLS handshake took longer than its time limit.
    TlsTimeout,
    /// The proxy did not open a tunnel.
    Proxy,
    /// The name's resolver said nothing in time.
    DnsTimeout,
    /// The request may not go there: too many origins, or from an inner network to a public address.
    NotAllowed,
    /// It was still waited for when the time for that was over: behind the window (the drain), or at the end of an iteration that was
    /// cut off.
    Unanswered,
    /// Its body was to be looked at, and to keep it would have taken more memory than the run may have.
    Memory,
    /// The peer closed a connection that had stood by, just as the request went out on it: it was not processed.
    ClosedIdle,
}

impl ErrorKind {
    /// All kinds, in the order of their discriminants.
    pub const ALL: [ErrorKind; 22] = [
        ErrorKind::Connect,
        ErrorKind::Timeout,
        ErrorKind::Reset,
        ErrorKind::Closed,
        ErrorKind::Protocol,
        ErrorKind::Tls,
        ErrorKind::Dns,
        ErrorKind::PortExhausted,
        ErrorKind::FdExhausted,
        ErrorKind::ConnectTimeout,
        ErrorKind::Other,
        ErrorKind::Template,
        ErrorKind::TlsExpired,
        ErrorKind::TlsUnknownIssuer,
        ErrorKind::TlsNameMismatch,
        ErrorKind::TlsTimeout,
        ErrorKind::Proxy,
        ErrorKind::DnsTimeout,
        ErrorKind::NotAllowed,
        ErrorKind::Unanswered,
        ErrorKind::Memory,
        ErrorKind::ClosedIdle,
    ];

    /// The key in the JSON report's `errors`.
    pub fn key(self) -> &'static str {
        match self {
            ErrorKind::Connect => "connect",
            ErrorKind::Timeout => "timeout",
            ErrorKind::Reset => "reset",
            ErrorKind::Closed => "closed",
            ErrorKind::Protocol => "protocol",
            ErrorKind::Tls => "tls",
            ErrorKind::Dns => "dns",
            ErrorKind::PortExhausted => "port_exhausted",
            ErrorKind::FdExhausted => "fd_exhausted",
            ErrorKind::ConnectTimeout => "connect_timeout",
            ErrorKind::Other => "other",
            ErrorKind::Template => "template",
            ErrorKind::TlsExpired => "tls_expired",
            ErrorKind::TlsUnknownIssuer => "tls_unknown_issuer",
            ErrorKind::TlsNameMismatch => "tls_name_mismatch",
            ErrorKind::TlsTimeout => "tls_timeout",
            ErrorKind::Proxy => "proxy",
            ErrorKind::DnsTimeout => "dns_timeout",
            ErrorKind::NotAllowed => "not_allowed",
            ErrorKind::Unanswered => "unanswered",
            ErrorKind::Memory => "memory",
            ErrorKind::ClosedIdle => "closed_idle",
        }
    }
}

/// What a request's time was spent on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// From wanting a connection to having one; zero where there was one.
    pub blocked: Nanos,
    /// Of that, until TCP stood.
    pub connecting: Nanos,
    /// Of that, the TLS handshake.
    pub securing: Nanos,
    /// Until the kernel had the whole request, where that was reported.
    pub sending: Nanos,
    /// From there to the first byte of the response.
    pub waiting: Nanos,
    /// From there to the last one.
    pub receiving: Nanos,
}

impl Timings {
    /// From the send to the end: k6's `http_req_duration`.
    pub fn duration(&self) -> Nanos {
        self.sending + self.waiting + self.receiving
    }
}

/// One whole response, as the worker saw it. All points are on the driver's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When the load model meant the request to start (closed model: same as `sent`).
    pub scheduled: Nanos,
    /// When its send was submitted.
    pub sent: Nanos,
    /// When the first byte of the response was seen.
    pub first_byte: Nanos,
    /// When the response was complete.
    pub done: Nanos,
    /// Status code, 100 to 999.
    pub status: u16,
}
