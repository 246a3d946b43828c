//! Why a connection could not be had, or broke.

use std::fmt;
use std::sync::{Mutex, PoisonError};

/// Different details that are kept; what is beyond has none.
const DETAILS_MAX: usize = 256;

/// All details that were ever told.
static DETAILS: Mutex<Details> = Mutex::new(Details(Vec::new()));

struct Details(Vec<String>);

impl Details {
    /// The number of `text`; one that has none where there is no room.
    fn number(&mut self, text: &str) -> u16 {
        let known = self.0.iter().position(|known| known == text);
        let place = known.unwrap_or_else(|| {
            if self.0.len() < DETAILS_MAX {
                self.0.push(text.to_owned());
            }
            // Where it was not taken, this is one too many.
            self.0.len() - usize::from(self.0.last().is_some_and(|last| last == text))
        });
        u16::try_from(place).unwrap_or(u16::MAX)
    }

    fn text(&self, number: u16) -> &str {
        self.0.get(usize::from(number)).map_or("(one of too many reasons)", String::as_str)
    }
}

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

/// Words for people that go with a failure, which stays small and can be copied: each text is kept once, for as long as the process lives.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Detail(u16);

impl Detail {
    /// This text.
    #[cold]
    pub fn of(text: &str) -> Detail {
        Detail(DETAILS.lock().unwrap_or_else(PoisonError::into_inner).number(text))
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(DETAILS.lock().unwrap_or_else(PoisonError::into_inner).text(self.0))
    }
}

impl fmt::Debug for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What went wrong with TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFailure {
    /// The server's certificate, or one above it, is past its end: whose, and when.
    Expired(Detail),
    /// One of them is not valid yet: whose, and when.
    NotYetValid(Detail),
    /// The server's certificate is not trusted: what it is, in place of having been issued by one that is.
    UnknownIssuer(Detail),
    /// The server's certificate is for other names: which, and which it should be.
    NameMismatch(Detail),
    /// The server's certificate is no good for another reason.
    BadCertificate(Detail),
    /// The peer gave up, with this alert (RFC 8446, section 6).
    Alert(u8),
    /// The server speaks none of the versions that we do.
    NoVersion {
        /// We were told to speak nothing older than 1.3.
        above_12: bool,
    },
    /// The server has no cipher suite, group or application protocol in common with us.
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
        match self {
            TlsFailure::Expired(detail) => write!(f, "{detail} (-k connects all the same)"),
            TlsFailure::NotYetValid(detail) => {
                write!(f, "{detail} (is the clock right? -k connects all the same)")
            }
            TlsFailure::UnknownIssuer(detail) => write!(
                f,
                "the server's certificate {detail} (--cacert names a file with the certificate to trust, -k connects all \
                 the same)"
            ),
            TlsFailure::NameMismatch(detail) => write!(
                f,
                "the server's certificate is for {detail} (--resolve gives a name an address of your choice, -k \
                 connects all the same)"
            ),
            TlsFailure::BadCertificate(detail) => {
                write!(f, "the server's certificate cannot be trusted: {detail} (-k connects all the same)")
            }
            TlsFailure::Alert(code) => {
                let (name, hint) = alert(*code);
                write!(f, "the server ended TLS with the alert {code} ({name}){hint}")
            }
            TlsFailure::NoVersion { above_12: true } => {
                f.write_str("the server does not speak TLS 1.3: leave --tls-min out")
            }
            TlsFailure::NoVersion { above_12: false } => f.write_str(
                "the server speaks neither TLS 1.2 nor 1.3, and squall speaks nothing older: turn one of them on there, \
                 or have a proxy in front of it that speaks it",
            ),
            TlsFailure::Incompatible => f.write_str(
                "the server has nothing in common with squall, which speaks TLS 1.2 and 1.3 with ECDHE, AES-GCM or \
                 ChaCha20, and keys of RSA, ECDSA or Ed25519: allow these there",
            ),
            TlsFailure::Closed => f.write_str("the server closed the connection during the TLS handshake"),
            TlsFailure::Protocol => {
                f.write_str("what the server sent was not TLS (is the port right for https?)")
            }
        }
    }
}

/// Name of an alert (RFC 8446, section 6), and what may be done about it.
fn alert(code: u8) -> (&'static str, &'static str) {
    match code {
        10 => ("unexpected_message", ""),
        20 => ("bad_record_mac", ""),
        40 => (
            "handshake_failure",
            ": it has nothing in common with squall (ECDHE, AES-GCM or ChaCha20, keys of RSA, ECDSA or Ed25519), or wants --cert",
        ),
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
        70 => ("protocol_version", ""),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detail_is_kept_once_and_there_are_only_so_many() {
        let one = Detail::of("expired on Monday");
        assert_eq!((one, one.to_string().as_str()), (Detail::of("expired on Monday"), "expired on Monday"));
        assert!(std::mem::size_of::<Failure>() <= 8, "completions carry it");
        let mut few = Details(Vec::new());
        let numbers: Vec<u16> = (0..DETAILS_MAX + 2).map(|at| few.number(&format!("reason {at}"))).collect();
        assert_eq!((few.text(numbers[0]), few.text(numbers[255])), ("reason 0", "reason 255"));
        assert_eq!(few.text(numbers[256]), "(one of too many reasons)");
        assert_eq!(few.number("reason 7"), numbers[7]);
    }
}
