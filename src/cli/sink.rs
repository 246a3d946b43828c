//! Where a report goes: standard output, or a file that was found writable before the run; and the observer that writes it there.

use std::convert::Infallible;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use crossbeam_channel::{Receiver, Sender, bounded};

use super::exit::{Exit, Failure};
use crate::observer::{Detail, Observer};
use crate::output::{self, Style};
use crate::report::Report;

/// How long the report waits for the progress line to be taken from the terminal, should that not take anything.
const LINE_GONE: Duration = Duration::from_secs(1);

/// An open place for a report.
#[derive(Debug)]
pub(super) enum Sink {
    /// Standard output.
    Stdout,
    /// A file; taken away again when nothing was written and it was not there before.
    File(OutputFile),
}

/// A file that is open for writing and still as it was.
#[derive(Debug)]
pub(super) struct OutputFile {
    file: File,
    path: PathBuf,
    /// Made by us and without a whole report in it.
    remove: bool,
}

impl Sink {
    /// Opens `path`, leaving what is in it; `-` or nothing is standard output.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn open(path: Option<&Path>) -> Result<Sink, Failure> {
        let Some(path) = path.filter(|path| *path != Path::new("-")) else {
            return Ok(Sink::Stdout);
        };
        let opened = OutputFile::open(path);
        let opened = opened.with_context(|| format!("-o: cannot write {}", path.display()));
        opened.map(Sink::File).map_err(Failure::run)
    }

    /// Whether colours are wanted: on a terminal that can show them, and without NO_COLOR
    /// (no-color.org: any value but the empty one).
    pub(super) fn wants_colours(&self) -> bool {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        matches!(self, Sink::Stdout) && io::stdout().is_terminal() && !set("NO_COLOR") && !dumb
    }

    /// Whether it is this very file on a disk; devices and pipes take the bytes of several.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub(super) fn is_same_file(&self, other: &OutputFile) -> io::Result<bool> {
        let Sink::File(own) = self else { return Ok(false) };
        let (own, other) = (own.file.metadata()?, other.file.metadata()?);
        Ok(own.is_file() && (own.dev(), own.ino()) == (other.dev(), other.ino()))
    }

    /// Replaces the contents by what `fill` writes.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(self, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
        let (written, place) = match self {
            Sink::Stdout => (fill(&mut io::stdout().lock()), "standard output".into()),
            Sink::File(mut file) => {
                let place = file.path.display().to_string();
                (file.replace(fill), place)
            }
        };
        written.with_context(|| format!("cannot write to {place}")).map_err(Failure::run)
    }

    /// Writes a report, and `more` behind it. A report that cannot go where it was meant to go is not lost: its summary
    /// goes to standard output if that was meant for something else, or to standard error.
    ///
    /// # Errors
    /// When it cannot be written where it was meant to go, also if the summary could be written elsewhere.
    fn write_report(self, report: &Report, style: Style, more: &str) -> Result<(), Failure> {
        let stdout_is_free = matches!(self, Sink::File(_));
        let written = self.write(|out| {
            output::write(report, style, out)?;
            out.write_all(more.as_bytes())?;
            out.flush()
        });
        written.inspect_err(|_| rescue(report, stdout_is_free))
    }
}

/// The observer that writes the report, in any format, to its place.
pub(super) struct ReportWriter {
    /// Taken when the report is written. Dropped with the observer when there is none.
    sink: Option<Sink>,
    style: Style,
    more: &'static str,
    /// Disconnected when the progress line is gone.
    line_gone: Option<Receiver<Infallible>>,
    done: Sender<Result<(), Failure>>,
}

/// What came of writing the report.
pub(super) struct Written(Receiver<Result<(), Failure>>);

impl ReportWriter {
    /// For a report in `style`, with `more` behind it; below a progress line, once that is gone.
    pub(super) fn new(
        sink: Sink,
        style: Style,
        more: &'static str,
        line_gone: Option<Receiver<Infallible>>,
    ) -> (ReportWriter, Written) {
        let (done, written) = bounded(1);
        (ReportWriter { sink: Some(sink), style, more, line_gone, done }, Written(written))
    }
}

impl Observer for ReportWriter {
    fn name(&self) -> &'static str {
        "report"
    }

    fn detail(&self) -> Detail {
        Detail::Nothing
    }

    fn on_report(&mut self, report: &Arc<Report>) {
        if let Some(line_gone) = self.line_gone.take() {
            // A terminal that takes no line will not take a report either, but that may go elsewhere.
            let _ = line_gone.recv_timeout(LINE_GONE);
        }
        if let Some(sink) = self.sink.take() {
            let written = sink.write_report(report, self.style, self.more);
            // Who does not listen has gone.
            let _ = self.done.send(written);
        }
    }
}

impl Written {
    /// Waits until the report is written, however long its place takes: the process must not end before.
    ///
    /// # Errors
    /// When it could not be written where it was meant to go.
    pub(super) fn wait(self, report: &Report) -> Result<(), Failure> {
        self.0.recv().unwrap_or_else(|_| {
            rescue(report, false);
            Err(Failure::run(anyhow!("the report could not be written")))
        })
    }
}

/// A run may have taken hours: says what came out of it wherever something can be said.
fn rescue(report: &Report, stdout_is_free: bool) {
    let plain = Style::default();
    if stdout_is_free && output::write(report, plain, &mut io::stdout().lock()).is_ok() {
        return;
    }
    // Nothing can be told where standard error is closed, too.
    let _ = output::write(report, plain, &mut io::stderr().lock());
}

impl OutputFile {
    /// Opens it for writing, leaving what is in it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn open(path: &Path) -> io::Result<OutputFile> {
        let new = OpenOptions::new().write(true).create_new(true).open(path);
        let (file, remove) = match new {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                // Created after all where a symbolic link points at nothing.
                let open = OpenOptions::new().write(true).create(true).truncate(false).open(path);
                (open?, false)
            }
            new => (new?, true),
        };
        Ok(OutputFile { file, path: path.into(), remove })
    }

    /// Takes away what was in it; from here on it stays, whatever is written.
    ///
    /// # Errors
    /// When that is not possible.
    pub(super) fn empty(&mut self) -> io::Result<()> {
        // Pipes and devices have no length to set.
        if self.file.metadata()?.is_file() {
            self.file.set_len(0)?;
        }
        self.remove = false;
        Ok(())
    }

    /// Writes some of `bytes`, behind what was written before.
    ///
    /// # Errors
    /// When none of them can be written.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&self.file).write(bytes)
    }

    fn replace(&mut self, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        // Pipes and devices have no length to set.
        let is_file = self.file.metadata()?.is_file();
        if is_file {
            self.file.set_len(0)?;
        }
        let mut out = BufWriter::new(&self.file);
        let written = fill(&mut out).and_then(|()| out.flush());
        // What is left in the buffer of one that failed has no place to go to.
        drop(out.into_parts());
        match written {
            Ok(()) => self.remove = false,
            // The first part of a report must not be taken for a whole one.
            Err(_) if is_file => self.file.set_len(0)?,
            Err(_) => {}
        }
        written
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        if self.remove {
            // An empty file left behind is a flaw, not a failure.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Writes text that is no report.
pub(super) fn to_stdout(text: &[u8]) -> Result<Exit, Failure> {
    Sink::Stdout.write(|out| {
        out.write_all(text)?;
        out.flush()
    })?;
    Ok(Exit::Fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_only_when_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("report");
        fs::write(&path, "older and longer").unwrap();
        drop(Sink::open(Some(&path)).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "older and longer");
        Sink::open(Some(&path)).unwrap().write(|out| out.write_all(b"new")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    }

    #[test]
    fn a_new_file_stays_only_when_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("report");
        let sink = Sink::open(Some(&path)).unwrap();
        assert!(path.exists(), "found writable by making it");
        drop(sink);
        assert!(!path.exists());
        Sink::open(Some(&path)).unwrap().write(|out| out.write_all(b"new")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    }

    #[test]
    fn a_part_of_a_report_does_not_stay() {
        let dir = tempfile::tempdir().unwrap();
        let fill = |out: &mut dyn Write| {
            out.write_all(&[b'x'; 100_000])?;
            Err(io::ErrorKind::StorageFull.into())
        };
        let path = dir.path().join("new");
        Sink::open(Some(&path)).unwrap().write(fill).unwrap_err();
        assert!(!path.exists());
        let path = dir.path().join("old");
        fs::write(&path, "older").unwrap();
        Sink::open(Some(&path)).unwrap().write(fill).unwrap_err();
        assert_eq!(fs::read(&path).unwrap(), b"", "what was there is not ours to take away");
    }

    #[test]
    fn devices_are_written_too() {
        let sink = Sink::open(Some(Path::new("/dev/null"))).unwrap();
        sink.write(|out| out.write_all(b"gone")).unwrap();
    }

    #[test]
    fn what_cannot_be_written_is_found_at_once() {
        for path in ["/nonexistent/report.json", "/"] {
            let failure = Sink::open(Some(Path::new(path))).unwrap_err();
            assert!(format!("{failure:?}").contains(path));
        }
        assert!(matches!(Sink::open(Some(Path::new("-"))), Ok(Sink::Stdout)));
    }
}
