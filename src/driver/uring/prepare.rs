//! A ring with everything that is registered on it once: its table of files, its buffers, itself.

use std::io;

use io_uring::{CompletionQueue, IoUring, SubmissionQueue, Submitter};

use super::super::DriverConfig;
use super::GROUP;
use super::buf_ring::BufRing;
use super::setup::{self, SetupError};
use crate::clock;
use crate::units::Nanos;

/// Submissions between two system calls, where memory allows.
pub(super) const ENTRIES: u32 = 1024;
/// The smallest ring that is worth having.
const ENTRIES_MIN: u32 = 64;
/// How long memory of a ring that is gone may take to come back.
const PATIENCE: Nanos = Nanos::from_millis(500);
/// Receive buffers at least: their ring then fills a page.
const BUFFERS_MIN: u16 = 256;
/// And at most: more only mean that a burst touches more memory.
const BUFFERS_MAX: u16 = 2048;
/// Length of each in bytes.
const BUFFER_LEN: u32 = 4096;

/// A ring with everything that is registered once.
pub(super) struct Prepared {
    pub(super) ring: *mut IoUring,
    pub(super) submitter: Submitter<'static>,
    pub(super) sq: SubmissionQueue<'static>,
    pub(super) cq: CompletionQueue<'static>,
    pub(super) buffers: BufRing,
    pub(super) features: Vec<&'static str>,
    /// Submissions that there is room for: fewer than [`ENTRIES`] where memory is short.
    pub(super) entries: u32,
}

impl Prepared {
    /// The largest ring that leaves memory for its buffers.
    pub(super) fn new(config: &DriverConfig) -> Result<Prepared, SetupError> {
        let completions = (config.slots.saturating_mul(2)).next_power_of_two().clamp(ENTRIES, 65_536);
        let mut entries = ENTRIES;
        let mut patient_until = Nanos::ZERO;
        loop {
            let built = setup::build(entries, completions / (ENTRIES / entries));
            let stands = built.is_ok();
            match built.and_then(|built| Prepared::register(built, entries, config)) {
                // A ring that stands but leaves too little for its buffers is no better after a wait.
                Err(SetupError::Memory(_))
                    if entries > ENTRIES_MIN && (stands || clock::now() >= patient_until) =>
                {
                    entries /= 2;
                    // The kernel gives back what a ring took when it gets round to it: the one of ours that just
                    // failed, or, when only the smallest is left to try, that of a process that has ended.
                    if stands || entries == ENTRIES_MIN {
                        patient_until = clock::now() + PATIENCE;
                    }
                }
                Err(SetupError::Memory(_)) if clock::now() < patient_until => {
                    clock::sleep(Nanos::from_millis(5));
                }
                done => return done,
            }
        }
    }

    fn register(built: setup::Built, entries: u32, config: &DriverConfig) -> Result<Prepared, SetupError> {
        let setup::Built { ring, mut features } = built;
        let ring = Box::into_raw(Box::new(ring));
        // SAFETY: the box is freed in two places, each after the end of these three borrows: below, and
        // in the driver's `drop`.
        let (mut submitter, sq, cq) = unsafe { (*ring).split() };
        let lacks = |what| move |errno| setup::explain_later(errno, what, "5.19");
        let registered = submitter
            .register_files_sparse(config.slots)
            .map_err(lacks("sparse fixed files"))
            .and_then(|()| provide_buffers(&submitter, config).map_err(lacks("buffer rings")));
        match registered {
            Ok(buffers) => {
                // Last, since a ring that is registered with its thread outlives its descriptor.
                if submitter.register_ring_fd().is_ok() {
                    features.push("registered_ring_fd");
                }
                features.extend(["fixed_files", "buffer_ring", "multishot_recv"]);
                Ok(Prepared { ring, submitter, sq, cq, buffers, features, entries })
            }
            Err(e) => {
                drop((submitter, sq, cq));
                // SAFETY: made by Box::into_raw above, no borrow is left.
                drop(unsafe { Box::from_raw(ring) });
                Err(e)
            }
        }
    }
}

/// Receive buffers: fewer where memory is short. Their ring counts as locked memory, like the ring of
/// submissions (which has taken its share by now).
fn provide_buffers(submitter: &Submitter<'_>, config: &DriverConfig) -> io::Result<BufRing> {
    let mut count = buffers_for(config.slots);
    loop {
        // SAFETY: both the driver and, when something else fails, `Prepared::register` drop the ring before the
        // buffers (docs/invariants.md, 8).
        match unsafe { BufRing::register(submitter, GROUP, count, BUFFER_LEN) } {
            Err(e) if e.kind() == io::ErrorKind::OutOfMemory && count > BUFFERS_MIN => count /= 2,
            done => return done,
        }
    }
}

/// Four buffers for each connection, 1 MiB to 8 MiB in all. Fewer and smaller ones are no faster
/// (docs/journal.md).
pub(super) fn buffers_for(slots: u32) -> u16 {
    slots.saturating_mul(4).next_power_of_two().clamp(BUFFERS_MIN.into(), BUFFERS_MAX.into()) as u16
}
