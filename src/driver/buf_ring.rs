//! Provided buffers: a ring of equal receive buffers that the kernel takes from and we refill
//! (`IORING_REGISTER_PBUF_RING`, Linux 5.19).

use std::alloc::{self, Layout};
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::Submitter;
use io_uring::types::BufRingEntry;

/// The kernel wants the ring page-aligned.
const PAGE: usize = 4096;

/// Buffers shared with the kernel.
///
/// The kernel owns a buffer from [`release`](BufRing::release) on until a completion names it;
/// then it is ours until released again. The memory must outlive every receive that may pick from
/// the ring, so the driver drops its ring first.
#[derive(Debug)]
pub struct BufRing {
    entries: NonNull<BufRingEntry>,
    buffers: NonNull<u8>,
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
        let mut ring = BufRing {
            entries: zeroed(Self::entries_layout(count))?.cast(),
            buffers: zeroed(Self::buffers_layout(count, buffer_len))?,
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
        // SAFETY: in bounds by the assertion; the whole area was zeroed at allocation, so it is
        // initialised; the kernel does not write to a buffer between its completion and its release.
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
        // SAFETY: `at` is below `count`; entries from the published tail on belong to us. Only
        // addr, len and bid are written: the word beside them in entry 0 is the tail itself.
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
        // SAFETY: the tail word lies inside entry 0, is 2-aligned, and is only written here.
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

    fn entries_layout(count: u16) -> Layout {
        let bytes = usize::from(count) * size_of::<BufRingEntry>();
        Layout::from_size_align(bytes, PAGE).expect("at most 512 KiB")
    }

    fn buffers_layout(count: u16, buffer_len: u32) -> Layout {
        let bytes = usize::from(count) * buffer_len as usize;
        Layout::from_size_align(bytes, PAGE).expect("count x length fits an allocation")
    }
}

fn zeroed(layout: Layout) -> io::Result<NonNull<u8>> {
    // SAFETY: the layouts above are never empty.
    NonNull::new(unsafe { alloc::alloc_zeroed(layout) })
        .ok_or_else(|| io::Error::from_raw_os_error(libc::ENOMEM))
}

impl Drop for BufRing {
    fn drop(&mut self) {
        // SAFETY: allocated in `register` with these very layouts; the driver has torn its ring
        // down, so the kernel no longer refers to either area.
        unsafe {
            alloc::dealloc(self.entries.as_ptr().cast(), Self::entries_layout(self.count));
            let layout = Self::buffers_layout(self.count, self.buffer_len);
            alloc::dealloc(self.buffers.as_ptr(), layout);
        }
    }
}
