//! What k6 prints and writes, from squall's figures: the end of a test as text ([`text`]), as the `data` of `handleSummary` and as the
//! file of `--summary-export` ([`json`]).
//!
//! Forms, names and units are those of k6 1.1, found by running it; `tests/data/k6` has what it printed. What is squall's own
//! (`response_time`, `service_time`, `start_lag`) is in none of them.

mod books;
mod columns;
mod format;
pub mod json;
mod legacy;
mod make;
pub mod model;
mod order;
mod paint;
pub mod text;

pub use books::{Book, UsersAt};
pub use make::{Declared, EndOfTestSource, Judged};

#[cfg(test)]
mod tests;
