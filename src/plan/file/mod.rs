//! The scenario file, from its text to a [`Workload`](super::workload::Workload).
//!
//! Text (TOML or JSON) becomes a tree that knows where everything stands; the tree is held against the
//! JSON Schema of its form, read into the form, and compiled. Each of these says all that is wrong
//! with the file, with lines.

mod bind;
mod compile;
mod context;
mod error;
pub mod form;
mod multipart;
mod scenario;
mod schema;
mod secrets;
mod step;
mod tree;

use std::path::Path;

pub use self::compile::{Compiled, Surroundings};
pub use self::error::{FileError, FileProblem};
pub use self::schema::schema;
pub use self::tree::Format;

use self::context::Context;
use self::form::PlanForm;
use self::tree::{Node, Source};
use super::data::BYTE_ORDER_MARK;
use crate::plan::limited_file;
use crate::secrets::Redactor;

/// A plan is written by hand, or by a program that should have used a data file.
const FILE_MAX: u64 = 64 << 20;

/// Whether a name is that of a plan.
pub fn format_of(path: &Path) -> Option<Format> {
    match path.extension()?.to_str()? {
        "toml" => Some(Format::Toml),
        "json" => Some(Format::Json),
        _ => None,
    }
}

/// Reads a file and compiles it; the secrets that are found in it are made known.
///
/// # Errors
/// All that is wrong with it; a file that cannot be read is a problem of its first line.
pub fn load(path: &Path, around: &Surroundings<'_>, known: &mut Redactor) -> Result<Compiled, FileError> {
    let name = path.display().to_string();
    let fail = |message: String| {
        let problem = Source { path: &name, text: "" }.problem(0, message);
        FileError { problems: vec![problem] }
    };
    let Some(format) = format_of(path) else {
        return Err(fail("is neither .toml nor .json: name it after what it is".into()));
    };
    let bytes =
        limited_file::read(path, FILE_MAX).map_err(|error| fail(format!("cannot read it: {error}")))?;
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).map(<[u8]>::to_vec).unwrap_or(bytes);
    let text = String::from_utf8(bytes).map_err(|_| fail("is not UTF-8: save it as that".into()))?;
    let source = Source { path: &name, text: &text };
    let tree = source.parse(format).inspect_err(|_| known.learn(&text))?;
    secrets::learn(&tree, around, known);
    compiled(&tree, source, around)
}

/// Compiles a text; `path` is for messages only.
///
/// # Errors
/// All that is wrong with it.
pub fn compile(
    path: &str,
    text: &str,
    format: Format,
    around: &Surroundings<'_>,
) -> Result<Compiled, FileError> {
    let source = Source { path, text };
    compiled(&source.parse(format)?, source, around)
}

fn compiled(tree: &Node, source: Source<'_>, around: &Surroundings<'_>) -> Result<Compiled, FileError> {
    let mut problems = schema::check(tree, &source);
    if !problems.is_empty() {
        problems.sort_by_key(|problem| (problem.line, problem.column));
        return Err(FileError { problems });
    }
    let form: PlanForm = serde_json::from_value(tree.to_value())
        .map_err(|error| FileError { problems: vec![source.problem(0, error.to_string())] })?;
    let mut context = Context::new(tree, source);
    let compiled = compile::compile(&form, around, &mut context);
    context.finish()?;
    Ok(compiled)
}

#[cfg(test)]
mod tests;
