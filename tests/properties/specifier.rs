//! What holds for any text by which a script imports a module.

use std::path::{Component, Path};

use squall::script::engine::resolve;

/// Refused with a message; or a module of k6's, or the absolute path of a file, which leads to itself.
pub(crate) fn holds(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    for base in ["file:///nowhere/main.js", "file:///nowhere/lib/deep/of.js"] {
        match resolve(base, text) {
            Ok(name) => {
                assert_eq!(resolve(base, &name).as_ref(), Ok(&name), "of {text:?}");
                let Some(path) = name.strip_prefix("file://") else {
                    assert_eq!(name, text, "a module of k6's has one name");
                    assert!(name == "k6" || name.starts_with("k6/"), "{name}");
                    continue;
                };
                let is_plain =
                    |part: Component<'_>| matches!(part, Component::RootDir | Component::Normal(_));
                assert!(
                    path.starts_with('/') && Path::new(path).components().all(is_plain),
                    "{name} of {text:?}"
                );
            }
            Err(why) => assert!(!why.trim().is_empty()),
        }
    }
}
