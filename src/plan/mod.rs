//! What to send: requests encoded once, before any load.

pub mod check;
pub mod cookies;
pub mod data;
pub mod executors;
pub mod extract;
pub mod file;
pub mod flags;
pub mod forward;
pub mod json_path;
pub mod layout;
pub(crate) mod limited_file;
mod mapped_file;
pub mod redirect;
pub mod request_template;
pub mod response;
pub mod scope;
pub mod status;
pub mod template;
pub mod value;
pub mod workload;

use std::sync::Arc;

use crate::http::request::{Request, RequestError};
use crate::http::response::Expect;

/// Sends up to this many bytes surely fit into an empty socket buffer, so that their success need
/// not be reported (the smallest default of net.ipv4.tcp_wmem is 16 KiB, half of it overhead).
pub(crate) const SURE: usize = 4096;

/// The immutable bytes of a run, shared by all workers.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The request, `pipeline` times back to back: a send of k requests is a prefix.
    pub payload: Arc<[u8]>,
    /// Length of one request in bytes.
    pub request_len: u32,
    /// What framing the responses have.
    pub expect: Expect,
    /// Requests in flight per connection, at least 1.
    pub pipeline: u16,
}

impl Plan {
    /// Encodes `request` for `pipeline` requests per connection.
    ///
    /// # Errors
    /// When the request cannot be encoded (bad method, header name or value).
    pub fn compile(request: &Request, pipeline: u16) -> Result<Plan, RequestError> {
        let bytes = request.encode()?;
        Ok(Plan {
            request_len: bytes.len() as u32,
            payload: bytes.repeat(usize::from(pipeline)).into(),
            expect: request.expect(),
            pipeline,
        })
    }

    /// True when the driver must report that a send is whole: when another one could be due before
    /// the response proves it, or when it might not fit into the socket buffer.
    pub fn notify(&self) -> bool {
        self.pipeline > 1 || self.payload.len() > SURE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_send_reports_where_another_may_follow_or_it_may_not_fit() {
        let plan = |pipeline, body: usize| {
            let request = Request {
                method: "POST".into(),
                target: "/".into(),
                authority: "h".into(),
                headers: Vec::new(),
                body: vec![b'x'; body],
            };
            Plan::compile(&request, pipeline).unwrap()
        };
        let one = plan(1, 10);
        assert!(!one.notify());
        assert!(plan(2, 10).notify() && plan(1, SURE).notify());
        let two = plan(2, 10);
        assert_eq!(two.payload.len(), 2 * two.request_len as usize);
        assert_eq!(two.payload[two.request_len as usize..], one.payload[..]);
    }
}
