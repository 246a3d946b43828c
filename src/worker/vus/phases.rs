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
        self.say(Message::Connected(Connected { tried: 0, open: 1, last_failure: None }));
        if !self.wait_for_start(control)? {
            return Ok(self.finish());
        }
        for runner in &mut self.runners {
            runner.set_off(self.window.start);
        }
        self.edge = self.window.open + self.config.interval;
        self.readings =
            LoopReadings { driver: self.driver.counters(), cpu: (self.cpu)(), ..LoopReadings::default() };
        while !self.runners.iter().all(Runner::is_over) {
            let limit = self.before.began + STOP_GLANCE;
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
        self.read();
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

    /// What the loop's readings came to.
    fn read(&mut self) {
        let base = self.readings;
        let (user, system) = (self.cpu)();
        let counters = self.driver.counters();
        self.readings.cpu = (user - base.cpu.0, system - base.cpu.1);
        self.readings.wall = self.driver.now() - self.window.start;
        self.readings.driver.enters = counters.enters - base.driver.enters;
        self.readings.driver.cq_overflows = counters.cq_overflows - base.driver.cq_overflows;
        self.readings.driver.buffer_starvations =
            counters.buffer_starvations - base.driver.buffer_starvations;
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
            samples: std::mem::take(&mut self.samples),
        }
    }
}
