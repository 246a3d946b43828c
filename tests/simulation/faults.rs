//! Faults that were found in use, or by worlds drawn at random: each made small, with what is right.

use squall::driver::sim::{Service, SimFaults, SimScript};
use squall::stats::outcome::ErrorKind;
use squall::stats::tally::ScenarioTally;
use squall::units::Rate;

use crate::harness::books::sum;
use crate::harness::plans::{Flags, rows};
use crate::harness::{Outcome, PlainWork, Work, World, ms, secs, us};

fn flags(flags: Flags) -> World {
    World::new(Work::Flags(Box::new(flags)))
}

fn plan(text: &str) -> World {
    World::new(Work::Plan(text.into()))
}

/// Runs it; what must always hold does.
fn checked(world: &World) -> Outcome {
    world.check().unwrap_or_else(|error| panic!("{error}\n{world}"))
}

/// The iterations of all scenarios.
fn iterations(outcome: &Outcome) -> ScenarioTally {
    sum(&outcome.summary.tally.scenarios)
}

/// A worker whose share of `-n` is nothing has nothing to wait for.
#[test]
fn a_worker_without_a_share_of_a_limited_rate_ends() {
    let mut world = flags(Flags { rate: Some(Rate::per_sec(10)), requests: Some(1), ..Flags::default() });
    world.workers = 2;
    let outcome = checked(&world);
    assert_eq!(outcome.summary.counts.completed, 1);
    assert!(outcome.shares.iter().all(|share| share.seen.ended_at <= outcome.start + secs(1)));
}

/// One whose share is used up in its first turn ends with the last response.
#[test]
fn a_share_of_a_limited_rate_that_is_used_up_at_once_ends() {
    let world = flags(Flags { rate: Some(Rate::per_sec(10)), requests: Some(1), ..Flags::default() });
    let outcome = checked(&world);
    assert_eq!(outcome.summary.counts.completed, 1);
    assert!(outcome.shares[0].seen.ended_at <= outcome.start + secs(1));
}

/// A plain run has had it right all along.
#[test]
fn a_plain_worker_without_a_share_of_a_limited_rate_ends() {
    let requests = PlainWork { rate: Some(Rate::per_sec(10)), requests: Some(1), ..PlainWork::default() };
    let mut world = World::new(Work::Plain(PlainWork { duration: None, ..requests }));
    world.workers = 2;
    assert_eq!(checked(&world).summary.counts.completed, 1);
}

/// An upload that is answered before it is whole, whose rest the peer never reads.
fn early(work: Work) -> World {
    let mut world = World::new(work);
    world.script.faults = SimFaults { early_responses: 1.0, ..SimFaults::default() };
    world
}

#[test]
fn an_early_response_to_an_upload_ends_its_request_in_plain_runs() {
    let work = PlainWork { upload: 100_000, requests: Some(60), duration: None, ..PlainWork::default() };
    let outcome = checked(&early(Work::Plain(work)));
    let counts = &outcome.summary.counts;
    assert_eq!((counts.completed, counts.failed), (60, 0), "{}", outcome.brief());
    // Where the rest is not read, the connection is of no use any more.
    assert!(counts.reconnects > 10, "{}", outcome.brief());
    assert!(outcome.shares[0].seen.ended_at <= outcome.start + secs(2));
}

#[test]
fn an_early_response_to_an_upload_ends_its_request_in_scenarios() {
    let flags = Flags { upload: 100_000, requests: Some(60), ..Flags::default() };
    let outcome = checked(&early(Work::Flags(Box::new(flags))));
    let counts = &outcome.summary.counts;
    assert_eq!((counts.completed, counts.failed), (60, 0), "{}", outcome.brief());
    assert!(outcome.shares[0].seen.ended_at <= outcome.start + secs(2));
}

/// A send that never ends is over with its request's time limit, in both loops.
#[test]
fn a_send_that_never_ends_is_a_timeout() {
    let faults = SimFaults { sends_stuck: 1.0, ..SimFaults::default() };
    let (upload, timeout) = (100_000, ms(50));
    let plain = PlainWork { upload, timeout, requests: Some(8), duration: None, ..PlainWork::default() };
    let users = Flags { upload, timeout, requests: Some(8), ..Flags::default() };
    for work in [Work::Plain(plain), Work::Flags(Box::new(users))] {
        let mut world = World::new(work);
        world.script.faults = faults;
        let outcome = checked(&world);
        assert_eq!(outcome.summary.counts.errors.of(ErrorKind::Timeout), 8, "{}", outcome.brief());
    }
}

/// Two users, three rows, a thousand arrivals: behind the third, nobody is there to take one.
#[test]
fn arrivals_that_find_no_row_are_in_the_books() {
    for backlog in [0, 10, 100_000] {
        let text = format!(
            r#"
            [data.rows]
            file = "{}"
            atEnd = "stop"
            [steps.one]
            url = "http://a.test/{{{{ data.rows.id }}}}"
            checks = ["status==200"]
            [scenarios.s]
            executor = "constant-arrival-rate"
            rate = 1000
            duration = "1s"
            preAllocatedVUs = 2
            maxBacklog = {backlog}
            "#,
            rows(3)
        );
        for workers in [1, 2] {
            let mut world = plan(&text);
            world.workers = workers;
            let outcome = checked(&world);
            let tally = iterations(&outcome);
            assert_eq!((tally.started, tally.completed), (3, 3), "{}", outcome.brief());
        }
    }
}

/// Whoever takes an iteration from the pot and finds no row has not begun it.
#[test]
fn shared_iterations_that_find_no_row_are_dropped() {
    let text = format!(
        r#"
        [data.rows]
        file = "{}"
        atEnd = "stop"
        [steps.one]
        url = "http://a.test/{{{{ data.rows.id }}}}"
        [scenarios.s]
        executor = "shared-iterations"
        vus = 2
        iterations = 10
        "#,
        rows(3)
    );
    let outcome = checked(&plan(&text));
    let tally = iterations(&outcome);
    assert_eq!((tally.completed, tally.dropped), (3, 7), "{}", outcome.brief());
}

/// Iterations that began in the warm-up belong to it, and those that an arrival of the warm-up began later do, too.
#[test]
fn iterations_across_the_end_of_the_warm_up_are_in_no_figure() {
    let executors = [
        "executor = \"constant-vus\"\nvus = 5\nduration = \"1s\"",
        "executor = \"per-vu-iterations\"\nvus = 5\niterations = 20",
        "executor = \"shared-iterations\"\nvus = 5\niterations = 100",
        "executor = \"ramping-vus\"\nstartVUs = 1\nstages = [{ duration = \"1s\", target = 9 }]",
        "executor = \"constant-arrival-rate\"\nrate = 100\nduration = \"1s\"\npreAllocatedVUs = 2\nmaxBacklog = 1000",
        "executor = \"ramping-arrival-rate\"\nstages = [{ duration = \"1s\", target = 200 }]\npreAllocatedVUs = 2\n\
         maxBacklog = 1000",
    ];
    for executor in executors {
        let text = format!(
            "steps = [{{ url = \"http://a.test/\", checks = [\"status==200\"] }}, {{ url = \"http://a.test/2\" }}]\n\
             [scenarios.s]\n{executor}\n"
        );
        let mut world = plan(&text);
        world.script.service = Service::Uniform(ms(5), ms(30));
        world.warmup = ms(250);
        let outcome = checked(&world);
        let tally = iterations(&outcome);
        assert!(tally.completed > 0, "{executor}: {}", outcome.brief());
        assert_eq!(tally.started, tally.completed + tally.interrupted, "{executor}: {}", outcome.brief());
    }
}

/// 20 connections, 0.8 s for each response, 2 s of warm-up, then 4 s: 25 a second throughout, and none of what comes behind the window in
/// the timeline.
#[test]
fn the_rate_counts_what_comes_within_the_window_whenever_it_began() {
    let plain = PlainWork { connections: 20, duration: Some(secs(4)), ..PlainWork::default() };
    let mut world = World::new(Work::Plain(plain));
    world.script.service = Service::Constant(ms(800));
    world.warmup = secs(2);
    let outcome = checked(&world);
    let summary = &outcome.summary;
    assert_eq!(summary.counts.completed_in_window, 100, "{}", outcome.brief());
    // The last twenty come after the window.
    assert_eq!(summary.counts.completed, 100);
    let points = &summary.timeline;
    assert_eq!(points.iter().map(|point| point.requests).sum::<u64>(), 100);
    assert!(points.iter().all(|point| point.requests <= 40 && point.t <= secs(4)), "{points:?}");
    let values: u64 = points.iter().map(|point| point.response_time.len()).sum();
    assert_eq!(values, 80, "of those that were measured, what came within the window");
}

/// `-R 1000 -n 100` on one user that holds some 100 a second: the backlog is worked off, with checks as without.
#[test]
fn a_limited_rate_works_its_backlog_off_in_both_loops() {
    let (rate, requests) = (Some(Rate::per_sec(1_000)), Some(100));
    let plain = PlainWork { rate, requests, connections: 1, duration: None, ..PlainWork::default() };
    let users = Flags { rate, requests, connections: 1, ..Flags::default() };
    for work in [Work::Plain(plain), Work::Flags(Box::new(users))] {
        let mut world = World::new(work);
        world.script.service = Service::Constant(ms(10));
        let outcome = checked(&world);
        let counts = &outcome.summary.counts;
        assert_eq!((counts.started, counts.completed), (100, 100), "{}", outcome.brief());
        assert_eq!(outcome.summary.backlog_at_end, 0);
    }
}

/// A send fails behind a whole response.
fn failing_sends(first: bool, work: Work) -> World {
    let mut world = World::new(work);
    world.script.faults = SimFaults { send_errors: 1.0, send_error_first: first, ..SimFaults::default() };
    world.script.service = Service::Constant(us(10));
    world
}

/// Whatever arrived before a send failed was a response, and whatever did not is a reset.
#[test]
fn a_response_that_came_before_its_send_failed_counts() {
    let plain = PlainWork { upload: 100_000, requests: Some(200), duration: None, ..PlainWork::default() };
    let users = Flags { upload: 100_000, requests: Some(200), ..Flags::default() };
    for work in [Work::Plain(plain), Work::Flags(Box::new(users))] {
        let outcome = checked(&failing_sends(false, work));
        let (counts, peer) = (&outcome.summary.counts, &outcome.peer);
        assert_eq!(counts.completed, peer.early, "{}", outcome.brief());
        assert_eq!(counts.errors.of(ErrorKind::Reset), 200 - peer.early, "{}", outcome.brief());
        assert!((50..150).contains(&peer.early), "{}", outcome.brief());
    }
}

/// A driver that tells the failure first loses responses, and nothing else.
#[test]
fn a_driver_that_tells_of_failed_sends_too_early_does_not_unbalance_the_books() {
    let plain = PlainWork { upload: 100_000, requests: Some(200), duration: None, ..PlainWork::default() };
    let users = Flags { upload: 100_000, requests: Some(200), ..Flags::default() };
    for work in [Work::Plain(plain), Work::Flags(Box::new(users))] {
        let outcome = checked(&failing_sends(true, work));
        let counts = &outcome.summary.counts;
        assert!(counts.completed == 0 && counts.failed > 20, "{}", outcome.brief());
    }
}

/// A worker whose driver breaks says so, once, and nothing behind it.
#[test]
fn a_driver_that_breaks_is_the_last_word() {
    for after in [0, 50, 100, 150, 250, 320] {
        for work in [Work::Plain(PlainWork::default()), Work::Flags(Box::new(limited_by_time()))] {
            let mut world = World::new(work);
            world.script.wait_fails_at = Some(world.script.start + ms(after));
            let outcome = checked(&world);
            let broke = !outcome.shares[0].broken.is_empty();
            assert!(broke || after == 320, "at {after} ms: {}", outcome.brief());
        }
    }
}

fn limited_by_time() -> Flags {
    Flags { duration: Some(ms(200)), ..Flags::default() }
}

/// Everything is reset at once, and for 100 ms nobody can be reached: the load goes on behind it.
#[test]
fn an_outage_is_survived() {
    let outage = squall::driver::sim::Outage { from: ms(200), length: ms(100) };
    let plain = PlainWork { duration: Some(ms(600)), connections: 20, ..PlainWork::default() };
    let users = Flags { connections: 20, duration: Some(ms(600)), ..Flags::default() };
    for work in [Work::Plain(plain), Work::Flags(Box::new(users))] {
        let mut world = World::new(work);
        world.connect_timeout = ms(50);
        world.script = SimScript { outages: vec![outage], ..SimScript::default() };
        let outcome = checked(&world);
        assert_eq!(outcome.peer.cut_off, 20, "{}", outcome.brief());
        assert!(outcome.peer.refused > 20, "{}", outcome.brief());
        assert!(outcome.peer.connects >= 40, "{}", outcome.brief());
    }
}

/// A worker that no scenario has a user for has nothing to do, and does nothing.
#[test]
fn a_worker_without_users_does_not_spin() {
    let mut world = flags(Flags { connections: 1, requests: Some(10), ..Flags::default() });
    world.workers = 2;
    assert_eq!(checked(&world).summary.counts.completed, 10);
}

/// What ends behind a stop, with more steps to come, has ended, and is not in flight as well.
#[test]
fn a_stop_between_two_steps_does_not_unbalance_the_books() {
    let text = "steps = [{ url = \"http://a.test/\" }, { url = \"http://a.test/2\" }]\n\
                [scenarios.s]\nexecutor = \"constant-vus\"\nvus = 5\nduration = \"1s\"\n";
    let mut world = plan(text);
    world.script.service = Service::Constant(ms(5));
    world.stop_after = Some(ms(203));
    let outcome = checked(&world);
    assert_eq!(outcome.summary.in_flight_at_end, 0, "{}", outcome.brief());
}

/// Time limits are suspended for 20 ms behind a standstill: that is no reason to turn without a pause.
#[test]
fn a_standstill_is_not_followed_by_a_spin() {
    let (timeout, duration) = (ms(10), Some(secs(30)));
    let plain = PlainWork { timeout, duration, ..PlainWork::default() };
    let users = Flags { timeout, duration, ..Flags::default() };
    for work in [Work::Plain(plain), Work::Flags(Box::new(users))] {
        let mut world = World::new(work);
        world.script.service = Service::Constant(ms(5));
        world.script.faults = SimFaults { stalls: 0.000_3, ..SimFaults::default() };
        world.script.stall = (ms(50), ms(60));
        checked(&world);
    }
}

/// What a turn behind the end and the graceful stop still picks up is waiting or dropped, if it does not begin.
#[test]
fn arrivals_of_the_last_moment_are_in_the_books() {
    let text = "steps = [{ url = \"http://a.test/\" }]\n\
                [scenarios.s]\nexecutor = \"constant-arrival-rate\"\nrate = 2000000\nduration = \"1s\"\n\
                preAllocatedVUs = 500\ngracefulStop = \"0s\"\n";
    let mut world = plan(text);
    world.script.turn_cost = us(100);
    let outcome = checked(&world);
    assert_eq!(iterations(&outcome).scheduled, 2_000_000, "{}", outcome.brief());
}

/// The user of a redirect sends the cookie that came with it.
#[test]
fn a_redirect_gives_cookies_that_the_next_hop_brings_back() {
    let text = "steps = [{ url = \"http://a.test/\", headers = { X-User = \"{{ vu }}\" } }]\n\
                [scenarios.s]\nexecutor = \"per-vu-iterations\"\nvus = 5\niterations = 100\n";
    let mut world = plan(text);
    world.script.redirects = vec!["/again".into()];
    world.script.redirect_share = 0.5;
    world.script.cookie_share = 0.5;
    let outcome = checked(&world);
    assert!(outcome.peer.cookies_given > 100, "{}", outcome.brief());
    assert!(outcome.peer.cookies_returned > 100, "{}", outcome.brief());
}

/// Without redirects they come back as they were given.
#[test]
fn cookies_come_back_as_they_were_given() {
    let text = "cookies = \"user\"\nsteps = [{ url = \"http://a.test/\", headers = { X-User = \"{{ vu }}\" } }, \
                { url = \"http://b.test/{{ iteration }}\", headers = { X-User = \"{{ vu }}\" } }]\n\
                [scenarios.s]\nexecutor = \"per-vu-iterations\"\nvus = 5\niterations = 100\n";
    let mut world = plan(text);
    world.script.cookie_share = 0.5;
    let outcome = checked(&world);
    assert!(outcome.peer.cookies_given > 300, "{}", outcome.brief());
    assert!(outcome.peer.cookies_returned > 300, "{}", outcome.brief());
    assert_eq!(outcome.summary.counts.failed, 0);
}
