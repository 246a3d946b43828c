//! A server that writes down what it is sent, byte by byte, and how such requests are compared.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// One request as it came: its head without the empty line, and its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) head: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

/// Answers each request with 200, and keeps it.
pub(crate) struct Recorder {
    pub(crate) addr: SocketAddr,
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl Recorder {
    pub(crate) fn start() -> Recorder {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (addr, sent) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let kept = sent.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let kept = kept.clone();
                thread::spawn(move || while record(&stream, &kept).is_some() {});
            }
        });
        Recorder { addr, sent }
    }

    /// All that came since the last time.
    pub(crate) fn take(&self) -> Vec<Sent> {
        std::mem::take(&mut self.sent.lock().unwrap())
    }
}

/// Nothing when the connection is over.
fn record(stream: &TcpStream, sent: &Mutex<Vec<Sent>>) -> Option<()> {
    // Nobody sends the next request before this one was answered: nothing is read too far.
    let (mut reader, mut writer) = (BufReader::new(stream), stream);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if reader.read_until(b'\n', &mut head).ok()? == 0 {
            return None;
        }
    }
    head.truncate(head.len() - 4);
    let field = |name: &str| {
        let text = String::from_utf8_lossy(&head).to_ascii_lowercase();
        text.lines().find_map(|line| line.strip_prefix(name).map(|value| value.trim().to_owned()))
    };
    if field("expect:").is_some() {
        writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    let mut body = vec![0; field("content-length:").map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    sent.lock().unwrap().push(Sent { head, body });
    writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").ok()
}

/// A request without what docs/scenarios.md says may differ: who asks (User-Agent, Accept), the boundary of a multipart body, blanks around
/// values, the digits of percent-encodings, where Content-Length stands, whether lines of one name stand together, and Expect.
pub(crate) fn compared(sent: &Sent) -> String {
    let head = String::from_utf8_lossy(&sent.head).into_owned();
    let mut body = String::from_utf8_lossy(&sent.body).into_owned();
    let mut lines = head.split("\r\n");
    let line = lower_escapes(lines.next().unwrap());
    let mut fields: Vec<(String, String)> = Vec::new();
    for field in lines {
        let (name, value) = field.split_once(':').unwrap_or_else(|| panic!("no field: {field}\n{head}"));
        let (mut name, mut value) = (name.to_owned(), value.trim().to_owned());
        let own = ["curl/", "squall/"].iter().any(|own| value.starts_with(own));
        if (name == "User-Agent" && own) || (name == "Accept" && value == "*/*") || name == "Expect" {
            continue;
        }
        if let Some((start, boundary)) =
            value.clone().split_once("boundary=").filter(|_| name.eq_ignore_ascii_case("content-type"))
        {
            let boundary = boundary.trim_matches('"');
            (body, value) = (body.replace(boundary, "BOUNDARY"), format!("{start}boundary=BOUNDARY"));
        }
        if name.eq_ignore_ascii_case("content-length") {
            // It is held to the body by whoever reads that; here both are as long as they are with the same boundary.
            value.clear();
        }
        let same = |(other, _): &(String, String)| other.eq_ignore_ascii_case(&name);
        let at = fields.iter().rposition(same).map_or(fields.len(), |at| at + 1);
        if at > 0 && at <= fields.len() && same(&fields[at - 1]) {
            name.clone_from(&fields[at - 1].0);
        }
        fields.insert(at, (name, value));
    }
    // A POST without a body: RFC 9110, 8.6 has its length said, and curl does not say it.
    let length = fields.iter().position(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = length.map(|at| fields.remove(at)).filter(|_| !body.is_empty());
    fields.extend(length.map(|_| ("Content-Length".into(), body.len().to_string())));
    let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    format!("{line}\n{fields}\n{}", body.replace('\r', "\\r"))
}

/// Percent-encodings in lower case, and what is beyond ASCII percent-encoded: curl sends it raw in a query.
fn lower_escapes(line: &str) -> String {
    let bytes =
        line.bytes().map(|b| if b.is_ascii() { char::from(b).to_string() } else { format!("%{b:02x}") });
    let line: String = bytes.collect();
    let mut parts = line.split('%');
    let mut out = parts.next().unwrap().to_owned();
    for part in parts {
        let (digits, rest) = part.split_at(part.len().min(2));
        out += &format!("%{}{rest}", digits.to_ascii_lowercase());
    }
    out
}
