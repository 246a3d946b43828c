//! Nowhere to write to: full disks, full and closed pipes. The figures of a run are never lost with them.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use squall::clock;
use squall::units::Nanos;

use crate::common::plain::{self, Framing};
use crate::common::process::find;
use crate::common::run::{squall, start_command, together};
use crate::common::skip::or_skip;

/// A run of some requests.
fn command(more: &[&str]) -> Command {
    let (url, _) = plain::start(Framing::Length, 16);
    squall(&[&[&url, "-n", "500", "-c", "4", "--allow-invalid"], more].concat())
}

/// A file that is always full.
fn full() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

/// A pipe that nobody reads.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    OwnedFd::from(writer).into()
}

/// The text of a whole summary.
fn is_summary(text: &str) -> bool {
    ["completed     500, failed 0", "p99.9", "Verdict"].iter().all(|part| text.contains(part))
}

#[test]
fn a_full_disk_costs_the_file_and_not_the_summary() {
    let _together = together();
    for format in ["text", "json", "csv"] {
        let mut command = command(&["-o", "/dev/full", "--format", format]);
        let done = start_command(&mut command).finish().exits(1);
        for part in ["cannot write to /dev/full", "No space left on device"] {
            assert!(done.stderr.contains(part), "{format}: no `{part}` in {}", done.stderr);
        }
        assert!(is_summary(&done.stdout), "{format}: {}", done.stdout);
    }
}

#[test]
fn with_no_place_on_standard_output_either_the_summary_is_told() {
    let _together = together();
    for make in [full, closed] {
        let mut child = command(&["-o", "/dev/full"]).stdout(make()).stderr(Stdio::piped()).spawn().unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(1));
        let stderr = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
        assert!(is_summary(&stderr) && stderr.contains("cannot write to /dev/full"), "{stderr}");
    }
}

#[test]
fn a_standard_output_that_takes_nothing_is_an_error_and_the_summary_is_told() {
    let _together = together();
    for (make, cause) in [(full as fn() -> Stdio, "No space left"), (closed, "Broken pipe")] {
        for format in ["text", "json", "csv"] {
            let mut command = command(&["--format", format]);
            let mut child = command.stdout(make()).stderr(Stdio::piped()).spawn().unwrap();
            let code = child.wait().unwrap().code();
            let stderr = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
            assert_eq!(code, Some(1), "{format}, {cause}: {stderr}");
            assert!(stderr.contains("cannot write to standard output"), "{format}: {stderr}");
            assert!(stderr.contains(cause), "{format}: {stderr}");
            assert!(is_summary(&stderr), "{format}: {stderr}");
        }
    }
}

#[test]
fn a_standard_error_that_takes_nothing_harms_nobody() {
    let _together = together();
    for make in [full, closed] {
        let mut child = command(&["--format", "json"]).stderr(make()).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = std::io::read_to_string(child.stdout.take().unwrap()).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0));
        let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(report["requests"]["completed"], 500);
    }
    // Neither output: the exit code is left.
    let mut child = command(&["-o", "/dev/full"]).stdout(full()).stderr(full()).spawn().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[test]
fn a_standard_error_that_nobody_reads_holds_no_run_up() {
    let _together = together();
    // A socket that is full before the run has anything to say.
    let (reader, mut writer) = UnixStream::pair().unwrap();
    writer.set_nonblocking(true).unwrap();
    while writer.write(&[b'x'; 512]).is_ok() {}
    writer.set_nonblocking(false).unwrap();
    // Users whose target is not there: that is worth a notice.
    let mut command = squall(&["http://127.0.0.1:9/", "--vus", "1", "-d", "500ms", "--interval", "100ms"]);
    command.args(["--format", "json", "--allow-invalid"]);
    command.stderr(OwnedFd::from(writer)).stdout(Stdio::piped());
    let began = clock::now();
    let output = command.spawn().unwrap().wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(clock::now() - began < Nanos::from_secs(10));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["connections"]["failed_attempts"].as_u64() > Some(0));
    drop(reader);
}

/// A file system of one page. Unmounted when dropped.
struct Page(tempfile::TempDir);

impl Page {
    fn mount() -> Result<Page, String> {
        let directory = tempfile::tempdir().unwrap();
        let mut mount = Command::new(find("mount")?);
        mount.args(["-t", "tmpfs", "-o", "size=4k", "squall-test"]).arg(directory.path());
        let done = mount.output().map_err(|e| e.to_string())?;
        if !done.status.success() {
            return Err(format!("mount: {}", String::from_utf8_lossy(&done.stderr)));
        }
        Ok(Page(directory))
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_disk_that_fills_up_keeps_no_part_of_a_report() {
    let _together = together();
    let Some(page) = or_skip(Page::mount()) else { return };
    let path = page.0.path().join("report.json");
    let name = path.to_str().unwrap();
    let done = start_command(&mut command(&["-o", name, "--format", "json"])).finish().exits(1);
    assert!(done.stderr.contains(name) && done.stderr.contains("No space left"), "{}", done.stderr);
    assert!(is_summary(&done.stdout), "{}", done.stdout);
    assert!(!path.exists(), "a part of a report: {}", fs::read_to_string(&path).unwrap());
}
