//! How much memory a script's users may take together, beside what each of them may: watched while they are there, since what they take shows only then.

use std::io;
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};

use super::machine;
use crate::script::program::Program;
use crate::units::human;

/// How often the process's memory is looked at: users that are made take some 300 MB a second, and what is free is looked at once.
const EVERY: Duration = Duration::from_millis(20);

/// A thread that looks at the memory of this process until it is dropped, and calls the load off when that is too much.
#[derive(Debug)]
pub(super) struct Watch {
    over: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    too_much: Arc<OnceLock<String>>,
}

impl Watch {
    /// Begins to look. `most`: bytes that may be resident; where nothing is said nine tenths of what machine and control groups have free.
    ///
    /// # Errors
    /// When there can be no thread.
    pub(super) fn begin(program: &Arc<Program>, most: Option<u64>) -> io::Result<Watch> {
        let otherwise = || machine::free_memory().map(|free| machine::rss_bytes() + free / 10 * 9);
        let too_much = Arc::new(OnceLock::new());
        let Some(most) = most.or_else(otherwise) else {
            return Ok(Watch { over: None, thread: None, too_much });
        };
        let (over, wait) = bounded::<()>(0);
        let (program, told) = (Arc::clone(program), Arc::clone(&too_much));
        let thread = thread::Builder::new().name("script-memory".into()).spawn(move || {
            while wait.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                let resident = machine::rss_bytes();
                if resident > most {
                    let why = message(resident, most, program.live().initialised());
                    program.break_off(&why);
                    let _ = told.set(why);
                    return;
                }
            }
        })?;
        Ok(Watch { over: Some(over), thread: Some(thread), too_much })
    }

    /// Why the load was called off, if it was.
    pub(super) fn too_much(&self) -> Option<&str> {
        self.too_much.get().map(String::as_str)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.over.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn message(resident: u64, most: u64, users: u64) -> String {
    format!(
        "--max-memory: the run's scripts took {} with {users} users, and may have {}: the test is over; allow more, use fewer users, keep \
         large data in a SharedArray, or leave bodies out (discardResponseBodies)",
        human::bytes(resident),
        human::bytes(most)
    )
}
