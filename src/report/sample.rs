//! Reports for tests, made through [`Report::new`] from figures that do not change.

use super::{
    ConfigSection, Environment, ErrorReasons, ErrorSample, Model, OriginEntry, Report, ReportParts,
    TlsSection,
};
use crate::secrets::Redactor;
use crate::stats::compact::CompactHistogram;
use crate::stats::outcome::ErrorKind;
use crate::stats::summary::{Summary, TimelinePoint};
use crate::units::Nanos;
use crate::verdict::{self, Readings, WorkerReadings};

/// 2026-03-14T09:26:53.589Z
const STARTED_AT: Nanos = Nanos(1_773_480_413_589_000_000);

/// A closed run without blemish: 1,000 responses in two seconds, most of them 200.
pub(crate) fn closed() -> Report {
    report(&closed_summary(), &readings(false), config(false), false)
}

/// An open run that was interrupted, with failures, drops, and a worker at its limit.
pub(crate) fn open() -> Report {
    let mut summary = closed_summary();
    let counts = &mut summary.counts;
    counts.scheduled = 1_020;
    counts.started = 1_012;
    counts.dropped = 5;
    counts.failed = 10;
    (0..7).for_each(|_| counts.errors.add(ErrorKind::Timeout));
    (0..3).for_each(|_| counts.errors.add(ErrorKind::Closed));
    counts.reconnects = 3;
    counts.connect_failures = 2;
    (0..2).for_each(|_| counts.connect_errors.add(ErrorKind::Connect));
    summary.in_flight_at_end = 2;
    summary.backlog_at_end = 3;
    let latency = &mut summary.latency;
    latency.response_time.clear();
    latency.start_lag.clear();
    for i in 0..1_000 {
        latency.response_time.record(Nanos(130_000 + i * 900));
        latency.start_lag.record(Nanos(30_000 + i * 100));
        latency.pickup_lag.record(Nanos(i * 10));
    }
    report(&summary, &readings(true), config(true), true)
}

/// A run in which nothing happened at all.
pub(crate) fn empty() -> Report {
    let summary = empty_summary();
    report(&summary, &Readings::default(), ConfigSection::default(), false)
}

/// What [`empty`] measured.
pub(crate) fn empty_summary() -> Summary {
    Summary {
        counts: Default::default(),
        latency: Default::default(),
        tally: Default::default(),
        duration: Nanos::ZERO,
        timeline: Vec::new(),
        in_flight_at_end: 0,
        backlog_at_end: 0,
    }
}

/// What [`closed`] measured.
pub(crate) fn closed_summary() -> Summary {
    let mut summary = empty_summary();
    summary.duration = Nanos::from_secs(2);
    let counts = &mut summary.counts;
    (counts.scheduled, counts.started, counts.completed) = (1_000, 1_000, 1_000);
    counts.completed_in_window = 998;
    (counts.sent_bytes, counts.received_bytes) = (52_000, 100_000);
    counts.connects = 50;
    for code in [200, 404, 503] {
        let n = if code == 200 { 990 } else { 5 };
        (0..n).for_each(|_| counts.status.add(code));
    }
    let latency = &mut summary.latency;
    for i in 0..1_000 {
        let service = Nanos(100_000 + i * 800);
        latency.service_time.record(service);
        latency.response_time.record(service);
        latency.first_byte.record(service);
        latency.start_lag.record(Nanos::ZERO);
    }
    (0..50).for_each(|i| latency.connect.record(Nanos(80_000 + i * 1_000)));
    summary.timeline = vec![point(1, 498, 1_000_000), point(2, 500, 1_000_000)];
    summary
}

fn point(t: u64, requests: u64, span: u64) -> TimelinePoint {
    let mut response_time = CompactHistogram::default();
    (0..100u64)
        .for_each(|n| response_time.record(Nanos(400_000 + 5_000 * n + if n == 98 { 1_711 } else { 0 })));
    TimelinePoint {
        t: Nanos::from_secs(t),
        span: Nanos::from_micros(span),
        requests,
        failed: t - 1,
        response_time,
        connections: 50,
        vus: 0,
    }
}

fn readings(open_model: bool) -> Readings {
    let worker = |core, cpu_ms| WorkerReadings {
        core,
        user_cpu: Nanos::from_millis(cpu_ms / 10),
        system_cpu: Nanos::from_millis(cpu_ms - cpu_ms / 10),
        wall: Nanos::from_secs(2),
        busy: Nanos::from_millis(cpu_ms),
        enters: 700,
        turns: 710,
        pinned: true,
        ..WorkerReadings::default()
    };
    Readings {
        workers: vec![worker(2, 1_000), worker(3, if open_model { 1_980 } else { 1_200 })],
        open_model,
        steal_share: 0.001,
        ..Readings::default()
    }
}

fn config(open: bool) -> ConfigSection {
    ConfigSection {
        target: "http://127.0.0.1:8080/load-test".into(),
        addresses: vec!["127.0.0.1:8080".into()],
        model: if open { Model::Open } else { Model::Closed },
        method: if open { "POST" } else { "GET" }.into(),
        headers: if open { vec!["Accept: */*".into()] } else { vec![] },
        body_bytes: if open { 1_234 } else { 0 },
        connections: 50,
        threads: 2,
        cores: vec![2, 3],
        duration_s: Some(2.0),
        requests: open.then_some(5_000),
        rate_per_s: open.then_some(510.0),
        arrivals: open.then(|| "poisson".into()),
        max_backlog: open.then_some(100_000),
        pipeline: if open { 4 } else { 1 },
        timeout_s: 10.0,
        connect_timeout_s: 10.0,
        unix_socket: None,
        resolve: if open { vec!["shop.example:80:10.0.0.7".into()] } else { vec![] },
        sources: if open { vec!["10.0.0.8".into(), "10.0.4.0/28".into()] } else { vec![] },
        tcp_congestion: open.then(|| "reno".into()),
        dns_ttl_s: open.then_some(30.0),
        allow_hosts: if open { vec!["*.cdn.example".into()] } else { vec![] },
        proxy: open.then(|| "http://127.0.0.1:3128".into()),
        proxy_from: open.then(|| "--proxy".into()),
        warmup_s: if open { 0.5 } else { 0.0 },
        interval_s: 1.0,
        max_series: 2_000,
        drain_s: 5.0,
        max_head_bytes: 256 << 10,
        max_body_bytes: open.then_some(64 << 20),
        max_memory_bytes: open.then_some(1 << 30),
        wait: "auto".into(),
        driver: "auto".into(),
        resend: false,
        allow_invalid: false,
        seed: 42,
    }
}

fn report(summary: &Summary, readings: &Readings, config: ConfigSection, aborted: bool) -> Report {
    let secure = config.model == Model::Open;
    Report::new(ReportParts {
        secrets: &Redactor::default(),
        config,
        environment: Environment {
            kernel: "6.18.0".into(),
            cpu: Some("Example CPU @ 3 GHz".into()),
            cores: 4,
            clocksource: Some("tsc".into()),
            driver: "uring".into(),
            driver_note: None,
            ring_features: vec!["defer_taskrun".into(), "buf_ring".into()],
            congestion_control: Some("cubic".into()),
            target_on_this_host: true,
            container: None,
        },
        tls: if secure { tls() } else { TlsSection::default() },
        origins: vec![OriginEntry {
            url: "http://127.0.0.1:8080".into(),
            planned: true,
            connections: 64,
            requests: 1_000,
            unreachable: None,
        }],
        reasons: reasons(secure),
        summary,
        verdict: verdict::evaluate(readings, summary),
        readings,
        scenarios: None,
        once: None,
        aborted,
        started_at: STARTED_AT,
        max_rss_bytes: 12_345_678,
    })
}

fn reasons(any: bool) -> ErrorReasons {
    if !any {
        return ErrorReasons::default();
    }
    ErrorReasons {
        of_requests: vec![ErrorSample {
            kind: "protocol".into(),
            reason: "no HTTP status line where one is due".into(),
            count: 3,
            excerpt: Some(r"SSH-2.0-OpenSSH_9.6\r\n".into()),
        }],
        of_connections: [("Connection refused (os error 111)".into(), 2)].into(),
    }
}

fn tls() -> TlsSection {
    TlsSection {
        handshakes: 52,
        resumed: 2,
        version: Some("TLSv1_3".into()),
        cipher_suite: Some("TLS13_AES_256_GCM_SHA384".into()),
        key_exchange: Some("X25519".into()),
        insecure: true,
        min_version: Some("1.2".into()),
        timeout_s: Some(10.0),
        ..TlsSection::default()
    }
}
