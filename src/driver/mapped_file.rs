//! The bytes of a file: mapped when it is large, read otherwise.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Deref;

/// Files from this size up are mapped.
const MAPPED_MIN: u64 = 1 << 20;

/// All bytes of a file. It must not be truncated while it is in use.
#[derive(Debug)]
pub struct FileBytes(Bytes);

#[derive(Debug)]
enum Bytes {
    Read(Vec<u8>),
    Mapped(memmap2::Mmap),
}

impl FileBytes {
    /// Takes the whole file.
    ///
    /// # Errors
    /// When it cannot be read or mapped.
    pub fn read(mut file: &File) -> io::Result<FileBytes> {
        let meta = file.metadata()?;
        if meta.is_file() && meta.len() >= MAPPED_MIN {
            // SAFETY: private and read-only. Somebody else's truncation would raise SIGBUS, and a
            // write would change bytes under us; both are documented as not to be done in a run.
            return Ok(FileBytes(Bytes::Mapped(unsafe {
                memmap2::MmapOptions::new().map_copy_read_only(file)?
            })));
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(FileBytes(Bytes::Read(bytes)))
    }
}

impl Deref for FileBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Bytes::Read(bytes) => bytes,
            Bytes::Mapped(map) => map,
        }
    }
}
