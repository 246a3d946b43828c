//! What holds for any text as a curl command, and any bytes as a recording.

use std::collections::BTreeMap;
use std::path::Path;

use squall::import::{HarOptions, ImportError, Imported, Think, curl, har};
use squall::plan::file::{Format, Surroundings, compile};

use crate::wire::one_request;

/// An error names a place and says something; what is imported is a plan of whole requests.
pub(crate) fn holds(input: &[u8]) {
    for options in [HarOptions::default(), other_options()] {
        is_plan_or_error(har("file.har", input, &options));
    }
    if let Ok(text) = std::str::from_utf8(input) {
        is_plan_or_error(curl(text));
    }
}

fn other_options() -> HarOptions {
    HarOptions { think: Think::Drop, ..HarOptions::default() }
}

fn is_plan_or_error(imported: Result<Imported, ImportError>) {
    match imported {
        Ok(imported) => is_plan(&imported),
        Err(error) => assert!(!error.place.is_empty() && !error.what.is_empty()),
    }
}

fn is_plan(imported: &Imported) {
    // What the plan wants to have set stands in its first lines.
    let env = imported.plan.lines().filter_map(|line| line.strip_prefix("#   ")?.split_once(':'));
    let env: BTreeMap<String, String> = env.map(|(name, _)| (name.into(), "secret".into())).collect();
    let around = Surroundings {
        env,
        variables: BTreeMap::new(),
        base_dir: Path::new("/nowhere"),
        seed: 1,
        seed_wins: false,
    };
    match compile("plan.toml", &imported.plan, Format::Toml, &around) {
        Ok(plan) => {
            for step in &plan.workload.steps {
                one_request(step.request.constant().expect("a recording has no slots"));
            }
        }
        // Files and a host that speaks TLS are not here.
        Err(error) => {
            let excused = |text: &str| text.contains("cannot read") || text.contains("cannot speak TLS");
            let unexcused: Vec<_> = error.problems.iter().filter(|p| !excused(&p.message)).collect();
            assert!(unexcused.is_empty(), "{unexcused:#?}\n{}", imported.plan);
        }
    }
}
