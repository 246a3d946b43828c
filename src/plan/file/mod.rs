//! The scenario file, from its text to a [`Workload`](super::workload::Workload).
//!
//! Text (TOML or JSON) becomes a tree that knows where everything stands; the tree is held against the
//! JSON Schema of its form, read into the form, and compiled. Each of these says all that is wrong
//! with the file, with lines.

mod error;
pub mod form;
mod schema;
mod tree;

pub use self::error::{FileError, FileProblem};
pub use self::schema::schema;
pub use self::tree::Format;
