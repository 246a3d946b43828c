//! Sends, and how long the kernel reads what they point at (docs/invariants.md, 7).
//!
//! Payloads never change, so a send of one may succeed in silence whenever it likes. A draft is written again, so it must be
//! known when the kernel has done with it. One that reports says so. One that does not is tried exactly once, when it is
//! submitted (MSG_DONTWAIT): what is submitted is not read any more. Should the socket have had no room for all of it, the
//! kernel says so, and the rest goes as a send that reports, to us alone.

use io_uring::types::Fixed;
use io_uring::{opcode, squeue};

use super::super::token::{self, Op};
use super::super::{ConnId, Event, PayloadId};
use super::{Behind, State, UringDriver};

/// All of it or an error, and no SIGPIPE.
const WHOLE: i32 = libc::MSG_WAITALL | libc::MSG_NOSIGNAL;
/// Token of no send.
const NONE: u64 = 0;

impl UringDriver {
    #[inline]
    pub(super) fn queue_send(&mut self, conn: ConnId, payload: PayloadId, len: u32, notify: bool) {
        let bytes = match payload {
            PayloadId::DRAFT => return self.send_draft(conn, len, notify),
            PayloadId(at) => &self.payloads[at as usize][..len as usize],
        };
        let entry = opcode::Send::new(Fixed(conn.slot), bytes.as_ptr(), len).flags(WHOLE).build();
        if notify {
            return self.send_reporting(conn, entry, len);
        }
        let entry = entry.flags(squeue::Flags::SKIP_SUCCESS).user_data(token::pack(Op::Send, conn));
        // SAFETY: a payload never changes, and goes after the ring.
        unsafe { self.push(&entry) };
    }

    /// False when the connection is gone, or has ended or broken: nothing would come of it.
    #[inline]
    fn can_send(&self, conn: ConnId) -> bool {
        let slot = &self.slots[conn.slot as usize];
        self.live(conn) && slot.state != State::Dead && slot.broken == 0
    }

    fn send_draft(&mut self, conn: ConnId, len: u32, notify: bool) {
        if !self.can_send(conn) {
            return;
        }
        let bytes = &self.drafts[conn.slot as usize][..len as usize];
        let send = opcode::Send::new(Fixed(conn.slot), bytes.as_ptr(), len);
        let slot = &mut self.slots[conn.slot as usize];
        if notify {
            let entry = send.flags(WHOLE).build();
            slot.reads_draft = true;
            return self.send_reporting(conn, entry, len);
        }
        slot.draft_len = len;
        slot.draft_queued = self.emptied;
        let entry = send.flags(WHOLE | libc::MSG_DONTWAIT).build();
        let mark = token::pack(Op::SendDraft, conn);
        // SAFETY: it is read when it is submitted, and not any more then; until then `draft` does not hand it out, as
        // `draft_queued` tells it.
        unsafe { self.push(&entry.flags(squeue::Flags::SKIP_SUCCESS).user_data(mark)) };
    }

    /// # Panics
    /// When there is an unfinished one, or nothing to send: that there is one is known by its length.
    fn send_reporting(&mut self, conn: ConnId, entry: squeue::Entry, len: u32) {
        if !self.can_send(conn) {
            return;
        }
        let slot = &mut self.slots[conn.slot as usize];
        assert!(len > 0, "an empty send on {conn:?}");
        assert!(slot.sending == 0, "a send on {conn:?} is unfinished");
        slot.sending = len;
        // SAFETY: a payload never changes, and goes after the ring. A draft is known to be read (`reads_draft`) and neither
        // handed out nor dropped before the completion, which there is one of for the token: one such send at a time, and no
        // two connections of a slot with the same generation.
        unsafe { self.push(&entry.user_data(token::pack(Op::SendNotify, conn))) };
    }

    /// The completion of a send that posts its success.
    pub(super) fn sent(&mut self, conn: ConnId, result: i32) -> Option<Event> {
        if !self.retired_drafts.is_empty() {
            self.free_draft(token::pack(Op::SendNotify, conn));
        }
        if !self.live(conn) {
            return None;
        }
        let slot = &mut self.slots[conn.slot as usize];
        let asked = std::mem::take(&mut slot.sending);
        slot.reads_draft = false;
        let quiet = std::mem::take(&mut slot.quiet);
        let whole = u32::try_from(result) == Ok(asked);
        if quiet {
            self.quiet_rests -= 1;
            self.send_behind(conn, whole);
        }
        if !whole {
            // One that came back short broke in the middle, and does not say why.
            self.send_failed(conn, if result < 0 { -result } else { 0 });
        }
        (whole && !quiet).then_some(Event::Sent)
    }

    /// A send that posts only failures has posted something.
    #[cold]
    pub(super) fn silent_failed(&mut self, conn: ConnId, result: i32) {
        self.send_failed(conn, if result < 0 { -result } else { 0 });
    }

    /// A draft did not go at the first try, or not all of it: the rest goes as the socket has room.
    #[cold]
    pub(super) fn draft_fell_short(&mut self, conn: ConnId, result: i32) {
        if !self.can_send(conn) {
            return;
        }
        let sent = match result {
            0.. => result as usize,
            _ if result == -libc::EAGAIN => 0,
            _ => return self.send_failed(conn, -result),
        };
        let slot = &mut self.slots[conn.slot as usize];
        let draft = &self.drafts[conn.slot as usize];
        let rest = draft.get(sent..slot.draft_len as usize);
        let Some(rest) = rest.filter(|rest| !rest.is_empty() && slot.sending == 0) else {
            // It was written again, or another send is under way: what the peer gets would make no sense.
            return self.send_failed(conn, libc::EIO);
        };
        let len = rest.len() as u32;
        let entry = opcode::Send::new(Fixed(conn.slot), rest.as_ptr(), len).flags(WHOLE).build();
        slot.reads_draft = true;
        slot.quiet = true;
        self.quiet_rests += 1;
        self.send_reporting(conn, entry, len);
    }

    /// Keeps a send for later, if the rest of a quiet one is under way on its connection.
    #[cold]
    pub(super) fn holds_back(&mut self, send: Behind) -> bool {
        let quiet = self.live(send.conn) && self.slots[send.conn.slot as usize].quiet;
        if quiet {
            self.behind.push(send);
        }
        quiet
    }

    /// The rest of a quiet send is over: what stood behind it goes, or goes with it.
    #[cold]
    fn send_behind(&mut self, conn: ConnId, whole: bool) {
        let mut behind = Vec::new();
        self.behind.retain(|send| {
            send.conn != conn || {
                behind.push(*send);
                false
            }
        });
        if whole {
            for Behind { conn, payload, len, notify } in behind {
                self.queue_send(conn, payload, len, notify);
            }
        }
    }

    /// Gives the slot another draft, if the kernel may still read this one.
    #[cold]
    pub(super) fn set_draft_aside(&mut self, slot: u32) {
        if self.slots[slot as usize].draft_queued == self.emptied {
            // What does not succeed shows in the next wait.
            let _ = self.flush();
        }
        let conn = self.conn(slot);
        let emptied = self.emptied;
        let state = &mut self.slots[slot as usize];
        let reader = if state.draft_queued == emptied {
            state.draft_queued = emptied.wrapping_sub(1);
            NONE // who knows: it is kept to the end
        } else if state.reads_draft {
            token::pack(Op::SendNotify, conn)
        } else {
            return;
        };
        state.reads_draft = false;
        self.retired_drafts.push((reader, std::mem::take(&mut self.drafts[slot as usize])));
    }

    /// The send with this token reads no draft any more.
    #[cold]
    fn free_draft(&mut self, reader: u64) {
        self.retired_drafts.retain(|(of, _)| *of != reader);
    }

    /// The slot is given up.
    pub(super) fn forget_sends(&mut self, conn: ConnId) {
        let slot = &mut self.slots[conn.slot as usize];
        if std::mem::take(&mut slot.quiet) {
            self.quiet_rests -= 1;
            self.behind.retain(|send| send.conn != conn);
        }
        let slot = &mut self.slots[conn.slot as usize];
        slot.sending = 0;
        if std::mem::take(&mut slot.reads_draft) {
            // The kernel reads from it until the cancelled send completes.
            let draft = std::mem::take(&mut self.drafts[conn.slot as usize]);
            self.retired_drafts.push((token::pack(Op::SendNotify, conn), draft));
        }
    }
}
