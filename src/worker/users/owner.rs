//! What users want of their connections, and what they make of what comes by them.

use super::record::timings;
use super::user::OfUser;
use super::{Flow, UserLinks, Users};
use crate::driver::{Driver, PayloadId};
use crate::http::error::ParseError;
use crate::http::h1::H1;
use crate::http::protocol::{Protocol, Reader, Unread};
use crate::http::response::{Event, Expect, Response};
use crate::plan::SURE;
use crate::plan::request_template::RenderError;
use crate::stats::outcome::ErrorKind;
use crate::stats::recorder::Recorder;
use crate::transport::AddRoute;
use crate::units::Nanos;
use crate::worker::Window;
use crate::worker::exchange::Exchange;
use crate::worker::flow::ask::{Ask, Terms};
use crate::worker::flow::parts::Spare;
use crate::worker::flow::{Lack, Outcome, Parts, Source, What};
use crate::worker::links::{Bytes, Known, Link, Origins, Owner, Step};

/// Longest pause before the next attempt to connect: an arrival must not lose its user for long.
const BACK_OFF_MAX: Nanos = Nanos::from_millis(64);

/// Keeps the wanted parts of responses.
struct Keeper<'a> {
    spare: &'a mut Spare,
}

impl Keeper<'_> {
    fn parts<'x>(&mut self, ask: &'x mut Ask) -> &'x mut Parts {
        ask.parts.get_or_insert_with(|| self.spare.take())
    }
}

impl Reader<Exchange<Ask>> for Keeper<'_> {
    const WANTED: bool = true;

    #[inline]
    fn expect(&self, exchange: &Exchange<Ask>) -> Expect {
        exchange.ask.terms.expect
    }

    #[inline]
    fn head(&mut self, exchange: &mut Exchange<Ask>, head: &[u8]) {
        self.parts(&mut exchange.ask).head.extend_from_slice(head);
    }

    fn body(&mut self, exchange: &mut Exchange<Ask>, bytes: &[u8]) {
        let ask = &mut exchange.ask;
        if ask.terms.keeps.body {
            let limit = ask.terms.body_limit;
            self.parts(ask).take_in(bytes, limit);
        }
    }
}

impl<F: Flow> Owner for Users<F> {
    type Ask = Ask;
    type OfLink = OfUser;
    const BACK_OFF_MAX: Nanos = BACK_OFF_MAX;
    const MAY_END_CONNECTIONS: bool = true;
    const TAKES_BACK: bool = false;
    const COUNTS_BYTES: bool = true;

    fn resends(&self, ask: &Ask) -> bool {
        ask.terms.replayable
    }

    #[inline]
    fn limit(&self, ask: &Ask) -> Nanos {
        ask.terms.limit
    }

    #[inline]
    fn reads_body(&self, ask: &Ask) -> bool {
        ask.terms.keeps.body
    }

    #[inline]
    fn feed(
        &mut self,
        h1: &mut H1<Exchange<Ask>>,
        known: &mut Known,
        bytes: &[u8],
    ) -> Result<(usize, Event), ParseError> {
        let terms = &h1.current().ask.terms;
        if terms.keeps.head || terms.keeps.body {
            h1.feed(known, bytes, &mut Keeper { spare: &mut self.spare })
        } else {
            let expect = terms.expect;
            h1.feed(known, bytes, &mut Unread(expect))
        }
    }

    #[inline]
    fn bytes<'x, D: Driver>(
        &mut self,
        driver: &mut D,
        origins: &Origins,
        slot: u32,
        first: impl FnOnce() -> Option<&'x mut Exchange<Ask>>,
        _: u16,
    ) -> Result<Bytes, RenderError>
    where
        Self: 'x,
    {
        let Some(Exchange { ask: Ask { terms, .. }, .. }) = first() else { return Err(RenderError::Nothing) };
        let (payload, len) = match terms.source {
            Source::Payload(payload, len) => (payload, len),
            Source::Written => {
                let out = driver.draft(slot);
                out.clear();
                let state = &mut self.users[terms.user as usize].flow;
                let url = &origins.get(terms.origin).url;
                if let Err(error) = self.flow.write(state, terms.id, url, (self.wall)(), out) {
                    if terms.measured {
                        self.checks.lacks(terms.place, Lack::NotMade(error));
                    }
                    return Err(error);
                }
                (PayloadId::DRAFT, out.len() as u32)
            }
        };
        terms.len = len;
        Ok(Bytes { payload, len, notify: len as usize > SURE, limit: terms.limit })
    }

    #[inline]
    fn sent(&mut self, exchange: &mut Exchange<Ask>, recorder: &mut Recorder, _: &Window) {
        let terms = &exchange.ask.terms;
        if !terms.due {
            exchange.scheduled = exchange.sent;
        }
        if terms.measured {
            recorder.tally.scenarios[terms.tally as usize].sent_bytes += u64::from(terms.len);
        }
    }

    #[inline]
    fn sent_whole(&mut self, ask: &mut Ask, now: Nanos) {
        ask.terms.sent_whole = now;
    }

    #[inline]
    fn received(&mut self, ask: Option<&Ask>, bytes: u64, recorder: &mut Recorder) {
        if let Some(ask) = ask {
            recorder.tally.scenarios[ask.terms.tally as usize].received_bytes += bytes;
        }
    }

    fn came_on(&mut self, ask: &mut Ask, step: Step, took: Nanos, now: Nanos) {
        let Some(waits) = &mut ask.waits else { return };
        match step {
            Step::Reached => waits.connecting = took,
            Step::OpenPlain => {
                waits.connecting = took;
                waits.blocked = now - waits.wanted;
            }
            Step::OpenSecure => {
                waits.securing = took;
                waits.blocked = now - waits.wanted;
            }
        }
    }

    #[inline]
    fn is_used_up(&self, requests: u32) -> bool {
        self.config.workload.connections.requests_max.is_some_and(|max| requests >= max)
    }

    fn answered<D: AddRoute>(
        &mut self,
        links: &mut UserLinks<D, F>,
        _: u32,
        mut exchange: Exchange<Ask>,
        response: Response,
        _: bool,
        now: Nanos,
    ) {
        if exchange.ask.parts.as_ref().is_some_and(|parts| parts.refused) {
            return self.failed(links, exchange, ErrorKind::Memory, now);
        }
        let spent = timings(&exchange, now);
        if exchange.ask.terms.measured {
            self.record_response(links, &exchange, &spent, response, now);
        } else if now >= links.window.open {
            links.recorder.carried_over(now);
        }
        let outcome = Outcome {
            result: Ok(response),
            origin: exchange.ask.terms.origin,
            duration: now - exchange.sent,
            timings: spent,
            mark: exchange.ask.mark(),
            parts: exchange.ask.parts.take(),
        };
        let Terms { user, id, .. } = exchange.ask.terms;
        let open = &mut self.users[user as usize].open;
        *open = open.saturating_sub(1);
        self.tell(links, user, What::Answered(id, outcome), now);
    }

    /// k6 goes on with the script then, and so do we.
    fn failed<D: AddRoute>(
        &mut self,
        links: &mut UserLinks<D, F>,
        mut exchange: Exchange<Ask>,
        kind: ErrorKind,
        now: Nanos,
    ) {
        let spent = timings(&exchange, now);
        let duration = if exchange.sent == Nanos::MAX { Nanos::ZERO } else { now - exchange.sent };
        if exchange.ask.terms.measured {
            self.record_failure(links, &exchange, &spent, kind, now);
        }
        // What came of it is no response.
        self.spare.put(exchange.ask.parts.take());
        let outcome = Outcome {
            result: Err(kind),
            origin: exchange.ask.terms.origin,
            duration,
            timings: spent,
            mark: exchange.ask.mark(),
            parts: None,
        };
        let Terms { user, id, .. } = exchange.ask.terms;
        let open = &mut self.users[user as usize].open;
        *open = open.saturating_sub(1);
        self.tell(links, user, What::Answered(id, outcome), now);
    }

    /// One that was of use before is replaced without a word; a new one that broke at once would be replaced for ever.
    fn waits_on(&mut self, _: &Exchange<Ask>, useful: bool) -> bool {
        useful
    }

    fn take_back(&mut self, _: Exchange<Ask>) {}

    fn opened<D: AddRoute>(&mut self, _: &mut UserLinks<D, F>, _: u32, _: Nanos) {}

    fn reopens(&self, link: &Link<Users<F>>) -> bool {
        link.exchanges() > 0
    }
}
