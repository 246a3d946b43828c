//! A file's bytes without reading it: the kernel brings in what is looked at.

use std::fs::File;
use std::io;
use std::path::Path;

/// Files below this are read: a mapping would cost more.
const MAPPED_FROM: u64 = 1 << 20;

/// The bytes of a file. It must not be shortened while it is in use: a mapping then has no bytes to show, and the
/// kernel ends the process (SIGBUS).
#[derive(Debug)]
pub(super) enum MappedFile {
    /// Read into memory.
    Read(Vec<u8>),
    /// Mapped.
    Mapped(memmap2::Mmap),
}

impl MappedFile {
    /// Opens `path`: files of 1 MiB and more are mapped, smaller ones read.
    ///
    /// # Errors
    /// Those of opening, reading and mapping.
    pub(super) fn open(path: &Path) -> io::Result<MappedFile> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() || metadata.len() < MAPPED_FROM {
            return std::fs::read(path).map(MappedFile::Read);
        }
        // SAFETY: the mapping is private and read-only. That nobody changes the file meanwhile cannot be
        // enforced; changed bytes are read as they are, and nothing here relies on what they were.
        unsafe { memmap2::Mmap::map(&file) }.map(MappedFile::Mapped)
    }

    /// All of it.
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            MappedFile::Read(bytes) => bytes,
            MappedFile::Mapped(map) => map,
        }
    }
}
