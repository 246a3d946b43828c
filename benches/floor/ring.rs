//! The ring, its receive buffers and its sockets, with nothing on top.

use std::io;
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::{BufRingEntry, Fixed, SubmitArgs, Timespec};
use io_uring::{CompletionQueue, EnterFlags, IoUring, SubmissionQueue, Submitter};
use io_uring::{cqueue, opcode, squeue};
use squall::units::Nanos;

/// Marks a send's completion, which only comes when the send failed.
const SEND: u64 = 1 << 32;
const GROUP: u16 = 0;

/// Sizes of the rings. All are powers of two; a ring is walked from end to end, so its size is its
/// footprint in the processor's cache.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Sizes {
    /// Submission queue entries; the completion queue gets twice as many, at least two a connection
    #[arg(long, default_value_t = 256)]
    pub(crate) ring: u32,
    /// Receive buffers
    #[arg(long, default_value_t = 512)]
    pub(crate) buffers: u16,
    /// Bytes in each receive buffer
    #[arg(long, default_value_t = 2048)]
    pub(crate) buffer_size: u32,
}

/// Bytes arrived on a connection; their buffer has already gone back.
pub(crate) struct Received {
    pub(crate) conn: u32,
    pub(crate) bytes: u32,
}

/// One thread's ring with all its connections. Everything that the kernel may touch is leaked: the
/// program ends with its only run.
pub(crate) struct Ring {
    submitter: Submitter<'static>,
    sq: SubmissionQueue<'static>,
    cq: CompletionQueue<'static>,
    buffers: Buffers,
    /// One ready submission per connection, copied for each send.
    sends: Vec<squeue::Entry>,
    /// Most completions that one wait may ask for: more could run out of buffers.
    pub(crate) want_max: u32,
    /// System calls made so far.
    pub(crate) enters: u64,
}

impl Ring {
    /// Sets the ring up, registers the sockets and arms their receives.
    ///
    /// # Errors
    /// From the set-up calls; kernels before 6.1 lack a flag and response EINVAL.
    pub(crate) fn new(sizes: Sizes, sockets: Vec<TcpStream>, request: Vec<u8>) -> io::Result<Self> {
        let per_conn = (sockets.len() as u32 * 2).next_power_of_two();
        let ring = open_ring(sizes.ring, per_conn.max(sizes.ring * 2))?;
        let (mut submitter, sq, cq) = Box::leak(Box::new(ring)).split();
        submitter.register_ring_fd()?;
        let fds: Vec<i32> = sockets.iter().map(AsRawFd::as_raw_fd).collect();
        submitter.register_files(&fds)?;
        let buffers = Buffers::new(&submitter, sizes.buffers, sizes.buffer_size)?;
        let request: &'static [u8] = request.leak();
        let sends = (0..sockets.len() as u32)
            .map(|conn| {
                opcode::Send::new(Fixed(conn), request.as_ptr(), request.len() as u32)
                    .flags(libc::MSG_WAITALL | libc::MSG_NOSIGNAL)
                    .build()
                    .flags(squeue::Flags::SKIP_SUCCESS)
                    .user_data(SEND | u64::from(conn))
            })
            .collect();
        let mut ring =
            Self { submitter, sq, cq, buffers, sends, want_max: u32::from(sizes.buffers / 2), enters: 0 };
        for conn in 0..sockets.len() as u32 {
            ring.arm(conn)?;
        }
        std::mem::forget(sockets);
        Ok(ring)
    }

    fn arm(&mut self, conn: u32) -> io::Result<()> {
        let recv = opcode::RecvMulti::new(Fixed(conn), GROUP).build().user_data(u64::from(conn));
        self.push(&recv)
    }

    fn push(&mut self, entry: &squeue::Entry) -> io::Result<()> {
        // SAFETY: receives use the leaked buffer ring, sends the leaked request.
        if unsafe { self.sq.push(entry) }.is_err() {
            // Receives that are armed here must find the buffers that went back, or they end at once
            // with ENOBUFS, are armed again, and so on without end.
            self.buffers.publish();
            self.enter(0, EnterFlags::empty())?;
            // SAFETY: as above.
            unsafe { self.sq.push(entry) }.map_err(|_| io::Error::other("ring stays full"))?;
        }
        Ok(())
    }

    /// Queues the request on `conn`.
    #[inline]
    pub(crate) fn send(&mut self, conn: u32) -> io::Result<()> {
        // SAFETY: the request is leaked.
        if unsafe { self.sq.push(&self.sends[conn as usize]) }.is_err() {
            let entry = self.sends[conn as usize].clone();
            self.push(&entry)?;
        }
        Ok(())
    }

    #[inline]
    fn enter(&mut self, want: u32, flags: EnterFlags) -> io::Result<()> {
        self.sq.sync();
        self.enters += 1;
        // SAFETY: no argument is passed; flags and counts are valid.
        let result =
            unsafe { self.submitter.enter::<libc::sigset_t>(self.sq.len() as u32, want, flags.bits(), None) };
        self.sq.sync();
        self.cq.sync();
        tolerate(result)
    }

    /// Submits, then sleeps until `want` completions are there.
    #[inline]
    pub(crate) fn wait(&mut self, want: u32) -> io::Result<()> {
        self.enter(want, EnterFlags::GETEVENTS)
    }

    /// Submits, then sleeps until a completion is there or `span` has passed.
    pub(crate) fn wait_for(&mut self, want: u32, span: Nanos) -> io::Result<()> {
        let time = Timespec::new().sec(span.0 / 1_000_000_000).nsec((span.0 % 1_000_000_000) as u32);
        self.enter_with(want, &SubmitArgs::new().timespec(&time))
    }

    /// Submits, then sleeps until `want` completions are there, or `patience_us` microseconds have
    /// passed and at least one is there (kernels from 6.12; older ones ignore the patience).
    pub(crate) fn wait_patiently(&mut self, want: u32, patience_us: u32) -> io::Result<()> {
        self.enter_with(want, &SubmitArgs::new().min_wait_usec(patience_us))
    }

    fn enter_with(&mut self, want: u32, args: &SubmitArgs<'_, '_>) -> io::Result<()> {
        self.sq.sync();
        self.enters += 1;
        let flags = (EnterFlags::GETEVENTS | EnterFlags::EXT_ARG).bits();
        // SAFETY: `args` and what it points at outlive the call.
        let result = unsafe { self.submitter.enter(self.sq.len() as u32, want, flags, Some(args)) };
        self.sq.sync();
        self.cq.sync();
        tolerate(result)
    }

    /// Submits and reaps without sleeping; no system call when there is nothing to do.
    #[inline]
    pub(crate) fn poll(&mut self) -> io::Result<()> {
        self.sq.sync();
        if self.sq.is_empty() && !self.sq.taskrun() {
            return Ok(());
        }
        self.enter(0, EnterFlags::GETEVENTS)
    }

    /// The next bytes that arrived, if any are left from the last wait.
    ///
    /// # Errors
    /// When a connection failed or ended: the floor measures only undisturbed runs.
    #[inline]
    pub(crate) fn next(&mut self) -> io::Result<Option<Received>> {
        loop {
            let Some(entry) = self.cq.next() else {
                self.cq.sync();
                self.buffers.publish();
                return Ok(None);
            };
            let (data, result, flags) = (entry.user_data(), entry.result(), entry.flags());
            if data & SEND != 0 {
                return Err(io::Error::from_raw_os_error(-result));
            }
            let conn = data as u32;
            if let Some(id) = cqueue::buffer_select(flags) {
                self.buffers.give_back(id);
            }
            if !cqueue::more(flags) {
                if result == 0 {
                    return Err(io::Error::other("the target closed a connection"));
                }
                if result < 0 && result != -libc::ENOBUFS {
                    return Err(io::Error::from_raw_os_error(-result));
                }
                self.arm(conn)?;
            }
            if result > 0 {
                let bytes = result as u32;
                return Ok(Some(Received { conn, bytes }));
            }
        }
    }
}

fn open_ring(entries: u32, completions: u32) -> io::Result<IoUring> {
    IoUring::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_coop_taskrun()
        .setup_taskrun_flag()
        .setup_submit_all()
        .setup_no_sqarray()
        .setup_clamp()
        .setup_cqsize(completions)
        .build(entries)
}

/// A wait that ended without events is no failure.
fn tolerate(result: io::Result<usize>) -> io::Result<()> {
    match result {
        Ok(_) => Ok(()),
        Err(e) if matches!(e.raw_os_error(), Some(libc::ETIME | libc::EINTR)) => Ok(()),
        Err(e) => Err(e),
    }
}

/// A provided-buffer ring whose buffers go back as soon as their length is known.
struct Buffers {
    ring: *mut BufRingEntry,
    mask: u16,
    tail: u16,
    memory: *mut u8,
    size: u32,
}

impl Buffers {
    fn new(submitter: &Submitter<'_>, count: u16, size: u32) -> io::Result<Self> {
        let ring = map(usize::from(count) * size_of::<BufRingEntry>())?.cast();
        let memory = map(usize::from(count) * size as usize)?;
        // SAFETY: the mapping is page aligned, holds `count` entries and is never unmapped.
        unsafe { submitter.register_buf_ring_with_flags(ring as u64, count, GROUP, 0)? };
        let mut buffers = Self { ring, mask: count - 1, tail: 0, memory, size };
        for id in 0..count {
            buffers.give_back(id);
        }
        buffers.publish();
        Ok(buffers)
    }

    #[inline]
    fn give_back(&mut self, id: u16) {
        // SAFETY: both indices are masked or come from the kernel, which only knows ids that were
        // given to it; the entry at the tail belongs to this side until it is published.
        unsafe {
            let entry = &mut *self.ring.add(usize::from(self.tail & self.mask));
            let offset = usize::from(id) * self.size as usize;
            entry.set_addr(self.memory.add(offset) as u64);
            entry.set_len(self.size);
            entry.set_bid(id);
        }
        self.tail = self.tail.wrapping_add(1);
    }

    #[inline]
    fn publish(&self) {
        // SAFETY: the tail lies in the first entry of a ring that is never unmapped, and is aligned.
        let tail = unsafe { &*BufRingEntry::tail(self.ring).cast::<AtomicU16>() };
        tail.store(self.tail, Ordering::Release);
    }
}

fn map(bytes: usize) -> io::Result<*mut u8> {
    // SAFETY: a fresh anonymous mapping; nothing else is touched.
    let memory = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_POPULATE,
            -1,
            0,
        )
    };
    if memory == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    Ok(memory.cast())
}
