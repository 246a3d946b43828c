//! What holds for any JSON as the options of a script.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use squall::script::options::consolidate;

/// Refused with a message, or scenarios that can be run, the same each time.
pub(crate) fn holds(input: &[u8]) {
    let Ok(script @ Value::Object(_)) = serde_json::from_slice(input) else { return };
    let read = || consolidate(Map::new(), script.clone(), &BTreeMap::new(), Map::new());
    match read() {
        Ok(options) => {
            // Those without any user are left out.
            assert!(options.scenarios.iter().all(|scenario| scenario.executor.max_vus() > 0));
            assert_eq!(options.workload().scenarios.len(), options.scenarios.len());
            let again = read().expect("accepted before");
            assert_eq!(format!("{:?}", again.workload()), format!("{:?}", options.workload()));
        }
        Err(error) => assert!(!error.to_string().trim().is_empty()),
    }
}
