//! The server that the scripts ask: what the bundled one does not answer, in a few lines of std.

use std::io::{Read, Write};
use std::net::TcpStream;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use squall::clock;
use squall::units::Nanos;

use crate::common::rig::serve;

const JSON: &str = r#"{"users":[{"name":"Ann","age":41},{"name":"Bob","age":7}],"text":"[1,2]","flag":true}"#;
/// Its length is odd, as [`packed`] wants it.
const TEXT: &[u8; 11] = b"packed text";

struct Request {
    method: String,
    path: String,
    head: String,
    body: Vec<u8>,
}

/// Starts it; its URL, without a path.
pub(crate) fn start() -> String {
    let addr = serve(|mut stream| {
        while let Some(request) = read(&mut stream) {
            let peer = stream.peer_addr().map_or(0, |addr| addr.port());
            if stream.write_all(&respond(&request, peer)).is_err() || request.path == "/cut" {
                return;
            }
        }
    });
    format!("http://{addr}")
}

fn read(stream: &mut TcpStream) -> Option<Request> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut words = head.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut body =
        vec![0; field(&head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0)];
    stream.read_exact(&mut body).ok()?;
    Some(Request { method, path, head, body })
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(": "));
    fields.find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn respond(request: &Request, peer: u16) -> Vec<u8> {
    let path = request.path.split('?').next().unwrap_or_default();
    let (place, rest) = path[1..].split_once('/').unwrap_or((&path[1..], ""));
    let mut fields = format!("X-Method: {}\r\n", request.method);
    let mut status = "200 OK".to_owned();
    let body = match place {
        "echo" => request.body.clone(),
        "head" => request.head.clone().into_bytes(),
        "json" => {
            fields += "Content-Type: application/json\r\n";
            JSON.into()
        }
        "html" => {
            fields += "Content-Type: text/html\r\n";
            "<html><form action=\"/echo\"><input name=\"a\" value=\"1\"></form><a href=\"/json\">next</a></html>".into()
        }
        "cookies" => field(&request.head, "cookie").unwrap_or("none").into(),
        "port" => peer.to_string().into_bytes(),
        "set-cookie" => {
            fields += "Set-Cookie: a=1\r\nSet-Cookie: b=2; Path=/\r\n";
            Vec::new()
        }
        "redirect" => {
            status = "302 Found".into();
            let left: u32 = rest.parse().unwrap_or(1);
            let next = if left > 1 { format!("/redirect/{}", left - 1) } else { "/json".into() };
            fields += &format!("Location: {next}\r\n");
            Vec::new()
        }
        "away" => {
            status = "302 Found".into();
            fields += "Location: ftp://127.0.0.1/\r\n";
            Vec::new()
        }
        "status" => {
            status = format!("{rest} Asked For");
            Vec::new()
        }
        "delay" => {
            clock::sleep(Nanos::from_millis(rest.parse().unwrap_or(0)));
            Vec::new()
        }
        "zeros" => {
            fields += "Content-Encoding: zstd\r\n";
            zeros(rest.parse().unwrap_or(0))
        }
        "cut" => {
            fields += "Connection: close\r\n";
            b"half".into()
        }
        "broken" => {
            fields += &format!("Content-Encoding: {rest}\r\n");
            b"this is not in its coding".into()
        }
        coding => match packed(coding) {
            Some(bytes) => {
                fields += &format!("Content-Encoding: {coding}\r\n");
                bytes
            }
            None => {
                status = "404 Not Found".into();
                Vec::new()
            }
        },
    };
    let bodiless = status.starts_with("204") || status.starts_with("304");
    // Of what is cut off there is as much again.
    let whole = if place == "cut" { 2 * body.len() } else { body.len() };
    let length = if bodiless { String::new() } else { format!("Content-Length: {whole}\r\n") };
    let mut bytes = format!("HTTP/1.1 {status}\r\n{fields}{length}\r\n").into_bytes();
    if request.method != "HEAD" && !bodiless {
        bytes.extend(body);
    }
    bytes
}

/// The text in a coding. Of br and zstd the forms that store it as it is.
fn packed(coding: &str) -> Option<Vec<u8>> {
    let length = TEXT.len() as u8;
    Some(match coding {
        "gzip" => {
            let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
            gzip.write_all(TEXT).unwrap();
            gzip.finish().unwrap()
        }
        "deflate" => {
            let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
            zlib.write_all(TEXT).unwrap();
            zlib.finish().unwrap()
        }
        "br" => [&[0x0b, (length - 1) / 2, 0x80], &TEXT[..], &[0x03]].concat(),
        "zstd" => [&[0x28, 0xb5, 0x2f, 0xfd, 0x20, length, length << 3 | 1, 0, 0], &TEXT[..]].concat(),
        _ => return None,
    })
}

/// So many mebibytes of zeros as a frame of zstd (RFC 8878): blocks that say how often a byte comes.
fn zeros(mebibytes: u32) -> Vec<u8> {
    // A window of 1 MiB; no length, no checksum.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x50];
    let blocks = mebibytes * 8;
    for block in 1..=blocks {
        let header = u32::from(block == blocks) | 1 << 1 | (128 << 10) << 3;
        frame.extend_from_slice(&header.to_le_bytes()[..3]);
        frame.push(0);
    }
    frame
}
