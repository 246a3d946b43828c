//! What a template can refer to while it is filled in.

use std::sync::Arc;

use super::data::DataSet;
use super::value::Value;
use crate::rng::Rng;
use crate::units::Nanos;

/// Everything that may differ from one request to the next.
#[derive(Debug)]
pub struct Scope<'a> {
    /// The virtual user's number over all scenarios and workers, from 1 (k6's `__VU`).
    pub vu: u64,
    /// The virtual user's iterations before this one (k6's `__ITER`).
    pub iteration: u64,
    /// The number of this iteration in its scenario, from 0, unique over all workers.
    pub sequence: u64,
    /// Time since the Unix epoch.
    pub wall: Nanos,
    /// The virtual user's own random numbers.
    pub rng: &'a mut Rng,
    /// The values of [`Workload::variables`](super::workload::Workload::variables); `None` until extracted in this iteration.
    pub values: &'a [Option<Value>],
    /// The row of each data set in this iteration.
    pub rows: &'a [u64],
    /// The data sets.
    pub data: &'a [Arc<DataSet>],
}
