//! What can be wrong with a response.

/// Why a response is not HTTP/1.1 as RFC 9112 has it.
///
/// One byte, so that a parser can remember it: after an error nothing on that connection can be
/// trusted, and every further call answers with the same error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// The bytes at the place of a status line are none (RFC 9112, 4).
    #[error("no HTTP status line where one is due")]
    StatusLine,
    /// Not HTTP/1 (RFC 9112, 2.3).
    #[error("the response is of another version than HTTP/1.0 and HTTP/1.1")]
    Version,
    /// The status code is not a number from 100 to 999 (RFC 9110, 15).
    #[error("the status code is not a number from 100 to 999")]
    StatusCode,
    /// A field line is malformed: bad name, space before the colon, control byte, folded line
    /// (RFC 9112, 5).
    #[error("malformed header field")]
    Field,
    /// More than [`MAX_HEADERS`](crate::http::head::MAX_HEADERS) field lines.
    #[error("more than 1,000 header fields")]
    TooManyFields,
    /// The head is longer than is allowed; see [`MAX_HEAD`](crate::http::head::MAX_HEAD).
    #[error("the head is longer than --max-head")]
    HeadTooLarge,
    /// Content-Length is not one decimal number that fits 64 bits, or two of them differ
    /// (RFC 9112, 6.3, rule 5).
    #[error("invalid or contradictory Content-Length")]
    ContentLength,
    /// `chunked` is applied twice or has parameters, or the field is empty (RFC 9112, 6.1 and 7).
    #[error("invalid Transfer-Encoding")]
    TransferEncoding,
    /// A chunk-size line has no hexadecimal size, or does not end in CRLF (RFC 9112, 7.1).
    #[error("malformed chunk-size line")]
    ChunkSize,
    /// The chunk size does not fit 64 bits (RFC 9112, 7.1: "recipients MUST anticipate …").
    #[error("the chunk size does not fit 64 bits")]
    ChunkOverflow,
    /// Chunk data is not followed by CRLF.
    #[error("chunk data is not followed by CRLF")]
    ChunkEnd,
    /// A chunk-size line is longer than [`MAX_CHUNK_LINE`](crate::http::chunked::MAX_CHUNK_LINE).
    #[error("a chunk-size line is longer than 4 KiB")]
    ChunkLineTooLong,
    /// The trailer section is malformed.
    #[error("malformed trailer section")]
    Trailer,
    /// The trailer section is longer than [`MAX_TRAILER`](crate::http::chunked::MAX_TRAILER).
    #[error("the trailer section is longer than 64 KiB")]
    TrailerTooLarge,
    /// The connection ended before the response did (RFC 9112, 8).
    #[error("the connection closed before the response was complete")]
    Truncated,
    /// [`skip`](crate::http::response::ResponseParser::skip) was told of more bytes than the body
    /// has left: the caller lost count.
    #[error("more body bytes skipped than the response has left")]
    SkipPastEnd,
}
