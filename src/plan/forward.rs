//! Requests that a proxy forwards: an absolute target (RFC 9112, section 3.2.2), and what authenticates to the proxy.

use std::fmt;
use std::sync::Arc;

use crate::http::url::Url;

/// How requests to any origin are put: it says which proxy leads there.
#[derive(Clone)]
pub struct Forwarding(Arc<Rule>);

type Rule = dyn Fn(&Url) -> Option<Forward> + Send + Sync;

impl Forwarding {
    /// As `to` says.
    pub fn by(to: impl Fn(&Url) -> Option<Forward> + Send + Sync + 'static) -> Forwarding {
        Forwarding(Arc::new(to))
    }

    /// How requests to `origin` are put; `None` where they go there directly, or through a tunnel.
    pub fn to(&self, origin: &Url) -> Option<Forward> {
        (self.0)(origin)
    }
}

impl fmt::Debug for Forwarding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Forwarding")
    }
}

/// How requests to an origin are put for the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Scheme and authority, which come before the path.
    pub prefix: String,
    /// Value of Proxy-Authorization (RFC 9110, section 11.7.2).
    pub authorization: Option<String>,
}

impl Forward {
    /// The field for the proxy, with its line end; empty when there is none.
    pub fn field(&self) -> String {
        let line = |value: &String| format!("Proxy-Authorization: {value}\r\n");
        self.authorization.as_ref().map(line).unwrap_or_default()
    }

    /// `request`, put for the proxy.
    pub fn apply(&self, request: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(request.len() + self.prefix.len() + 64);
        let target = request.iter().position(|b| *b == b' ').map_or(0, |at| at + 1);
        let fields = request.windows(2).position(|pair| pair == b"\r\n").map_or(target, |at| at + 2);
        out.extend_from_slice(&request[..target]);
        out.extend_from_slice(self.prefix.as_bytes());
        out.extend_from_slice(&request[target..fields]);
        out.extend_from_slice(self.field().as_bytes());
        out.extend_from_slice(&request[fields..]);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_becomes_absolute_and_the_proxy_is_told_who_asks() {
        let forward = Forward { prefix: "http://h:81".into(), authorization: Some("Basic eA==".into()) };
        let put = forward.apply(b"POST /a?b HTTP/1.1\r\nHost: h:81\r\n\r\n /body\r\n");
        let text = String::from_utf8(put).unwrap();
        let wanted = "POST http://h:81/a?b HTTP/1.1\r\nProxy-Authorization: Basic eA==\r\nHost: h:81\r\n\r\n /body\r\n";
        assert_eq!(text, wanted);
    }
}
