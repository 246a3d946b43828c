//! Answers a child's system calls in the kernel's place (seccomp_unotify(2)): so this kernel can pass for
//! an older one, which a filter alone cannot make it do, since what matters lies in the child's memory.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::ptr;
use std::thread;

use super::run::{Done, start_command};
use super::seccomp::{Calls, filter, install_with};

/// A call that the child waits in.
pub struct Call {
    /// Its number.
    pub number: libc::c_long,
    pub args: [u64; 6],
    thread: u32,
    memory: File,
}

impl Call {
    /// Reads the child's memory.
    pub fn read(&self, address: u64, into: &mut [u8]) -> io::Result<()> {
        self.memory.read_exact_at(into, address)
    }

    /// The word at an address of the child's.
    pub fn word(&self, address: u64) -> io::Result<u32> {
        let mut word = [0; 4];
        self.read(address, &mut word)?;
        Ok(u32::from_ne_bytes(word))
    }

    /// Writes to the child's memory.
    pub fn write(&self, address: u64, bytes: &[u8]) -> io::Result<()> {
        self.memory.write_all_at(bytes, address)
    }

    /// Where the child has mapped the submissions of a ring (offset IORING_OFF_SQES), and how long that is.
    pub fn submissions(&self) -> io::Result<Vec<(u64, usize)>> {
        let maps = fs::read_to_string(format!("/proc/{}/maps", self.thread))?;
        let rings = maps.lines().filter(|line| line.contains("[io_uring]"));
        let range = |line: &str| {
            let mut fields = line.split_whitespace();
            let (from, to) = fields.next()?.split_once('-')?;
            let (from, to) = (u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?);
            let offset = u64::from_str_radix(fields.nth(1)?, 16).ok()?;
            (offset == 0x1000_0000).then_some((from, (to - from) as usize))
        };
        Ok(rings.filter_map(range).collect())
    }
}

/// What becomes of a call: the kernel carries it out, or it fails with an errno.
pub type Verdict = Result<(), i32>;

/// Runs `command` to its end while `judge` decides on each of its `calls`.
///
/// Panics where [`possible`] would have said no.
pub fn run(
    command: Command,
    calls: &[Calls],
    judge: impl FnMut(&Call) -> io::Result<Verdict> + Send + 'static,
) -> Done {
    let (command, supervisor) = supervised(command, calls, judge).unwrap();
    let mut command = command;
    let running = start_command(&mut command);
    drop(command); // it holds the end of the socket that the child sends the listener through
    let done = running.finish();
    supervisor.join().expect("the supervisor stood by");
    done
}

/// Says why not, when this kernel or a filter around this process does not allow it.
pub fn possible() -> Result<(), String> {
    let refused = |e: io::Error| format!("no seccomp user notification here: {e}");
    let mut command = Command::new("true");
    command.stdin(Stdio::null());
    let (mut command, supervisor) =
        supervised(command, &[Calls::All(libc::SYS_io_uring_setup)], |_| Ok(Ok(()))).map_err(refused)?;
    let ended = command.status().map_err(refused);
    drop(command);
    let _ = supervisor.join();
    ended.map(drop)
}

fn supervised(
    mut command: Command,
    calls: &[Calls],
    judge: impl FnMut(&Call) -> io::Result<Verdict> + Send + 'static,
) -> io::Result<(Command, thread::JoinHandle<()>)> {
    let mut filter = filter(calls, libc::SECCOMP_RET_USER_NOTIF);
    let (ours, theirs) = UnixStream::pair()?;
    let install = move || {
        let listener = install_with(&mut filter, libc::SECCOMP_FILTER_FLAG_NEW_LISTENER)?;
        send_descriptor(theirs.as_raw_fd(), listener)
    };
    // SAFETY: between fork and exec the closure only makes system calls, on memory that it owns or that
    // lies on its stack: it neither allocates nor takes a lock.
    unsafe { command.pre_exec(install) };
    let supervisor = thread::spawn(move || {
        // No listener: the child could not be started, which shows where it was.
        if let Ok(listener) = receive_descriptor(ours.as_raw_fd()) {
            supervise(&listener, judge);
        }
    });
    Ok((command, supervisor))
}

/// Until no process is left that has the filter.
fn supervise(listener: &OwnedFd, mut judge: impl FnMut(&Call) -> io::Result<Verdict>) {
    loop {
        let mut poll = libc::pollfd { fd: listener.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one valid pollfd.
        let ready = unsafe { libc::poll(&raw mut poll, 1, -1) };
        if ready > 0 && poll.revents & libc::POLLIN == 0 {
            return; // POLLHUP
        }
        // SAFETY: plain integers, which the kernel wants to be zero.
        let mut asked: libc::seccomp_notif = unsafe { mem::zeroed() };
        // SAFETY: `asked` is what this request writes.
        if unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut asked) } != 0 {
            continue; // the caller was killed meanwhile
        }
        let memory = OpenOptions::new().read(true).write(true).open(format!("/proc/{}/mem", asked.pid));
        let verdict = memory.and_then(|memory| {
            let (number, args) = (libc::c_long::from(asked.data.nr), asked.data.args);
            judge(&Call { number, args, thread: asked.pid, memory })
        });
        // A judge that failed must not go unseen: no kernel answers this.
        let verdict = verdict.unwrap_or(Err(libc::EXDEV));
        let response = libc::seccomp_notif_resp {
            id: asked.id,
            val: 0,
            error: verdict.err().map_or(0, |errno| -errno),
            flags: if verdict.is_ok() { libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32 } else { 0 },
        };
        // SAFETY: `response` is what this request reads. It fails when the caller is gone: no matter.
        unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw const response) };
    }
}

/// Room for one control message with one descriptor, aligned as a header must be.
type Control = [u64; 4];
const ONE: u32 = size_of::<libc::c_int>() as u32;

/// A message of one byte and `control`.
fn message(byte: &mut libc::iovec, control: &mut Control) -> libc::msghdr {
    // SAFETY: null pointers and zero lengths are a valid empty header.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = byte;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    // SAFETY: arithmetic only.
    message.msg_controllen = unsafe { libc::CMSG_SPACE(ONE) } as _;
    message
}

fn send_descriptor(through: RawFd, descriptor: RawFd) -> io::Result<()> {
    let (mut byte, mut control) = (0u8, Control::default());
    let mut io = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    let message = message(&mut io, &mut control);
    // SAFETY: the control buffer has room for one header and one descriptor and is aligned for both.
    let sent = unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(ONE) as _;
        ptr::write(libc::CMSG_DATA(header).cast::<libc::c_int>(), descriptor);
        libc::sendmsg(through, &raw const message, 0)
    };
    if sent == 1 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn receive_descriptor(through: RawFd) -> io::Result<OwnedFd> {
    let (mut byte, mut control) = (0u8, Control::default());
    let mut io = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    let mut message = message(&mut io, &mut control);
    // SAFETY: all that `message` points at outlives the call.
    let got = unsafe { libc::recvmsg(through, &raw mut message, libc::MSG_CMSG_CLOEXEC) };
    // SAFETY: the header, if there is one, lies in `control`, and with SCM_RIGHTS of this length is
    // followed by a descriptor that is ours alone.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        if got == 1 && !header.is_null() && (*header).cmsg_type == libc::SCM_RIGHTS {
            return Ok(OwnedFd::from_raw_fd(ptr::read(libc::CMSG_DATA(header).cast::<libc::c_int>())));
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}
