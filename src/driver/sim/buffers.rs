//! Receive buffers that notice when one is given back twice, or is not ours.

use crate::driver::Buffer;

#[derive(Debug)]
pub(super) struct Buffers {
    memory: Vec<Vec<u8>>,
    lent: Vec<bool>,
    free: Vec<u16>,
    len: usize,
}

impl Buffers {
    pub(super) fn new(count: u16, len: u32) -> Buffers {
        assert!(count > 0 && len > 0, "a simulation needs buffers");
        Buffers {
            memory: vec![Vec::new(); usize::from(count)],
            lent: vec![false; usize::from(count)],
            free: (0..count).rev().collect(),
            len: len as usize,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.free.is_empty()
    }

    /// Lends a buffer that begins with as much of `bytes` as fits.
    pub(super) fn lend(&mut self, bytes: &[u8]) -> Option<Buffer> {
        let id = self.free.pop()?;
        let len = bytes.len().min(self.len);
        let memory = &mut self.memory[usize::from(id)];
        memory.clear();
        memory.extend_from_slice(&bytes[..len]);
        self.lent[usize::from(id)] = true;
        Some(Buffer::new(id, len as u32))
    }

    pub(super) fn bytes(&self, buffer: &Buffer) -> &[u8] {
        assert!(self.lent[usize::from(buffer.id)], "buffer is not lent");
        &self.memory[usize::from(buffer.id)][..buffer.len as usize]
    }

    pub(super) fn release(&mut self, buffer: Buffer) {
        let lent = std::mem::replace(&mut self.lent[usize::from(buffer.id)], false);
        assert!(lent, "buffer {} was released twice", buffer.id);
        // Whoever still reads it shall see that it is no longer theirs.
        self.memory[usize::from(buffer.id)].fill(0xdd);
        self.free.push(buffer.id);
    }
}
