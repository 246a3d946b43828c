//! nginx on a port of its own, with an access log that counts can be held against.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use squall::clock;
use squall::units::Nanos;
use tempfile::TempDir;

use super::process::{Group, find, free_port, listens, within};

/// Answers of `/limited` that one connection gets.
pub const LIMIT: u64 = 100;

/// A running nginx. Ends, with its files, when dropped.
pub struct Nginx {
    program: PathBuf,
    group: Group,
    port: u16,
    dir: TempDir,
}

/// One line of the access log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub status: u16,
    pub bytes_sent: u64,
    /// nginx's number of the connection.
    pub connection: u64,
    /// Which request on that connection it was, from 1.
    pub nth: u64,
    /// Such as `GET /small?run=1 HTTP/1.1`.
    pub request: String,
}

impl Nginx {
    /// Starts it and waits until it listens; an error says why there is none.
    pub fn start() -> Result<Nginx, String> {
        let program = find("nginx")?;
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir(&root).unwrap();
        fs::write(root.join("small"), "0123456789abcdef").unwrap();
        fs::write(root.join("64k"), vec![b'k'; 64 << 10]).unwrap();
        fs::write(root.join("3m"), vec![b'm'; 3 << 20]).unwrap();
        fs::write(root.join("included.shtml"), "a line of text\n".repeat(2_000)).unwrap();
        let port = free_port();
        fs::write(dir.path().join("nginx.conf"), config(dir.path(), port)).unwrap();
        let group = launch(&program, dir.path(), port);
        Ok(Nginx { program, group, port, dir })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Kills master and workers at once.
    pub fn kill(&mut self) {
        self.group.kill();
    }

    /// Starts it again, after [`kill`](Nginx::kill), on the same port.
    pub fn restart(&mut self) {
        self.group = launch(&self.program, self.dir.path(), self.port);
    }

    pub fn signal(&self, name: &str) {
        self.group.signal(name);
    }

    /// The lines whose request has `part` in it, once there are `expected`: nginx writes them after
    /// its responses. Surplus ones get time to show up, too.
    pub fn log(&self, part: &str, expected: u64) -> Vec<Line> {
        logged(self.dir.path(), part, expected).iter().map(|line| Line::parse(line)).collect()
    }

    /// Whether a request with `part` in it has been answered; quicker than [`log`](Nginx::log).
    pub fn has_answered(&self, part: &str) -> bool {
        fs::read_to_string(self.dir.path().join("access.log")).unwrap().contains(part)
    }
}

/// The lines of the access log in `dir` that have `part` in them, once there are `expected`.
pub(super) fn logged(dir: &Path, part: &str, expected: u64) -> Vec<String> {
    let lines = || {
        let text = fs::read_to_string(dir.join("access.log")).unwrap();
        // One that is just being written has no end yet.
        let whole = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
        whole.filter(|line| line.contains(part)).map(str::to_owned).collect::<Vec<_>>()
    };
    within(Nanos::from_secs(2), || lines().len() as u64 >= expected);
    clock::sleep(Nanos::from_millis(30));
    lines()
}

impl Line {
    fn parse(line: &str) -> Line {
        let mut words = line.splitn(5, ' ');
        let mut number = || words.next().unwrap().parse::<u64>().unwrap_or_else(|_| panic!("{line}"));
        let (status, bytes_sent, connection, nth) = (number(), number(), number(), number());
        Line { status: status as u16, bytes_sent, connection, nth, request: words.next().unwrap().into() }
    }
}

/// Starts nginx with the configuration in `dir`, and waits until it listens on `port`.
pub fn launch(program: &Path, dir: &Path, port: u16) -> Group {
    let mut command = Command::new(program);
    command.arg("-e").arg(dir.join("error.log")).arg("-p").arg(dir).arg("-c").arg(dir.join("nginx.conf"));
    let mut group = Group::spawn(command.stdout(Stdio::null()).stderr(Stdio::null()));
    let up = within(Nanos::from_secs(5), || group.ended() || listens(port));
    let errors = fs::read_to_string(dir.join("error.log")).unwrap_or_default();
    assert!(up && !group.ended(), "nginx does not start: {errors}");
    group
}

fn config(dir: &Path, port: u16) -> String {
    let format = "$status $bytes_sent $connection $connection_requests $request";
    let server = format!(
        r#"
    sendfile on;
    if_modified_since before;
    tcp_nopush on;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        root {dir}/root;
        location /moved {{ return 302 /small; }}
        location /made {{ return 201 "made\n"; }}
        location /limited {{ keepalive_requests {LIMIT}; return 200 "limited\n"; }}
        location ~ shtml$ {{ ssi on; ssi_types *; }}
    }}
"#,
        dir = dir.display()
    );
    with_log(dir, format, &server)
}

/// A configuration that keeps everything within `dir`, and logs each response in this format.
pub(super) fn with_log(dir: &Path, format: &str, inside: &str) -> String {
    let dir = dir.display();
    // `user` counts only for root, whose workers could not read the directory otherwise.
    format!(
        r#"
daemon off;
user root;
worker_processes 1;
pid {dir}/nginx.pid;
error_log {dir}/error.log;
events {{ worker_connections 4096; }}
http {{
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    log_format counts "{format}";
    access_log {dir}/access.log counts;
    keepalive_requests 1000000000;
    {inside}
}}
"#
    )
}
