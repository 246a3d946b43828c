//! Receive buffers that notice when one is given back twice, or is not ours.

use std::sync::Arc;

use super::peer::Chunk;
use crate::driver::Buffer;

/// Buffers hold no memory of their own: a lent one is a view of what the peer has sent.
#[derive(Debug)]
pub(super) struct Buffers {
    lent: Vec<Option<Chunk>>,
    free: Vec<u16>,
    len: usize,
}

impl Buffers {
    pub(super) fn new(count: u16, len: u32) -> Buffers {
        assert!(count > 0 && len > 0, "a simulation needs buffers");
        Buffers { lent: vec![None; usize::from(count)], free: (0..count).rev().collect(), len: len as usize }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.free.is_empty()
    }

    /// Lends a buffer that begins with as much of `chunk` as fits.
    pub(super) fn lend(&mut self, chunk: &Chunk) -> Option<Buffer> {
        let id = self.free.pop()?;
        let len = chunk.len().min(self.len);
        let filled = Chunk { bytes: Arc::clone(&chunk.bytes), from: chunk.from, to: chunk.from + len };
        self.lent[usize::from(id)] = Some(filled);
        Some(Buffer { id, len: len as u32 })
    }

    pub(super) fn bytes(&self, buffer: &Buffer) -> &[u8] {
        let lent = self.lent[usize::from(buffer.id)].as_ref().expect("buffer is not lent");
        &lent.as_slice()[..buffer.len as usize]
    }

    pub(super) fn release(&mut self, buffer: Buffer) {
        let lent = self.lent[usize::from(buffer.id)].take();
        assert!(lent.is_some(), "buffer {} was released twice", buffer.id);
        self.free.push(buffer.id);
    }
}
