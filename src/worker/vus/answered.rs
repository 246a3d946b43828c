//! What an answer, or the lack of one, means: figures, checks, values for later steps, redirects.

use super::VuWorker;
use super::flow::Ending;
use super::vu::{Capture, State, Vu};
use crate::driver::Driver;
use crate::http::response::Response;
use crate::http::url::{Scheme, Url};
use crate::plan::answer::Answer;
use crate::plan::{cookies, redirect};
use crate::stats::layout::{Condition, series_at};
use crate::stats::outcome::ErrorKind;
use crate::stats::tally::Series;
use crate::units::Nanos;
use crate::worker::channel::CheckSample;

/// Failing samples that a worker keeps of each check.
const SAMPLES_MAX: u8 = 3;
/// Bytes of a body that a sample shows.
const EXCERPT_MAX: usize = 256;

impl<D: Driver> VuWorker<'_, D> {
    /// A whole answer.
    pub(super) fn answered(&mut self, vu: u32, response: Response, now: Nanos) {
        let step = self.step_of(vu);
        let expected = self.workload.steps[step].expected.contains(response.status);
        let user = &mut self.vus[vu as usize];
        user.deadline = Nanos::MAX;
        let capture = user.capture.take();
        if user.measured {
            self.record_answer(vu, step, response.status, expected, now);
        }
        self.store_cookies(vu, capture.as_deref());
        if (300..400).contains(&response.status)
            && let Some(origin) = self.redirected(vu, step, &response, capture.as_deref())
        {
            self.put_away(capture);
            let user = &mut self.vus[vu as usize];
            user.hops += 1;
            user.due = false;
            return self.begin_request(vu, origin, now);
        }
        let duration = now - self.vus[vu as usize].sent;
        let mut answer = Answer::new(response.status, response.body_len, duration);
        if let Some(capture) = &capture {
            answer = answer.with_parts(&capture.head, &capture.body, capture.truncated);
        }
        let whole = self.judge(vu, step, &answer, now);
        self.put_away(capture);
        self.go_on(vu, step, whole, now);
    }

    /// The request got no whole answer; k6 goes on with the script then, and so do we.
    pub(super) fn request_failed(&mut self, vu: u32, kind: ErrorKind, now: Nanos) {
        let step = self.step_of(vu);
        let user = &mut self.vus[vu as usize];
        user.deadline = Nanos::MAX;
        if user.state == State::Waiting {
            self.in_flight -= 1;
        }
        let capture = user.capture.take();
        let took = if user.sent == Nanos::MAX { Nanos::ZERO } else { now - user.sent };
        if user.measured {
            self.recorder.failed(kind);
            let (stage, scenario) = (u32::from(user.stage), usize::from(user.scenario));
            let waits = Waits::of(user);
            self.each_series(scenario, step, stage, false, Condition::Error(kind), |series| {
                series.failed += 1;
                series.failed_time.record(took);
                waits.record(series);
            });
        }
        self.put_away(capture);
        let whole = self.judge(vu, step, &Answer::new(0, 0, took), now);
        self.go_on(vu, step, whole, now);
    }

    fn go_on(&mut self, vu: u32, step: usize, whole: bool, now: Nanos) {
        if whole {
            self.step_over(vu, now);
        } else {
            self.end_iteration(vu, Ending::Broken, step, now);
        }
    }

    /// The request in work is cut off, its connection with it.
    pub(super) fn abandon_request(&mut self, vu: u32) {
        let user = &mut self.vus[vu as usize];
        let waits = user.has_request();
        let on_the_way = user.state == State::Waiting;
        user.deadline = Nanos::MAX;
        let capture = user.capture.take();
        if waits {
            self.abandoned += u64::from(self.vus[vu as usize].measured);
            self.in_flight -= u64::from(on_the_way);
            self.lose_link(vu);
        }
        self.put_away(capture);
    }

    fn put_away(&mut self, capture: Option<Box<Capture>>) {
        if let Some(mut capture) = capture {
            capture.head.clear();
            capture.body.clear();
            capture.truncated = false;
            self.spare.push(capture);
        }
    }

    fn record_answer(&mut self, vu: u32, step: usize, status: u16, expected: bool, now: Nanos) {
        let user = &self.vus[vu as usize];
        let (stage, scenario) = (u32::from(user.stage), usize::from(user.scenario));
        let (scheduled, sent, first_byte) = (user.scheduled, user.sent, user.first_byte.min(now));
        let waits = Waits::of(user);
        let sending = if user.sent_whole == Nanos::MAX { Nanos::ZERO } else { user.sent_whole - sent };
        let in_window = now < self.recorder.window_end();
        self.recorder.counts.completed += 1;
        self.recorder.counts.completed_in_window += u64::from(in_window);
        self.recorder.counts.status.add(status);
        self.each_series(scenario, step, stage, expected, Condition::Status(status), |series| {
            series.completed += 1;
            series.completed_in_window += u64::from(in_window);
            if scheduled == sent && first_byte == now {
                series.alike.record(now - sent);
            } else {
                series.service_time.record(now - sent);
                series.first_byte.record(first_byte - sent);
                series.response_time.record(now - scheduled);
                series.start_lag.record(sent - scheduled);
                if now > first_byte {
                    series.receiving.record(now - first_byte);
                }
            }
            if sending > Nanos::ZERO {
                series.sending.record(sending);
            }
            waits.record(series);
        });
    }

    /// The base series of a sample, and those of the watches whose condition it meets.
    #[inline]
    fn each_series(
        &mut self,
        scenario: usize,
        step: usize,
        stage: u32,
        expected: bool,
        condition: Condition,
        mut record: impl FnMut(&mut Series),
    ) {
        let place = &self.layout.places[self.places[scenario][step] as usize];
        let tally = &mut self.recorder.tally;
        record(&mut tally.series[series_at(place.first_series, stage, expected)]);
        for watch in &place.watches {
            let watch = &self.layout.watches[*watch as usize];
            if watch.condition == condition {
                record(&mut tally.series[series_at(watch.first_series, stage, expected)]);
            }
        }
    }

    fn store_cookies(&mut self, vu: u32, capture: Option<&Capture>) {
        let Some(capture) = capture.filter(|_| self.workload.cookies) else { return };
        // Most answers give none, and then no jar is needed.
        if !cookies::gives_any(&capture.head) {
            return;
        }
        let path = self.workload.steps[self.step_of(vu)].request.path_hint();
        let user = &mut self.vus[vu as usize];
        let origin = &self.workload.origins[usize::from(user.origin)].url;
        let secure = origin.scheme == Scheme::Https;
        let baggage = user.baggage.get_or_insert_default();
        baggage.jar.store(&capture.head, &origin.host, path, secure, (self.wall)());
    }

    /// The origin of the request that follows a redirect, which is then in the baggage; `None` when the answer is
    /// to be taken as it is.
    fn redirected(
        &mut self,
        vu: u32,
        step: usize,
        response: &Response,
        capture: Option<&Capture>,
    ) -> Option<u16> {
        if !matches!(response.status, 301 | 302 | 303 | 307 | 308) {
            return None;
        }
        let most = self.workload.steps[step].redirects_max;
        let head = capture.filter(|_| most > 0)?;
        let location =
            Answer::new(0, 0, Nanos::ZERO).with_parts(&head.head, &[], false).header("location")?;
        let location = std::str::from_utf8(location).ok()?.to_owned();
        let user = &self.vus[vu as usize];
        let (scenario, scheduled) = (usize::from(user.scenario), user.scheduled);
        let base = &self.workload.origins[usize::from(user.origin)].url;
        let to = redirect::resolve(&location, base, self.current_path(vu, step)).ok();
        let origin = to.as_ref().and_then(|to| {
            let same = |url: &Url| (url.scheme, &url.host, url.port) == (to.scheme, &to.host, to.port);
            self.workload.origins.iter().position(|origin| same(&origin.url))
        });
        let (Some(to), Some(origin)) = (to, origin.filter(|_| u32::from(user.hops) < most.min(255))) else {
            if self.vus[vu as usize].measured {
                self.scenario_tally(scenario, scheduled).redirects_refused += 1;
            }
            return None;
        };
        let slot = self.slot_of(vu);
        let user = &mut self.vus[vu as usize];
        let rendered: &[u8] = match self.workload.steps[step].request.constant() {
            Some(bytes) if !user.drafted => bytes,
            _ => self.driver.drafted(slot),
        };
        // RFC 9110, 15.4: 307 and 308 keep the method; for the others everybody changes POST into GET.
        let keep = matches!(response.status, 307 | 308);
        let url = &self.workload.origins[origin].url;
        let next = redirect::rewrite(rendered, &to.target, &url.authority(), keep)?;
        let next = match &self.workload.origins[origin].forward {
            Some(forward) => forward.apply(&next),
            None => next,
        };
        let baggage = user.baggage.get_or_insert_default();
        baggage.redirect = Some(next);
        baggage.path = to.target;
        Some(origin as u16)
    }

    /// Path and query of the request in work.
    fn current_path(&self, vu: u32, step: usize) -> &str {
        let user = &self.vus[vu as usize];
        match &user.baggage {
            Some(baggage) if user.hops > 0 => &baggage.path,
            _ => self.workload.steps[step].request.path_hint(),
        }
    }

    /// Judges the checks and takes the values. False when a value is missing for which there is no default.
    fn judge(&mut self, vu: u32, step: usize, answer: &Answer<'_>, now: Nanos) -> bool {
        let workload = &self.workload;
        let steps = &workload.steps[step];
        let user = &self.vus[vu as usize];
        if user.measured && !steps.checks.is_empty() {
            let place = &self.layout.places[self.places[usize::from(user.scenario)][step] as usize];
            let stage = u32::from(user.stage);
            for (key, check) in (place.first_check as usize..).zip(&steps.checks) {
                let slot = self.layout.checks[key].first_slot + stage;
                let tally = &mut self.recorder.tally.checks[slot as usize];
                if check.judge(answer) {
                    tally.passes += 1;
                    continue;
                }
                tally.fails += 1;
                if self.sampled[key] < SAMPLES_MAX {
                    self.sampled[key] += 1;
                    self.samples.push(sample(key, answer, now - self.window.open));
                }
            }
        }
        for extract in &steps.extracts {
            let value = extract.take(answer).or_else(|| extract.default.clone());
            let missing = value.is_none();
            let baggage = self.vus[vu as usize].baggage.get_or_insert_default();
            if let Some(place) = baggage.values.get_mut(extract.variable as usize) {
                *place = value;
            }
            if missing {
                return false;
            }
        }
        true
    }
}

/// What a request waited for before it was sent.
#[derive(Clone, Copy)]
struct Waits {
    blocked: Nanos,
    connecting: Nanos,
    securing: Nanos,
}

impl Waits {
    fn of(user: &Vu) -> Waits {
        Waits { blocked: user.blocked, connecting: user.connecting, securing: user.securing }
    }

    fn record(self, series: &mut Series) {
        for (took, to) in [
            (self.blocked, &mut series.blocked),
            (self.connecting, &mut series.connecting),
            (self.securing, &mut series.tls_handshaking),
        ] {
            if took > Nanos::ZERO {
                to.record(took);
            }
        }
    }
}

#[cold]
fn sample(check: usize, answer: &Answer<'_>, at: Nanos) -> CheckSample {
    let excerpt = &answer.body[..answer.body.len().min(EXCERPT_MAX)];
    CheckSample {
        check: check as u32,
        status: answer.status,
        at,
        excerpt: String::from_utf8_lossy(excerpt).into_owned(),
    }
}
