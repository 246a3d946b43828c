//! A network that goes away and comes back: a link between two namespaces of the test's own.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{self, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use squall::clock;
use squall::units::Nanos;

use crate::common::process::{Group, find};
use crate::common::run::{Done, alone, drivers, start_command};
use crate::common::skip::or_skip;
use crate::ways::errors;

/// The server's address, on the far side.
const ADDRESS: &str = "10.213.0.2";

/// Two namespaces, `near` and `far`, with one link between them. Both are deleted when dropped, and the link with them.
struct Link {
    ip: PathBuf,
    near: String,
    far: String,
}

impl Link {
    /// An error says why this host cannot have it.
    fn new() -> Result<Link, String> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("squall-{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let link = Link { ip: find("ip")?, near: format!("{name}-near"), far: format!("{name}-far") };
        let (near, far) = (&link.near[..], &link.far[..]);
        for args in [
            &["netns", "add", near][..],
            &["netns", "add", far],
            &["link", "add", "wire", "netns", near, "type", "veth", "peer", "name", "wire", "netns", far],
            &["-n", near, "addr", "add", "10.213.0.1/24", "dev", "wire"],
            &["-n", far, "addr", "add", &format!("{ADDRESS}/24"), "dev", "wire"],
            &["-n", near, "link", "set", "lo", "up"],
            &["-n", near, "link", "set", "wire", "up"],
            &["-n", far, "link", "set", "wire", "up"],
        ] {
            link.ip(args)?;
        }
        Ok(link)
    }

    fn ip(&self, args: &[&str]) -> Result<(), String> {
        let done = Command::new(&self.ip).args(args).output().map_err(|e| e.to_string())?;
        let said = String::from_utf8_lossy(&done.stderr);
        if done.status.success() { Ok(()) } else { Err(format!("ip {}: {said}", args.join(" "))) }
    }

    /// Sets one end of the link `up` or `down`.
    fn set(&self, namespace: &str, state: &str) {
        self.ip(&["-n", namespace, "link", "set", "wire", state]).unwrap();
    }

    /// The binary inside a namespace.
    fn squall(&self, namespace: &str, args: &[&str]) -> Command {
        let mut command = Command::new(&self.ip);
        command.args(["netns", "exec", namespace, env!("CARGO_BIN_EXE_squall")]).args(args);
        command
    }

    /// The bundled target on the far side, and its URL.
    fn serve(&self) -> Result<(Group, String), String> {
        let listen = format!("{ADDRESS}:8080");
        let mut command = self.squall(&self.far, &["target", "--listen", &listen, "--threads", "1"]);
        let mut group = Group::spawn(command.stdout(Stdio::piped()).stderr(Stdio::null()));
        let mut line = String::new();
        BufReader::new(group.child().stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").ok_or("the target does not start")?;
        Ok((group, url.to_owned()))
    }

    /// Runs everything side by side, with `end` of the link down for the second second and a half.
    fn outage(&self, url: &str, end: &str, more: &[&str]) -> Vec<(String, Done)> {
        let mut runs = Vec::new();
        for driver in drivers() {
            for model in [&["-c", "4"][..], &["-c", "4", "-R", "200"], &["--vus", "4"]] {
                let given =
                    ["-d", "5s", "-t", "1", "--driver", driver, "--format", "json", "--allow-invalid"];
                let args = [&[url], model, &given, more].concat();
                let running = start_command(&mut self.squall(&self.near, &args));
                runs.push((args.join(" "), running));
            }
        }
        clock::sleep(Nanos::from_millis(1_500));
        self.set(end, "down");
        clock::sleep(Nanos::from_millis(1_500));
        self.set(end, "up");
        let mut done = Vec::new();
        for (name, running) in runs {
            let one = running.finish().exits(0).balanced();
            assert!(one.completed() > 0, "{name}");
            assert!(one.timeline("requests")[4] > 0, "{name}: {:?}", one.timeline("requests"));
            done.push((name, one));
        }
        done
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        for namespace in [&self.near, &self.far] {
            // The one that could not be made is not there.
            let _ = self.ip(&["netns", "del", namespace]);
        }
    }
}

#[test]
fn tcp_bridges_a_short_outage_and_the_response_time_shows_it() {
    let _alone = alone();
    let Some(link) = or_skip(Link::new()) else { return };
    let Some((_target, url)) = or_skip(link.serve()) else { return };
    for (name, done) in link.outage(&url, &link.far, &["--timeout", "5s"]) {
        assert_eq!(done.failed(), 0, "{name}: {}", done.at("/errors"));
        if name.contains("-R") {
            assert_eq!(done.count("/requests/scheduled"), 1_000, "{name}");
            assert!(done.percentile_ms("response_time", "99") > 700.0, "{name}");
        }
        assert!(done.number("/latency/service_time/max_us") > 1e6, "{name}: who was in flight waited for it");
    }
}

#[test]
fn an_outage_longer_than_the_time_limits_is_named_and_the_run_recovers() {
    let _alone = alone();
    let Some(link) = or_skip(Link::new()) else { return };
    let Some((_target, url)) = or_skip(link.serve()) else { return };
    let runs = link.outage(&url, &link.near, &["--timeout", "300ms", "--connect-timeout", "300ms"]);
    for (name, done) in runs {
        // In flight: late. Without a route: unreachable at once.
        assert!(errors(&done, &["timeout"]) > 0, "{name}: {}", done.at("/errors"));
        let named = errors(&done, &["timeout", "connect", "connect_timeout"]);
        assert_eq!(named, done.failed(), "{name}: {}", done.at("/errors"));
        let attempts = done.count("/connections/failed_attempts");
        assert!(attempts > 0, "{name}");
        let unreachable =
            done.count("/connections/errors/connect") + done.count("/connections/errors/connect_timeout");
        assert_eq!(unreachable, attempts, "{name}: {}", done.at("/connections"));
    }
}
