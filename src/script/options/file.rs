//! The lowest layer: k6's configuration file.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::error::OptionsError;

/// Reads the file that `named` says, else the one where k6 looks for it, which need not be there.
///
/// # Errors
/// A file that cannot be read, or is no JSON object.
pub fn read(
    named: Option<&Path>,
    system: &BTreeMap<String, String>,
) -> Result<Map<String, Value>, OptionsError> {
    let Some(path) = named.map(Path::to_path_buf).or_else(|| default_path(system)) else {
        return Ok(Map::new());
    };
    let fail =
        |why: String| OptionsError::configuration(format!("configuration file {}: {why}", path.display()));
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound && named.is_none() => return Ok(Map::new()),
        Err(error) => return Err(fail(format!("cannot read it ({error}): name another one with --config"))),
    };
    let no_object = |error| {
        fail(format!("it is no JSON object ({error}): write options into it, as in {{ \"vus\": 10 }}"))
    };
    serde_json::from_str(&text).map_err(no_object)
}

/// Below the user's directory for configuration, which the system's variables name.
fn default_path(system: &BTreeMap<String, String>) -> Option<PathBuf> {
    let own = |name: &str| system.get(name).filter(|text| !text.is_empty()).map(PathBuf::from);
    let below = own("XDG_CONFIG_HOME").or_else(|| Some(own("HOME")?.join(".config")))?;
    Some(below.join("k6").join("config.json"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::options::error::CONFIGURATION;

    /// k6 1.1.0: a file that is named must be there (104), the one of the user need not.
    #[test]
    fn a_file_that_is_named_must_be_there() {
        let directory = tempfile::tempdir().unwrap();
        let home = BTreeMap::from([("HOME".to_owned(), directory.path().display().to_string())]);
        assert_eq!(read(None, &home).unwrap(), Map::new());
        assert_eq!(read(None, &BTreeMap::new()).unwrap(), Map::new());
        let named = directory.path().join("c.json");
        let error = read(Some(&named), &home).unwrap_err();
        assert_eq!(error.exit, CONFIGURATION);
        assert!(error.to_string().contains("c.json: cannot read it (No such file"), "{error}");
        std::fs::write(&named, "[1]").unwrap();
        assert!(read(Some(&named), &home).unwrap_err().to_string().contains("it is no JSON object"));
        let own = directory.path().join(".config/k6");
        std::fs::create_dir_all(&own).unwrap();
        std::fs::write(own.join("config.json"), "{\"vus\": 3}").unwrap();
        assert_eq!(read(None, &home).unwrap()["vus"], 3);
    }
}
