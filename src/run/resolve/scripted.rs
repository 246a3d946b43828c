//! A name server for tests: on loopback, over UDP and TCP, and it says what the test wants.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Sources;

/// A, AAAA (RFC 1035, section 3.2.2; RFC 3596).
const A: u16 = 1;
const CNAME: u16 = 5;
const AAAA: u16 = 28;

/// What is said to a question.
#[derive(Clone, Debug)]
pub(in crate::run) enum Reply {
    /// The addresses of the family that was asked for.
    Addresses(Vec<IpAddr>),
    /// Another name, and its addresses.
    Alias(String, Vec<IpAddr>),
    /// These IPv4 addresses, and nothing at all where others are asked for.
    Half(Vec<IpAddr>),
    /// Over UDP that there is more; over TCP these.
    Truncated(Vec<IpAddr>),
    /// A response code: 2 is SERVFAIL, 3 NXDOMAIN.
    Code(u8),
    /// Nothing at all.
    Silence,
}

type Script = Arc<Mutex<dyn FnMut(&str) -> Reply + Send>>;

/// Runs until it is dropped.
pub(in crate::run) struct Server {
    addr: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    /// Of hosts and resolv.conf.
    files: tempfile::TempDir,
}

impl Server {
    /// `script` says what to reply to a question about a name, which has no dot at its end.
    pub(in crate::run) fn new(script: impl FnMut(&str) -> Reply + Send + 'static) -> Server {
        let (udp, tcp) = sockets();
        let addr = udp.local_addr().unwrap();
        let script: Script = Arc::new(Mutex::new(script));
        let (asked, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let over_udp = {
            let (script, asked, stop) = (Arc::clone(&script), Arc::clone(&asked), Arc::clone(&stop));
            std::thread::spawn(move || serve_udp(&udp, &script, &asked, &stop))
        };
        let over_tcp = {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || serve_tcp(&tcp, &script, &stop))
        };
        let files = tempfile::tempdir().unwrap();
        Server { addr, asked, stop, threads: vec![over_udp, over_tcp], files }
    }

    /// Sources that lead here; `hosts` and `options` are the files' texts.
    pub(in crate::run) fn sources(&self, hosts: &str, options: &str) -> Sources {
        let (hosts_at, resolv_at) = (self.files.path().join("hosts"), self.files.path().join("resolv.conf"));
        std::fs::write(&hosts_at, hosts).unwrap();
        std::fs::write(&resolv_at, format!("nameserver {}\n{options}\n", self.addr.ip())).unwrap();
        Sources { hosts: hosts_at, resolv_conf: resolv_at, port: self.addr.port() }
    }

    /// The names that were asked for over UDP, each as often as it was.
    pub(in crate::run) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.drain(..).for_each(|thread| thread.join().unwrap());
    }
}

/// Both on the same port.
fn sockets() -> (UdpSocket, TcpListener) {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()) {
            udp.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
            tcp.set_nonblocking(true).unwrap();
            return (udp, tcp);
        }
    }
}

fn serve_udp(socket: &UdpSocket, script: &Script, asked: &Mutex<Vec<String>>, stop: &AtomicBool) {
    let mut buffer = [0; 512];
    while !stop.load(Ordering::Relaxed) {
        let Ok((len, from)) = socket.recv_from(&mut buffer) else { continue };
        asked.lock().unwrap().push(question(&buffer[..len]).0);
        if let Some(response) = response(&buffer[..len], script, false) {
            socket.send_to(&response, from).unwrap();
        }
    }
}

fn serve_tcp(listener: &TcpListener, script: &Script, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let Ok((mut stream, _)) = listener.accept() else {
            crate::clock::sleep(crate::units::Nanos::from_millis(10));
            continue;
        };
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let mut length = [0; 2];
        while stream.read_exact(&mut length).is_ok() {
            let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut query).unwrap();
            let Some(response) = response(&query, script, true) else { continue };
            stream.write_all(&(response.len() as u16).to_be_bytes()).unwrap();
            stream.write_all(&response).unwrap();
        }
    }
}

/// Name, type and length of the question (RFC 1035, section 4.1.2).
fn question(query: &[u8]) -> (String, u16, usize) {
    let (mut labels, mut at) = (Vec::new(), 12);
    while query[at] > 0 {
        let length = usize::from(query[at]);
        labels.push(String::from_utf8_lossy(&query[at + 1..=at + length]).to_ascii_lowercase());
        at += length + 1;
    }
    (labels.join("."), u16::from_be_bytes([query[at + 1], query[at + 2]]), at + 5 - 12)
}

fn response(query: &[u8], script: &Script, tcp: bool) -> Option<Vec<u8>> {
    let (name, kind, length) = question(query);
    let reply = (script.lock().unwrap())(&name);
    let (mut code, mut truncated, mut records) = (0, false, Vec::new());
    // The name of the question, by a pointer to it (RFC 1035, section 4.1.4).
    let own = vec![0xc0, 12];
    match reply {
        Reply::Silence => return None,
        Reply::Half(_) if kind != A => return None,
        Reply::Code(other) => code = other,
        Reply::Truncated(_) if !tcp => truncated = true,
        Reply::Addresses(all) | Reply::Half(all) | Reply::Truncated(all) => {
            records.extend(of_family(&own, kind, &all))
        }
        Reply::Alias(other, all) => {
            records.push(record(&own, CNAME, &encoded(&other)));
            records.extend(of_family(&encoded(&other), kind, &all));
        }
    }
    let mut out = query[..2].to_vec();
    out.extend([0x81 | if truncated { 2 } else { 0 }, 0x80 | code, 0, 1, 0, records.len() as u8, 0, 0, 0, 0]);
    out.extend(&query[12..12 + length]);
    out.extend(records.concat());
    Some(out)
}

fn of_family(name: &[u8], kind: u16, all: &[IpAddr]) -> Vec<Vec<u8>> {
    let records = all.iter().filter_map(|ip| match ip {
        IpAddr::V4(ip) if kind == A => Some(record(name, A, &ip.octets())),
        IpAddr::V6(ip) if kind == AAAA => Some(record(name, AAAA, &ip.octets())),
        _ => None,
    });
    records.collect()
}

fn record(name: &[u8], kind: u16, data: &[u8]) -> Vec<u8> {
    let mut out = name.to_vec();
    out.extend(kind.to_be_bytes());
    // Class IN, one minute.
    out.extend([0, 1, 0, 0, 0, 60]);
    out.extend((data.len() as u16).to_be_bytes());
    out.extend(data);
    out
}

fn encoded(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for label in name.split('.') {
        out.push(label.len() as u8);
        out.extend(label.bytes());
    }
    out.push(0);
    out
}
