//! How a slot receives: by one multishot, one by one, or past the bytes that nobody wants.
//!
//! ```text
//!                discard                cancelled              all bytes gone
//! Multi ─────────────────▶ Stopping ───────────────▶ Discarding ─────────────▶ Once ◀── connected
//!   ▲                                                     ▲                      │ data
//!   │ handled without a discard                           │ discard              ▼
//!   └─────────────────────────────────────────────────────┴───────────────── Handled
//! ```
//!
//! `Starved` stands beside them: the kernel found no free buffer and disarmed the receive; it is
//! armed again at the next wait, when buffers have been released.

use io_uring::types::Fixed;
use io_uring::{cqueue, opcode, squeue};

use super::super::token::{self, Op};
use super::super::{Buffer, ConnId, Event};
use super::{GROUP, State, UringDriver};

/// sqe->ioprio: poll before the first attempt (Linux 5.19): nothing can be there yet.
const POLL_FIRST: u16 = 1;
/// As much as one discarding receive asks for; the length of a receive is an int.
const DISCARD_MAX: u64 = 1 << 30;
/// Bytes of a discarded body that may gather in the kernel before we are woken, per connection.
const LOW_WATER_MAX: u32 = 256 << 10;

impl UringDriver {
    pub(super) fn arm(&mut self, slot: u32) {
        let conn = self.conn(slot);
        let fd = Fixed(slot);
        if self.slots[slot as usize].one_by_one {
            self.slots[slot as usize].state = State::Once;
            let len = self.buffers.buffer_len();
            let entry = opcode::Recv::new(fd, std::ptr::null_mut(), len)
                .buf_group(GROUP)
                .ioprio(POLL_FIRST)
                .build()
                .flags(squeue::Flags::BUFFER_SELECT)
                .user_data(token::pack(Op::RecvOnce, conn));
            // SAFETY: the kernel takes a buffer of the group, which goes after the ring (docs/invariants.md, 8).
            unsafe { self.push(&entry) };
        } else {
            self.slots[slot as usize].state = State::Multi;
            let entry = opcode::RecvMulti::new(fd, GROUP).build();
            // SAFETY: the kernel takes buffers of the group, which go after the ring (docs/invariants.md, 8).
            unsafe { self.push(&entry.user_data(token::pack(Op::Recv, conn))) };
        }
    }

    /// Receives with MSG_TRUNC, which for TCP drops the bytes in the kernel (tcp(7)); for a Unix socket into the sink.
    ///
    /// Not with MSG_WAITALL: io_uring retries a short receive with what is left of the buffer, and
    /// MSG_TRUNC fills none, so the retry would ask for the whole length again and never end (seen
    /// on Linux 6.18).
    pub(super) fn arm_discard(&mut self, slot: u32) {
        let conn = self.conn(slot);
        let len = self.slots[slot as usize].discard.min(DISCARD_MAX) as u32;
        self.slots[slot as usize].state = State::Discarding;
        self.slots[slot as usize].one_by_one = true;
        let (address, len, flags) = if !self.slots[slot as usize].copies {
            self.set_low_water(slot, len.min(LOW_WATER_MAX) as libc::c_int);
            // TCP writes to no address then; were it to, this one is nobody's.
            (std::ptr::null_mut(), len, libc::MSG_TRUNC)
        } else {
            // A Unix socket writes the bytes, MSG_TRUNC or not.
            (self.sink.as_mut_ptr(), len.min(self.sink.len() as u32), 0)
        };
        let entry = opcode::Recv::new(Fixed(slot), address, len)
            .flags(flags)
            .ioprio(POLL_FIRST)
            .build()
            .user_data(token::pack(Op::Discard, conn));
        // SAFETY: the address is null or the sink, which nobody looks at, stays as it is, and goes after the ring.
        unsafe { self.push(&entry) };
    }

    /// Wakes us for this connection only when so many bytes are there (SO_RCVLOWAT), which also
    /// lets the receive window grow to hold them. Never more than are sure to come. Through the ring, since
    /// the socket has no descriptor (Linux 6.7; older kernels refuse it and wake us more often).
    pub(super) fn set_low_water(&mut self, slot: u32, bytes: libc::c_int) {
        let conn = self.conn(slot);
        if self.slots[slot as usize].low_water == bytes {
            return;
        }
        self.slots[slot as usize].low_water = bytes;
        let option = opcode::SetSockOpt::new(
            Fixed(slot),
            libc::SOL_SOCKET as u32,
            libc::SO_RCVLOWAT as u32,
            (&raw const self.slots[slot as usize].low_water).cast(),
            size_of::<libc::c_int>() as u32,
        );
        let mark = token::pack(Op::Ignore, conn);
        // SAFETY: slots stay where they are, and go after the ring. Should the word change before the kernel reads it, it
        // reads the newer one, which is asked for as well.
        unsafe { self.push(&option.build().flags(squeue::Flags::SKIP_SUCCESS).user_data(mark)) };
    }

    /// Arms whatever the slot needs after its receive ended.
    pub(super) fn rearm(&mut self, slot: u32) {
        if self.slots[slot as usize].discard > 0 {
            self.arm_discard(slot);
        } else {
            self.arm(slot);
        }
    }

    /// The buffer that a completion lends, if any. To be called once for each.
    #[inline(always)]
    fn lent(&mut self, cqe: &cqueue::Entry) -> Option<Buffer> {
        let id = cqueue::buffer_select(cqe.flags())?;
        match u32::try_from(cqe.result()) {
            // SAFETY: the completion names the buffer with so many bytes; it is translated once (docs/invariants.md, 8).
            Ok(len) if len > 0 => Some(unsafe { self.buffers.lend(id, len) }),
            _ => {
                // SAFETY: the same, with nothing in it.
                unsafe { self.buffers.hand_back(id) };
                None
            }
        }
    }

    #[inline(always)]
    pub(super) fn received(&mut self, conn: ConnId, cqe: &cqueue::Entry) -> Option<Event> {
        let data = self.lent(cqe);
        if !self.live(conn) {
            return data.map(Event::Data); // stale, but the buffer must come back
        }
        let slot = &mut self.slots[conn.slot as usize];
        if let Some(buffer) = &data {
            slot.discard = slot.discard.saturating_sub(u64::from(buffer.len));
        }
        if cqueue::more(cqe.flags()) {
            return data.map(Event::Data);
        }
        self.multishot_ended(conn, cqe.result(), data)
    }

    #[cold]
    pub(super) fn multishot_ended(
        &mut self,
        conn: ConnId,
        result: i32,
        data: Option<Buffer>,
    ) -> Option<Event> {
        let stopping = self.slots[conn.slot as usize].state == State::Stopping;
        match result {
            1.. => {
                self.rearm(conn.slot);
                data.map(Event::Data)
            }
            r if stopping && (r == -libc::ECANCELED || r == -libc::ENOBUFS) => {
                self.rearm(conn.slot);
                None
            }
            r if r == -libc::ENOBUFS => self.starve(conn),
            0 => self.ended(conn),
            _ => self.broke(conn, result),
        }
    }

    pub(super) fn received_once(&mut self, conn: ConnId, cqe: &cqueue::Entry) -> Option<Event> {
        let data = self.lent(cqe);
        if !self.live(conn) {
            return data.map(Event::Data);
        }
        match cqe.result() {
            1.. => {
                self.slots[conn.slot as usize].state = State::Handled;
                self.handled = Some(conn.slot);
                data.map(Event::Data)
            }
            0 => self.ended(conn),
            r if r == -libc::ENOBUFS => self.starve(conn),
            r => self.broke(conn, r),
        }
    }

    pub(super) fn starve(&mut self, conn: ConnId) -> Option<Event> {
        self.counters.buffer_starvations += 1;
        self.slots[conn.slot as usize].state = State::Starved;
        self.starved.push(conn.slot);
        None
    }

    pub(super) fn discarded(&mut self, conn: ConnId, result: i32) -> Option<Event> {
        if !self.live(conn) {
            return None;
        }
        match result {
            1.. => {
                let slot = &mut self.slots[conn.slot as usize];
                slot.discard = slot.discard.saturating_sub(result as u64);
                if slot.discard == 0 && !slot.copies {
                    self.set_low_water(conn.slot, 1);
                }
                self.rearm(conn.slot);
                Some(Event::Discarded(result as u64))
            }
            0 => self.ended(conn),
            _ => self.broke(conn, result),
        }
    }
}
