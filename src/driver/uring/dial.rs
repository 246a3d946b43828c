//! From a free slot to a connection under way.
//!
//! Sockets are made by the ring itself, straight into its table of fixed files, where the kernel can do that
//! ([`probe`](UringDriver::probe_direct_sockets)): option, connect and the close of the connection before are entries of the
//! same submission, no system call is made for a single connection, and no descriptor is taken. Otherwise, and where the
//! socket must be bound first, it is made as any socket is, put into the table, and its descriptor closed.

use io_uring::types::{DestinationSlot, Fixed};
use io_uring::{opcode, squeue};
use socket2::Domain;

use super::super::failure::Failure;
use super::super::token::{self, GENERATIONS, Op};
use super::super::{Completion, ConnId, Driver, Endpoint, Event, Wait, socket};
use super::{Local, NEVER, State, UringDriver};
use crate::clock;
use crate::units::Nanos;

/// Value of options that are switched on. The kernel reads it from here.
static ON: libc::c_int = 1;
/// No SOCK_NONBLOCK for Unix sockets: a full queue of their listener is then waited for, by the ring's own threads, where
/// connect(2) would answer EAGAIN.
const BLOCKING: libc::c_int = 0;

impl UringDriver {
    pub(super) fn dial(&mut self, conn: ConnId, endpoint: u32) {
        let slot = &mut self.slots[conn.slot as usize];
        assert!(slot.state == State::Free, "the slot of {conn:?} is not free");
        // What is under way under an earlier name is told apart by it.
        let follows = slot.generation == NEVER || conn.generation == (slot.generation + 1) % GENERATIONS;
        assert!(follows, "{conn:?} does not follow generation {}", slot.generation);
        slot.generation = conn.generation;
        slot.one_by_one = self.expect_large;
        slot.low_water = 1;
        let wanted = &self.endpoints[endpoint as usize];
        slot.copies = wanted.is_unix();
        if self.direct_sockets && wanted.source.is_none() && wanted.congestion.is_none() {
            let domain = wanted.addr.domain();
            self.push_socket(conn, domain);
        } else if let Err(e) = self.install(conn.slot, endpoint) {
            let errno = e.raw_os_error().unwrap_or(libc::EIO);
            let event = Event::ConnectFailed(Failure::Os(errno));
            self.local.push_back(Local::Done(Completion { conn, event }));
            return;
        }
        self.slots[conn.slot as usize].state = State::Connecting;
        let Endpoint { addr, .. } = &*self.endpoints[endpoint as usize];
        let entry = opcode::Connect::new(Fixed(conn.slot), addr.as_ptr().cast(), addr.len()).build();
        // SAFETY: endpoints stay where they are and go after the ring; the kernel copies the address when it is submitted.
        unsafe { self.push(&entry.user_data(token::pack(Op::Connect, conn))) };
    }

    /// Lets the ring make a socket in the slot. Entries of one submission are issued in their order, and none
    /// of these sleeps; should the socket fail, those behind it fail for want of it.
    fn push_socket(&mut self, conn: ConnId, domain: Domain) {
        let Ok(place) = DestinationSlot::try_from_slot_target(conn.slot) else { return };
        let kind = libc::SOCK_STREAM | if domain == Domain::UNIX { BLOCKING } else { libc::SOCK_NONBLOCK };
        let silent = squeue::Flags::SKIP_SUCCESS;
        let socket = opcode::Socket::new(domain.into(), kind, 0).file_index(Some(place)).build();
        // SAFETY: it points at nothing.
        unsafe { self.push(&socket.flags(silent).user_data(token::pack(Op::Socket, conn))) };
        if domain != Domain::UNIX {
            // As with any other socket (see `socket::open`).
            // SAFETY: ON is static.
            unsafe { self.push(&no_delay(conn).flags(silent)) };
        }
    }

    /// Makes a socket and puts it into the slot.
    fn install(&mut self, slot: u32, endpoint: u32) -> std::io::Result<()> {
        if self.closes_queued {
            // The table must not be changed before they are done.
            self.flush()?;
            if self.closes_queued {
                return Err(std::io::Error::from_raw_os_error(libc::EBUSY));
            }
        }
        let endpoint = &self.endpoints[endpoint as usize];
        let socket = socket::open(endpoint)?;
        if endpoint.is_unix() {
            socket.set_nonblocking(false)?; // see `BLOCKING`
        }
        let fd = std::os::fd::AsRawFd::as_raw_fd(&socket);
        // The table holds its own reference: the descriptor can go at once.
        self.submitter.register_files_update(slot, &[fd]).map(drop)
    }

    /// The ring could not make a socket.
    pub(super) fn no_socket(&mut self, conn: ConnId, result: i32) -> Option<Event> {
        if !self.live(conn) || result >= 0 {
            return None;
        }
        self.forget_sends(conn);
        self.slots[conn.slot as usize].state = State::Free;
        Some(Event::ConnectFailed(Failure::Os(-result)))
    }

    /// Whether sockets can be made in the table (Linux 5.19) and given options there (6.7): tries both.
    pub(super) fn probe_direct_sockets(&mut self) -> bool {
        let conn = ConnId { slot: 0, generation: 0 };
        let Ok(place) = DestinationSlot::try_from_slot_target(0) else { return false };
        let mark = token::pack(Op::Ignore, conn);
        let socket = opcode::Socket::new(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_NONBLOCK, 0);
        let entries = [
            socket.file_index(Some(place)).build().user_data(mark),
            no_delay(conn),
            opcode::Close::new(Fixed(0)).build().user_data(mark),
        ];
        let mut left = entries.len();
        for entry in &entries {
            // SAFETY: only the option points at something, and ON is static.
            unsafe { self.push(entry) };
        }
        let deadline = clock::now() + Nanos::from_secs(1);
        let mut able = true;
        while left > 0 && clock::now() < deadline {
            if self.wait(Wait::Until { until: deadline, want: left as u32 }).is_err() {
                return false;
            }
            for cqe in self.cq.by_ref() {
                able &= cqe.result() >= 0;
                left -= 1;
            }
        }
        able && left == 0
    }
}

/// TCP_NODELAY through the ring.
fn no_delay(conn: ConnId) -> squeue::Entry {
    let (level, name) = (libc::IPPROTO_TCP as u32, libc::TCP_NODELAY as u32);
    let len = size_of::<libc::c_int>() as u32;
    let option = opcode::SetSockOpt::new(Fixed(conn.slot), level, name, (&raw const ON).cast(), len);
    option.build().user_data(token::pack(Op::Ignore, conn))
}
