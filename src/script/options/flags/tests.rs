use clap::Parser;

use super::*;
use crate::script::options::error::USAGE;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    flags: ScriptFlags,
}

fn flags(line: &str) -> Result<ScriptFlags, String> {
    let words = std::iter::once("run").chain(line.split_whitespace());
    Line::try_parse_from(words).map(|line| line.flags).map_err(|error| error.to_string())
}

/// k6 1.1.0: the same options come out of `k6 archive` with these flags.
#[test]
fn flags_become_options() {
    for (line, options) in [
        ("", json!({})),
        ("-u 3 -i 7", json!({ "vus": 3, "iterations": 7 })),
        ("-i -5", json!({ "iterations": -5 })),
        ("-d 3s --vus=2", json!({ "duration": "3s", "vus": 2 })),
        (
            "-s 3s:2,1s:0 -s 4s:3",
            json!({ "stages": [{ "duration": "3s", "target": "2" }, { "duration": "1s", "target": "0" },
                { "duration": "4s", "target": "3" }] }),
        ),
        ("-s 3s", json!({ "stages": [{ "duration": "3s", "target": null }] })),
        ("--tag x=1,y=2 --tag z=a=b", json!({ "tags": { "x": "1,y=2", "z": "a=b" } })),
        ("--tag b=3 --tag b=4", json!({ "tags": { "b": "4" } })),
        ("-w -p=false --no-setup", json!({ "throw": true, "paused": false, "noSetup": true })),
        ("--http-debug --no-teardown=false", json!({ "httpDebug": "headers", "noTeardown": false })),
        ("--http-debug=full", json!({ "httpDebug": "full" })),
        ("--dns ttl=5m,select=first", json!({ "dns": { "ttl": "5m", "select": "first" } })),
        (
            "--blacklist-ip 10.0.0.0/8,fd00::/8 --blacklist-ip 1.2.3.4/32",
            json!({ "blacklistIPs": ["10.0.0.0/8", "fd00::/8", "1.2.3.4/32"] }),
        ),
        ("--block-hostnames *.a.b,c.d", json!({ "blockHostnames": ["*.a.b", "c.d"] })),
        (
            "--summary-trend-stats avg,p(99) --summary-time-unit s",
            json!({ "summaryTrendStats": ["avg", "p(99)"], "summaryTimeUnit": "s" }),
        ),
        (
            "--system-tags url,status --local-ips 127.0.0.1-127.0.0.3",
            json!({ "systemTags": ["url", "status"], "localIPs": "127.0.0.1-127.0.0.3" }),
        ),
        (
            "--batch 2 --batch-per-host 1 --rps 5 --max-redirects 0 --user-agent x --min-iteration-duration 1s",
            json!({ "batch": 2, "batchPerHost": 1, "rps": 5, "maxRedirects": 0, "userAgent": "x", "minIterationDuration": "1s" }),
        ),
        (
            "--insecure-skip-tls-verify --no-connection-reuse --no-vu-connection-reuse --no-cookies-reset --discard-response-bodies",
            json!({ "insecureSkipTLSVerify": true, "noConnectionReuse": true, "noVUConnectionReuse": true,
                "noCookiesReset": true, "discardResponseBodies": true }),
        ),
        (
            "--execution-segment 0:1 --execution-segment-sequence 0,1",
            json!({ "executionSegment": "0:1", "executionSegmentSequence": "0,1" }),
        ),
    ] {
        let flags = flags(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(Value::Object(flags.layer()), options, "{line}");
        assert_eq!(flags.check().unwrap(), Vec::<String>::new(), "{line}");
    }
}

/// k6 1.1.0: all of these end it with 255.
#[test]
fn flags_that_cannot_be_read_are_refused() {
    for (line, part) in [
        ("-d 3", "a part has no unit; write one with its unit"),
        ("-d 3000", "a part has no unit"),
        ("-s 3:1", "`3` is no duration"),
        ("-s :1", "`` is no duration"),
        ("-u x", "invalid digit"),
        ("-u 1.5", "invalid digit"),
        ("--tag b", "write NAME=VALUE"),
        ("--tag b=", "write NAME=VALUE"),
        ("-e 1A=3", "`1A` is no name of a variable"),
        ("--blacklist-ip 1.2.3.4", "with its length"),
        ("--type foo", "possible values: js, archive"),
        ("--compatibility-mode foo", "possible values: extended, base"),
        ("--summary-mode foo", "possible values: compact, full, legacy"),
        ("--foo", "unexpected argument"),
        ("--no-setup false", "unexpected argument"),
    ] {
        let error = flags(line).expect_err(line);
        assert!(error.contains(part), "{line}: {error}");
    }
    for (line, part) in
        [("--traces-output otel", "makes no traces"), ("--secret-source file=x", "no k6/secrets")]
    {
        let error = flags(line).unwrap().check().expect_err(line);
        assert_eq!(error.exit, USAGE);
        assert!(error.to_string().contains(part), "{line}: {error}");
    }
}

#[test]
fn flags_without_effect_say_why() {
    let found = flags(
        "-l -a localhost:1 --profiling-enabled --exit-on-running --no-usage-report --traces-output none",
    );
    assert_eq!(
        found.unwrap().check().unwrap(),
        [
            "--address has no effect: there is no REST API",
            "--profiling-enabled has no effect: there is no REST API",
            "--linger has no effect: there is no REST API",
            "--exit-on-running has no effect: it is for runs in a cloud",
        ]
    );
}

/// k6 1.1.0: also a variable without a value, whatever the system has.
#[test]
fn variables_of_a_script_are_the_systems_and_its_own() {
    let system = || BTreeMap::from([("HOME", "/h"), ("A", "1")].map(|(n, v)| (n.to_owned(), v.to_owned())));
    let with = |pairs: &[(&str, &str)]| pairs.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
    let given = flags("-e K6_VUS=9 -e A -e B=x=y -e C=").unwrap();
    let all: BTreeMap<String, String> =
        with(&[("A", ""), ("B", "x=y"), ("C", ""), ("HOME", "/h"), ("K6_VUS", "9")]);
    assert_eq!(given.runtime.script_env(system(), true), all);
    let found = super::super::consolidate(
        Map::new(),
        json!({ "duration": "2s" }),
        &given.runtime.variables(system()),
        given.layer(),
    );
    assert_eq!(found.unwrap().scenarios[0].executor.max_vus(), 9);
    let alone = flags("-e A -e B=2 -e D --include-system-env-vars=false").unwrap();
    assert_eq!(alone.runtime.script_env(system(), true), with(&[("A", ""), ("B", "2"), ("D", "")]));
}

#[test]
fn what_is_no_option_comes_from_variables_too() {
    let given = [
        ("K6_NO_THRESHOLDS", "true"),
        ("K6_SUMMARY_EXPORT", "f"),
        ("K6_SUMMARY_MODE", "full"),
        ("K6_OUT", "json=a,csv=b"),
        ("K6_CONFIG", "c"),
        ("K6_LOG_FORMAT", ""),
        ("K6_TYPE", "js"),
    ];
    let given = BTreeMap::from(given.map(|(n, v)| (n.to_owned(), v.to_owned())));
    let mut found = flags("--summary-mode legacy").unwrap();
    found.fill(&given).unwrap();
    assert_eq!(found.runtime.no_thresholds, Some(true));
    assert_eq!(
        (found.runtime.summary_mode.as_deref(), found.runtime.kind),
        (Some("legacy"), Some(ScriptKind::Js))
    );
    assert_eq!(found.out, ["json=a", "csv=b"]);
    assert_eq!((found.runtime.summary_export, found.global.config), (Some("f".into()), Some("c".into())));
    assert_eq!(found.global.log_format, None);
    let bad = BTreeMap::from([("K6_TYPE".to_owned(), "x".to_owned())]);
    let error = ScriptFlags::default().fill(&bad).unwrap_err();
    assert_eq!((error.exit, error.to_string()), (USAGE, "K6_TYPE: `x` is none: give js or archive".into()));
}
