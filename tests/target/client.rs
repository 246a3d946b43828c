//! A client made of std sockets only, so that it shares no code with either side.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// One whole response.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// By lower-case name.
    pub(crate) fields: HashMap<String, String>,
    /// Without chunked framing.
    pub(crate) body: Vec<u8>,
    /// The sizes of its chunks, without the last one.
    pub(crate) chunks: Vec<usize>,
}

impl Response {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is text")
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }
}

/// One connection. Reads give up after 10 s, so that no test can hang.
pub(crate) struct Client {
    reader: BufReader<TcpStream>,
}

impl Client {
    pub(crate) fn connect(addr: SocketAddr) -> Client {
        let stream = TcpStream::connect(addr).expect("the target listens");
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Client { reader: BufReader::with_capacity(256 * 1024, stream) }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.reader.get_mut().write_all(bytes.as_ref()).expect("the target reads");
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        self.reader.get_ref()
    }

    /// Sends a GET and receives its response.
    pub(crate) fn get(&mut self, path: &str) -> Response {
        self.send(get(path));
        self.receive()
    }

    /// Receives one response to anything but HEAD.
    pub(crate) fn receive(&mut self) -> Response {
        let mut response = self.receive_head();
        let bodiless = response.status < 200 || matches!(response.status, 204 | 304);
        if bodiless {
            return response;
        }
        if response.field("transfer-encoding") == Some("chunked") {
            self.receive_chunks(&mut response);
        } else if let Some(length) = response.field("content-length") {
            response.body = vec![0; length.parse().unwrap()];
            self.reader.read_exact(&mut response.body).expect("the body is whole");
        } else {
            self.reader.read_to_end(&mut response.body).unwrap();
        }
        response
    }

    /// Receives a status line and the fields.
    pub(crate) fn receive_head(&mut self) -> Response {
        let line = self.line();
        let status = line.strip_prefix("HTTP/1.1 ").unwrap_or_else(|| panic!("not a status line: {line:?}"))
            [..3]
            .parse()
            .unwrap();
        let mut fields = HashMap::new();
        loop {
            let line = self.line();
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(": ").expect("a field");
            let earlier = fields.insert(name.to_ascii_lowercase(), value.to_owned());
            assert_eq!(earlier, None, "{name} came twice");
        }
        Response { status, fields, body: Vec::new(), chunks: Vec::new() }
    }

    /// Asserts that the target ended the connection, cleanly and without another byte.
    pub(crate) fn expect_end(&mut self) {
        let mut rest = Vec::new();
        self.reader.read_to_end(&mut rest).expect("a clean end");
        assert!(rest.is_empty(), "more came: {:?}", String::from_utf8_lossy(&rest));
    }

    fn receive_chunks(&mut self, response: &mut Response) {
        loop {
            let size = usize::from_str_radix(&self.line(), 16).expect("a chunk size");
            let start = response.body.len();
            response.body.resize(start + size, 0);
            self.reader.read_exact(&mut response.body[start..]).expect("the chunk is whole");
            assert_eq!(self.line(), "", "a chunk ends with CRLF");
            if size == 0 {
                return;
            }
            response.chunks.push(size);
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).expect("a line");
        line.strip_suffix("\r\n").unwrap_or_else(|| panic!("not a whole line: {line:?}")).to_owned()
    }
}

/// The bytes of a GET.
pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n")
}
