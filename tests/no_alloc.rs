//! Nothing allocates per request: neither recording nor rotating, nor the pacers.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use squall::load::{Arrivals, Pacer, Schedule};
use squall::stats::outcome::{ErrorKind, Sample};
use squall::stats::recorder::Recorder;
use squall::stats::snapshot::Snapshot;
use squall::units::{Nanos, Rate};

thread_local! {
    /// Per thread, so that the harness's own threads do not count.
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

fn count() {
    CALLS.with(|calls| calls.set(calls.get() + 1));
}

// SAFETY: every call goes to the system's allocator unchanged; the counter is a constant-initialised
// thread local without a destructor, so that it neither allocates nor outlives its thread.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count();
        // SAFETY: the caller keeps the contract of `GlobalAlloc::dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `GlobalAlloc::realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often `work` called the allocator, to get or to give back.
fn calls_in(work: impl FnOnce()) -> u64 {
    let before = CALLS.with(Cell::get);
    work();
    CALLS.with(Cell::get) - before
}

#[test]
fn the_counter_counts() {
    let calls = calls_in(|| drop(std::hint::black_box(vec![1u8; 100])));
    assert_eq!(calls, 2, "one to get, one to give back");
}

/// All that a worker does to its recorder in an interval, latencies of all magnitudes included.
fn an_interval(recorder: &mut Recorder, open_model: bool) {
    for i in 0..100_000u64 {
        let sent = Nanos(i);
        let done = sent + Nanos(1 << (i % 45));
        if open_model {
            recorder.picked_up(done);
        }
        recorder.started(Nanos::ZERO, sent);
        recorder.record(&Sample {
            scheduled: Nanos::ZERO,
            sent,
            first_byte: if i % 2 == 0 { done } else { sent },
            done,
            status: 100 + (i % 500) as u16,
        });
        recorder.failed(ErrorKind::ALL[(i % 11) as usize]);
        recorder.connected(Nanos(i));
        recorder.connect_failed(ErrorKind::Connect);
        recorder.dropped();
        recorder.bytes_out(i);
        recorder.bytes_in(i);
    }
}

#[test]
fn recording_rotating_and_clearing_do_not_allocate() {
    for open_model in [false, true] {
        let mut recorder = Recorder::new(open_model);
        let mut shell = Some(Snapshot::new(0));
        let mut total = Snapshot::new(0);
        let calls = calls_in(|| {
            for _ in 0..3 {
                an_interval(&mut recorder, open_model);
                let mut full = recorder.rotate(shell.take().expect("it came back"));
                total.merge(&full);
                full.clear();
                shell = Some(full);
            }
        });
        assert_eq!(calls, 0, "open model: {open_model}");
        assert_eq!(total.counts.completed, 300_000);
    }
}

#[test]
fn pacing_does_not_allocate() {
    for arrivals in [Arrivals::Uniform, Arrivals::Poisson] {
        let schedule = Schedule {
            rate: Rate { count: 1_000_000, per: Nanos::from_secs(1) },
            arrivals,
            seed: 1,
            end: None,
            limit: Some(100_000),
        };
        let mut pacer = Pacer::new(&schedule, 0, 1);
        let mut taken = 0;
        let calls = calls_in(|| {
            while pacer.due(Nanos::from_secs(10)).is_some() {
                taken += 1;
            }
        });
        assert_eq!((calls, taken), (0, 100_000));
    }
}
