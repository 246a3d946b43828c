//! Why connections failed and what came on them, a few of each sort, for people.

use crate::driver::failure::Failure;
use crate::http::error::ParseError;
use crate::stats::outcome::ErrorKind;

/// Different ones that are kept; what is beyond is counted by kind alone.
const MOST: usize = 64;
/// Bytes of an excerpt.
const EXCERPT: usize = 64;

/// What lies behind a kind of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// What came is no response.
    NotHttp(ParseError),
    /// It came without a request.
    Unasked,
    /// The system, TLS or a proxy said so.
    Failure(Failure),
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Cause::NotHttp(error) => error.fmt(f),
            Cause::Unasked => f.write_str("bytes that nobody had asked for"),
            Cause::Failure(failure) => failure.fmt(f),
        }
    }
}

/// A cause, and how often it was met within the window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Counted as this.
    pub kind: ErrorKind,
    /// What lies behind it.
    pub cause: Cause,
    /// It failed requests, rather than a connection that had none under way.
    pub of_requests: bool,
    /// Connections that ended so.
    pub count: u64,
    /// What came, the first time: at most 64 bytes.
    pub excerpt: Vec<u8>,
}

/// All that were met.
#[derive(Debug, Default)]
pub(super) struct Reasons(Vec<Reason>);

impl Reasons {
    /// Another connection ended so.
    #[cold]
    pub(super) fn count(&mut self, kind: ErrorKind, cause: Cause, of_requests: bool, came: &[u8]) {
        let same = |reason: &&mut Reason| {
            (reason.kind, reason.cause, reason.of_requests) == (kind, cause, of_requests)
        };
        if let Some(reason) = self.0.iter_mut().find(same) {
            reason.count += 1;
        } else if self.0.len() < MOST {
            let excerpt = came[..came.len().min(EXCERPT)].to_vec();
            self.0.push(Reason { kind, cause, of_requests, count: 1, excerpt });
        }
    }

    /// Hands them over, and begins anew.
    pub(super) fn take(&mut self) -> Vec<Reason> {
        std::mem::take(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sort_is_counted_and_shown_once() {
        let mut reasons = Reasons::default();
        let long = [b'x'; 100];
        for came in [&b"SSH-2.0"[..], &long] {
            reasons.count(ErrorKind::Protocol, Cause::NotHttp(ParseError::StatusLine), true, came);
        }
        reasons.count(ErrorKind::Protocol, Cause::Unasked, false, &long);
        let told = reasons.take();
        assert_eq!((told.len(), told[0].count, told[0].excerpt.as_slice()), (2, 2, &b"SSH-2.0"[..]));
        assert_eq!((told[1].count, told[1].excerpt.len()), (1, EXCERPT));
        assert!(reasons.take().is_empty());
    }

    #[test]
    fn there_are_only_so_many() {
        let mut reasons = Reasons::default();
        (0..1_000).for_each(|errno| {
            reasons.count(ErrorKind::Connect, Cause::Failure(Failure::Os(errno)), false, b"")
        });
        assert_eq!(reasons.take().len(), MOST);
    }
}
