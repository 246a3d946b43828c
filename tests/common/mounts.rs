//! Files that a child process finds in the place of this host's, in a mount namespace of its own.

use std::ffi::{CStr, CString};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::ptr;

/// Lets the process that `cmd` will start find each first file in the place of the second. Its start fails where there can be no
/// such namespace.
pub fn mounted(cmd: &mut Command, mounts: Vec<(CString, CString)>) {
    let enter = move || {
        // SAFETY: a number.
        done(unsafe { libc::unshare(libc::CLONE_NEWNS) })?;
        mount(None, c"/", libc::MS_REC | libc::MS_PRIVATE)?; // nothing gets out
        mounts.iter().try_for_each(|(file, over)| mount(Some(file), over, libc::MS_BIND))
    };
    // SAFETY: between fork and exec the closure only makes system calls, on memory that it owns: it
    // neither allocates nor takes a lock.
    unsafe { cmd.pre_exec(enter) };
}

fn mount(source: Option<&CStr>, target: &CStr, flags: libc::c_ulong) -> io::Result<()> {
    let source = source.map_or(ptr::null(), |source| source.as_ptr());
    // SAFETY: strings that end in NUL; null where the kernel looks at nothing.
    done(unsafe { libc::mount(source, target.as_ptr(), ptr::null(), flags, ptr::null()) })
}

/// What a system call said.
pub fn done(rc: libc::c_int) -> io::Result<()> {
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
