//! A bounded pool of receive buffers that all connections share.

use crate::driver::Buffer;

/// Length of a buffer in bytes: one receive.
pub(super) const BUFFER_LEN: usize = 16 * 1024;

/// Buffers, and which of them are free. The last one released is the next one lent: it is still in
/// the cache, and buffers that are never needed never become resident.
pub(super) struct Pool {
    memory: Box<[u8]>,
    free: Vec<u16>,
}

impl Pool {
    pub(super) fn new(count: u16) -> Pool {
        Pool {
            memory: vec![0; usize::from(count) * BUFFER_LEN].into_boxed_slice(),
            free: (0..count).rev().collect(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.free.is_empty()
    }

    /// Lends a buffer that `fill` has put bytes into. Nothing is lent when it put none or failed.
    /// The outer `None` means that no buffer is free.
    pub(super) fn lend(
        &mut self,
        fill: impl FnOnce(&mut [u8]) -> std::io::Result<usize>,
    ) -> Option<std::io::Result<Option<Buffer>>> {
        let id = *self.free.last()?;
        let start = usize::from(id) * BUFFER_LEN;
        let filled = fill(&mut self.memory[start..start + BUFFER_LEN]);
        Some(filled.map(|len| {
            (len > 0).then(|| {
                self.free.pop();
                Buffer::new(id, len as u32)
            })
        }))
    }

    pub(super) fn bytes(&self, buffer: &Buffer) -> &[u8] {
        let start = usize::from(buffer.id) * BUFFER_LEN;
        &self.memory[start..start + buffer.len as usize]
    }

    pub(super) fn release(&mut self, buffer: Buffer) {
        debug_assert!(!self.free.contains(&buffer.id), "released twice");
        self.free.push(buffer.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lends_each_buffer_once_and_takes_it_back() {
        let mut pool = Pool::new(2);
        let lend = |pool: &mut Pool, byte: u8| {
            pool.lend(|room| {
                room[0] = byte;
                Ok(1)
            })
        };
        let a = lend(&mut pool, b'a').unwrap().unwrap().unwrap();
        let b = lend(&mut pool, b'b').unwrap().unwrap().unwrap();
        assert!(lend(&mut pool, b'c').is_none());
        assert_eq!((pool.bytes(&a), pool.bytes(&b)), (&b"a"[..], &b"b"[..]));
        pool.release(a);
        assert!(lend(&mut pool, b'c').is_some());
    }

    #[test]
    fn an_empty_or_failed_fill_keeps_the_buffer() {
        let mut pool = Pool::new(1);
        assert!(pool.lend(|_| Ok(0)).unwrap().unwrap().is_none());
        assert!(pool.lend(|_| Err(std::io::ErrorKind::WouldBlock.into())).unwrap().is_err());
        assert!(!pool.is_empty());
    }
}
