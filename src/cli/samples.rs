//! Where samples go: a file that was found writable before the run, or standard output.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::Path;

use anyhow::{Context, anyhow};

use super::exit::Failure;
use super::sink::{OutputFile, Sink};
use crate::output::ndjson::Ndjson;
use crate::stats::samples;

/// Refuses `--samples -` where the report goes to standard output as well.
///
/// # Errors
/// Then.
pub(super) fn check(samples: Option<&Path>, report: Option<&Path>) -> Result<(), Failure> {
    let is_stdout = |path: Option<&Path>| path == Some(Path::new("-"));
    if is_stdout(samples) && (report.is_none() || is_stdout(report)) {
        return Err(Failure::usage(anyhow!(
            "--samples -: the report goes to standard output, too; send it elsewhere with -o FILE"
        )));
    }
    Ok(())
}

/// Opens `path`, leaving what is in it until there is something to be written; `-` is standard output.
///
/// # Errors
/// When it cannot be written, or is where the report goes.
pub(super) fn open(path: Option<&Path>, report: &Sink) -> Result<Option<Box<dyn samples::Sink>>, Failure> {
    let Some(path) = path else { return Ok(None) };
    let place = path.display().to_string();
    let opened = if path == Path::new("-") {
        stdout().map(|out| Box::new(Ndjson::new(out, "standard output".into())) as Box<dyn samples::Sink>)
    } else {
        OutputFile::open(path).and_then(|file| {
            if report.is_same_file(&file)? {
                return Err(io::Error::other("the report goes there, too (-o)"));
            }
            Ok(Box::new(Ndjson::new(Stream { file, begun: false }, place.clone())) as Box<dyn samples::Sink>)
        })
    };
    opened.map(Some).with_context(|| format!("--samples: cannot write {place}")).map_err(Failure::run)
}

/// The same without a look at the report: a file, or standard output where there is no path.
///
/// # Errors
/// When it cannot be written.
pub(super) fn stream(path: Option<&Path>) -> io::Result<Box<dyn Write + Send>> {
    match path {
        None => Ok(Box::new(stdout()?)),
        Some(path) => Ok(Box::new(Stream { file: OutputFile::open(path)?, begun: false })),
    }
}

/// Not by way of the standard library's, which writes line by line.
fn stdout() -> io::Result<File> {
    io::stdout().as_fd().try_clone_to_owned().map(File::from)
}

/// A file that is written as a run goes on, and emptied before the first byte.
struct Stream {
    file: OutputFile,
    begun: bool,
}

impl Stream {
    fn begin(&mut self) -> io::Result<()> {
        if !std::mem::replace(&mut self.begun, true) {
            self.file.empty()?;
        }
        Ok(())
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.begin()?;
        self.file.write(bytes)
    }

    /// Empties the file, if nothing has been written yet.
    fn flush(&mut self) -> io::Result<()> {
        self.begin()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use super::*;
    use crate::stats::layout::Layout;
    use crate::stats::samples::Legend;
    use crate::units::Nanos;

    fn legend() -> Legend {
        let layout = Arc::new(Layout::default());
        let url = "http://h/".into();
        Legend { layout, method: "GET".into(), url, epoch: Nanos::ZERO, secrets: Arc::default() }
    }

    #[test]
    fn standard_output_is_for_one_of_both() {
        let at = |path: &'static str| Some(Path::new(path));
        for (samples, report, fine) in [
            (at("-"), None, false),
            (at("-"), at("-"), false),
            (at("-"), at("report"), true),
            (at("samples"), None, true),
            (None, None, true),
        ] {
            assert_eq!(check(samples, report).is_ok(), fine, "{samples:?} {report:?}");
        }
    }

    #[test]
    fn a_file_is_replaced_only_by_a_run() {
        let directory = tempfile::tempdir().unwrap();
        let (old, new) = (directory.path().join("old"), directory.path().join("new"));
        fs::write(&old, "older and longer").unwrap();
        for path in [&old, &new] {
            drop(open(Some(path), &Sink::Stdout).unwrap());
        }
        assert_eq!(fs::read_to_string(&old).unwrap(), "older and longer");
        assert!(!new.exists(), "found writable by making it, and not used");
        for path in [&old, &new] {
            let mut sink = open(Some(path), &Sink::Stdout).unwrap().unwrap();
            sink.begin(&legend()).unwrap();
            drop(sink);
            assert_eq!(fs::read_to_string(path).unwrap(), "", "a run without samples");
        }
    }

    #[test]
    fn the_report_s_file_is_not_for_samples() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("both");
        let report = Sink::open(Some(&path)).unwrap();
        let failure = open(Some(&path), &report).map(|_| ()).unwrap_err();
        assert!(format!("{failure:?}").contains("the report goes there"), "{failure:?}");
        // A device takes both.
        let report = Sink::open(Some(Path::new("/dev/null"))).unwrap();
        assert!(open(Some(Path::new("/dev/null")), &report).unwrap().is_some());
        assert!(open(Some(Path::new("/nonexistent/samples")), &report).is_err());
    }
}
