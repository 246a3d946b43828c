//! From the start to the last word.

use std::io;

use super::VuWorker;
use super::runner::Runner;
use crate::driver::Driver;
use crate::stats::snapshot::Snapshot;
use crate::units::Nanos;
use crate::worker::Window;
use crate::worker::channel::{Connected, Control, Finished, LoopReadings, Message};
use crate::worker::phases::{GLANCE, STOP_GLANCE};

impl<D: Driver> VuWorker<'_, D> {
    /// Waits for the start, carries the scenarios out, and reports.
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
        // Users connect when they need to: there is nothing to wait for.
        self.say(Message::Connected(Connected { tried: 0, came_about: 1, last_failure: None }));
        if !self.wait_for_start(control)? {
            return Ok(self.finish());
        }
        for runner in &mut self.runners {
            runner.set_off(self.window.start);
        }
        self.edge = self.window.open + self.config.interval;
        let mut measuring = false;
        while !self.runners.iter().all(Runner::is_over) {
            if !measuring && self.driver.now() >= self.window.open {
                // What the warm-up took is not in the figures, as its requests are not.
                measuring = true;
                self.readings = LoopReadings::begun(self.driver.counters(), (self.cpu)());
            }
            let limit = self.before.began + STOP_GLANCE;
            let limit = if measuring { limit } else { limit.min(self.window.open) };
            let now = self.turn(limit)?;
            if control.stopped() && !self.stopped {
                self.window.close = now;
                self.recorder.close_window_at(now);
                self.stop_all(now, now + self.config.drain);
            }
        }
        if self.window.close == Nanos::MAX {
            self.window.close = self.driver.now().max(self.window.open);
        }
        self.drop_what_is_owed();
        let wall = self.driver.now() - self.window.open;
        self.readings = self.readings.ended(self.driver.counters(), (self.cpu)(), wall);
        Ok(self.finish())
    }

    /// False when the run was stopped before it began.
    fn wait_for_start(&mut self, control: &Control) -> io::Result<bool> {
        while !control.stopped() {
            let now = self.driver.now();
            let until = match control.started() {
                None => now + GLANCE,
                Some(start) if start > now => start.min(now + STOP_GLANCE),
                Some(start) => {
                    self.window = Window { start, open: start + self.config.warmup, close: Nanos::MAX };
                    return Ok(true);
                }
            };
            self.turn(until)?;
        }
        Ok(false)
    }

    fn finish(&mut self) -> Finished {
        self.gauge();
        let mut last = self.recorder.rotate(Snapshot::new(self.config.worker));
        let close = if self.window.close == Nanos::MAX { self.window.open } else { self.window.close };
        self.describe(&mut last, close);
        self.say(Message::Interval(last));
        let backlog = self.runners.iter().flat_map(Runner::backlog).filter(|at| self.window.measures(*at));
        Finished {
            in_flight: self.abandoned,
            backlog: backlog.count() as u64,
            measured_until: close,
            gave_up: false,
            readings: self.readings,
            tls: self.driver.tls(),
            samples: std::mem::take(&mut self.samples),
        }
    }
}
