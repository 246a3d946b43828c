//! Shows a child process other values of `kernel.io_uring_disabled` and `kernel.io_uring_group` than this
//! host has, in a mount namespace of its own. What the kernel does is left to a seccomp filter.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::mounts::{done, mounted};
use super::seccomp::with_io_uring_refused;

const CAP_SYS_ADMIN: libc::c_ulong = 21;

/// What the child finds.
#[derive(Clone, Copy, Debug)]
pub struct Sysctl {
    pub disabled: u8,
    pub group: i32,
    /// Whether it keeps CAP_SYS_ADMIN, which value 1 lets through.
    pub privileged: bool,
}

/// Makes `io_uring_setup` fail with EPERM in the process that `cmd` will start, and `sysctl` look like the reason.
/// `dir` must outlive the process. Says why not, where there can be no such namespace.
pub fn with_sysctl(cmd: &mut Command, dir: &Path, sysctl: Sysctl) -> Result<(), String> {
    let mut probe = Command::new("true");
    let known = "/proc/sys/kernel/io_uring_disabled";
    if !Path::new(known).exists() {
        return Err(format!("this kernel has no {known}"));
    }
    prepare(probe.stdin(Stdio::null()), dir, sysctl)
        .and_then(|()| probe.status().map(drop))
        .map_err(|e| format!("no mount namespace here: {e}"))?;
    prepare(cmd, dir, sysctl).map_err(|e| e.to_string())?;
    with_io_uring_refused(cmd, libc::EPERM);
    Ok(())
}

fn prepare(cmd: &mut Command, dir: &Path, sysctl: Sysctl) -> io::Result<()> {
    let fake = |name: &str, value: String| -> io::Result<(CString, CString)> {
        let file = dir.join(name);
        std::fs::write(&file, value)?;
        let over = CString::new(format!("/proc/sys/kernel/{name}"))?;
        Ok((CString::new(file.as_os_str().as_bytes())?, over))
    };
    let mounts = [
        fake("io_uring_disabled", format!("{}\n", sysctl.disabled))?,
        fake("io_uring_group", format!("{}\n", sysctl.group))?,
    ];
    mounted(cmd, mounts.into());
    if !sysctl.privileged {
        // It takes effect with the exec that follows.
        // SAFETY: between fork and exec the closure only makes a system call, with numbers.
        unsafe { cmd.pre_exec(|| done(libc::prctl(libc::PR_CAPBSET_DROP, CAP_SYS_ADMIN))) };
    }
    Ok(())
}
