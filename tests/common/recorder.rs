//! A server that keeps what it was asked, and answers what it is told to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Request line and fields, each with its line end.
    pub head: String,
    /// As long as its Content-Length says.
    pub body: String,
}

impl Asked {
    /// Path and query.
    pub fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    /// The values of the fields of this name, in any case.
    pub fn fields(&self, name: &str) -> Vec<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(':'));
        fields.filter(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
    }
}

/// A server on a free port of this host.
pub struct Recorder {
    pub addr: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Recorder {
    /// `answer` gives the fields of a response, each with its line end, and its body; all are `200 OK` unless the first field is a
    /// status line.
    pub fn start(answer: impl Fn(&Asked) -> (String, String) + Send + Sync + 'static) -> Recorder {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("it is bound");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (kept, answer) = (Arc::clone(&asked), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (kept, answer) = (Arc::clone(&kept), Arc::clone(&answer));
                std::thread::spawn(move || serve(stream, &kept, &*answer));
            }
        });
        Recorder { addr, asked }
    }

    /// One that answers `ok` to everything.
    pub fn plain() -> Recorder {
        Recorder::start(|_| (String::new(), "ok".into()))
    }

    /// What was asked since the last call, in the order in which it came.
    pub fn take(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked.lock().expect("not poisoned"))
    }
}

fn serve(mut stream: TcpStream, kept: &Mutex<Vec<Asked>>, answer: &dyn Fn(&Asked) -> (String, String)) {
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    loop {
        let mut head = Vec::new();
        // Up to the empty line: no line of a head is as short.
        while reader.read_until(b'\n', &mut head).unwrap_or(0) > 2 {}
        if !head.ends_with(b"\r\n\r\n") {
            return;
        }
        head.truncate(head.len() - 2);
        let mut asked = Asked { head: String::from_utf8_lossy(&head).into_owned(), body: String::new() };
        if !asked.fields("expect").is_empty() && stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").is_err() {
            return;
        }
        let len = asked.fields("content-length").first().map_or(0, |len| len.parse().expect("a length"));
        let mut body = vec![0; len];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        asked.body = String::from_utf8_lossy(&body).into_owned();
        let (fields, body) = answer(&asked);
        kept.lock().expect("not poisoned").push(asked);
        let status = if fields.starts_with("HTTP/1.1 ") { "" } else { "HTTP/1.1 200 OK\r\n" };
        let response = format!("{status}{fields}Content-Length: {}\r\n\r\n{body}", body.len());
        if stream.write_all(response.as_bytes()).is_err() {
            return;
        }
    }
}
