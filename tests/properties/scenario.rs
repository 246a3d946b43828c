//! What holds for any text as a scenario file, in either language.

use std::collections::BTreeMap;
use std::path::Path;

use squall::plan::file::{Compiled, FileError, Format, Surroundings, compile};
use squall::plan::scope::Scope;
use squall::plan::value::Value;
use squall::plan::workload::{ArrivalPlan, Executor};
use squall::rng::Rng;
use squall::units::Nanos;

use crate::wire::one_request;

/// An error names a place and says something; what is accepted can be run.
pub(crate) fn holds(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    // Such a file may be read without end, or wait for somebody to type.
    if ["/dev", "/proc", "/sys", "/tmp"].iter().any(|place| text.contains(place)) {
        return;
    }
    for format in [Format::Toml, Format::Json] {
        match compiled(text, format) {
            Ok(plan) => {
                can_be_run(&plan);
                let again = compiled(text, format).expect("accepted before");
                assert_eq!(format!("{plan:?}"), format!("{again:?}"), "the same each time");
            }
            Err(error) => says_where(&error, text),
        }
    }
}

fn compiled(text: &str, format: Format) -> Result<Compiled, FileError> {
    let around = Surroundings {
        env: BTreeMap::from([("TOKEN".into(), "secret".into())]),
        variables: BTreeMap::new(),
        base_dir: Path::new("/nowhere/examples"),
        seed: 7,
        seed_wins: false,
    };
    compile("plan", text, format, &around)
}

fn says_where(error: &FileError, text: &str) {
    assert!(!error.problems.is_empty());
    let lines: Vec<&str> = text.split('\n').collect();
    for problem in &error.problems {
        assert_eq!(problem.path, "plan");
        assert!(!problem.message.trim().is_empty());
        let line = lines.get(problem.line.wrapping_sub(1));
        let line = line.unwrap_or_else(|| panic!("line {} of {}: {problem}", problem.line, lines.len()));
        let columns = line.chars().count() + 1;
        assert!((1..=columns).contains(&problem.column), "column {} of {columns}: {problem}", problem.column);
    }
    assert!(error.to_string().contains(&error.problems[0].message));
}

fn can_be_run(plan: &Compiled) {
    let workload = &plan.workload;
    assert!(!workload.steps.is_empty() && !workload.flows.is_empty() && !workload.scenarios.is_empty());
    for scenario in &workload.scenarios {
        assert!(!scenario.flows.is_empty());
        for (flow, weight) in &scenario.flows {
            assert!(*weight > 0);
            let flow = &workload.flows[*flow as usize];
            assert!(!flow.steps.is_empty());
            assert!(flow.steps.iter().all(|step| (*step as usize) < workload.steps.len()));
        }
        can_be_executed(&scenario.executor);
    }
    let mut layout = workload.layout();
    for threshold in &plan.thresholds {
        threshold.prepare(&mut layout).expect("was prepared when the file was read");
    }
    let values = vec![Some(Value::text(*b"1")); workload.variables.len()];
    for step in &workload.steps {
        assert!((step.origin as usize) < workload.origins.len());
        let mut out = Vec::new();
        let mut scope = Scope {
            vu: 1,
            iteration: 0,
            sequence: 0,
            wall: Nanos::ZERO,
            rng: &mut Rng::new(1),
            values: &values,
            rows: &[],
            data: &[],
        };
        step.request.render(None, &mut out, &mut scope).expect("all values are there");
        let request = one_request(&out);
        assert!(step.request.open_method().is_some() || request.method == *step.method, "{request:?}");
    }
}

fn can_be_executed(executor: &Executor) {
    let end = executor.duration();
    assert!(executor.max_vus() > 0);
    match executor {
        Executor::RampingVus { stages, .. } => {
            for part in 0..=4 {
                assert!(stages.at(Nanos(end.0 / 4 * part)) <= stages.max());
            }
        }
        Executor::ArrivalRate { arrivals: ArrivalPlan::Ramping(stages), .. } => {
            let mut last = 0;
            for part in 0..=4 {
                let before = stages.arrivals_before(Nanos(end.0 / 4 * part));
                assert!(before >= last && before <= stages.total(), "{before} after {last}");
                last = before;
            }
        }
        _ => {}
    }
}
