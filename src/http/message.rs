//! What a request expects, and what its response came to: all that whoever asked needs to know of either.

/// What the request was, as far as the end of its response depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Expect {
    /// Anything but HEAD.
    Normal,
    /// HEAD: the response ends with its head, whatever its fields say (RFC 9112, 6.3, rule 1).
    Head,
}

/// One complete response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response {
    /// Status code, 100 to 999; below 200 only 101.
    pub status: u16,
    /// Whether the connection may carry another response after this one (RFC 9112, 9.3).
    pub keep_alive: bool,
    /// Bytes of the final head, empty line included; interim (1xx) heads are not in it.
    pub head_len: u32,
    /// Bytes of payload: without chunk framing and trailers.
    pub body_len: u64,
}
