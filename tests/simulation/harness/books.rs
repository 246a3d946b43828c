//! What must hold after every run, whatever went wrong in it.

use squall::plan::workload::{Executor, Workload};
use squall::stats::outcome::ErrorKind;
use squall::stats::tally::ScenarioTally;
use squall::units::Nanos;

use super::{Outcome, PlainWork, Share, Work, World, ms, secs};

/// What a turn or two may take beyond a limit.
const SLACK: Nanos = ms(200);

/// A fact, and whether it holds.
type Fact = (&'static str, bool);

/// Holds a run's books against themselves, against the peers', and against what was asked for.
pub(crate) fn check(world: &World, outcome: &Outcome) -> Result<(), String> {
    outcome.shares.iter().try_for_each(|share| spoken(world, share))?;
    if outcome.shares.iter().any(|share| !share.broken.is_empty()) {
        return Ok(()); // what it had counted by then is not told
    }
    outcome.summary.conserved().map_err(|error| format!("{error}: {}", outcome.brief()))?;
    let mut facts = counts(world, outcome);
    facts.extend(causes(world, outcome));
    match &world.work {
        Work::Plain(plain) => facts.extend(of_plain(world, plain, outcome)),
        Work::Plan(_) | Work::Flags(_) => facts.extend(of_users(world, outcome)),
    }
    match facts.iter().find(|(_, holds)| !holds) {
        Some((fact, _)) => Err(format!("not so: {fact}: {}", outcome.brief())),
        None => Ok(()),
    }
}

/// What each worker says, and how often.
fn spoken(world: &World, share: &Share) -> Result<(), String> {
    let (finished, broken) = (share.finished.len(), share.broken.len());
    if finished + broken != 1 || share.spoke_on {
        return Err(format!(
            "a worker said {finished} times that it is done, and {broken} times that it broke"
        ));
    }
    if broken > 0 && world.script.wait_fails_at.is_none() {
        return Err(format!("a worker broke: {:?}", share.broken));
    }
    if share.connected != 1 && !(broken == 1 && share.connected == 0) {
        return Err(format!("a worker said {} times that it is connected", share.connected));
    }
    Ok(())
}

fn counts(world: &World, outcome: &Outcome) -> Vec<Fact> {
    let (c, peer) = (&outcome.summary.counts, &outcome.peer);
    let latency = &outcome.summary.latency;
    let points = &outcome.summary.timeline;
    let timeline: (u64, u64) =
        (points.iter().map(|p| p.requests).sum(), points.iter().map(|p| p.failed).sum());
    let all_measured = world.warmup == Nanos::ZERO;
    vec![
        ("every response has a status", c.status.total() == c.completed),
        ("every failure has a kind", c.errors.total() == c.failed),
        ("every failed connect has a kind", c.connect_errors.total() == c.connect_failures),
        ("a reconnect is a connect", c.reconnects <= c.connects),
        ("a connection that stands was accepted", c.connects <= peer.connects),
        ("a response was sent by the peer", c.completed <= peer.responses),
        ("a response has a request", c.completed <= peer.requests + peer.early),
        ("a response was handed over", c.completed <= peer.delivered),
        ("a response that was handed over counts", !all_measured || c.completed == peer.delivered),
        ("bytes that came were sent", c.received_bytes <= peer.response_bytes),
        ("the windows are nested", world.warmup > Nanos::ZERO || c.completed_in_window <= c.completed),
        ("latencies are complete", latency.service_time.len() == c.completed),
        ("and so are response times", latency.response_time.len() == c.completed + latency.censored),
        ("what was never answered has an age", latency.censored == c.errors.of(ErrorKind::Unanswered)),
        ("and start lags", latency.start_lag.len() == c.started),
        ("the timeline is complete", timeline.0 == c.completed_in_window),
        ("failures of the drain are not in it", timeline.1 <= c.failed),
        ("cookies come back to whom they were given by", peer.cookies_foreign == 0),
        ("a cookie that was replaced is gone", peer.cookies_stale == 0),
        ("nothing is sent after a stop", outcome.shares.iter().all(|s| s.seen.send_after_stop <= 2)),
    ]
}

/// Failures of kinds for which the peer has given no cause.
fn causes(world: &World, outcome: &Outcome) -> Vec<Fact> {
    let (errors, peer) = (&outcome.summary.counts.errors, &outcome.peer);
    let says_close = |response: &Vec<u8>| response.windows(5).any(|five| five == b"close");
    let closing = world.script.responses.iter().any(says_close);
    let broke = peer.resets + peer.stream_errors + peer.send_errors;
    let none = |kind: ErrorKind| errors.of(kind) == 0;
    // The peer counts garbage that arrived whole, and the first piece may be enough.
    let garbage = world.script.faults.garbage > 0.0;
    vec![
        ("a protocol error has a cause", none(ErrorKind::Protocol) || garbage),
        ("a reset has a cause", none(ErrorKind::Reset) || broke > 0),
        // What was to be sent again and could not be has failed as closed, whatever ended its first connection.
        ("a closed connection has a cause", none(ErrorKind::Closed) || closing || peer.eofs + broke > 0),
        ("one that stood by, too", none(ErrorKind::ClosedIdle) || peer.eofs + broke > 0),
        ("another error has a cause", none(ErrorKind::Other) || peer.stream_errors > 0),
    ]
}

fn of_plain(world: &World, plain: &PlainWork, outcome: &Outcome) -> Vec<Fact> {
    let (c, peer) = (&outcome.summary.counts, &outcome.peer);
    let all_measured = world.warmup == Nanos::ZERO;
    let gave_up = outcome.shares.iter().flat_map(|s| &s.finished).any(|said| said.gave_up);
    let to_the_end = world.stop_after.is_none() && !gave_up;
    let close = outcome.open + plain.duration.unwrap_or(Nanos::MAX);
    let mut facts = vec![
        (
            "the peer has no request that was not started",
            !all_measured || peer.requests.max(peer.early) <= c.started + c.resent,
        ),
        (
            "bytes of whole requests",
            !all_measured || c.sent_bytes == (c.started + c.resent) * outcome.request_len,
        ),
        ("nothing is sent after the window", c.resent > 0 || last_send(outcome) <= close + ms(1)),
        ("a limit is not exceeded", c.scheduled <= plain.requests.unwrap_or(u64::MAX)),
        ("the closed model schedules what it starts", plain.rate.is_some() || c.scheduled == c.started),
    ];
    if to_the_end {
        facts.push(("all of it has ended", outcome.summary.in_flight_at_end == 0));
    }
    if plain.duration.is_none() && to_the_end {
        facts.push(("a limit is reached", c.started + c.dropped == plain.requests.unwrap_or(0)));
    }
    facts
}

fn last_send(outcome: &Outcome) -> Nanos {
    outcome.shares.iter().map(|share| share.seen.last_send).max().unwrap_or(Nanos::ZERO)
}

fn of_users(world: &World, outcome: &Outcome) -> Vec<Fact> {
    let (c, tally) = (&outcome.summary.counts, &outcome.summary.tally);
    let Some(workload) = outcome.workload() else { return Vec::new() };
    let in_series: (u64, u64) =
        (tally.all_requests().map(|s| s.completed).sum(), tally.all_requests().map(|s| s.failed).sum());
    let (mut facts, mut waiting, mut open) = (Vec::new(), 0, false);
    for index in 0..workload.scenarios.len() {
        let all = of_scenario(outcome, index);
        let executor = &workload.scenarios[index].executor;
        facts.extend(iterations(world, executor, &all));
        if executor.is_open() {
            open = true;
            waiting += all.scheduled.saturating_sub(all.started + all.dropped);
        }
    }
    let redirects = workload.steps.iter().any(|step| step.redirects_max > 0);
    facts.extend([
        ("every response is in a series", in_series.0 == c.completed),
        (
            "every failure but those that were cut off is in a series",
            in_series.1 == c.failed - c.errors.of(ErrorKind::Unanswered),
        ),
        ("what waits at the end is the backlog", !open || waiting == outcome.summary.backlog_at_end),
        ("every response and failure is judged once", judged_once(outcome, redirects)),
        ("nothing is sent after the end", last_send(outcome) <= hard_end(outcome.start, workload) + ms(1)),
        ("no template fails", c.errors.of(ErrorKind::Template) == 0),
    ]);
    facts
}

/// A scenario's books over all of its stages.
fn of_scenario(outcome: &Outcome, index: usize) -> ScenarioTally {
    let Some(scenarios) = &outcome.scenarios else { return ScenarioTally::default() };
    let first = scenarios.layout.scenarios[index].first_slot as usize;
    let stages = scenarios.layout.stages(index as u32) as usize;
    sum(&outcome.summary.tally.scenarios[first..first + stages])
}

/// The iterations of several stages.
pub(crate) fn sum(stages: &[ScenarioTally]) -> ScenarioTally {
    let mut all = ScenarioTally::default();
    for stage in stages {
        all.scheduled += stage.scheduled;
        all.started += stage.started;
        all.completed += stage.completed;
        all.broken += stage.broken;
        all.interrupted += stage.interrupted;
        all.dropped += stage.dropped;
    }
    all
}

fn iterations(world: &World, executor: &Executor, all: &ScenarioTally) -> Vec<Fact> {
    let mut facts = vec![
        ("iterations end or are cut off", all.started == all.completed + all.interrupted),
        ("a broken iteration is a completed one", all.broken <= all.completed),
        ("what starts was scheduled", all.started + all.dropped <= all.scheduled || !executor.is_open()),
        ("who loops schedules what it starts", all.started == all.scheduled || executor.is_open()),
    ];
    let owed = match executor {
        Executor::SharedIterations { iterations, .. } => Some(*iterations),
        Executor::PerVuIterations { vus, iterations, .. } => Some(u64::from(*vus) * iterations),
        _ => None,
    };
    if let Some(owed) = owed {
        // What the warm-up took is in no figure, and a run that somebody has ended owes nothing.
        facts.push(("no more iterations than were owed", all.started + all.dropped <= owed));
        let is_ended = world.warmup > Nanos::ZERO || world.stop_after.is_some();
        let whole = is_ended || all.started + all.dropped == owed;
        facts.push(("every iteration that was owed is started or dropped", whole));
    }
    facts
}

/// Each check of a step has judged each of its responses and failures, but for the redirects that were followed.
fn judged_once(outcome: &Outcome, redirects: bool) -> bool {
    let Some(scenarios) = &outcome.scenarios else { return true };
    let (layout, tally) = (&scenarios.layout, &outcome.summary.tally);
    layout.checks.iter().all(|check| {
        let place = &layout.places[check.place as usize];
        let stages = layout.stages(place.scenario) as usize;
        let judged = (check.first_series..).take(stages).map(|number| tally.rate(number));
        let judged: u64 = judged.map(|one| one.passes + one.fails).sum();
        let series =
            (place.first_series as usize..).take(2 * stages).filter_map(|number| tally.requests(number));
        let ended: u64 = series.map(|one| one.completed + one.failed).sum();
        judged == ended || (redirects && judged < ended && ended - judged <= outcome.peer.redirects)
    })
}

/// When the last iteration is over at the latest.
fn hard_end(start: Nanos, workload: &Workload) -> Nanos {
    let ends = workload.scenarios.iter().map(|s| start + s.start + s.executor.duration() + s.graceful_stop);
    ends.max().unwrap_or(start)
}

/// By when a run of scenarios must be over.
pub(crate) fn end_of(world: &World, start: Nanos, workload: &Workload) -> Nanos {
    let mut end = hard_end(start, workload);
    if let Work::Flags(flags) = &world.work
        && flags.duration.is_none()
        && let Some(requests) = flags.requests
    {
        let each = Nanos(per_request(world, flags.timeout).0 * (1 + u64::from(flags.redirects_max)));
        let gap = flags.rate.map_or(Nanos::ZERO, |rate| Nanos(rate.per.0 / rate.count.max(1)));
        end = start + secs(30) + Nanos((each + gap).0.saturating_mul(requests));
    }
    latest(world, start, end)
}

/// By when a plain run must be over.
pub(crate) fn end_of_plain(world: &World, start: Nanos) -> Nanos {
    let Work::Plain(plain) = &world.work else { return Nanos::MAX };
    let gap = plain.rate.map_or(Nanos::ZERO, |rate| Nanos(rate.per.0 / rate.count.max(1)));
    let last = match (plain.duration, plain.requests) {
        (Some(duration), _) => duration,
        (None, Some(requests)) => {
            Nanos((per_request(world, plain.timeout) + gap).0.saturating_mul(requests)) + secs(60)
        }
        (None, None) => Nanos::MAX,
    };
    latest(world, start, start + world.warmup + last + world.drain)
}

/// What one request may take that goes wrong in every way, back-off included.
fn per_request(world: &World, timeout: Nanos) -> Nanos {
    timeout + world.connect_timeout + ms(1_100)
}

fn latest(world: &World, start: Nanos, end: Nanos) -> Nanos {
    let stopped = world.stop_after.map_or(Nanos::MAX, |after| start + after + world.drain + ms(20));
    let stalls = world.script.faults.stalls > 0.0;
    let stall = if stalls { Nanos(5 * world.script.stall.1.0) } else { Nanos::ZERO };
    // Time limits are not enforced right behind a standstill.
    end.min(stopped) + SLACK + stall
}
