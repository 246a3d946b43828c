use super::*;

fn layer(value: Value) -> Layer {
    value.as_object().unwrap().clone()
}

fn of(script: Value, flags: Value) -> Result<Options, OptionsError> {
    let layers = Layers { script: layer(script), flags: layer(flags), ..Layers::default() };
    consolidate(layers, |name| name != "missing", &BTreeMap::new(), 1)
}

fn executor(script: Value, flags: Value) -> Executor {
    of(script, flags).unwrap().workload.scenarios[0].executor.clone()
}

#[test]
fn shortcuts_are_scenarios() {
    let none = json!({});
    assert!(matches!(
        executor(json!({}), none.clone()),
        Executor::PerVuIterations { vus: 1, iterations: 1, .. }
    ));
    assert!(matches!(
        executor(json!({"vus": "3", "iterations": 7}), none.clone()),
        Executor::SharedIterations { vus: 3, iterations: 7, .. }
    ));
    let Executor::ConstantVus { vus, duration } = executor(json!({"vus": 2, "duration": 1500}), none.clone())
    else {
        panic!("it is constant")
    };
    assert_eq!((vus, duration), (2, Nanos::from_millis(1_500)));
    let stages = json!({"stages": [{"duration": "1s", "target": 5}, {"target": 1, "duration": "2s"}]});
    assert!(matches!(executor(stages, none), Executor::RampingVus { .. }));
}

#[test]
fn flags_replace_the_scripts_scenarios() {
    let script =
        json!({"scenarios": {"a": {"executor": "constant-vus", "vus": 4, "duration": "5s", "exec": "f"}}});
    let options = of(script.clone(), json!({"iterations": 3})).unwrap();
    assert_eq!(options.warnings.len(), 1);
    assert!(matches!(
        options.workload.scenarios[0].executor,
        Executor::SharedIterations { iterations: 3, .. }
    ));
    let options = of(script, json!({})).unwrap();
    assert_eq!(
        (options.settings.scenarios[0].exec.as_str(), options.settings.scenarios[0].name.as_str()),
        ("f", "a")
    );
    // Of the same layer both cannot be meant.
    assert!(of(json!({"scenarios": {}, "duration": "1s"}), json!({})).is_err());
}

#[test]
fn constant_rates_tick_at_both_ends() {
    let script = json!({"scenarios": {"a": {"executor": "constant-arrival-rate", "rate": 20, "duration": "1s", "preAllocatedVUs": 1}}});
    let Executor::ArrivalRate { duration, .. } = executor(script, json!({})) else { panic!("it is a rate") };
    assert_eq!(duration, Nanos(1_000_000_001));
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    for (script, part) in [
        (json!({"vus": 1.5, "duration": "1s"}), "`vus`"),
        (json!({"vus": 1, "duration": "0.5s"}), "duration"),
        (json!({"vus": 5, "iterations": 2}), "fewer"),
        (json!({"scenarios": {"a": {"vus": 1}}}), "scenario a: it lacks `executor`"),
        (json!({"scenarios": {"a": {"executor": "externally-controlled"}}}), "externally-controlled"),
        (json!({"scenarios": {"a": {"executor": "constant-vus", "duration": "1s", "rate": 1}}}), "rate"),
        (
            json!({"scenarios": {"a": {"executor": "constant-vus", "duration": "1s", "exec": "missing"}}}),
            "'missing'",
        ),
        (json!({"thresholds": {"http_req_duration": ["rate<1"]}}), "http_req_duration"),
        (json!({"thresholds": {"nothing": ["rate<1"]}}), "nothing"),
        (json!({"thresholds": {"http_reqs{a:}": ["count>1"]}}), "no value"),
        (json!({"thresholds": {"http_reqs": "count>1"}}), "list"),
        (json!({"rps": 5}), "`rps`"),
        (json!({"setupTimeout": "soon"}), "`setupTimeout`"),
    ] {
        let error = of(script.clone(), json!({})).expect_err(&script.to_string());
        assert!(error.0.contains(part), "{script}: {error}");
    }
}

#[test]
fn selectors_are_trimmed() {
    assert_eq!(read::selector(" http_reqs{ a : \"b\" ,c:d}").unwrap(), "http_reqs{a:b,c:d}");
    assert_eq!(read::selector("checks{group:::shop::cart}").unwrap(), "checks{group:::shop::cart}");
}
