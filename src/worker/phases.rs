//! From the first connection to the last word: connect, wait for the start, warm up, measure, drain; and again, where there is
//! another window.

use std::io;

use crossbeam_channel::{Receiver, TryRecvError};

use super::channel::{Connected, Control, Finished, LoopReadings, Message, NextWindow};
use super::{Done, LoadOwner, OriginUse, Window, Worker};
use crate::stats::snapshot::Snapshot;
use crate::transport::AddRoute;
use crate::units::Nanos;

/// While waiting for the coordinator, look for its word this often.
const LOOK_FOR_START: Nanos = Nanos::from_micros(200);

/// While load is due or sent, look for the stop flag at least this often.
const LOOK_FOR_STOP: Nanos = Nanos::from_millis(20);

/// Without any connection, a run without an end in time goes on for so long at least.
const GIVE_UP_AFTER: Nanos = Nanos::from_secs(1);

/// Since when no connection has been open.
#[derive(Debug, Default)]
pub(super) struct Shut(Option<Nanos>);

impl Shut {
    /// How long there has been none at the end of a turn. Counted from the first turn that ended so: with a turn that was
    /// itself long the connections may have gone only just now.
    fn lasts(&mut self, none_open: bool, now: Nanos) -> Nanos {
        if !none_open {
            self.0 = None;
            return Nanos::ZERO;
        }
        now - *self.0.get_or_insert(now)
    }
}

#[expect(private_bounds, reason = "owners are the worker module's own")]
impl<D: AddRoute, O: LoadOwner> Worker<'_, D, O> {
    /// Opens the connections that are to be opened first, waits for the start, sends the load, drains, and reports.
    ///
    /// Returns when everything was said through the channel; a driver that breaks is said there too.
    pub fn run(self, control: &Control) {
        let (_, none) = crossbeam_channel::bounded(0);
        self.serve(control, &none);
    }

    /// [`run`](Worker::run), and the same again for each window that comes by `windows`, until nobody can send any more.
    pub fn serve(mut self, control: &Control, windows: &Receiver<NextWindow<O::Load>>) {
        loop {
            match self.window(control) {
                Ok(finished) => self.say(Message::Finished(Box::new(finished))),
                Err(e) => return self.say(Message::Broken(e.to_string())),
            }
            match self.wait_for_window(windows) {
                Ok(Some(next)) => self.take_on(next),
                Ok(None) => return,
                Err(e) => return self.say(Message::Broken(e.to_string())),
            }
        }
    }

    /// `None` when there is no other.
    fn wait_for_window(
        &mut self,
        windows: &Receiver<NextWindow<O::Load>>,
    ) -> io::Result<Option<NextWindow<O::Load>>> {
        loop {
            match windows.try_recv() {
                Ok(next) => return Ok(Some(next)),
                Err(TryRecvError::Disconnected) => return Ok(None),
                Err(TryRecvError::Empty) => {}
            }
            let soon = self.links.driver.now() + LOOK_FOR_START;
            self.turn(soon)?;
        }
    }

    /// Makes ready for another window.
    fn take_on(&mut self, next: NextWindow<O::Load>) {
        self.config.warmup = next.warmup;
        self.config.spin = next.spin;
        self.links.window = Window::NOT_YET;
        self.links.last_done = Nanos::ZERO;
        self.links.aborted = false;
        self.shut = Shut::default();
        self.links.samples.make_ready();
        self.owner.take_on(&mut self.links, &self.config, next.load);
    }

    fn window(&mut self, control: &Control) -> io::Result<Finished> {
        let connected = self.connect(control)?;
        self.say(Message::Connected(connected));
        if !self.wait_for_start(control)? {
            return Ok(self.finish(false));
        }
        self.warm_up(control)?;
        let gave_up = self.measure(control)?;
        self.drain()?;
        Ok(self.finish(gave_up))
    }

    /// Until every connection was tried once, or the run is stopped; at most for the time that one attempt may take.
    /// Those that are still to be tried then (a few are at a time) are opened while load is sent.
    fn connect(&mut self, control: &Control) -> io::Result<Connected> {
        let Some(all) = self.owner.opens_first() else { return Ok(Connected::Lazy) };
        let mut limit = Nanos::MAX;
        while self.links.tried().tried < all && !control.stopped() {
            let soon = self.links.driver.now() + LOOK_FOR_STOP;
            let now = self.turn(soon.min(limit))?;
            if now >= limit && now >= self.timers_from {
                break; // the turn has ended the first attempts, too
            }
            limit = limit.min(now + self.config.connect_timeout + self.config.tls_timeout);
        }
        Ok(Connected::Tried(self.links.tried()))
    }

    /// False when the run was stopped before it began.
    fn wait_for_start(&mut self, control: &Control) -> io::Result<bool> {
        while !control.stopped() {
            let now = self.links.driver.now();
            match control.started() {
                None => self.turn(now + LOOK_FOR_START)?,
                Some(start) if start > now => self.turn(start.min(now + LOOK_FOR_STOP))?,
                Some(start) => {
                    let open = start + self.config.warmup;
                    self.links.window = Window { start, open, close: Nanos::MAX };
                    self.owner.begin(&mut self.links);
                    return Ok(true);
                }
            };
        }
        Ok(false)
    }

    fn warm_up(&mut self, control: &Control) -> io::Result<()> {
        let open = self.links.window.open;
        while self.links.driver.now() < open && !control.stopped() {
            let soon = self.links.driver.now() + LOOK_FOR_STOP;
            self.turn(open.min(soon))?;
        }
        self.owner.begin_measuring(&mut self.links);
        self.links.recorder.close_window_at(self.links.window.close);
        self.links.samples.begin(open);
        self.links.begin_standing(open);
        self.edge = open + self.config.interval;
        self.readings = LoopReadings::begun(self.links.driver.counters(), (self.clocks.thread)());
        Ok(())
    }

    /// True when it gave up: with nothing but work to be done, when no connection could be had for long.
    fn measure(&mut self, control: &Control) -> io::Result<bool> {
        loop {
            // A far limit would leave a stop unseen while the target is silent.
            let limit = self.links.window.close.min(self.before.began + LOOK_FOR_STOP);
            let now = self.turn(limit)?;
            if control.stopped() {
                self.links.aborted = true;
                self.links.window.close = self.links.window.close.min(now);
                self.links.recorder.close_window_at(self.links.window.close);
            }
            let shut_for = self.shut.lasts(self.links.open() == 0, now);
            let gave_up =
                self.owner.is_endless() && shut_for > self.config.connect_timeout.max(GIVE_UP_AFTER);
            if now >= self.links.window.close || gave_up || self.owner.is_over(&self.links) {
                self.end_measuring();
                return Ok(gave_up);
            }
        }
    }

    fn end_measuring(&mut self) {
        let now = self.links.driver.now();
        if self.links.window.close > now {
            // It was as long as it took.
            self.links.window.close = if self.owner.is_over(&self.links) {
                // What a schedule calls for can be over before its time: the window has its own end, too.
                let over = self.owner.was_over_at(&self.links, self.before.began);
                over.clamp(self.links.window.open, self.links.window.close)
            } else {
                now
            };
        }
        self.stop(now);
        self.edge = Nanos::MAX;
        // Not over the window: with a request limit that ends with the last response, the CPU time here and now.
        let wall = now - self.links.window.open;
        self.readings = self.readings.ended(self.links.driver.counters(), (self.clocks.thread)(), wall);
        self.readings.standing = self.links.stood(now);
        // What comes from here on is of the drain.
        self.hand_over(Snapshot::new(self.config.worker), self.links.window.close, false);
    }

    fn drain(&mut self) -> io::Result<()> {
        let readings = self.readings;
        let limit = self.links.window.close + self.config.drain;
        let mut now = self.links.driver.now();
        while self.owner.is_draining(&self.links) && now < limit {
            // The turn that takes the last response ends with a wait for which nothing is left. One begins behind the limit: what
            // had come by then is seen, and whose own time was over by then is told.
            let soon = self.links.driver.now() + LOOK_FOR_STOP;
            now = self.turn(limit.min(soon))?;
        }
        // Responses of the drain are in the figures: that the worker stood still among them must be known.
        self.readings = LoopReadings { stood_still: self.readings.stood_still, ..readings };
        Ok(())
    }

    fn finish(&mut self, gave_up: bool) -> Finished {
        let rest = self.owner.finish(&mut self.links);
        let close = self.links.window.close;
        self.hand_over(Snapshot::new(self.config.worker), close, true);
        self.readings.samples = self.links.samples.end();
        let done = Done { origins: self.links.origin_uses(), tls: self.links.driver.tls() };
        let before = std::mem::replace(&mut self.before_window, done);
        let done = &self.before_window;
        Finished {
            in_flight: rest.in_flight,
            backlog: rest.backlog,
            measured_until: close,
            gave_up,
            readings: self.readings,
            tls: done.tls.since(&before.tls),
            samples: rest.samples,
            causes: rest.causes,
            origins: uses_since(&done.origins, &before.origins),
            reasons: self.links.take_reasons(),
        }
    }
}

/// What was done with each origin since it had been used as `before` says.
fn uses_since(uses: &[OriginUse], before: &[OriginUse]) -> Vec<OriginUse> {
    let mut uses = uses.to_vec();
    for (now, then) in uses.iter_mut().zip(before) {
        now.connections -= then.connections;
        now.requests -= then.requests;
    }
    uses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_turn_that_loses_the_last_connection_is_no_reason_to_give_up() {
        let mut shut = Shut::default();
        let at = Nanos::from_millis;
        assert_eq!(shut.lasts(false, at(20)), Nanos::ZERO);
        assert_eq!(shut.lasts(true, at(5_000)), Nanos::ZERO);
        assert_eq!(shut.lasts(true, at(5_300)), at(300));
        assert_eq!(shut.lasts(false, at(5_400)), Nanos::ZERO);
        assert_eq!(shut.lasts(true, at(5_500)), Nanos::ZERO);
    }
}
