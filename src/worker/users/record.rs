//! What a request came to, in figures.

use super::{Ask, Flow, UserLinks, Users};
use crate::http::response::Response;
use crate::stats::layout::{Condition, series_at};
use crate::stats::outcome::ErrorKind;
use crate::stats::samples::{IterationEnd, IterationFate, Record, RequestEnd, ScenarioEdge};
use crate::stats::series::Requests;
use crate::transport::AddRoute;
use crate::units::Nanos;
use crate::worker::exchange::Exchange;
use crate::worker::flow::{Mark, Timings};

impl Ask {
    pub(super) fn mark(&self) -> Mark {
        Mark { place: self.terms.place, stage: self.terms.stage, measured: self.terms.measured }
    }
}

/// What the time of an exchange that ended at `now` was spent on.
#[inline]
pub(super) fn timings(exchange: &Exchange<Ask>, now: Nanos) -> Timings {
    let first_byte = exchange.first_byte.min(now);
    let whole = exchange.ask.terms.sent_whole;
    let sending = if whole == Nanos::MAX { Nanos::ZERO } else { whole - exchange.sent };
    let waits = exchange.ask.waits.as_deref().copied().unwrap_or_default();
    Timings {
        blocked: waits.blocked,
        connecting: waits.connecting,
        securing: waits.securing,
        sending,
        waiting: if exchange.sent == Nanos::MAX { Nanos::ZERO } else { first_byte - exchange.sent - sending },
        receiving: now - first_byte,
    }
}

impl<F: Flow> Users<F> {
    pub(super) fn record_response<D: AddRoute>(
        &self,
        links: &mut UserLinks<D, F>,
        exchange: &Exchange<Ask>,
        spent: &Timings,
        response: Response,
        now: Nanos,
    ) {
        let status = response.status;
        let Exchange { scheduled, sent, first_byte, ref ask } = *exchange;
        let expected = ask.expected.as_ref().is_some_and(|set| set.contains(status));
        let in_window = now < links.recorder.window_end();
        links.recorder.counts.completed += 1;
        links.recorder.counts.completed_in_window += u64::from(in_window);
        links.recorder.counts.status.add(status);
        self.each_series(links, ask, expected, Condition::Status(status), |series| {
            series.completed += 1;
            series.completed_in_window += u64::from(in_window);
            if scheduled == sent && first_byte == now {
                series.alike.record(now - sent);
            } else {
                series.service_time.record(now - sent);
                series.first_byte.record(first_byte.min(now) - sent);
                series.response_time.record(now - scheduled);
                series.start_lag.record(sent - scheduled);
                if spent.receiving > Nanos::ZERO {
                    series.receiving.record(spent.receiving);
                }
            }
            if spent.sending > Nanos::ZERO {
                series.sending.record(spent.sending);
            }
            if spent.blocked > Nanos::ZERO {
                record_waits(series, spent);
            }
        });
        if links.samples.are_wanted() {
            sample_request(links, exchange, spent, Ok(response), expected, now);
        }
    }

    pub(super) fn record_failure<D: AddRoute>(
        &self,
        links: &mut UserLinks<D, F>,
        exchange: &Exchange<Ask>,
        spent: &Timings,
        kind: ErrorKind,
        now: Nanos,
    ) {
        let took = if exchange.sent == Nanos::MAX { Nanos::ZERO } else { now - exchange.sent };
        links.recorder.failed(kind);
        self.each_series(links, &exchange.ask, false, Condition::Error(kind), |series| {
            series.failed += 1;
            series.failed_time.record(took);
            record_waits(series, spent);
        });
        if links.samples.are_wanted() {
            sample_request(links, exchange, spent, Err(kind), false, now);
        }
    }

    /// A request ended with its iteration. It is in the books, and in no metric, as in k6.
    pub(super) fn was_cut_off<D: AddRoute>(
        &mut self,
        links: &mut UserLinks<D, F>,
        mut exchange: Exchange<Ask>,
    ) {
        self.spare.put(exchange.ask.parts.take());
        if !exchange.ask.terms.measured {
            return;
        }
        if links.aborted {
            self.cut_off += 1;
            return;
        }
        let now = links.driver.now();
        links.recorder.unanswered(now - exchange.scheduled.min(now));
        if links.samples.are_wanted() {
            let spent = timings(&exchange, now);
            sample_request(links, &exchange, &spent, Err(ErrorKind::Unanswered), false, now);
        }
    }

    /// Hands over what became of an iteration, whose scenario's tally is that of its stage. `at`: when it was over, `took` since it began.
    #[inline]
    pub(super) fn sample_iteration<D: AddRoute>(
        &self,
        links: &mut UserLinks<D, F>,
        index: usize,
        slot: u32,
        fate: IterationFate,
        at: Nanos,
        took: Nanos,
    ) {
        if links.samples.are_wanted() {
            let first = self.config.layout.scenarios[index].first_slot;
            let stage = (slot - first) as u16;
            let end = IterationEnd { scenario: index as u32, stage, fate, at, took };
            links.samples.push(Record::Iteration(end));
        }
    }

    /// Hands over where the users are, and what was sent and received since the last time.
    pub(super) fn sample_edges<D: AddRoute>(&self, links: &mut UserLinks<D, F>) {
        let at = links.driver.now();
        for (scenario, key) in self.config.layout.scenarios.iter().enumerate() {
            let first = key.first_slot as usize;
            let stages = &links.recorder.tally.scenarios[first..first + key.stage_ends.len()];
            links.samples.edge(ScenarioEdge {
                scenario: scenario as u32,
                vus: stages[0].vus,
                vus_max: stages[0].vus_max,
                sent_bytes: stages.iter().map(|stage| stage.sent_bytes).sum(),
                received_bytes: stages.iter().map(|stage| stage.received_bytes).sum(),
                at,
            });
        }
    }

    /// The base series of a sample, and those of the watches whose condition it meets.
    #[inline]
    fn each_series<D: AddRoute>(
        &self,
        links: &mut UserLinks<D, F>,
        ask: &Ask,
        expected: bool,
        condition: Condition,
        mut record: impl FnMut(&mut Requests),
    ) {
        let layout = &self.config.layout;
        let stage = u32::from(ask.terms.stage);
        let Some(place) = layout.places.get(ask.terms.place as usize) else {
            let sample = (stage, expected, condition);
            return links.recorder.record_made(layout, ask.terms.place, sample, &mut record);
        };
        let tally = &mut links.recorder.tally;
        if let Some(series) = tally.requests_mut(series_at(place.first_series, stage, expected)) {
            record(series);
        }
        for watch in &place.watches {
            let watch = &layout.watches[*watch as usize];
            if watch.condition == condition
                && let Some(series) = tally.requests_mut(series_at(watch.first_series, stage, expected))
            {
                record(series);
            }
        }
    }
}

/// Hands a measured request's end over.
#[inline(never)]
fn sample_request<D: AddRoute, F: Flow>(
    links: &mut UserLinks<D, F>,
    exchange: &Exchange<Ask>,
    spent: &Timings,
    result: Result<Response, ErrorKind>,
    expected: bool,
    done: Nanos,
) {
    let terms = &exchange.ask.terms;
    links.samples.push(Record::Request(RequestEnd {
        place: terms.place,
        stage: terms.stage,
        expected,
        blocked: spent.blocked,
        connecting: spent.connecting,
        securing: spent.securing,
        sending: spent.sending,
        ..exchange.end(result, done)
    }));
}

/// What a request waited for before it was sent.
fn record_waits(series: &mut Requests, spent: &Timings) {
    for (took, to) in [
        (spent.blocked, &mut series.blocked),
        (spent.connecting, &mut series.connecting),
        (spent.securing, &mut series.tls_handshaking),
    ] {
        if took > Nanos::ZERO {
            to.record(took);
        }
    }
}
