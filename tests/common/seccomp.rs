//! Runs a child process under a seccomp filter that refuses io_uring, as container engines'
//! default profiles do.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

// Offsets in `struct seccomp_data` (linux/seccomp.h).
const NR: u32 = 0;
const ARCH: u32 = 4;

// linux/audit.h: machine | 64 bit | little endian.
#[cfg(target_arch = "x86_64")]
const AUDIT_ARCH: u32 = 62 | 0x8000_0000 | 0x4000_0000;
#[cfg(target_arch = "aarch64")]
const AUDIT_ARCH: u32 = 183 | 0x8000_0000 | 0x4000_0000;

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const IF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

fn statement(code: u32, k: u32) -> libc::sock_filter {
    jump(code, k, 0, 0)
}

fn jump(code: u32, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt, jf, k }
}

/// `io_uring_setup` answers `errno`, everything else goes through.
fn filter(errno: i32) -> [libc::sock_filter; 6] {
    let refuse = libc::SECCOMP_RET_ERRNO | (errno as u32 & libc::SECCOMP_RET_DATA);
    [
        statement(LOAD, ARCH),
        jump(IF_EQUAL, AUDIT_ARCH, 0, 3), // a foreign ABI numbers its calls differently
        statement(LOAD, NR),
        jump(IF_EQUAL, libc::SYS_io_uring_setup as u32, 0, 1),
        statement(RETURN, refuse),
        statement(RETURN, libc::SECCOMP_RET_ALLOW),
    ]
}

/// Makes `io_uring_setup` fail with `errno` (EPERM as under a container engine, ENOSYS as on an
/// old kernel) in the process that `cmd` will start. Needs no privileges.
///
/// `spawn` fails with EINVAL where the kernel has no seccomp filters.
pub fn with_io_uring_refused(cmd: &mut Command, errno: i32) {
    // SAFETY: between fork and exec the closure only makes two system calls, on memory that it
    // owns: it neither allocates nor takes a lock.
    unsafe { cmd.pre_exec(move || install(&mut filter(errno))) };
}

fn install(filter: &mut [libc::sock_filter]) -> io::Result<()> {
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: plain numbers (the kernel insists on zeros); needed to install a filter without
    // privileges.
    if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1u64, 0u64, 0u64, 0u64) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `program` and the filter that it points at outlive the call; the kernel copies them.
    let rc =
        unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER as u64, &raw const program) };
    if rc != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
