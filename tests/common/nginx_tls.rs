//! nginx with TLS: one port for each sort of certificate, and one without any.

use std::fmt::Write as _;
use std::fs;

use tempfile::TempDir;

use super::nginx::{launch, logged, with_log};
use super::pki::{Issued, Pki, Span};
use super::process::{Group, find, free_port};

/// `/churn` gives a connection so many responses and then closes it.
const LOCATIONS: &str =
    "location / { return 200 'ok'; } location /churn { keepalive_requests 50; return 200 'ok'; }";

/// A running nginx. Ends, with its files, when dropped.
pub struct NginxTls {
    _group: Group,
    dir: TempDir,
    pub pki: Pki,
    /// For --cert and --key.
    pub client: Issued,
    ports: Vec<(&'static str, u16)>,
}

/// One line of its access log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub status: u16,
    /// nginx's number of the connection.
    pub connection: u64,
    pub protocol: String,
    /// The session was resumed.
    pub resumed: bool,
    /// The host that the client named (SNI).
    pub server_name: String,
    /// What ALPN agreed on.
    pub alpn: String,
    /// Subject of the client's certificate.
    pub client: String,
    pub request: String,
}

impl NginxTls {
    /// Starts it and waits until it listens; an error says why there is none.
    pub fn start() -> Result<NginxTls, String> {
        let program = find("nginx")?;
        let pki = Pki::new("squall test authority");
        let stranger = Pki::new("a stranger");
        let dir = tempfile::tempdir().unwrap();
        let certs = [
            ("good", pki.local(), ""),
            ("expired", pki.issue("expired", &["localhost", "127.0.0.1"], Span::Past), ""),
            ("future", pki.issue("future", &["localhost", "127.0.0.1"], Span::Future), ""),
            ("other", pki.issue("other", &["other.example"], Span::Now), ""),
            ("stranger", stranger.local(), ""),
            ("tls12", pki.local(), "ssl_protocols TLSv1.2;"),
            ("tls11", pki.local(), "ssl_protocols TLSv1.1;"),
            ("mutual", pki.local(), "ssl_verify_client on; ssl_client_certificate CA;"),
        ];
        let client = pki.issue("client", &["client.example"], Span::Now);
        let mut servers = String::new();
        let mut ports = Vec::new();
        for (name, issued, more) in &certs {
            let port = free_port();
            ports.push((*name, port));
            let more = more.replace("CA", &pki.roots());
            writeln!(
                servers,
                "server {{ listen 127.0.0.1:{port} ssl backlog=4096; ssl_certificate {}; ssl_certificate_key {}; {more} \
                 {LOCATIONS} location /big {{ root {}; }} }}",
                issued.cert.display(),
                issued.key.display(),
                dir.path().display(),
            )
            .unwrap();
        }
        let port = free_port();
        ports.push(("plain", port));
        writeln!(servers, "server {{ listen 127.0.0.1:{port} backlog=4096; {LOCATIONS} }}").unwrap();
        fs::write(dir.path().join("big"), vec![b'b'; 3 << 20]).unwrap();
        fs::write(dir.path().join("nginx.conf"), config(&dir, &servers)).unwrap();
        let group = launch(&program, dir.path(), ports[0].1);
        // `stranger`'s files are read by now.
        Ok(NginxTls { _group: group, dir, pki, client, ports })
    }

    pub fn port(&self, name: &str) -> u16 {
        self.ports.iter().find(|(own, _)| *own == name).expect("a server").1
    }

    /// The URL of a server by its address.
    pub fn url(&self, name: &str, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.port(name))
    }

    /// The lines whose request has `part` in it, once there are `expected`.
    pub fn log(&self, part: &str, expected: u64) -> Vec<Line> {
        logged(self.dir.path(), part, expected).iter().map(|line| Line::parse(line)).collect()
    }
}

impl Line {
    fn parse(line: &str) -> Line {
        let words: Vec<&str> = line.splitn(8, '|').collect();
        Line {
            status: words[0].parse().unwrap(),
            connection: words[1].parse().unwrap(),
            protocol: words[2].into(),
            resumed: words[3] == "r",
            server_name: words[4].into(),
            alpn: words[5].into(),
            client: words[6].into(),
            request: words[7].into(),
        }
    }
}

fn config(dir: &TempDir, servers: &str) -> String {
    let format = "$status|$connection|$ssl_protocol|$ssl_session_reused|$ssl_server_name|$ssl_alpn_protocol|\
                  $ssl_client_s_dn|$request";
    let inside = format!(
        "ssl_session_cache shared:s:1m;
    ssl_protocols TLSv1.2 TLSv1.3;
    {servers}"
    );
    with_log(dir.path(), format, &inside)
}
