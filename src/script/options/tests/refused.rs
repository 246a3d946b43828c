//! What is refused, and with which of k6's exit codes.

use super::*;

#[test]
fn what_is_wrong_with_a_scenario_is_told_at_once() {
    for (scenario, problems) in [
        (
            json!({}),
            "script's options: scenario `a`: it has no `executor`: name one of constant-vus, ramping-vus, shared-iterations, per-vu-iterations, constant-arrival-rate, ramping-arrival-rate",
        ),
        (
            json!(null),
            "script's options: scenario `a`: it has no `executor`: name one of constant-vus, ramping-vus, shared-iterations, per-vu-iterations, constant-arrival-rate, ramping-arrival-rate",
        ),
        (
            json!({ "executor": "constant-vus", "duration": "2s", "foo": 1 }),
            "script's options: scenario `a`: `foo` does not belong to constant-vus, which takes vus, duration: leave it out",
        ),
        (
            json!({ "executor": "constant-vus", "duration": "2s", "iterations": 1 }),
            "script's options: scenario `a`: `iterations` does not belong to constant-vus, which takes vus, duration: leave it out",
        ),
        (
            json!({ "executor": "constant-vus", "duration": "2s", "vus": 1.5 }),
            "script's options: scenario `a`: `vus`: 1.5 is no whole number: write one, as in 10",
        ),
        (
            json!({ "executor": "constant-vus", "duration": "2s", "env": { "X": 1 } }),
            "script's options: scenario `a`: `env.X`: invalid type: integer `1`, expected a string",
        ),
        (
            json!({ "executor": "constant-vus", "duration": "x" }),
            "script's options: scenario `a`: `duration`: `x` is no duration (a number is missing before `x`): write one, as in \"1m30s\" or \"500ms\"",
        ),
        (
            json!({ "executor": "constant-vus", "vus": 0, "startTime": "-1s" }),
            "scenario `a`: `startTime` is -1s, below zero: give 0s or more\nscenario `a`: `vus` is 0: give at least 1\nscenario `a`: `duration` is missing: say how long, as in \"30s\"",
        ),
        (
            json!({ "executor": "constant-vus", "duration": "500ms" }),
            "scenario `a`: `duration` is 500ms: give at least 1s",
        ),
        (
            json!({ "executor": "constant-vus", "duration": "2s", "gracefulStop": "-1s" }),
            "scenario `a`: `gracefulStop` is -1s, below zero: give 0s or more",
        ),
        (
            json!({ "executor": "constant-vus", "duration": "2s", "exec": "" }),
            "scenario `a`: `exec` is empty: name a function that the script exports, or leave it out",
        ),
        (
            json!({ "executor": "ramping-vus" }),
            "scenario `a`: `stages` is missing: give at least one, with its `duration` and `target`",
        ),
        (
            json!({ "executor": "ramping-vus", "startVUs": 0, "stages": [{ "duration": "2s", "target": 0 }] }),
            "scenario `a`: `stages` never has any user: give a target above 0, or users at the start",
        ),
        (
            json!({ "executor": "ramping-vus", "stages": [{ "duration": "-2s", "target": 1 }] }),
            "scenario `a`: `stages[0].duration` is -2s, below zero: give 0s or more",
        ),
        (
            json!({ "executor": "ramping-vus", "stages": [{ "target": 1 }] }),
            "scenario `a`: `stages[0].duration` is missing: say how long, as in \"30s\"",
        ),
        (
            json!({ "executor": "ramping-vus", "stages": [{ "duration": "2s" }] }),
            "scenario `a`: `stages[0].target` is missing: say where it leads to, as in 10",
        ),
        (
            json!({ "executor": "shared-iterations", "vus": 3 }),
            "scenario `a`: `iterations` is 1, fewer than the 3 users that share them: give more",
        ),
        (
            json!({ "executor": "shared-iterations", "maxDuration": "500ms" }),
            "scenario `a`: `maxDuration` is 500ms: give at least 1s",
        ),
        (
            json!({ "executor": "per-vu-iterations", "iterations": 0 }),
            "scenario `a`: `iterations` is 0: give at least 1",
        ),
        (
            json!({ "executor": "constant-arrival-rate" }),
            "scenario `a`: `rate` is missing: say how many iterations begin per `timeUnit`, as in 10\nscenario `a`: `duration` is missing: say how long, as in \"30s\"\nscenario `a`: `preAllocatedVUs` is missing: say how many users are to be ready, as in 10",
        ),
        (
            json!({ "executor": "constant-arrival-rate", "rate": 1, "duration": "2s", "preAllocatedVUs": 5, "maxVUs": 3 }),
            "scenario `a`: `maxVUs` is 3, below `preAllocatedVUs`, which is 5: give more",
        ),
        (
            json!({ "executor": "constant-arrival-rate", "rate": 0, "duration": "2s", "preAllocatedVUs": 5 }),
            "scenario `a`: `rate` is 0: give at least 1 per `timeUnit`",
        ),
        (
            json!({ "executor": "constant-arrival-rate", "rate": 1, "timeUnit": 0, "duration": "2s", "preAllocatedVUs": 5 }),
            "scenario `a`: `timeUnit` is 0s: give more, as in \"1s\"",
        ),
        (
            json!({ "executor": "ramping-arrival-rate", "startRate": -1, "stages": [{ "duration": "2s", "target": 1 }], "preAllocatedVUs": 5 }),
            "scenario `a`: `startRate` is -1, below zero: give 0 or more",
        ),
    ] {
        let error = one(scenario.clone()).expect_err(&scenario.to_string());
        assert_eq!((error.exit, error.to_string()), (CONFIGURATION, problems.to_owned()), "{scenario}");
    }
    let error =
        one(json!({ "executor": "externally-controlled", "duration": "2s" })).unwrap_err().to_string();
    assert!(error.contains("externally-controlled, which squall has not"), "{error}");
    for name in ["a b", "", "ü"] {
        let error =
            script(json!({ "scenarios": { name: { "executor": "constant-vus", "duration": "2s" } } }));
        assert!(error.unwrap_err().to_string().contains("give it another one"), "{name}");
    }
}

/// What k6 exits with, and what squall says.
#[test]
fn values_that_an_option_cannot_have_are_refused() {
    for (options, exit, part) in [
        (json!([]), CONFIGURATION, "script's options: [] is no object"),
        (
            json!({ "vus": 1.5, "iterations": 3 }),
            CONFIGURATION,
            "script's options: `vus`: 1.5 is no whole number",
        ),
        (json!({ "vus": "x", "iterations": 1 }), CONFIGURATION, "`vus`: \"x\" is no whole number"),
        (json!({ "vus": 0, "iterations": 1 }), CONFIGURATION, "scenario `default`: `vus` is 0"),
        (json!({ "vus": 3, "iterations": 2 }), CONFIGURATION, "fewer than the 3"),
        (json!({ "duration": "0.5s" }), CONFIGURATION, "`duration` is 500ms: give at least 1s"),
        (json!({ "duration": 1.5 }), CONFIGURATION, "`duration` is 1.5ms"),
        (json!({ "duration": "-1s" }), CONFIGURATION, "`duration` is not above zero"),
        (json!({ "duration": "" }), CONFIGURATION, "`duration`: `` is no duration"),
        (json!({ "duration": true }), CONFIGURATION, "true is no duration"),
        (json!({ "stages": [{ "duration": "3s" }] }), CONFIGURATION, "`stages[0].target` is missing"),
        (
            json!({ "stages": [{ "duration": "3s", "target": 2.5 }] }),
            CONFIGURATION,
            "`stages[0].target`: 2.5 is no",
        ),
        (json!({ "stages": "5s:10" }), CONFIGURATION, "`stages`: "),
        (
            json!({ "stages": [{ "duration": "5s", "target": 1 }], "iterations": 3 }),
            CONFIGURATION,
            "`iterations` and `stages` exclude",
        ),
        (
            json!({ "stages": [{ "duration": "5s", "target": 1 }], "duration": "3s" }),
            CONFIGURATION,
            "`duration` and `stages` exclude",
        ),
        (json!({ "scenarios": [] }), CONFIGURATION, "`scenarios` is no object"),
        (
            json!({ "scenarios": { "a": { "executor": "constant-vus", "duration": "2s" } }, "iterations": 3 }),
            CONFIGURATION,
            "`iterations` and `scenarios` exclude",
        ),
        (json!({ "userAgent": 1 }), CONFIGURATION, "`userAgent`"),
        (json!({ "insecureSkipTLSVerify": "true" }), CONFIGURATION, "`insecureSkipTLSVerify`"),
        (json!({ "hosts": { "a*b.c": "1.2.3.4" } }), CONFIGURATION, "a * stands in front only"),
        (json!({ "hosts": { "a:b": "1.2.3.4" } }), CONFIGURATION, "`b` is no port"),
        (json!({ "hosts": { "a": "1.2.3.4:x" } }), CONFIGURATION, "is no address"),
        (json!({ "blacklistIPs": ["1.2.3.4"] }), CONFIGURATION, "`blacklistIPs[0]`: `1.2.3.4` is no range"),
        (json!({ "blockHostnames": ["a.*"] }), CONFIGURATION, "`blockHostnames[0]`"),
        (json!({ "dns": { "select": "x" } }), CONFIGURATION, "`dns.select`"),
        (json!({ "dns": { "ttl": 5 } }), CONFIGURATION, "`dns.ttl`"),
        (json!({ "dns": { "ttl": "x" } }), USAGE, "`dns.ttl` is `x`"),
        (json!({ "dns": { "ttl": "-1s" } }), USAGE, "`dns.ttl` is `-1s`"),
        (json!({ "setupTimeout": "0s" }), CONFIGURATION, "`setupTimeout` is 0s"),
        (json!({ "tlsVersion": "ssl3.0" }), CONFIGURATION, "is no version of TLS"),
        (json!({ "tlsCipherSuites": ["x"] }), CONFIGURATION, "no cipher suite `x`"),
        (json!({ "tlsAuth": [{ "cert": "x" }] }), CONFIGURATION, "`tlsAuth[0].cert`: holds no certificate"),
        (json!({ "systemTags": "url" }), CONFIGURATION, "`systemTags`"),
        (json!({ "tags": { "a": 1 } }), CONFIGURATION, "`tags.a`"),
        (json!({ "thresholds": { "http_reqs": "count>1" } }), CONFIGURATION, "`thresholds.http_reqs`"),
        (json!({ "thresholds": { "http_reqs": [1] } }), CONFIGURATION, "1 is no threshold"),
        (
            json!({ "thresholds": { "http_reqs": [{ "threshold": "count>1", "delayAbortEval": "x" }] } }),
            CONFIGURATION,
            "`x` is no duration",
        ),
    ] {
        let error = script(options.clone()).expect_err(&options.to_string());
        assert_eq!(error.exit, exit, "{options}: {error}");
        assert!(error.to_string().contains(part), "{options}: {error}");
    }
}

#[test]
fn what_squall_has_not_is_refused_where_it_would_change_what_is_sent() {
    let pem = "-----BEGIN CERTIFICATE-----";
    for (options, part) in [
        (json!({ "paused": true }), "no REST API"),
        (json!({ "executionSegment": "0:1/3" }), "`executionSegment` is a part"),
        (json!({ "executionSegmentSequence": "0,1/2,1" }), "`executionSegmentSequence`"),
        (json!({ "tlsVersion": "tls1.2" }), "`tlsVersion` ends below TLS 1.3"),
        (json!({ "tlsCipherSuites": ["TLS_RSA_WITH_AES_128_GCM_SHA256"] }), "`tlsCipherSuites`"),
        (json!({ "tlsAuth": [{ "cert": pem }] }), "--cert and --key"),
        (json!({ "blacklistIPs": ["10.0.0.0/8"] }), "`blacklistIPs`"),
        (json!({ "dns": { "select": "first" } }), "`dns.select`"),
        (json!({ "dns": { "policy": "onlyIPv6" } }), "`dns.policy`"),
    ] {
        let error = script(options.clone()).unwrap().check_support().expect_err(&options.to_string());
        assert_eq!(error.exit, CONFIGURATION, "{options}");
        assert!(error.to_string().contains(part), "{options}: {error}");
    }
    let harmless = json!({ "httpDebug": "full", "rps": 0, "blacklistIPs": [], "executionSegment": "0:1",
        "tlsVersion": { "min": "tls1.3" }, "hosts": { "*.b.c": "192.0.2.1", "b.c": "192.0.2.1" } });
    let found = script(harmless).unwrap();
    let told = found.check_support().unwrap();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("`httpDebug`") && told[1].contains("*.b.c is for http alone"), "{told:?}");
    assert!(found.settings.only_tls_13);
}
