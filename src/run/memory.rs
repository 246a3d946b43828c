//! Whether there is memory for a run, asked before it begins: the standard library aborts where an allocation fails,
//! and a run that is lost at its end is lost for good.

use super::RunError;
use super::config::RunConfig;
use super::machine;
use super::samples;
use crate::stats::histogram::TABLE_BYTES;
use crate::stats::layout::Layout;

/// Histograms of a snapshot that are there from the start.
const TABLES_PER_SNAPSHOT: u64 = 6;
/// Snapshots of a worker: two on their way, the one that is filled, those of the window's end and of the drain.
const SNAPSHOTS_PER_WORKER: u64 = 5;
/// Those that the coordinator merges into, that which observers look at, and what the report is made from. An observer
/// that does not come back holds some more.
const SNAPSHOTS_OF_ALL: u64 = 6;
/// A worker's stack, its ring, its first receive buffers, and what it allocates besides.
const WORKER: u64 = 8 << 20;
/// A connection's state in worker and driver, or a virtual user's.
const CONNECTION: u64 = 1 << 10;
/// Receive buffers for a connection, and how many a worker has at most.
const BUFFERS: u64 = 16 << 10;
const BUFFERS_MAX: u64 = 8 << 20;
/// A series with few values.
const SERIES: u64 = 4 << 10;
/// A request in flight.
const REQUEST: u64 = 32;
/// For bodies there is always so much: less would fail what any machine can hold.
const BODIES_MIN: u64 = 1 << 20;

/// Asks the kernel for as much memory as the run will need, and gives it back. `sampled`: every sample is kept until it is written.
///
/// Limits on address space (RLIMIT_AS, strict overcommit) show here. A limit on resident memory, such as a cgroup's,
/// does not: there the kernel ends the process later.
///
/// # Errors
/// When it is not to be had.
pub(super) fn ask_for(config: &RunConfig, layout: &Layout, sampled: bool) -> Result<(), RunError> {
    let samples = if sampled { samples::memory(config.cores.len() as u64) } else { 0 };
    let needed = estimate(config, layout) + samples;
    if let Some(most) = config.max_memory.filter(|most| *most < needed) {
        return Err(RunError::MemoryAsked { needed, most });
    }
    // Not from the allocator: glibc's keeps blocks of any size that was once freed, and fills them by hand.
    let granted = usize::try_from(needed).is_ok_and(|bytes| memmap2::MmapMut::map_anon(bytes.max(1)).is_ok());
    if granted { Ok(()) } else { Err(RunError::Memory { needed }) }
}

/// How many bytes of bodies may be kept at a time: what is left of the memory that the run may have, half of what the machine and its control
/// groups have free unless asked otherwise.
pub(super) fn for_bodies(config: &RunConfig, layout: &Layout) -> u64 {
    let most = config.max_memory.or_else(|| machine::free_memory().map(|free| free / 2));
    most.map_or(u64::MAX, |most| most.saturating_sub(estimate(config, layout)).max(BODIES_MIN))
}

/// About what a run allocates, sooner or later; never less than it cannot do without.
fn estimate(config: &RunConfig, layout: &Layout) -> u64 {
    let workers = config.cores.len() as u64;
    let snapshots = workers * SNAPSHOTS_PER_WORKER + SNAPSHOTS_OF_ALL;
    let tables = snapshots * TABLES_PER_SNAPSHOT;
    // Where tags are made while load is sent, there will be as many series as there may be.
    let made = if layout.has_any_tags() { u64::from(layout.registry().bound()) } else { 0 };
    let series = snapshots * (layout.registry().keys().len() as u64 + made) * SERIES;
    let connections = u64::from(config.connections);
    let buffers = (connections * BUFFERS).min(workers * BUFFERS_MAX);
    let state = connections * (CONNECTION + u64::from(config.pipeline) * REQUEST);
    tables * TABLE_BYTES + series + workers * WORKER + buffers + state
}

#[cfg(test)]
mod tests;
