use super::*;
use crate::report::sample;

fn text(report: &Report, colours: bool, spectrum: bool) -> String {
    let mut written = Vec::new();
    write(report, colours, spectrum, &mut written).unwrap();
    // The version changes with every release; the layout must not.
    String::from_utf8(written).unwrap().replace(env!("CARGO_PKG_VERSION"), "VERSION")
}

#[test]
fn a_closed_run() {
    insta::assert_snapshot!(text(&sample::closed(), false, false));
}

#[test]
fn an_open_run_that_went_wrong() {
    insta::assert_snapshot!(text(&sample::open(), false, false));
}

#[test]
fn a_run_in_which_nothing_happened() {
    let seen = text(&sample::empty(), false, false);
    assert!(!seen.contains("NaN") && !seen.contains("inf"), "{seen}");
    insta::assert_snapshot!(seen);
}

#[test]
fn a_target_that_was_never_reached_is_told() {
    let mut report = sample::empty();
    assert!(!text(&report, false, false).contains("never reached"), "nobody tried");
    report.connections.failed_attempts = 3;
    assert!(text(&report, false, false).contains("the target was never reached"));
    report.connections.established = 1;
    assert!(!text(&report, false, false).contains("never reached"));
}

#[test]
fn the_spectrum_is_there_when_asked_for() {
    let plain = text(&sample::closed(), false, false);
    let full = text(&sample::closed(), false, true);
    assert!(!plain.contains("1/(1-Percentile)"));
    assert_eq!(full.matches("1/(1-Percentile)").count(), 2, "response time and service time");
    assert!(full.lines().rev().any(|line| line.starts_with("Verdict")));
}

#[test]
fn colours_change_nothing_but_the_colour() {
    for report in [sample::closed(), sample::open(), sample::empty()] {
        let (plain, painted) = (text(&report, false, false), text(&report, true, false));
        assert!(!plain.contains('\x1b') && painted.contains('\x1b'));
        assert_eq!(console_strip(&painted), plain);
    }
}

/// Takes `ESC [ … m` away.
fn console_strip(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |plain, part| plain + part.split_once('m').map_or("", |(_, rest)| rest))
}

#[test]
fn a_broken_histogram_is_an_error_not_a_panic() {
    let mut report = sample::closed();
    report.latency.response_time.hdr = "?".into();
    let result = write(&report, false, true, &mut Vec::new());
    assert!(result.unwrap_err().to_string().contains("base64"));
}
