//! haproxy in front of another server.

use std::fs;
use std::process::{Command, Stdio};

use squall::units::Nanos;
use tempfile::TempDir;

use super::process::{Group, find, free_port, listens, within};

/// A running haproxy. Ends when dropped.
pub struct Haproxy {
    // Before the directory, so that it ends first.
    _group: Group,
    _dir: TempDir,
    port: u16,
}

impl Haproxy {
    /// Starts it in front of what listens on `backend`; an error says why there is none.
    pub fn start(backend: u16) -> Result<Haproxy, String> {
        let program = find("haproxy")?;
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        let file = dir.path().join("haproxy.cfg");
        fs::write(&file, config(port, backend)).unwrap();
        let errors = fs::File::create(dir.path().join("errors")).unwrap();
        let mut command = Command::new(program);
        command.arg("-db").arg("-f").arg(&file).stdout(Stdio::null()).stderr(errors);
        let mut group = Group::spawn(&mut command);
        let up = within(Nanos::from_secs(5), || group.ended() || listens(port));
        let errors = fs::read_to_string(dir.path().join("errors")).unwrap();
        assert!(up && !group.ended(), "haproxy does not start: {errors}");
        Ok(Haproxy { _group: group, _dir: dir, port })
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

fn config(port: u16, backend: u16) -> String {
    format!(
        "
global
    nbthread 1
    maxconn 2000
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    http-reuse always
    retries 0
frontend front
    bind 127.0.0.1:{port}
    default_backend back
backend back
    server nginx 127.0.0.1:{backend}
"
    )
}
