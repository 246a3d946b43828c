//! Provided buffers: a ring of equal receive buffers that the kernel takes from and we refill
//! (`IORING_REGISTER_PBUF_RING`, Linux 5.19).

use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::Submitter;
use io_uring::types::BufRingEntry;
use memmap2::{MmapMut, MmapOptions};

/// Buffers shared with the kernel.
///
/// The kernel owns a buffer from [`release`](BufRing::release) on until a completion names it;
/// then it is ours until released again. The memory must outlive every receive that may pick from
/// the ring, so the driver drops its ring first.
#[derive(Debug)]
pub struct BufRing {
    // Into the two areas below. Both are shared with the kernel, so no reference to either as a whole may
    // ever be made.
    entries: NonNull<BufRingEntry>,
    buffers: NonNull<u8>,
    _areas: [MmapMut; 2],
    count: u16,
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
    pub fn register(
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
            count,
            buffer_len,
            tail: 0,
        };
        // SAFETY: the entries are page-aligned, `count` long, and live as long as `ring`, which the
        // driver keeps until its io_uring instance is gone.
        unsafe {
            submitter.register_buf_ring_with_flags(ring.entries.as_ptr() as u64, count, group, 0)?;
        }
        for id in 0..count {
            ring.release(id);
        }
        ring.publish();
        Ok(ring)
    }

    /// The first `len` bytes of buffer `id`, which the caller must hold (not yet released).
    #[inline]
    pub fn bytes(&self, id: u16, len: u32) -> &[u8] {
        assert!(id < self.count && len <= self.buffer_len);
        // SAFETY: in bounds by the assertion; the mapping began as zeros, so it is initialised, and lives as
        // long as `self`; the kernel does not write to a buffer between its completion and its release.
        unsafe {
            let start = self.buffers.as_ptr().add(usize::from(id) * self.buffer_len as usize);
            std::slice::from_raw_parts(start, len as usize)
        }
    }

    /// Hands buffer `id` back. The kernel sees it at the next [`publish`](BufRing::publish).
    #[inline]
    pub fn release(&mut self, id: u16) {
        assert!(id < self.count);
        let at = usize::from(self.tail & (self.count - 1));
        // SAFETY: `at` is below `count` and `id` too; no more than `count` buffers exist, so the entries from
        // the published tail on belong to us. Only addr, len and bid are written: the word beside them in
        // entry 0 is the tail itself.
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
    pub fn publish(&mut self) {
        // SAFETY: the tail word lies inside entry 0, is 2-aligned, lives as long as `self`, and is only
        // written here; the kernel reads it.
        let tail = unsafe { &*BufRingEntry::tail(self.entries.as_ptr()).cast::<AtomicU16>() };
        tail.store(self.tail, Ordering::Release);
    }

    /// How many buffers there are.
    pub fn count(&self) -> u16 {
        self.count
    }

    /// Length of each buffer in bytes.
    pub fn buffer_len(&self) -> u32 {
        self.buffer_len
    }
}

/// Zeroed memory of its own, on page boundaries, there before it is needed.
fn area(bytes: usize) -> io::Result<MmapMut> {
    MmapOptions::new().len(bytes).populate().map_anon()
}
