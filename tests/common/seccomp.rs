//! Runs a child process under a seccomp filter that refuses io_uring, or parts of it, as container
//! engines' default profiles do.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

// Offsets in `struct seccomp_data` (linux/seccomp.h); of an argument, its lower half.
const NR: u32 = 0;
const ARCH: u32 = 4;
const fn argument(number: u32) -> u32 {
    16 + 8 * number
}

// linux/audit.h: machine | 64 bit | little endian.
#[cfg(target_arch = "x86_64")]
const AUDIT_ARCH: u32 = 62 | 0x8000_0000 | 0x4000_0000;
#[cfg(target_arch = "aarch64")]
const AUDIT_ARCH: u32 = 183 | 0x8000_0000 | 0x4000_0000;

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const IF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const IF_GREATER: u32 = libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K;
const AND: u32 = libc::BPF_ALU | libc::BPF_AND | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

/// io_uring_register(2): the descriptor is an index of registered rings.
const USE_REGISTERED_RING: u32 = 1 << 31;

/// Which calls a filter is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calls {
    /// All with this number.
    All(libc::c_long),
    /// `io_uring_setup` with more entries.
    SetupAbove(u32),
    /// `io_uring_register` with this opcode.
    Register(u32),
}

fn statement(code: u32, k: u32) -> libc::sock_filter {
    jump(code, k, 0, 0)
}

fn jump(code: u32, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt, jf, k }
}

/// `calls` meet `action`, everything else goes through.
pub fn filter(calls: &[Calls], action: u32) -> Vec<libc::sock_filter> {
    let allow = statement(RETURN, libc::SECCOMP_RET_ALLOW);
    // A foreign ABI numbers its calls differently.
    let mut program = vec![statement(LOAD, ARCH), jump(IF_EQUAL, AUDIT_ARCH, 1, 0), allow];
    for calls in calls {
        let (number, which) = match *calls {
            Calls::All(number) => (number, vec![]),
            Calls::SetupAbove(entries) => (
                libc::SYS_io_uring_setup,
                vec![statement(LOAD, argument(0)), jump(IF_GREATER, entries, 0, 1)],
            ),
            Calls::Register(opcode) => (
                libc::SYS_io_uring_register,
                vec![
                    statement(LOAD, argument(1)),
                    statement(AND, !USE_REGISTERED_RING),
                    jump(IF_EQUAL, opcode, 0, 1),
                ],
            ),
        };
        program.push(statement(LOAD, NR));
        program.push(jump(IF_EQUAL, number as u32, 0, which.len() as u8 + 1));
        program.extend(which);
        program.push(statement(RETURN, action));
    }
    program.push(allow);
    program
}

/// Makes `calls` fail with `errno` in the process that `cmd` will start. Needs no privileges.
///
/// `spawn` fails with EINVAL where the kernel has no seccomp filters.
pub fn with_refused(cmd: &mut Command, calls: Calls, errno: i32) {
    let refuse = libc::SECCOMP_RET_ERRNO | (errno as u32 & libc::SECCOMP_RET_DATA);
    let mut filter = filter(&[calls], refuse);
    // SAFETY: between fork and exec the closure only makes two system calls, on memory that it
    // owns: it neither allocates nor takes a lock.
    unsafe { cmd.pre_exec(move || install(&mut filter)) };
}

/// Makes `io_uring_setup` fail with `errno`: EPERM as under a container engine, ENOSYS as on an old kernel.
pub fn with_io_uring_refused(cmd: &mut Command, errno: i32) {
    with_refused(cmd, Calls::All(libc::SYS_io_uring_setup), errno);
}

fn install(filter: &mut [libc::sock_filter]) -> io::Result<()> {
    install_with(filter, 0).map(drop)
}

/// Installs `filter` for this process; with SECCOMP_FILTER_FLAG_NEW_LISTENER, returns the listener's descriptor.
pub fn install_with(filter: &mut [libc::sock_filter], flags: libc::c_ulong) -> io::Result<libc::c_int> {
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: plain numbers (the kernel insists on zeros); needed to install a filter without
    // privileges.
    if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1u64, 0u64, 0u64, 0u64) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `program` and the filter that it points at outlive the call; the kernel copies them.
    let rc =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program) };
    match rc {
        0.. => Ok(rc as libc::c_int),
        _ => Err(io::Error::last_os_error()),
    }
}
