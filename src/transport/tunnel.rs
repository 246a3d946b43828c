//! The response to CONNECT (RFC 9110, section 9.3.6), before which nothing else may be sent.

use crate::driver::failure::ProxyFailure;

/// Longest head that a proxy may answer with.
const HEAD_MAX: usize = 16 * 1024;
/// Most header fields in it.
const FIELDS_MAX: usize = 100;

/// What has come of the proxy's response.
#[derive(Debug, Default)]
pub(super) struct Tunnel {
    head: Vec<u8>,
}

impl Tunnel {
    /// Takes bytes of the response. `Some` when the tunnel stands: what came behind the head is the first of it.
    ///
    /// # Errors
    /// When the proxy does not open it.
    pub(super) fn receive(&mut self, bytes: &[u8]) -> Result<Option<Vec<u8>>, ProxyFailure> {
        self.head.extend_from_slice(bytes);
        loop {
            let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
            let mut response = httparse::Response::new(&mut fields);
            let parsed = response.parse(&self.head).map_err(|_| ProxyFailure::NotHttp)?;
            let httparse::Status::Complete(len) = parsed else {
                return if self.head.len() > HEAD_MAX { Err(ProxyFailure::NotHttp) } else { Ok(None) };
            };
            match response.code.unwrap_or(0) {
                // Whatever its framing says, a 2xx has no body: the tunnel begins behind its head.
                200..=299 => return Ok(Some(self.head.split_off(len))),
                // Interim responses come before the one that counts (RFC 9110, section 15.2).
                100 | 102..=199 => drop(self.head.drain(..len)),
                status => return Err(ProxyFailure::Status(status)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_every_split(response: &[u8]) -> Vec<Result<Option<Vec<u8>>, ProxyFailure>> {
        let halves = (1..response.len()).map(|at| {
            let mut tunnel = Tunnel::default();
            match tunnel.receive(&response[..at]) {
                Ok(None) => tunnel.receive(&response[at..]),
                // It stood before the rest came: that is for the tunnel.
                Ok(Some(mut rest)) => {
                    rest.extend_from_slice(&response[at..]);
                    Ok(Some(rest))
                }
                early => early,
            }
        });
        halves.collect()
    }

    #[test]
    fn a_2xx_opens_it_whatever_its_framing_says() {
        for response in [
            "HTTP/1.1 200 Connection established\r\n\r\nrest",
            "HTTP/1.0 200 OK\r\nContent-Length: 10\r\n\r\nrest",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 x\r\nTransfer-Encoding: chunked\r\n\r\nrest",
        ] {
            for result in at_every_split(response.as_bytes()) {
                assert_eq!(result, Ok(Some(b"rest".to_vec())), "{response}");
            }
        }
    }

    #[test]
    fn anything_else_is_named() {
        for (response, failure) in [
            ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", ProxyFailure::Status(407)),
            ("HTTP/1.1 101 Switching Protocols\r\n\r\n", ProxyFailure::Status(101)),
            ("SSH-2.0-OpenSSH_9.7\r\n\r\n", ProxyFailure::NotHttp),
        ] {
            for result in at_every_split(response.as_bytes()) {
                assert_eq!(result, Err(failure), "{response}");
            }
        }
    }

    #[test]
    fn a_head_without_end_is_not_kept() {
        let mut tunnel = Tunnel::default();
        assert_eq!(tunnel.receive(b"HTTP/1.1 200 OK\r\n"), Ok(None));
        let endless = std::iter::repeat_with(|| tunnel.receive(&[b'x'; 1024])).take(100);
        assert!(endless.filter(Result::is_err).count() > 0);
        assert!(tunnel.head.len() <= 200 * 1024);
    }
}
