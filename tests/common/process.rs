//! Child processes that do not outlive a test, and ports for them.

use std::env;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{self, Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use squall::clock;
use squall::units::Nanos;

/// A child in a process group of its own, so that its workers go with it. Killed when dropped, also
/// by a panic.
pub struct Group {
    child: Child,
}

impl Group {
    /// Starts `command` with no input; what it prints is dropped unless it says otherwise.
    pub fn spawn(command: &mut Command) -> Group {
        let command = command.stdin(Stdio::null()).process_group(0);
        Group { child: command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}")) }
    }

    /// Sends a signal, such as `STOP`, to the whole group.
    pub fn signal(&self, name: &str) {
        // The group's number is that of its first process, which is not reaped before `self` goes.
        let group = format!("-{}", self.child.id());
        let status = Command::new("kill").args(["-s", name, "--", &group]).stderr(Stdio::null()).status();
        assert!(status.unwrap().success(), "kill -s {name} {group}");
    }

    /// The number of the first process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends the whole group at once, without a chance to say goodbye.
    pub fn kill(&mut self) {
        self.signal("KILL");
        self.child.wait().unwrap();
    }

    /// True when the first process has ended.
    pub fn ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-s", "KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The path of a program, or why the test that needs it is skipped.
pub fn find(program: &str) -> Result<PathBuf, String> {
    let path = env::var_os("PATH").unwrap_or_default();
    let sbin = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from); // not on everybody's PATH
    let found = env::split_paths(&path).chain(sbin).map(|dir| dir.join(program)).find(|file| file.is_file());
    found.ok_or_else(|| format!("{program} is not installed"))
}

/// A port that nobody listens on, for servers that cannot choose one themselves. From below the
/// range that the kernel takes ports of outgoing connections from, so that none takes it meanwhile.
pub fn free_port() -> u16 {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 10_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        // Test binaries that run at the same time start at different places.
        let offset = (process::id() as u16).wrapping_mul(37).wrapping_add(step) % COUNT;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, FIRST + offset)).is_ok() {
            return FIRST + offset;
        }
    }
    panic!("no port is free");
}

/// Whether somebody listens on `port`.
pub fn listens(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Looks every few milliseconds; false when `limit` passed first.
pub fn within(limit: Nanos, mut done: impl FnMut() -> bool) -> bool {
    let end = clock::now() + limit;
    while !done() {
        if clock::now() >= end {
            return false;
        }
        clock::sleep(Nanos::from_millis(5));
    }
    true
}
