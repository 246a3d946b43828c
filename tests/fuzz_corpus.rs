//! What the fuzzers of `fuzz/` have found worth keeping, read by the same properties, without a
//! fuzzer: `fuzz/corpus/TARGET`, and the files that they begin with.

use std::fs;
use std::panic;
use std::path::{Path, PathBuf};

#[path = "properties/chunked.rs"]
mod chunked;
#[path = "properties/expressions.rs"]
mod expressions;
#[path = "properties/import.rs"]
mod import;
#[path = "properties/multipart.rs"]
mod multipart;
#[path = "properties/options.rs"]
mod options;
#[path = "properties/response.rs"]
mod response;
#[path = "properties/scenario.rs"]
mod scenario;
#[path = "properties/script_url.rs"]
mod script_url;
#[path = "common/skip.rs"]
#[allow(dead_code, reason = "others use more of it")]
mod skip;
#[path = "properties/snapshot.rs"]
mod snapshot;
#[path = "properties/specifier.rs"]
mod specifier;
#[path = "properties/template.rs"]
mod template;
#[path = "properties/url.rs"]
mod url;
#[path = "properties/wire.rs"]
mod wire;

use skip::skip;

/// A package from a registry has no corpus; a checkout without one has lost it.
fn replay(target: &str, holds: fn(&[u8])) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    if !root.join("fuzz").is_dir() {
        return skip("the package is without fuzz/");
    }
    let directory = root.join("fuzz/corpus").join(target);
    let files = files(&directory);
    assert!(files.len() >= 10, "{}: {} files", directory.display(), files.len());
    let (mut failed, mut bytes) = (Vec::new(), 0);
    for path in &files {
        let input = fs::read(path).unwrap();
        bytes += input.len();
        if panic::catch_unwind(|| holds(&input)).is_err() {
            failed.push(path.display());
        }
    }
    assert!(failed.is_empty(), "{target} does not hold for {failed:?}");
    let most = 512 * 1024;
    assert!(bytes <= most, "{target}: {bytes} bytes are too many for a repository: cargo fuzz cmin");
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn responses() {
    replay("response", response::holds);
}

#[test]
fn chunked_bodies() {
    replay("chunked", chunked::holds);
}

#[test]
fn urls() {
    replay("url", url::holds);
}

#[test]
fn scenario_files() {
    replay("scenario", scenario::holds);
}

#[test]
fn request_templates() {
    replay("template", template::holds);
}

#[test]
fn imports() {
    replay("import", import::holds);
}

#[test]
fn snapshots() {
    replay("snapshot", snapshot::holds);
}

#[test]
fn expressions_of_all_kinds() {
    replay("expressions", expressions::holds);
}

#[test]
fn urls_of_scripts() {
    replay("script_url", script_url::holds);
}

#[test]
fn bodies_in_parts() {
    replay("multipart", multipart::holds);
}

#[test]
fn module_specifiers() {
    replay("specifier", specifier::holds);
}

#[test]
fn options_of_scripts() {
    replay("options", options::holds);
}
