//! Values come from k6 1.1.0 (`k6 archive`, `k6 inspect --execution-requirements`). Its `inspect` does not know of the one user that its `run`
//! takes where `vus` is missing: such options were inspected with `vus: 1`.

mod refused;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::error::{CONFIGURATION, OptionsError, USAGE};
use super::inspect::Inspected;
use super::layers::of_script;
use super::{Consolidated, consolidate};
use crate::plan::workload::{ArrivalPlan, Executor};
use crate::units::{Nanos, Rate};

fn map(value: Value) -> Map<String, Value> {
    value.as_object().cloned().expect("an object")
}

fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

fn script(options: Value) -> Result<Consolidated, OptionsError> {
    consolidate(Map::new(), options, &BTreeMap::new(), Map::new())
}

fn one(options: Value) -> Result<Consolidated, OptionsError> {
    script(json!({ "scenarios": { "a": options } }))
}

/// The executor of the only scenario, with what `k6 inspect` says of its time and users.
fn shape(options: Value) -> (String, String, u64) {
    let found = script(options.clone()).unwrap_or_else(|error| panic!("{options}: {error}"));
    let inspected = Inspected::with_requirements(&found).to_value();
    let [only] = &found.scenarios[..] else { panic!("{options}") };
    let total = inspected["totalDuration"].as_str().unwrap().to_owned();
    (only.executor.name().to_owned(), total, inspected["maxVUs"].as_u64().unwrap())
}

#[test]
fn shortcuts_make_the_default_scenario() {
    let stage = json!([{ "duration": "5s", "target": 10 }, { "duration": 0, "target": 3 }]);
    for (options, executor, total, vus) in [
        (json!(null), "per-vu-iterations", "10m30s", 1),
        (json!({}), "per-vu-iterations", "10m30s", 1),
        (json!({ "vus": 2 }), "per-vu-iterations", "10m30s", 1),
        (json!({ "vus": "3", "iterations": "7" }), "shared-iterations", "10m30s", 3),
        (json!({ "VUS": 3, "iterations": "4" }), "shared-iterations", "10m30s", 3),
        (json!({ "duration": "5s", "iterations": 3, "vus": 2 }), "shared-iterations", "35s", 2),
        (json!({ "duration": 5000 }), "constant-vus", "35s", 1),
        (json!({ "duration": "5000" }), "constant-vus", "35s", 1),
        (json!({ "duration": null }), "per-vu-iterations", "10m30s", 1),
        (json!({ "vus": 5, "stages": stage }), "ramping-vus", "35s", 10),
        (json!({ "stages": [{ "duration": "3s", "target": "4" }] }), "ramping-vus", "33s", 4),
        (json!({ "stages": [{ "duration": "3s", "target": 4, "foo": 1 }] }), "ramping-vus", "33s", 4),
        (json!({ "stages": [] }), "per-vu-iterations", "10m30s", 1),
        (json!({ "stages": [{ "target": 3 }] }), "per-vu-iterations", "10m30s", 1),
        (json!({ "iterations": 3, "stages": [] }), "shared-iterations", "10m30s", 1),
        (json!({ "scenarios": {} }), "per-vu-iterations", "10m30s", 1),
        (json!({ "scenarios": null }), "per-vu-iterations", "10m30s", 1),
    ] {
        assert_eq!(shape(options.clone()), (executor.into(), total.into(), vus), "{options}");
    }
    let found = script(json!({ "vus": 2, "stages": [] })).unwrap();
    assert_eq!(
        found.warnings,
        [
            "`vus` is 2, and without `iterations`, `duration` or `stages` it is 1",
            "`stages` is empty: there is one iteration of one user"
        ]
    );
    assert_eq!((&*found.scenarios[0].name, &*found.scenarios[0].exec), ("default", "default"));
}

#[test]
fn scenarios_are_those_of_k6() {
    let stages = json!([{ "duration": "2s", "target": 5 }, { "duration": "3s", "target": 0 }]);
    for (scenario, total, vus) in [
        (json!({ "executor": "constant-vus", "duration": "2s", "vus": "2" }), "32s", 2),
        (
            json!({ "executor": "constant-vus", "duration": "2s", "startTime": "1s", "gracefulStop": "0s" }),
            "3s",
            1,
        ),
        (json!({ "executor": "constant-vus", "Duration": "2s", "startTime": 1500 }), "33.5s", 1),
        (
            json!({ "executor": "constant-vus", "duration": "2s", "options": { "browser": { "type": "x" } } }),
            "32s",
            1,
        ),
        (
            json!({ "executor": "ramping-vus", "stages": stages, "gracefulRampDown": "0s", "gracefulStop": "5s" }),
            "5s",
            5,
        ),
        (
            json!({ "executor": "ramping-vus", "stages": stages, "gracefulRampDown": "10s", "gracefulStop": "5s" }),
            "10s",
            5,
        ),
        (
            json!({ "executor": "ramping-vus", "startVUs": 2, "stages": [{ "duration": "0s", "target": 2 }] }),
            "30s",
            2,
        ),
        (json!({ "executor": "shared-iterations" }), "10m30s", 1),
        (
            json!({ "executor": "per-vu-iterations", "vus": 3, "maxDuration": "1m", "gracefulStop": 0 }),
            "1m0s",
            3,
        ),
        (
            json!({ "executor": "constant-arrival-rate", "rate": 10, "duration": "2s", "preAllocatedVUs": 0, "maxVUs": 3 }),
            "32s",
            3,
        ),
        (
            json!({ "executor": "constant-arrival-rate", "rate": 10, "duration": "2s", "preAllocatedVUs": 5, "maxVUs": 7, "timeUnit": 500 }),
            "32s",
            7,
        ),
        (
            json!({ "executor": "ramping-arrival-rate", "preAllocatedVUs": 1, "stages": [{ "duration": "2s", "target": 0 }] }),
            "32s",
            1,
        ),
        (
            json!({ "executor": "ramping-arrival-rate", "preAllocatedVUs": 1, "stages": [{ "duration": "0s", "target": 5 }], "timeUnit": "1m" }),
            "30s",
            1,
        ),
    ] {
        let (_, found, users) = shape(json!({ "scenarios": { "a-b_9": scenario } }));
        assert_eq!((&*found, users), (total, vus), "{scenario}");
    }
    let nobody =
        json!({ "executor": "constant-arrival-rate", "rate": 10, "duration": "2s", "preAllocatedVUs": 0 });
    let found = one(nobody).unwrap();
    assert!(
        found.scenarios.is_empty() && found.warnings[0].contains("scenario `a` has no users"),
        "{found:?}"
    );
}

/// Which users may be there together.
#[test]
fn users_are_counted_over_scenarios_and_time() {
    let constant = |vus, span, start, stop| json!({ "executor": "constant-vus", "vus": vus, "duration": span, "startTime": start, "gracefulStop": stop });
    let ramp = |start, stop, down, stages: &[(&str, u32)]| {
        let stages: Vec<Value> = stages
            .iter()
            .map(|(duration, target)| json!({ "duration": duration, "target": target }))
            .collect();
        json!({ "executor": "ramping-vus", "startVUs": start, "gracefulStop": stop, "gracefulRampDown": down, "stages": stages })
    };
    let up_down = [("10s", 10), ("10s", 0)];
    let then = constant(4, "10s", "15s", "0s");
    for (a, b, total, vus) in [
        (constant(3, "10s", "0s", "0s"), constant(5, "10s", "10s", "0s"), "20s", 5),
        (constant(3, "10s", "0s", "1s"), constant(5, "10s", "10s", "0s"), "20s", 8),
        (ramp(0, "5s", "2s", &up_down), then.clone(), "25s", 11),
        (ramp(0, "5s", "0s", &up_down), then, "25s", 10),
        (ramp(0, "5s", "0s", &up_down), ramp(0, "5s", "0s", &[("10s", 0), ("10s", 10)]), "25s", 10),
        (
            ramp(5, "30s", "3s", &[("5s", 0), ("5s", 0), ("0s", 7), ("5s", 2)]),
            constant(4, "1s", "12s", "0s"),
            "45s",
            11,
        ),
    ] {
        let found = script(json!({ "scenarios": { "a": a, "b": b } })).unwrap();
        let inspected = Inspected::with_requirements(&found).to_value();
        assert_eq!(
            (&inspected["totalDuration"], &inspected["maxVUs"]),
            (&json!(total), &json!(vus)),
            "{a} {b}"
        );
    }
    assert_eq!(
        shape(json!({ "scenarios": { "a": ramp(0, "5s", "1s", &[("10s", 10), ("0s", 0), ("10s", 0)]) } })).1,
        "11s"
    );
}

#[test]
fn a_scenario_has_its_own_function_variables_and_tags() {
    let found = script(json!({
        "tags": { "k": "v", "t": "all" },
        "scenarios": {
            "late": { "executor": "constant-arrival-rate", "rate": 7, "timeUnit": "2s", "duration": "1s", "preAllocatedVUs": 2,
                      "maxVUs": 4, "startTime": "300ms", "gracefulStop": "5s", "exec": "buy", "env": { "A": "1" }, "tags": { "t": "x" } },
            "early": { "executor": "shared-iterations", "vus": 2, "iterations": 9 },
        },
    }))
    .unwrap();
    let [early, late] = &found.scenarios[..] else { panic!("{found:?}") };
    assert_eq!((&*early.name, &*late.name, &*late.exec), ("early", "late", "buy"));
    assert_eq!((late.start, late.graceful_stop), (Nanos::from_millis(300), Nanos::from_secs(5)));
    assert_eq!(late.env, [("A".to_owned(), "1".to_owned())].into());
    assert_eq!(late.tags, [("t".to_owned(), "x".to_owned())].into());
    assert_eq!(found.workload().scenarios[1].tags, [("t".to_owned(), "x".to_owned())]);
    // Both ends of its second have their arrival.
    assert!(
        matches!(&late.executor, Executor::ArrivalRate { arrivals: ArrivalPlan::Constant { rate: Rate { count: 7, per }, .. },
            duration, pre_allocated_vus: 2, max_vus: 4, max_backlog: 0, limit: None, .. }
            if *per == Nanos::from_secs(2) && *duration == Nanos(1_000_000_001)),
        "{:?}",
        late.executor
    );
    assert!(found.check_exports(|name| name != "buy").is_err_and(|error| error.exit == CONFIGURATION
        && error.to_string() == "scenario `late`: the script exports no function `buy`: export it"));
    assert!(found.check_exports(|_| true).is_ok());
}

/// k6 1.1.0: the entry with the port first, then the longest one.
#[test]
fn hosts_are_found_by_what_says_most_of_them() {
    let found = script(json!({ "userAgent": "", "blockHostnames": ["*.blocked.test"], "hosts": {
        "*.b.test": "192.0.2.1", "*.a.b.test": "192.0.2.2", "a.b.test": "192.0.2.3", "a.b.test:81": "192.0.2.4:8080" } }))
    .unwrap()
    .settings;
    for (host, port, wanted) in [
        ("a.b.test", 80, Some("192.0.2.3")),
        ("A.b.Test", 81, Some("192.0.2.4:8080")),
        ("x.a.b.test", 80, Some("192.0.2.2")),
        ("x.b.test", 80, Some("192.0.2.1")),
        ("b.test", 80, None),
    ] {
        let target = found.address_of(host, port).map(|target| target.to_string());
        assert_eq!(target.as_deref(), wanted, "{host}:{port}");
    }
    assert!(found.blocks("X.Blocked.test").is_some() && found.blocks("blocked.test").is_none());
    assert_eq!(found.user_agent, None);
}

#[test]
fn local_addresses_are_single_ones_and_ranges() {
    let with =
        |text: &str| consolidate(Map::new(), Value::Null, &BTreeMap::new(), map(json!({ "localIPs": text })));
    let found = with("127.0.0.1, 127.0.0.4-127.0.0.9,fd:1::/120").unwrap().settings.local_ips;
    assert_eq!(found, ["127.0.0.1", "127.0.0.4/30", "127.0.0.8/31", "fd:1::/120"]);
    let error = with("127.0.0.9-127.0.0.1").unwrap_err();
    assert!(error.exit == CONFIGURATION && error.to_string().contains("`127.0.0.9-127.0.0.1` is no range"));
}

#[test]
fn unknown_keys_are_told_and_left_out() {
    let found =
        script(json!({ "foo": 1, "Bar": 2, "vus": 1, "iterations": 1, "localIPs": "x", "linger": true }))
            .unwrap();
    let told = |key| format!("script's options: there is no option `{key}`; it is left out");
    assert_eq!(found.warnings, ["Bar", "foo", "linger", "localIPs"].map(told));
    assert!(found.settings.local_ips.is_empty());
    let file = map(json!({ "vus": 2, "iterations": 4, "noSummary": true, "out": ["x"], "linger": false }));
    let found = consolidate(file, Value::Null, &BTreeMap::new(), Map::new()).unwrap();
    assert_eq!(found.warnings, ["configuration file: there is no option `noSummary`; it is left out"]);
    assert!(matches!(found.scenarios[0].executor, Executor::SharedIterations { vus: 2, iterations: 4, .. }));
}

#[test]
fn higher_layers_go_before_lower_ones() {
    let scenario = json!({ "scenarios": { "a": { "executor": "constant-vus", "duration": "2s" } } });
    let stages = json!([{ "duration": "30s", "target": "2" }]);
    let ramp = json!({ "vus": 2, "stages": [{ "duration": "1s", "target": 2 }] });
    for (script, environment, flags, executor, vus, warning) in [
        (
            &scenario,
            None,
            json!({ "iterations": 3 }),
            "shared-iterations",
            1,
            Some("command line: `iterations` takes the place of all scenarios"),
        ),
        (&scenario, None, json!({ "vus": 3 }), "constant-vus", 1, None),
        (
            &scenario,
            None,
            json!({ "vus": 3, "duration": "2s" }),
            "constant-vus",
            3,
            Some("command line: `duration` takes the place of all scenarios"),
        ),
        (&scenario, Some(("K6_VUS", "3")), json!({}), "constant-vus", 1, None),
        (
            &scenario,
            Some(("K6_ITERATIONS", "3")),
            json!({}),
            "shared-iterations",
            1,
            Some("environment: `iterations` takes the place of all scenarios"),
        ),
        (&scenario, Some(("K6_DURATION", "")), json!({}), "constant-vus", 1, None),
        (
            &json!({ "vus": 2, "duration": "3s" }),
            None,
            json!({ "iterations": 30 }),
            "shared-iterations",
            2,
            None,
        ),
        (&json!({ "vus": 2, "iterations": 5 }), None, json!({ "stages": stages }), "ramping-vus", 2, None),
        (&ramp, None, json!({ "duration": "30s" }), "constant-vus", 2, None),
        (&ramp, None, json!({ "vus": 5 }), "ramping-vus", 5, None),
        (&json!({}), Some(("K6_STAGES", "1s:2,2s:3")), json!({ "duration": "3s" }), "constant-vus", 1, None),
        (&json!({}), Some(("K6_STAGES", "1s:2,2s:3")), json!({}), "ramping-vus", 3, None),
    ] {
        let given: Vec<_> = environment.into_iter().collect();
        let found = consolidate(Map::new(), script.clone(), &variables(&given), map(flags)).unwrap();
        let [only] = &found.scenarios[..] else { panic!("{script}") };
        assert_eq!(
            (only.executor.name(), only.executor.max_vus()),
            (executor, vus),
            "{script} {environment:?}"
        );
        assert_eq!(found.warnings, Vec::from_iter(warning.map(str::to_owned)), "{script} {environment:?}");
    }
    let file = map(
        json!({ "userAgent": "file", "batch": 3, "dns": { "ttl": "1s", "select": "first" }, "tags": { "a": "1" } }),
    );
    let script = json!({ "userAgent": "script", "maxRedirects": "5", "dns": { "ttl": "2s", "policy": "any" }, "tags": { "b": "2" } });
    let given = variables(&[
        ("K6_MAX_REDIRECTS", "6"),
        ("K6_DNS", "policy=onlyIPv4"),
        ("K6_THROW", "true"),
        ("K6_HOSTS", "a=1.2.3.4"),
    ]);
    let found = consolidate(file, script, &given, map(json!({ "maxRedirects": 7 }))).unwrap();
    let dns = &found.options.dns;
    assert_eq!(format!("{:?} {:?}", dns.select, dns.policy), "Some(First) Some(OnlyIpv4)");
    let found = found.settings;
    assert_eq!(
        (found.user_agent.as_deref(), found.batch, found.batch_per_host),
        (Some("script"), Some(3), Some(6))
    );
    assert_eq!((found.throw, found.max_redirects), (true, 7));
    assert_eq!(found.dns_ttl, Some(Nanos::from_secs(2)));
    assert_eq!(found.tags, [("b".to_owned(), "2".to_owned())].into());
}

#[test]
fn variables_are_read_as_by_k6() {
    for (name, value, key, wanted) in [
        ("K6_BATCH", "3", "batch", json!(3)),
        ("K6_INSECURE_SKIP_TLS_VERIFY", "true", "insecureSkipTLSVerify", json!(true)),
        ("K6_BLOCK_HOSTNAMES", "*.a.b,c.d", "blockHostnames", json!(["*.a.b", "c.d"])),
        (
            "K6_DNS",
            "ttl=5m,select=first,policy=any",
            "dns",
            json!({ "ttl": "5m", "select": "first", "policy": "any" }),
        ),
        ("K6_TEARDOWN_TIMEOUT", "5000", "teardownTimeout", json!("5s")),
        ("K6_DURATION", "3000", "duration", json!("3s")),
        ("K6_SUMMARY_TREND_STATS", "avg,p(99)", "summaryTrendStats", json!(["avg", "p(99)"])),
        ("K6_SYSTEM_TAGS", "url,status", "systemTags", json!(["status", "url"])),
        ("K6_USER_AGENT", "", "userAgent", json!(null)),
        ("K6_MAX_REDIRECTS", "4", "maxRedirects", json!(4)),
        ("K6_TAGS", "a=b", "tags", json!(null)),
    ] {
        let given = variables(&[(name, value)]);
        let found = consolidate(Map::new(), Value::Null, &given, Map::new()).unwrap();
        assert_eq!(Inspected::options(found.options).to_value()[key], wanted, "{name}={value}");
    }
    for (name, value, exit, message) in [
        ("K6_VUS", "x", CONFIGURATION, "environment: K6_VUS: \"x\" is no whole number: write one, as in 10"),
        (
            "K6_ITERATIONS",
            "2.5",
            CONFIGURATION,
            "environment: K6_ITERATIONS: \"2.5\" is no whole number: write one, as in 10",
        ),
        (
            "K6_THROW",
            "1",
            CONFIGURATION,
            "environment: K6_THROW: `1` is neither true nor false: give one of them",
        ),
        (
            "K6_DNS",
            "x",
            CONFIGURATION,
            "environment: K6_DNS: `x` is no part of it: write ttl=5m,select=random,policy=preferIPv4",
        ),
        (
            "K6_BLACKLIST_IPS",
            "10.0.0.0/8,1.2.3.4",
            CONFIGURATION,
            "environment: K6_BLACKLIST_IPS: `1.2.3.4` is no range of addresses: write one with its length, as in 10.0.0.0/8",
        ),
    ] {
        let error =
            consolidate(Map::new(), Value::Null, &variables(&[(name, value)]), Map::new()).unwrap_err();
        assert_eq!((error.exit, error.to_string()), (exit, message.to_owned()), "{name}={value}");
    }
}

/// The file is what k6 1.1.0 printed for these options.
#[test]
fn inspect_shows_what_k6_shows() {
    let found = script(json!({
        "scenarios": {
            "b": { "executor": "ramping-arrival-rate", "startTime": "90s", "preAllocatedVUs": 2, "maxVUs": 7, "timeUnit": "1m",
                   "stages": [{ "target": 5, "duration": "1m" }], "exec": "buy", "env": { "A": "1" }, "tags": { "t": "x" } },
            "a": { "executor": "per-vu-iterations", "vus": "2", "gracefulStop": "1.5s" },
        },
        "thresholds": { "http_reqs{a:b}": ["count>1", { "threshold": "rate>2", "abortOnFail": true },
            { "threshold": "rate>3", "abortOnFail": true, "delayAbortEval": "10s" }] },
        "dns": { "ttl": "1m", "select": "roundRobin" }, "hosts": { "a.b": "1.2.3.4", "c.d:80": "1.2.3.4:8080" },
        "blacklistIPs": ["10.1.2.3/8"], "blockHostnames": ["*.a.b"], "tlsVersion": "tls1.2",
        "tlsCipherSuites": ["TLS_RSA_WITH_AES_128_GCM_SHA256"], "summaryTrendStats": ["avg", "p(99)"],
        "systemTags": ["url", "status", "vu"], "tags": { "k": "v" }, "cloud": { "projectID": 1 },
        "ext": { "loadimpact": { "name": "x" } }, "setupTimeout": 5000, "userAgent": "x", "rps": "5", "throw": true,
        "linger": 1, "discardResponseBodies": false, "noCookiesReset": true,
    }))
    .unwrap();
    assert_eq!(Inspected::with_requirements(&found).text(), include_str!("inspected.json").trim_end());
    let (own, _) = of_script(Value::Null).unwrap();
    let nothing = Inspected::options(own).to_value();
    assert!(
        nothing.as_object().unwrap().iter().all(|(key, value)| value.is_null() || key == "dns"),
        "{nothing}"
    );
    assert_eq!(nothing["dns"], json!({ "ttl": null, "select": null, "policy": null }));
    assert_eq!(nothing.as_object().unwrap().len(), 39);
}
