//! What is counted, as opposed to measured.

use crate::stats::outcome::ErrorKind;

/// How many responses had each status code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusCounts(Box<[u64; 1000]>);

impl Default for StatusCounts {
    fn default() -> StatusCounts {
        StatusCounts(Box::new([0; 1000]))
    }
}

impl StatusCounts {
    /// Counts one response. Codes above 999 do not exist on the wire (RFC 9112, section 4) and are not counted.
    #[inline]
    pub fn add(&mut self, code: u16) {
        debug_assert!(code < 1000, "a status has three digits");
        if let Some(count) = self.0.get_mut(usize::from(code)) {
            *count += 1;
        }
    }

    /// Sets how many had this code; false when there is no such code.
    pub(super) fn set(&mut self, code: u16, count: u64) -> bool {
        self.0.get_mut(usize::from(code)).map(|place| *place = count).is_some()
    }

    /// How many responses had this code.
    pub fn of(&self, code: u16) -> u64 {
        self.0.get(usize::from(code)).copied().unwrap_or(0)
    }

    /// Codes that occurred, in ascending order, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (u16, u64)> + '_ {
        let codes = (0u16..).zip(self.0.iter().copied());
        codes.filter(|&(_, count)| count > 0)
    }

    /// All responses.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    fn merge(&mut self, other: &StatusCounts) {
        add_each(self.0.as_mut_slice(), other.0.as_slice());
    }

    fn clear(&mut self) {
        self.0.fill(0);
    }
}

/// How many requests, or connection attempts, failed in each way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorCounts([u64; ErrorKind::ALL.len()]);

impl ErrorCounts {
    /// Counts one failure.
    #[inline]
    pub fn add(&mut self, kind: ErrorKind) {
        self.0[kind as usize] += 1;
    }

    pub(super) fn set(&mut self, kind: ErrorKind, count: u64) {
        self.0[kind as usize] = count;
    }

    /// How many failed in this way.
    pub fn of(&self, kind: ErrorKind) -> u64 {
        self.0[kind as usize]
    }

    /// Kinds that occurred, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (ErrorKind, u64)> + '_ {
        let kinds = ErrorKind::ALL.into_iter().map(|kind| (kind, self.of(kind)));
        kinds.filter(|&(_, count)| count > 0)
    }

    /// All failures.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    fn merge(&mut self, other: &ErrorCounts) {
        add_each(&mut self.0, &other.0);
    }
}

fn add_each(to: &mut [u64], from: &[u64]) {
    to.iter_mut().zip(from).for_each(|(t, f)| *t += f);
}

/// Everything that is counted, as opposed to measured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Arrivals that came due. In the closed model the same as `started`.
    pub scheduled: u64,
    /// Requests whose send was submitted.
    pub started: u64,
    /// Whole HTTP responses, of any status.
    pub completed: u64,
    /// Whole responses that came within the measuring window: those of `completed` but for what came after it, and responses to requests
    /// that the warm-up began.
    pub completed_in_window: u64,
    /// Requests that were started and got no whole response.
    pub failed: u64,
    /// Arrivals that could not start within the bounds.
    pub dropped: u64,
    /// Bytes of requests.
    pub sent_bytes: u64,
    /// Bytes of responses, heads and framing included.
    pub received_bytes: u64,
    /// Connections established.
    pub connects: u64,
    /// Those of `connects` that took the place of a lost one.
    pub reconnects: u64,
    /// Connection attempts that failed.
    pub connect_failures: u64,
    /// Requests that were sent a second time, since the first connection had ended without processing them; each is one of `started`.
    pub resent: u64,
    /// Completions of connections that were gone already: normal, but worth knowing.
    pub stale: u64,
    /// `completed` by status code.
    pub status: StatusCounts,
    /// `failed` by kind.
    pub errors: ErrorCounts,
    /// `connect_failures` by kind. No request was on these connections.
    pub connect_errors: ErrorCounts,
}

/// The plain numbers of [`Counts`], by `&` or `&mut`.
macro_rules! numbers {
    ($counts:expr) => {
        fields!(
            $counts,
            Counts {
                scheduled,
                started,
                completed,
                completed_in_window,
                failed,
                dropped,
                sent_bytes,
                received_bytes,
                connects,
                reconnects,
                connect_failures,
                resent,
                stale,
            } but { status, errors, connect_errors }
        )
    };
}

impl Counts {
    /// Its plain numbers, in a fixed order.
    pub(super) fn numbers(&self) -> [&u64; 13] {
        numbers!(self)
    }

    /// The same, to be filled.
    pub(super) fn numbers_mut(&mut self) -> [&mut u64; 13] {
        numbers!(self)
    }

    /// Adds another's counts to this one's.
    pub fn merge(&mut self, other: &Counts) {
        self.numbers_mut().into_iter().zip(other.numbers()).for_each(|(to, from)| *to += from);
        self.status.merge(&other.status);
        self.errors.merge(&other.errors);
        self.connect_errors.merge(&other.connect_errors);
    }

    /// Sets everything to zero without allocating: a new value instead of this would allocate the status table.
    pub fn clear(&mut self) {
        self.numbers_mut().into_iter().for_each(|number| *number = 0);
        self.status.clear();
        self.errors = ErrorCounts::default();
        self.connect_errors = ErrorCounts::default();
    }
}
