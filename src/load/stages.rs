//! Loads that change over time, in straight lines: k6's ramping executors.
//!
//! [`RateStages`] is the arrival rate; what a scheduler needs of it is the integral (arrivals so
//! far) and the integral's inverse (when the k-th arrival is due). [`VuStages`] is a number of virtual
//! users. Both compute in integers: nothing drifts, and every worker gets the same response.

use crate::units::Nanos;

/// A list of stages that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StageError {
    /// There is no stage.
    #[error("there are no stages: give at least one, as in 30s:100")]
    Empty,
    /// `per` is zero.
    #[error("a rate needs a time unit longer than zero")]
    ZeroUnit,
    /// The stages take more than 2^62 ns together.
    #[error("the stages last longer than 146 years together")]
    TooLong,
    /// A target is above 2^62, or the arrivals of all stages do not fit into 64 bits.
    #[error("the stages hold more arrivals than can be counted (2^64)")]
    TooMany,
}

/// Durations and targets stay below this, so that no product below can overflow 128 bits.
const BOUND: u64 = 1 << 62;

/// One straight line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line {
    /// Offset from the start of the first stage.
    start: u64,
    span: u64,
    from: u64,
    to: u64,
}

impl Line {
    /// `|to - from| * x / span`, rounded down: how far the line is from where it began.
    fn moved(&self, x: u64) -> u64 {
        let delta = self.to.abs_diff(self.from);
        // x <= span, so that the quotient is at most delta.
        (u128::from(delta) * u128::from(x) / u128::from(self.span)) as u64
    }
}

/// Turns (duration, target) pairs into lines; each starts at the target of the one before.
fn lines(start: u64, stages: &[(Nanos, u64)]) -> Result<Vec<Line>, StageError> {
    if stages.is_empty() {
        return Err(StageError::Empty);
    }
    let (mut at, mut from) = (0u64, start);
    let mut lines = Vec::with_capacity(stages.len());
    for &(Nanos(span), to) in stages {
        if from > BOUND || to > BOUND {
            return Err(StageError::TooMany);
        }
        if span > BOUND - at {
            return Err(StageError::TooLong);
        }
        // A stage without duration is a jump: only the next line's start knows of it.
        if span > 0 {
            lines.push(Line { start: at, span, from, to });
        }
        at += span;
        from = to;
    }
    Ok(lines)
}

/// An arrival rate over time, linear within each stage.
///
/// Let I(t) be the integral of the rate from 0 to t. Arrival k (from 0) is due at the moment when I
/// grows past k, rounded down to the nanosecond:
///
/// `time_of(k) = max { t : I(t) <= k }`, and `arrivals_before(t) = ceil(I(t))`.
///
/// So a constant rate gives `floor(k * per / count)`, as [`Pacer`](crate::load::Pacer) does; while the rate is zero
/// nothing is due; and a stage that holds exactly N arrivals holds them all before its end.
///
/// ```
/// use squall::load::RateStages;
/// use squall::units::Nanos;
///
/// // From 0 to 10/s within 2 s: 10 arrivals, the last ones close together.
/// let ramp = RateStages::new(Nanos::from_secs(1), 0, &[(Nanos::from_secs(2), 10)])?;
/// assert_eq!(ramp.total(), 10);
/// assert_eq!(ramp.time_of(0), Some(Nanos(0)));
/// assert_eq!(ramp.time_of(1), Some(Nanos(632_455_532))); // sqrt(2 * 2 / 10) s
/// assert_eq!(ramp.time_of(10), None);
/// # Ok::<(), squall::load::StageError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateStages {
    per: u64,
    end: u64,
    lines: Vec<Line>,
    /// For each line, the integral at its start, in units of 1/(2 per) arrival: in this unit the area
    /// under a line, `(from + to) * span`, is an integer. The last element is the whole.
    areas: Vec<u128>,
    /// See [`Self::when_reached`].
    when_reached: bool,
}

impl RateStages {
    /// Stages of (duration, target); rates are in arrivals per `per`; the first line begins at `start`.
    /// A stage of no duration jumps to its target.
    ///
    /// # Errors
    /// See [`StageError`].
    pub fn new(per: Nanos, start: u64, stages: &[(Nanos, u64)]) -> Result<RateStages, StageError> {
        if per == Nanos::ZERO {
            return Err(StageError::ZeroUnit);
        }
        let lines = lines(start, stages)?;
        let mut areas = Vec::with_capacity(lines.len() + 1);
        let mut area = 0u128;
        areas.push(area);
        for line in &lines {
            area = (u128::from(line.from) + u128::from(line.to))
                .checked_mul(u128::from(line.span))
                .and_then(|a| area.checked_add(a))
                .ok_or(StageError::TooMany)?;
            areas.push(area);
        }
        if area.div_ceil(2 * u128::from(per.0)) > u128::from(u64::MAX) {
            return Err(StageError::TooMany);
        }
        let end = stages.iter().map(|s| s.0.0).sum();
        Ok(RateStages { per: per.0, end, lines, areas, when_reached: false })
    }

    /// The same as k6 counts it: arrival k (from 0) is due when the integral has *reached* k + 1, a gap later than here, and the one
    /// that is reached at the very end is one as well.
    ///
    /// `time_of(k) = min { t : I(t) >= k + 1 }`, and `arrivals_before(t)` is how many of these lie before t.
    ///
    /// ```
    /// use squall::load::RateStages;
    /// use squall::units::Nanos;
    ///
    /// // Down from 10/s within a second: k6 begins iterations at 106, 226, 368, 553 and 1,000 ms.
    /// let ramp = RateStages::new(Nanos::from_secs(1), 10, &[(Nanos::from_secs(1), 0)])?.when_reached();
    /// assert_eq!(ramp.total(), 5);
    /// assert_eq!(ramp.time_of(0), Some(Nanos(105_572_810)));
    /// assert_eq!(ramp.time_of(4), Some(Nanos::from_secs(1)));
    /// # Ok::<(), squall::load::StageError>(())
    /// ```
    #[must_use]
    pub fn when_reached(self) -> RateStages {
        RateStages { when_reached: true, ..self }
    }

    /// When the last stage ends. No arrival is due after it, nor at it unless they are due [when reached](Self::when_reached).
    pub fn end(&self) -> Nanos {
        Nanos(self.end)
    }

    /// How many arrivals all stages hold.
    pub fn total(&self) -> u64 {
        self.arrivals_before(self.end() + Nanos(1))
    }

    /// The rate at `t`, in arrivals per second; 0 from the end on. For displays: the only figure
    /// here that is rounded.
    pub fn rate_at(&self, t: Nanos) -> f64 {
        let i = self.lines.partition_point(|l| l.start + l.span <= t.0);
        let Some(line) = self.lines.get(i) else {
            return 0.0;
        };
        let along = (t.0 - line.start) as f64 / line.span as f64;
        let rate = line.from as f64 + (line.to as f64 - line.from as f64) * along;
        rate * 1e9 / self.per as f64
    }

    /// The integral: how many arrivals are due before `t`, exactly. It stays at [`Self::total`] from
    /// the end on.
    pub fn arrivals_before(&self, t: Nanos) -> u64 {
        let unit = 2 * u128::from(self.per);
        let t = if self.when_reached { t - Nanos(1) } else { t };
        let i = self.lines.partition_point(|l| l.start + l.span <= t.0);
        let area = self.lines.get(i).map(|line| Area::new(line).up_to(t.0 - line.start));
        let area = area.unwrap_or(Exact { floor: 0, is_whole: true });
        // `new` has checked that the total fits.
        match self.when_reached {
            true => ((self.areas[i] + area.floor) / unit) as u64,
            false => (self.areas[i] + area.ceil()).div_ceil(unit) as u64,
        }
    }

    /// The inverse: when arrival `k` (from 0) is due, exact to the nanosecond; `None` when the
    /// stages hold no more than `k` arrivals.
    pub fn time_of(&self, k: u64) -> Option<Nanos> {
        if self.when_reached { self.reached(k) } else { self.time_at(u128::from(k) << 32) }
    }

    /// When the integral has reached `k + 1`.
    fn reached(&self, k: u64) -> Option<Nanos> {
        let wanted = (u128::from(k) + 1).checked_mul(2 * u128::from(self.per))?;
        // The first line that ends at or above `wanted`: the stretch at zero behind it comes too late.
        let i = self.areas.partition_point(|&a| a < wanted) - 1;
        let line = self.lines.get(i)?;
        let left = wanted - self.areas[i];
        let area = Area::new(line);
        let below = area.last(left, |x| area.up_to(x).floor < left);
        Some(Nanos(line.start + below + 1))
    }

    /// When the integral grows past `position`, in units of 2^-32 arrivals; `None` when it never does.
    ///
    /// This is what turns a Poisson process of rate 1 into one of this rate (time rescaling).
    pub fn time_at(&self, position: u128) -> Option<Nanos> {
        let unit = 2 * u128::from(self.per);
        let (whole, part) = (position >> 32, position & 0xffff_ffff);
        let wanted = whole.checked_mul(unit)?.checked_add((part * unit) >> 32)?;
        // The last line that starts at or below `wanted`: so flat stretches at zero are stepped over.
        let i = self.areas.partition_point(|&a| a <= wanted) - 1;
        let line = self.lines.get(i)?;
        let x = Area::new(line).inverse(wanted - self.areas[i]);
        Some(Nanos(line.start + x))
    }
}

/// The area under one line from its start to x, times 2: `2 * from * x + (to - from) * x^2 / span`.
struct Area<'a> {
    line: &'a Line,
}

/// A sum of an integer and a fraction in [0, 1) of which only matters whether it is zero.
struct Exact {
    floor: u128,
    is_whole: bool,
}

impl Exact {
    fn ceil(&self) -> u128 {
        self.floor + u128::from(!self.is_whole)
    }
}

impl Area<'_> {
    fn new(line: &Line) -> Area<'_> {
        Area { line }
    }

    fn up_to(&self, x: u64) -> Exact {
        let Line { span, from, to, .. } = *self.line;
        let (x, span) = (u128::from(x), u128::from(span));
        // delta * x * x does not fit into 128 bits: divide in between, keeping the remainder.
        let product = u128::from(to.abs_diff(from)) * x;
        let rest = (product % span) * x;
        let bent = product / span * x + rest / span;
        let is_whole = rest % span == 0;
        let straight = 2 * u128::from(from) * x;
        let floor = if to >= from { straight + bent } else { straight - bent - u128::from(!is_whole) };
        Exact { floor, is_whole }
    }

    /// The largest x with `up_to(x) <= wanted`; `wanted` is below the area of the whole line.
    fn inverse(&self, wanted: u128) -> u64 {
        self.last(wanted, |x| self.up_to(x).ceil() <= wanted)
    }

    /// The last x that fits, close to where the area is `wanted`; 0 fits, the end of the line does not.
    fn last(&self, wanted: u128, fits: impl Fn(u64) -> bool) -> u64 {
        let (mut low, mut high) = self.bracket(self.guess(wanted), &fits);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if fits(middle) {
                low = middle;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The root of the quadratic in floating point: right to about 2^-50 except where the rate is
    /// close to zero. The form that divides by the sum loses no digits to cancellation.
    fn guess(&self, wanted: u128) -> u64 {
        let (a, b) = (self.line.from as f64, self.line.to as f64);
        let (w, d) = (wanted as f64, self.line.span as f64);
        let root = (a * a + (b - a) * w / d).max(0.0).sqrt();
        ((w / (a + root)) as u64).min(self.line.span)
    }

    /// Widens a step around `guess` until it holds the response: `fits(low)` and not `fits(high)`.
    fn bracket(&self, guess: u64, fits: impl Fn(u64) -> bool) -> (u64, u64) {
        let mut step = 1;
        if fits(guess) {
            let mut low = guess;
            loop {
                let high = low.saturating_add(step).min(self.line.span);
                if !fits(high) {
                    return (low, high);
                }
                (low, step) = (high, step * 2);
            }
        }
        let mut high = guess;
        loop {
            let low = high.saturating_sub(step);
            if fits(low) {
                return (low, high);
            }
            (high, step) = (low, step * 2);
        }
    }
}

/// A number of virtual users over time, linear within each stage, as k6's ramping-vus has it.
///
/// Users come and go one by one: on the way from a to b within d, the i-th change takes effect
/// `ceil(i * d / |b - a|)` after the stage's start. After the last stage its target stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VuStages {
    lines: Vec<Line>,
    end: u64,
    last: u64,
}

impl VuStages {
    /// Stages of (duration, target); the first line begins at `start`. A stage of no duration jumps.
    ///
    /// # Errors
    /// See [`StageError`].
    pub fn new(start: u64, stages: &[(Nanos, u64)]) -> Result<VuStages, StageError> {
        let lines = lines(start, stages)?;
        Ok(VuStages {
            lines,
            end: stages.iter().map(|s| s.0.0).sum(),
            last: stages.last().map_or(start, |s| s.1),
        })
    }

    /// When the last stage ends.
    pub fn end(&self) -> Nanos {
        Nanos(self.end)
    }

    /// The largest target at any time: how many users are ever needed.
    pub fn max(&self) -> u64 {
        let peaks = self.lines.iter().map(|l| l.from.max(l.to));
        peaks.max().map_or(self.last, |m| m.max(self.last))
    }

    /// The largest target between `from` and `to`, both included; what a jump leads away from was there.
    pub fn max_between(&self, from: Nanos, to: Nanos) -> u64 {
        let ends = self.lines.iter().map(|line| (line.start + line.span, line.to));
        let passed = ends.filter(|(end, _)| (from.0..=to.0).contains(end)).map(|(_, value)| value);
        passed.chain([self.at(from), self.at(to)]).max().unwrap_or(0)
    }

    /// How many users there should be at `t`.
    pub fn at(&self, t: Nanos) -> u64 {
        let i = self.lines.partition_point(|l| l.start + l.span <= t.0);
        match self.lines.get(i) {
            Some(line) if line.to >= line.from => line.from + line.moved(t.0 - line.start),
            Some(line) => line.from - line.moved(t.0 - line.start),
            None => self.last,
        }
    }

    /// The first moment after `t` at which [`Self::at`] differs from what it is at `t`.
    pub fn next_change(&self, t: Nanos) -> Option<Nanos> {
        let now = self.at(t);
        let first = self.lines.partition_point(|l| l.start + l.span <= t.0);
        for line in &self.lines[first..] {
            if line.start > t.0 && line.from != now {
                return Some(Nanos(line.start));
            }
            let delta = line.to.abs_diff(line.from);
            let change = now.abs_diff(line.from) + 1;
            if change <= delta {
                let after = (u128::from(change) * u128::from(line.span)).div_ceil(delta.into());
                let at = line.start + after as u64;
                // At the line's very end the next line speaks; it may jump straight back.
                if at < line.start + line.span {
                    return Some(Nanos(at));
                }
            }
        }
        (t.0 < self.end && self.last != now).then_some(Nanos(self.end))
    }
}

#[cfg(test)]
mod tests;
