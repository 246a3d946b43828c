//! What a transport needs of a TLS library, and nothing more.

use crate::driver::failure::TlsFailure;
use crate::driver::{Alpn, TlsAgreed};

/// The client's side of one TLS connection: bytes in, bytes out, no socket.
pub trait Session {
    /// Takes bytes from the wire and appends what they decrypt to.
    ///
    /// # Errors
    /// What is wrong with them. An alert for the peer may then be waiting to be [sent](Session::flush).
    fn receive(&mut self, wire: &[u8], plain: &mut Vec<u8>) -> Result<Progress, TlsFailure>;

    /// Encrypts `plain` and appends the records, behind anything that was waiting to be sent.
    ///
    /// # Errors
    /// After an earlier error, or when the keys are used up.
    fn send(&mut self, plain: &[u8], wire: &mut Vec<u8>) -> Result<(), TlsFailure>;

    /// True when bytes of its own (handshake, alert, key update) wait to be sent.
    fn wants_to_send(&self) -> bool;

    /// Appends those bytes.
    fn flush(&mut self, wire: &mut Vec<u8>);

    /// Announces the end (close_notify; RFC 8446, section 6.1); [`flush`](Session::flush) yields it.
    fn close(&mut self);

    /// What the handshake agreed on, and whether it resumed an earlier session; `None` before its end.
    fn agreed(&self) -> Option<(TlsAgreed, bool)>;

    /// The protocol that the server chose of those offered; `Alpn::None` before the handshake's end, too.
    fn alpn(&self) -> Alpn;
}

/// Where a session stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The handshake is over.
    pub established: bool,
    /// The peer has announced its end: nothing more will come.
    pub closed: bool,
}
