//! k6's options: from a file, a script, the environment and flags to what a run does.
//!
//! ```text
//! file, environment, flags   the layers beside the script's own
//! form, value, network        what options can say
//! scenario, executors         a scenario's options, and what its users carry out
//! thresholds                  what is to be judged
//! layers                      all of them on top of each other: consolidate()
//! settings                    what is in force, with k6's defaults
//! inspect                     what `k6 inspect` shows
//! ```
//!
//! Values of tests named "k6 1.1.0" were taken from that program.

pub mod environment;
pub mod error;
pub mod executors;
pub mod file;
pub mod flags;
pub mod form;
pub mod inspect;
pub mod layers;
pub mod network;
pub mod scenario;
pub mod settings;
pub mod thresholds;
pub mod value;

pub use self::error::{CONFIGURATION, OptionsError, USAGE};
pub use self::executors::ScriptScenario;
pub use self::flags::ScriptFlags;
pub use self::form::Options;
pub use self::inspect::Inspected;
pub use self::layers::{Consolidated, consolidate};
pub use self::settings::Settings;

#[cfg(test)]
mod tests;
