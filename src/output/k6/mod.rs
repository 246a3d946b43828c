//! What k6 prints and writes, from squall's figures: the end of a test as text ([`text`]), as the `data` of `handleSummary` and as the
//! file of `--summary-export` ([`json`]), and every sample as it comes (`--out json`, `--out csv`: [`points`]).
//!
//! Forms, names and units are those of k6 1.1, found by running it; `tests/data/k6` has what it printed. What is squall's own
//! (`response_time`, `service_time`, `start_lag`) is in none of them.

mod books;
mod columns;
mod form;
mod format;
pub mod json;
mod legacy;
mod make;
pub mod model;
mod order;
mod out;
mod paint;
pub mod points;
pub mod text;

pub use books::{Book, UsersAt};
pub use make::{Declared, EndOfTestSource, Judged};
pub use out::{Form, OutSpec, TimeFormat};

#[cfg(test)]
mod tests;
