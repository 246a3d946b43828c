//! What holds for any JSON as the options of a script.

use std::collections::BTreeMap;

use squall::script::options::{Layers, consolidate};

/// Refused with a message, or scenarios that can be run, the same each time.
pub(crate) fn holds(input: &[u8]) {
    let Ok(serde_json::Value::Object(script)) = serde_json::from_slice(input) else { return };
    let read = || {
        let layers = Layers { script: script.clone(), ..Layers::default() };
        consolidate(layers, |name| name == "default", &BTreeMap::new(), 7)
    };
    match read() {
        Ok(options) => {
            let scenarios = &options.workload.scenarios;
            assert!(!scenarios.is_empty() && scenarios.len() == options.settings.scenarios.len());
            assert!(scenarios.iter().all(|scenario| scenario.executor.max_vus() > 0));
            let again = read().expect("accepted before");
            assert_eq!(format!("{:?}", again.workload), format!("{:?}", options.workload));
        }
        Err(error) => assert!(!error.to_string().trim().is_empty()),
    }
}
