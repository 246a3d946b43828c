//! From the first connection to the last word: connect, wait for the start, warm up, measure, drain.

use std::io;

use super::channel::{Control, Finished, LoopReadings, Message};
use super::{Window, Worker};
use crate::driver::Driver;
use crate::stats::snapshot::Snapshot;
use crate::units::Nanos;

/// While waiting for the coordinator, look for its word this often.
pub(super) const GLANCE: Nanos = Nanos::from_micros(200);

/// While load is due or sent, look for the stop flag at least this often.
pub(super) const STOP_GLANCE: Nanos = Nanos::from_millis(20);

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

impl<D: Driver> Worker<'_, D> {
    /// Opens the connections, waits for the start, sends the load, drains, and reports.
    ///
    /// Returns when everything was said through the channel; a driver that breaks is said there too.
    pub fn run(mut self, control: &Control) {
        let said = match self.phases(control) {
            Ok(finished) => Message::Finished(Box::new(finished)),
            Err(e) => Message::Broken(e.to_string()),
        };
        self.say(said);
    }

    fn phases(&mut self, control: &Control) -> io::Result<Finished> {
        self.connect(control)?;
        self.say(Message::Connected(self.connected));
        if self.wait_for_start(control)? {
            self.warm_up(control)?;
            let gave_up = self.measure(control)?;
            self.drain()?;
            return Ok(self.finish(gave_up));
        }
        Ok(self.finish(false))
    }

    /// Until every connection was tried once, or the run is stopped; at most for the time that one attempt may take.
    /// Those that are still to be tried then (a few are at a time) are opened while load is sent.
    fn connect(&mut self, control: &Control) -> io::Result<()> {
        let mut limit = Nanos::MAX;
        while self.connected.tried < self.config.connections && !control.stopped() {
            let soon = self.driver.now() + STOP_GLANCE;
            let now = self.turn(soon.min(limit))?;
            if now >= limit && now >= self.timers_from {
                break; // the turn has ended the first attempts, too
            }
            limit = limit.min(now + self.config.connect_timeout + self.config.tls_timeout);
        }
        Ok(())
    }

    /// False when the run was stopped before it began.
    fn wait_for_start(&mut self, control: &Control) -> io::Result<bool> {
        while !control.stopped() {
            let now = self.driver.now();
            match control.started() {
                None => self.turn(now + GLANCE)?,
                Some(start) if start > now => self.turn(start.min(now + STOP_GLANCE))?,
                Some(start) => {
                    let open = start + self.config.warmup;
                    let close = self.config.duration.map_or(Nanos::MAX, |d| open + d);
                    self.window = Window { start, open, close };
                    return Ok(true);
                }
            };
        }
        Ok(false)
    }

    fn warm_up(&mut self, control: &Control) -> io::Result<()> {
        if self.config.warmup > Nanos::ZERO {
            self.source.begin_warm_up(self.window.start);
            while self.driver.now() < self.window.open && !control.stopped() {
                let limit = self.window.open.min(self.driver.now() + STOP_GLANCE);
                self.turn(limit)?;
            }
        }
        if !self.source.is_open() {
            // What the warm-up has not sent is to be counted, and against the limit, when it is sent.
            self.take_back_all_unsent();
        }
        self.source.begin_measuring(self.window.open);
        self.recorder.close_window_at(self.window.close);
        self.edge = self.window.open + self.config.interval;
        self.readings = LoopReadings::begun(self.driver.counters(), (self.cpu)());
        Ok(())
    }

    /// True when it gave up: with a request limit alone, when no connection could be had for long.
    fn measure(&mut self, control: &Control) -> io::Result<bool> {
        let mut gave_up;
        loop {
            // A far limit would leave a stop unseen while the target is silent.
            let limit = self.window.close.min(self.before.began + STOP_GLANCE);
            let now = self.turn(limit)?;
            if control.stopped() {
                self.window.close = self.window.close.min(now);
                self.recorder.close_window_at(self.window.close);
            }
            let shut_for = self.shut.lasts(self.pool.open == 0, now);
            gave_up = self.config.duration.is_none() && shut_for > self.config.connect_timeout;
            if now >= self.window.close || gave_up || self.exhausted() {
                break;
            }
        }
        self.end_measuring();
        Ok(gave_up)
    }

    /// True when everything that was to be sent was sent and has ended.
    fn exhausted(&self) -> bool {
        self.pool.in_flight == 0
            && self.dirty.is_empty()
            && self.source.exhausted()
            && self.pool.connections.iter().all(|c| c.unsent == 0)
    }

    /// Whatever has not left yet stays here: a send after the window would count as one within it.
    pub(super) fn stop_sending(&mut self) {
        if self.source.stop() {
            self.take_back_all_unsent();
        }
    }

    fn end_measuring(&mut self) {
        self.stop_sending();
        let now = self.driver.now();
        if self.window.close > now {
            // A request limit: the window was as long as it took.
            self.window.close = if self.source.exhausted() && self.last_done > self.window.open {
                self.last_done
            } else {
                now
            };
        }
        self.source.end(self.window.close, &mut self.recorder, &self.window);
        self.edge = Nanos::MAX;
        // Not over the window: with a request limit that ends with the last answer, the CPU time here and now.
        let wall = now - self.window.open;
        self.readings = self.readings.ended(self.driver.counters(), (self.cpu)(), wall);
    }

    fn drain(&mut self) -> io::Result<()> {
        let readings = self.readings;
        let limit = self.window.close + self.config.drain;
        while self.pool.in_flight > 0 && self.driver.now() < limit {
            // The turn that takes the last answer ends with a wait for which nothing is left.
            let soon = self.driver.now() + STOP_GLANCE;
            self.turn(limit.min(soon))?;
        }
        // Answers of the drain are in the figures: that the worker stood still among them must be known.
        self.readings = LoopReadings { stood_still: self.readings.stood_still, ..readings };
        Ok(())
    }

    fn finish(&mut self, gave_up: bool) -> Finished {
        let mut last = self.recorder.rotate(Snapshot::new(self.config.worker));
        self.describe(&mut last, self.window.close);
        self.say(Message::Interval(last));
        Finished {
            in_flight: self.measured_in_flight(),
            backlog: self.source.measured_backlog(&self.window),
            measured_until: self.window.close,
            gave_up,
            readings: self.readings,
            tls: self.driver.tls(),
            samples: Vec::new(),
        }
    }

    fn measured_in_flight(&self) -> u64 {
        let mut count = 0;
        for (slot, connection) in self.pool.connections.iter().enumerate() {
            let sent = connection.fifo.len() - connection.unsent;
            for index in 0..sent {
                let entry = self.inflight.get(slot as u32, connection.fifo, index);
                count += u64::from(self.window.measures(entry.scheduled));
            }
        }
        count
    }
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
