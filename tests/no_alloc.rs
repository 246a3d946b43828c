//! Nothing allocates per request: neither recording nor rotating, nor the pacers, nor a whole worker.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use squall::driver::epoll::EpollDriver;
use squall::driver::{DriverConfig, Endpoint};
use squall::http::request::Request;
use squall::load::{Arrivals, LoadModel, Pacer, Schedule};
use squall::plan::Plan;
use squall::stats::outcome::{ErrorKind, Sample};
use squall::stats::recorder::Recorder;
use squall::stats::samples::Block;
use squall::stats::snapshot::Snapshot;
use squall::units::{Nanos, Rate};
use squall::worker::channel::{Channel, Control, Message, ThreadReadings};
use squall::worker::pool::PoolConfig;
use squall::worker::samples::SampleEnds;
use squall::worker::{Clocks, OriginSpec, Worker, WorkerConfig};

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
        recorder.reached(Nanos(i));
        recorder.secured(Nanos(i));
        recorder.connected();
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
        let mut rounds = |count| {
            for _ in 0..count {
                an_interval(&mut recorder, open_model);
                let mut full = recorder.rotate(shell.take().expect("it came back"));
                total.merge(&full);
                full.clear();
                shell = Some(full);
            }
        };
        // Tables come with their first value: in what is filled, what is on its way, and the total.
        rounds(2);
        assert_eq!(calls_in(|| rounds(3)), 0, "open model: {open_model}");
        assert_eq!(total.counts.completed, 500_000);
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

/// Answers every request of `length` bytes on every connection, until the listener's peer is gone.
fn serve(listener: std::net::TcpListener, length: usize) {
    use std::io::{Read, Write};
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        std::thread::spawn(move || {
            let mut request = vec![0; length];
            while stream.read_exact(&mut request).is_ok() {
                let response = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                if stream.write_all(response).is_err() {
                    return;
                }
            }
        });
    }
}

/// A worker's ends of a stream of samples, which a thread of its own takes and forgets. It returns how many there were.
fn forgetful_writer() -> (SampleEnds, std::thread::JoinHandle<usize>) {
    let (full, filled) = crossbeam_channel::bounded::<Block>(2);
    let (give, emptied) = crossbeam_channel::bounded(2);
    (0..2).for_each(|_| give.send(Block::of(0)).unwrap());
    let writer = std::thread::spawn(move || {
        let taken = filled.iter().map(|mut block| {
            let count = block.records.len();
            block.records.clear();
            let _ = give.send(block);
            count
        });
        taken.sum()
    });
    (SampleEnds { full, emptied, control: Arc::new(Control::new()) }, writer)
}

/// Allocator calls of a whole worker, from the first connection to the last word, for `requests`.
fn calls_of_a_worker(requests: u64, load: LoadModel, sampled: bool) -> u64 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let request = Request {
        method: "GET".into(),
        target: "/".into(),
        authority: addr.to_string(),
        headers: Vec::new(),
        body: Vec::new(),
    };
    let plan = Plan::compile(&request, 1).unwrap();
    let length = plan.request_len as usize;
    std::thread::spawn(move || serve(listener, length));
    let driver = EpollDriver::new(DriverConfig {
        slots: 4,
        payloads: vec![plan.payload.clone()],
        endpoints: vec![Endpoint { addr: addr.into(), source: None, congestion: None }],
        expect_large: true,
    });
    let config = WorkerConfig {
        worker: 0,
        workers: 1,
        origins: vec![OriginSpec { url: "http://peer/".parse().unwrap(), forward: None, endpoints: (0, 1) }],
        warmup: Nanos::ZERO,
        connect_timeout: Nanos::from_secs(10),
        tls_timeout: Nanos::from_secs(10),
        dns_ttl: Nanos::MAX,
        drain: Nanos::from_secs(5),
        interval: Nanos::from_secs(3600),
        spin: false,
        head_most: squall::http::head::MAX_HEAD,
    };
    let pool = PoolConfig {
        connections: 4,
        places: 4,
        load,
        requests: (!load.is_open()).then_some(requests),
        duration: None,
        timeout: Nanos::from_secs(10),
        max_backlog: 100_000,
        resend: false,
    };
    let clocks = Clocks { thread: ThreadReadings::default, wall: || Nanos::ZERO };
    let (out, messages) = crossbeam_channel::bounded(8);
    let (_give, emptied) = crossbeam_channel::bounded(1);
    let channel = Channel { out, emptied };
    let control = Control::new();
    control.start(squall::clock::now());
    let (ends, writer) = sampled.then(forgetful_writer).unzip();
    let worker = Worker::plain(driver.unwrap(), plan, config, pool, None, &channel, clocks).sampled(ends);
    let calls = calls_in(|| worker.run(&control));
    let completed: u64 = messages
        .try_iter()
        .map(|(_, message)| match message {
            Message::Interval(snapshot) => snapshot.counts.completed,
            _ => 0,
        })
        .sum();
    assert_eq!(completed, requests);
    if let Some(writer) = writer {
        assert_eq!(writer.join().unwrap() as u64, requests);
    }
    calls
}

#[test]
fn a_worker_allocates_no_more_for_more_requests() {
    let open = |requests| {
        let rate = Rate { count: 20_000, per: Nanos::from_secs(1) };
        let arrivals = Arrivals::Uniform;
        LoadModel::Open(Schedule { rate, arrivals, seed: 1, end: None, limit: Some(requests) })
    };
    let closed = |_| LoadModel::Closed;
    let loads: [(&dyn Fn(u64) -> LoadModel, bool); 3] = [(&closed, false), (&open, false), (&closed, true)];
    for (load, sampled) in loads {
        let calls = |requests| calls_of_a_worker(requests, load(requests), sampled);
        let (few, many) = (calls(200), calls(10_000));
        // The backlog may grow a few times to its working size; nothing grows with the requests.
        assert!(many <= few + 40, "{few} calls for 200 requests, {many} for 10,000");
    }
}
