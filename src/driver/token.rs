//! `user_data` of a ring entry: operation, generation and slot in one word.
//!
//! ```text
//! 63       56 55                 32 31                          0
//! | operation |     generation      |           slot            |
//! ```

use super::ConnId;

/// Generations wrap at this bound: 24 bits of the token.
pub const GENERATIONS: u32 = 1 << 24;

/// What was asked of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Op {
    /// Multishot receive into provided buffers.
    Recv = 1,
    /// One receive into one provided buffer.
    RecvOnce = 2,
    /// Receive and throw away (MSG_TRUNC).
    Discard = 3,
    /// Send whose success posts nothing.
    Send = 4,
    /// Send that reports its success.
    SendNotify = 5,
    /// Connect.
    Connect = 6,
    /// Anything whose result interests nobody (cancel, close, set an option).
    Ignore = 7,
    /// Make a socket.
    Socket = 8,
    /// Send of a draft, tried once, whose success posts nothing.
    SendDraft = 9,
}

/// Packs an operation on a connection.
#[inline]
pub fn pack(op: Op, conn: ConnId) -> u64 {
    debug_assert!(conn.generation < GENERATIONS);
    (op as u64) << 56 | u64::from(conn.generation) << 32 | u64::from(conn.slot)
}

/// The reverse of [`pack`]; `None` for a word that `pack` cannot have made.
#[inline]
pub fn unpack(word: u64) -> Option<(Op, ConnId)> {
    let op = match (word >> 56) as u8 {
        1 => Op::Recv,
        2 => Op::RecvOnce,
        3 => Op::Discard,
        4 => Op::Send,
        5 => Op::SendNotify,
        6 => Op::Connect,
        7 => Op::Ignore,
        8 => Op::Socket,
        9 => Op::SendDraft,
        _ => return None,
    };
    let conn = ConnId { slot: word as u32, generation: (word >> 32) as u32 & (GENERATIONS - 1) };
    Some((op, conn))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn unpack_is_the_inverse_of_pack(slot: u32, generation in 0..GENERATIONS, op in 1u8..=9) {
            let conn = ConnId { slot, generation };
            let (op, _) = unpack(u64::from(op) << 56).unwrap();
            prop_assert_eq!(unpack(pack(op, conn)), Some((op, conn)));
        }

        #[test]
        fn foreign_words_are_refused(word: u64) {
            if let Some((op, conn)) = unpack(word) {
                prop_assert_eq!(pack(op, conn), word);
            }
        }
    }
}
