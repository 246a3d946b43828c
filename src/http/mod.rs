//! HTTP/1.1 without I/O: bytes in, events out. No descriptor, no clock, no statistics.
//!
//! - [`url`]: the target, taken apart and checked.
//! - [`request`]: one request turned into bytes, once.
//! - [`response`]: the incremental response parser and its head cache.
//! - [`head`]: status line and the header fields that decide the framing.
//! - [`protocol`]: what a connection needs of a version of HTTP; [`h1`] is the one that there is.
//! - [`chunked`]: the de-chunker, which counts rather than copies.
//!
//! ```
//! use squall::http::response::{Event, Expect, HeadCache, ResponseParser};
//!
//! let mut cache = HeadCache::new();
//! let mut parser = ResponseParser::new();
//! let response = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 204 ";
//! let (used, event) = parser.feed(&mut cache, Expect::Normal, response, &mut ())?;
//! assert!(matches!(event, Event::Complete(r) if r.status == 200 && r.body_len == 2));
//! let (_, event) = parser.feed(&mut cache, Expect::Normal, &response[used..], &mut ())?;
//! assert_eq!(event, Event::NeedMore);
//! # Ok::<(), squall::http::error::ParseError>(())
//! ```

pub mod chunked;
pub mod credentials;
pub mod error;
pub mod h1;
pub mod head;
pub mod head_cache;
pub mod message;
pub mod protocol;
pub mod request;
pub mod response;
pub mod url;
