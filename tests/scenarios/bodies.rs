//! How much of bodies is looked at, one by one and all together.

use super::Plan;
use super::common::recorder::Recorder;

/// The word stands at the very end.
fn server(len: usize) -> Recorder {
    Recorder::start(move |_| (String::new(), format!("{}THE-END", "x".repeat(len))))
}

fn plan(server: &Recorder, vus: u32) -> Plan {
    Plan::new(&format!(
        "vus = {vus}\niterations = 4\n[[steps]]\nurl = \"http://{}/\"\nchecks = [\"body contains THE-END\"]\n",
        server.addr
    ))
}

#[test]
fn bodies_are_looked_at_whole_up_to_max_body() {
    let server = server(3 << 20);
    let (code, report) = plan(&server, 1).run(&["--allow-invalid"]);
    assert_eq!((code, report["checks"][0]["passes"].as_u64()), (Some(0), Some(4)), "{report}");
    let (_, report) = plan(&server, 1).run(&["--allow-invalid", "--max-body", "1MiB"]);
    assert_eq!(report["checks"][0]["fails"].as_u64(), Some(4));
    let shown = report["checks"][0]["samples"][0]["excerpt"].as_str().unwrap();
    assert!(shown.contains("first 1048576 bytes") && shown.contains("--max-body"), "{shown}");
    assert_eq!(report["config"]["max_body_bytes"].as_u64(), Some(1 << 20));
}

#[test]
fn bodies_that_would_take_more_than_there_is_fail_as_memory() {
    let server = server(48 << 20);
    let (_, report) = plan(&server, 1).run(&["--allow-invalid", "--max-memory", "60MiB"]);
    assert_eq!(report["errors"]["memory"].as_u64(), Some(4), "{report}");
    assert_eq!(report["requests"]["failed"].as_u64(), Some(4));
    assert!(report["generator"]["max_rss_bytes"].as_u64().unwrap() < 90 << 20, "{}", report["generator"]);
    // What is kept is given back: one after the other they fit.
    let (_, report) = plan(&server, 1).run(&["--allow-invalid", "--max-memory", "250MiB"]);
    assert_eq!(report["checks"][0]["passes"].as_u64(), Some(4), "{report}");
    // A run that needs more before it begins is refused.
    let plan = plan(&server, 1);
    let output = super::squall(&["run", plan.path().to_str().unwrap(), "-q", "--max-memory", "1MiB"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("--max-memory") && said.contains("allow more"), "{said}");
}
