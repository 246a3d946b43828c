//! Names of modules and files.

use std::path::{Component, Path, PathBuf};

/// Without `.` and `..`, as far as that can be known from the text.
pub(in crate::script) fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                clean.pop();
            }
            Component::CurDir => {}
            other => clean.push(other),
        }
    }
    clean
}
