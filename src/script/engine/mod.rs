//! One user's JavaScript: a runtime in a coroutine.
//!
//! ```text
//! whoever drives           the coroutine
//!   Vu::run(job)  ───────▶  runs the script's function
//!                 ◀───────  suspends: Pause::Waits (requests, a pause), Pause::Slice (it has computed for long)
//!   Vu::go_on()   ───────▶  goes on
//!                 ◀───────  Pause::Idle: Core::take_end says how the job ended
//! ```
//!
//! The hazards (each has a test in `tests`):
//! - The runtime is made on the coroutine's stack, which it measures its depth from, and its limit leaves room below.
//! - A suspended coroutine is not dropped but ended: natives throw while [`Core::is_stopping`](crate::script::core::Core::is_stopping), and the interrupt
//!   handler throws what no script can catch.
//! - Nothing of a runtime outlives it: what natives keep for later is in a store that is emptied before.

mod loader;
pub mod vu;

pub use loader::resolve;

#[cfg(test)]
mod tests;
