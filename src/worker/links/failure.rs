//! What the driver's failures are called in the report.

use crate::driver::failure::{Failure, TlsFailure};
use crate::stats::outcome::ErrorKind;

/// The kind of a connection attempt that failed.
pub(in crate::worker::links) fn not_connected(failure: Failure) -> ErrorKind {
    match failure {
        Failure::Os(libc::EADDRNOTAVAIL) => ErrorKind::PortExhausted,
        Failure::Os(libc::EMFILE | libc::ENFILE) => ErrorKind::FdExhausted,
        Failure::Os(libc::ETIMEDOUT) => ErrorKind::ConnectTimeout,
        Failure::Os(_) | Failure::Truncated => ErrorKind::Connect,
        Failure::Tls(failure) => tls(failure),
        Failure::Proxy(_) => ErrorKind::Proxy,
    }
}

/// The kind of a broken connection.
pub(in crate::worker::links) fn broken(failure: Failure) -> ErrorKind {
    match failure {
        Failure::Os(libc::ECONNRESET | libc::EPIPE | libc::ECONNABORTED) => ErrorKind::Reset,
        Failure::Os(libc::ETIMEDOUT) => ErrorKind::Timeout,
        Failure::Os(_) => ErrorKind::Other,
        // What was received may be cut off: not the end of a body without a length (RFC 9112, section 9.8).
        Failure::Truncated => ErrorKind::Closed,
        Failure::Tls(failure) => tls(failure),
        Failure::Proxy(_) => ErrorKind::Proxy,
    }
}

fn tls(failure: TlsFailure) -> ErrorKind {
    match failure {
        TlsFailure::Expired(_) => ErrorKind::TlsExpired,
        TlsFailure::UnknownIssuer(_) => ErrorKind::TlsUnknownIssuer,
        TlsFailure::NameMismatch(_) => ErrorKind::TlsNameMismatch,
        TlsFailure::NotYetValid(_)
        | TlsFailure::BadCertificate(_)
        | TlsFailure::Alert(_)
        | TlsFailure::NoVersion { .. }
        | TlsFailure::Incompatible
        | TlsFailure::Protocol
        | TlsFailure::Closed => ErrorKind::Tls,
    }
}
