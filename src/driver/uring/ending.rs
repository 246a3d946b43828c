//! How connections end: by end of file, by failure, by us.

use io_uring::types::Fixed;
use io_uring::{opcode, squeue};

use super::super::failure::Failure;
use super::super::token::{self, Op};
use super::super::{ConnId, Event};
use super::{RESET, State, UringDriver};

impl UringDriver {
    /// Receiving is over: the peer closed its side.
    pub(super) fn ended(&mut self, conn: ConnId) -> Option<Event> {
        self.receiving_ended(conn, Event::Eof)
    }

    /// Receiving is over: it failed.
    pub(super) fn broke(&mut self, conn: ConnId, result: i32) -> Option<Event> {
        self.receiving_ended(conn, Event::Failed(Failure::Os(-result)))
    }

    fn receiving_ended(&mut self, conn: ConnId, event: Event) -> Option<Event> {
        let slot = &mut self.slots[conn.slot as usize];
        slot.state = State::Dead;
        match slot.broken {
            0 => Some(event),
            errno => Some(Event::Failed(Failure::Os(errno))),
        }
    }

    /// A send failed, with `errno` or, in the middle, for a reason that it did not tell (0). What the peer has said before is
    /// delivered first, whatever receives it: the failure is reported when receiving ends.
    #[cold]
    pub(super) fn send_failed(&mut self, conn: ConnId, errno: i32) {
        if !self.live(conn) {
            return;
        }
        let slot = &mut self.slots[conn.slot as usize];
        if slot.state == State::Dead || slot.broken != 0 {
            return; // it was said, or is going to be
        }
        slot.broken = if errno == 0 { libc::EPIPE } else { errno };
        if slot.copies || !ends_receiving(errno) {
            // Let it end: what is there is still received, then comes end of file (shutdown(2); Linux 5.11).
            let entry = opcode::Shutdown::new(Fixed(conn.slot), libc::SHUT_RD).build();
            let mark = token::pack(Op::Ignore, conn);
            // SAFETY: it points at nothing.
            unsafe { self.push(&entry.flags(squeue::Flags::SKIP_SUCCESS).user_data(mark)) };
        }
    }

    /// Cancels what is in flight on the slot and takes its file out of the table.
    pub(super) fn vacate(&mut self, conn: ConnId, reset: bool) {
        let silent = squeue::Flags::SKIP_SUCCESS;
        let mark = token::pack(Op::Ignore, conn);
        if reset {
            let linger = opcode::SetSockOpt::new(
                Fixed(conn.slot),
                libc::SOL_SOCKET as u32,
                libc::SO_LINGER as u32,
                (&raw const RESET).cast(),
                size_of::<libc::linger>() as u32,
            );
            // SAFETY: RESET is static.
            unsafe { self.push(&linger.build().flags(silent).user_data(mark)) };
        }
        // By name, which the kernel finds at once. By file it would look at every armed request.
        let slot = &self.slots[conn.slot as usize];
        let armed: &[Op] = match slot.state {
            State::Multi | State::Stopping => &[Op::Recv],
            State::Once => &[Op::RecvOnce],
            State::Discarding => &[Op::Discard],
            State::Connecting => &[Op::Connect],
            State::Free | State::Handled | State::Starved | State::Dead => &[],
        };
        let sending = (slot.sending > 0).then_some(Op::SendNotify);
        self.forget_sends(conn);
        for op in armed.iter().copied().chain(sending) {
            let entry = opcode::AsyncCancel::new(token::pack(op, conn)).build();
            // SAFETY: it points at nothing.
            unsafe { self.push(&entry.flags(silent).user_data(mark)) };
        }
        let close = opcode::Close::new(Fixed(conn.slot)).build();
        // SAFETY: it points at nothing.
        unsafe { self.push(&close.flags(silent).user_data(mark)) };
        self.closes_queued = true;
        let slot = &mut self.slots[conn.slot as usize];
        slot.state = State::Free;
        slot.broken = 0;
        slot.discard = 0;
    }
}

/// Errors of a send to TCP after which receiving is sure to end: the socket is closed, once what it holds was read.
fn ends_receiving(errno: i32) -> bool {
    matches!(errno, libc::EPIPE | libc::ECONNRESET | libc::ETIMEDOUT | libc::EHOSTUNREACH | libc::ENETUNREACH)
}
