//! The bundled server as a process of its own.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use super::process::Group;
use super::run::squall;

/// A running `squall target` with one thread. Ends when dropped.
pub struct Target {
    group: Group,
    base: String,
}

impl Target {
    /// Starts it on a free port; an error says why this host cannot have it.
    pub fn start() -> Result<Target, String> {
        let mut command = squall(&["target", "--listen", "127.0.0.1:0", "--threads", "1"]);
        let mut group = Group::spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
        let child = group.child();
        let (stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").and_then(|url| url.strip_suffix("/load-test"));
        if let Some(base) = url {
            return Ok(Target { group, base: base.to_owned() });
        }
        let mut reason = String::new();
        stderr.read_to_string(&mut reason).unwrap();
        assert!(reason.contains("io_uring"), "the target does not start: {line}{reason}");
        Err(reason)
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.group.id()
    }
}
