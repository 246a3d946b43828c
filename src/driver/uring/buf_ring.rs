//! Provided buffers: a ring of equal receive buffers that the kernel takes from and we refill
//! (`IORING_REGISTER_PBUF_RING`, Linux 5.19).

use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::Submitter;
use io_uring::types::BufRingEntry;
use memmap2::{MmapMut, MmapOptions};

use crate::driver::Buffer;

/// Buffers shared with the kernel.
///
/// The kernel owns a buffer from its [`release`](BufRing::release) on until a completion names it; then it is
/// [lent](BufRing::lend) until released again. Which are lent is kept here: what bytes can be read does not hang on what
/// callers do with a [`Buffer`].
#[derive(Debug)]
pub(super) struct BufRing {
    // Into the two areas below. Both are shared with the kernel, so no reference to either as a whole may
    // ever be made.
    entries: NonNull<BufRingEntry>,
    buffers: NonNull<u8>,
    _areas: [MmapMut; 2],
    /// Filled bytes of each buffer that is lent; 0 for those that the kernel owns.
    lent: Box<[u32]>,
    buffer_len: u32,
    /// What the kernel will see as the tail at the next [`publish`](BufRing::publish).
    tail: u16,
}

impl BufRing {
    /// `count` buffers (a power of two, at most 32,768) of `buffer_len` bytes each, registered as
    /// group `group` of the ring behind `submitter`.
    ///
    /// # Errors
    /// EINVAL where the kernel has no buffer rings, ENOMEM where memory cannot be pinned.
    ///
    /// # Safety
    /// The value must not be dropped before the ring is gone, with all receives that may pick from it.
    pub(super) unsafe fn register(
        submitter: &Submitter<'_>,
        group: u16,
        count: u16,
        buffer_len: u32,
    ) -> io::Result<BufRing> {
        assert!(count.is_power_of_two() && count <= 1 << 15 && buffer_len > 0);
        // The kernel wants the entries to begin a page.
        let (mut entries, mut buffers) = (
            area(usize::from(count) * size_of::<BufRingEntry>())?,
            area(usize::from(count) * buffer_len as usize)?,
        );
        let mut ring = BufRing {
            entries: NonNull::from(&mut entries[..]).cast(),
            buffers: NonNull::from(&mut buffers[..]).cast(),
            _areas: [entries, buffers],
            lent: vec![0; usize::from(count)].into_boxed_slice(),
            buffer_len,
            tail: 0,
        };
        // SAFETY: the entries are page-aligned and `count` long, and live as long as `ring`, which our caller keeps until
        // the io_uring instance is gone. Should this fail, the kernel knows nothing of them.
        unsafe {
            submitter.register_buf_ring_with_flags(ring.entries.as_ptr() as u64, count, group, 0)?;
        }
        for id in 0..count {
            // SAFETY: the kernel has none yet, and each is given once.
            unsafe { ring.hand_back(id) };
        }
        ring.publish();
        Ok(ring)
    }

    /// Lends buffer `id`, of which `len` bytes are filled.
    ///
    /// # Safety
    /// A completion must have named the buffer with that length, and it was neither lent nor taken back since.
    #[inline]
    pub(super) unsafe fn lend(&mut self, id: u16, len: u32) -> Buffer {
        debug_assert!(len <= self.buffer_len && self.lent[usize::from(id)] == 0);
        self.lent[usize::from(id)] = len;
        Buffer::new(id, len)
    }

    /// The bytes in a lent buffer.
    ///
    /// # Panics
    /// When it is not lent (it is another driver's).
    #[inline]
    pub(super) fn bytes(&self, buffer: &Buffer) -> &[u8] {
        let at = usize::from(buffer.id);
        assert!(buffer.len <= self.lent[at], "a buffer that is not lent");
        // SAFETY: so many bytes of this buffer are filled, by `lend`, and the kernel does not write to it before it is
        // released, which takes `&mut self` (docs/invariants.md, 8). The mapping lives as long as `self`.
        unsafe {
            let start = self.buffers.as_ptr().add(at * self.buffer_len as usize);
            std::slice::from_raw_parts(start, buffer.len as usize)
        }
    }

    /// Hands a lent buffer back. The kernel sees it at the next [`publish`](BufRing::publish).
    ///
    /// # Panics
    /// When it is not lent.
    #[inline]
    pub(super) fn release(&mut self, buffer: Buffer) {
        let filled = std::mem::take(&mut self.lent[usize::from(buffer.id)]);
        assert!(filled > 0, "a buffer that is not lent");
        // SAFETY: it was lent, so the kernel does not have it, and it is not lent any more.
        unsafe { self.hand_back(buffer.id) };
    }

    /// Hands buffer `id` to the kernel.
    ///
    /// # Safety
    /// The kernel must not have it, and it must not be lent.
    #[inline]
    pub(super) unsafe fn hand_back(&mut self, id: u16) {
        let count = self.count();
        debug_assert!(id < count);
        let at = usize::from(self.tail & (count - 1));
        // SAFETY: `at` and `id` are below `count`; the kernel has at most `count` - 1 buffers, so the entry at the tail is
        // ours. Only addr, len and bid are written: the word beside them in entry 0 is the tail itself.
        unsafe {
            let entry = &mut *self.entries.as_ptr().add(at);
            let start = self.buffers.as_ptr().add(usize::from(id) * self.buffer_len as usize);
            entry.set_addr(start as u64);
            entry.set_len(self.buffer_len);
            entry.set_bid(id);
        }
        self.tail = self.tail.wrapping_add(1);
    }

    /// Shows the kernel every buffer released so far.
    #[inline]
    pub(super) fn publish(&mut self) {
        // SAFETY: the tail word lies inside entry 0, is 2-aligned, lives as long as `self`, and is only
        // written here, atomically; the kernel reads it.
        let tail = unsafe { &*BufRingEntry::tail(self.entries.as_ptr()).cast::<AtomicU16>() };
        tail.store(self.tail, Ordering::Release);
    }

    /// How many buffers there are.
    pub(super) fn count(&self) -> u16 {
        self.lent.len() as u16
    }

    /// Length of each buffer in bytes.
    pub(super) fn buffer_len(&self) -> u32 {
        self.buffer_len
    }
}

/// Zeroed memory of its own, on page boundaries, there before it is needed.
fn area(bytes: usize) -> io::Result<MmapMut> {
    MmapOptions::new().len(bytes).populate().map_anon()
}
