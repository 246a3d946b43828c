//! The parts of a response, put together again.

use squall::http::response::Sink;

/// A head and a body, in this order.
#[derive(Default)]
pub(crate) struct Payload {
    pub(crate) head: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

impl Sink for Payload {
    const WANTED: bool = true;
    fn head(&mut self, head: &[u8]) {
        assert!(self.head.is_empty() && self.body.is_empty(), "one head, before the body");
        self.head.extend_from_slice(head);
    }
    fn body(&mut self, bytes: &[u8]) {
        assert!(!bytes.is_empty() && !self.head.is_empty());
        self.body.extend_from_slice(bytes);
    }
}
