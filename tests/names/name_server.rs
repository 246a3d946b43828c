//! A name server on a loopback address, and how a process comes to have it as its only one.

use std::collections::HashMap;
use std::ffi::CString;
use std::io;
use std::net::UdpSocket;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use squall::units::Nanos;

use crate::common::mounts::mounted;

/// What is said of a name.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reply {
    Address([u8; 4]),
    NoSuchName,
    Silence,
}

type Zone = Arc<Mutex<HashMap<String, Reply>>>;

pub(crate) struct NameServer {
    zone: Zone,
    /// resolv.conf and hosts.
    files: tempfile::TempDir,
}

/// Nobody else is there, whichever test is first.
static LAST: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(1);

impl NameServer {
    /// Serves port 53 of an address of its own until the test's process ends. Why not, where nobody may.
    pub(crate) fn new() -> Result<NameServer, String> {
        let own = LAST.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let address = format!("127.53.{}.{own}", std::process::id() % 250);
        let socket = UdpSocket::bind((address.as_str(), 53)).map_err(|e| format!("{address}:53: {e}"))?;
        let files = tempfile::tempdir().map_err(|e| e.to_string())?;
        let write = |name: &str, text: String| std::fs::write(files.path().join(name), text);
        write("resolv.conf", format!("nameserver {address}\noptions attempts:1 timeout:2\n"))
            .and_then(|()| write("hosts", "127.0.0.1 localhost\n".into()))
            .map_err(|e| e.to_string())?;
        let zone = Zone::default();
        let names = Arc::clone(&zone);
        thread::spawn(move || serve(&socket, &names));
        Ok(NameServer { zone, files })
    }

    /// From now on.
    pub(crate) fn says(&self, name: &str, reply: Reply) {
        self.zone.lock().unwrap().insert(name.into(), reply);
    }

    /// In a while.
    pub(crate) fn says_later(&self, name: &str, wait: Nanos, reply: Reply) {
        let (zone, name) = (Arc::clone(&self.zone), name.to_owned());
        thread::spawn(move || {
            squall::clock::sleep(wait);
            zone.lock().unwrap().insert(name, reply);
        });
    }
}

/// Gives the process that `command` starts `names` as its only source of names. Why not, where there is no mount namespace.
pub(crate) fn only(command: &mut Command, names: &NameServer) -> Result<(), String> {
    let path = |path: &Path| CString::new(path.as_os_str().as_bytes()).map_err(|e| e.to_string());
    let mounts = || -> Result<Vec<(CString, CString)>, String> {
        let pairs = ["resolv.conf", "hosts"]
            .map(|name| Ok((path(&names.files.path().join(name))?, path(&Path::new("/etc").join(name))?)));
        pairs.into_iter().collect()
    };
    let mut probe = Command::new("true");
    mounted(&mut probe, mounts()?);
    probe.status().map_err(|e| format!("no mount namespace here: {e}"))?;
    mounted(command, mounts()?);
    Ok(())
}

fn serve(socket: &UdpSocket, zone: &Zone) {
    let mut packet = [0; 512];
    loop {
        let Ok((len, from)) = socket.recv_from(&mut packet) else { return };
        if let Some(reply) = reply_to(&packet[..len], zone) {
            let _: io::Result<usize> = socket.send_to(&reply, from);
        }
    }
}

/// The reply to a question (RFC 1035, section 4.1); `None`: nothing is said, or it was none.
fn reply_to(question: &[u8], zone: &Zone) -> Option<Vec<u8>> {
    let (mut at, mut labels) = (12, Vec::new());
    loop {
        let len = usize::from(*question.get(at)?);
        at += 1;
        if len == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(question.get(at..at + len)?).to_lowercase());
        at += len;
    }
    let wants_ipv4 = question.get(at..at + 2)? == [0, 1];
    let end = at + 4;
    let reply = zone.lock().unwrap().get(&labels.join(".")).copied().unwrap_or(Reply::NoSuchName);
    let (code, address) = match reply {
        Reply::Silence => return None,
        Reply::NoSuchName => (3, None),
        Reply::Address(address) => (0, Some(address).filter(|_| wants_ipv4)),
    };
    let mut bytes = question.get(..2)?.to_vec();
    bytes.extend([0x81, 0x80 | code, 0, 1, 0, u8::from(address.is_some()), 0, 0, 0, 0]);
    bytes.extend(question.get(12..end)?);
    if let Some(address) = address {
        // The name of the question; type A, class IN, one second, four bytes.
        bytes.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
        bytes.extend(address);
    }
    Some(bytes)
}
