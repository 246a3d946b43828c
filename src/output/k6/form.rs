//! Points as lines of JSON, or of CSV, in files that may be compressed.

use std::io::{self, Write};
use std::time::{Duration, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Map, Value as Json, json};

use super::format::plain;
use super::out::{Form, OutSpec, TimeFormat};
use crate::script::options::form::SYSTEM_TAGS;
use crate::units::Nanos;

/// So much is gathered before it is written.
const CHUNK: usize = 256 * 1024;

const SECOND: u64 = 1_000_000_000;

/// Name and value of each tag, sorted by name.
pub(super) type TagList = Vec<(String, String)>;

/// One file.
pub(super) struct OutFile {
    form: Form,
    /// Columns of CSV: tags in the order of [`SYSTEM_TAGS`].
    columns: Vec<&'static str>,
    out: Out,
    text: Vec<u8>,
    begun: bool,
}

enum Out {
    Plain(Box<dyn Write + Send>),
    Gzip(GzEncoder<Box<dyn Write + Send>>),
}

impl OutFile {
    /// `left_out`: tags that samples do not have.
    pub(super) fn new(spec: &OutSpec, out: Box<dyn Write + Send>, left_out: &[String]) -> OutFile {
        let has = |tag: &&str| !left_out.iter().any(|left| left == tag);
        OutFile {
            form: spec.form,
            columns: SYSTEM_TAGS.into_iter().filter(has).collect(),
            out: match spec.is_gzip() {
                true => Out::Gzip(GzEncoder::new(out, Compression::default())),
                false => Out::Plain(out),
            },
            text: Vec::with_capacity(CHUNK + 4_096),
            begun: false,
        }
    }

    /// Before the first point; also where none will come.
    pub(super) fn begin(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.begun, true) {
            return Ok(());
        }
        if matches!(self.form, Form::Csv(_)) {
            let tags = self.columns.join(",");
            self.text
                .extend(format!("metric_name,timestamp,metric_value,{tags},extra_tags,metadata\n").bytes());
        }
        match &mut self.out {
            Out::Plain(out) => out.flush(),
            Out::Gzip(out) => out.get_mut().flush(),
        }
    }

    /// Says what a metric is, before its first point.
    pub(super) fn metric(&mut self, name: &str, data: &Json) {
        if self.form == Form::Json {
            let line = json!({ "type": "Metric", "data": data, "metric": name });
            self.text.extend(line.to_string().bytes().chain([b'\n']));
        }
    }

    /// The end of a line: what of it is the same for all points with these tags.
    pub(super) fn tail(&self, tags: &TagList) -> Vec<u8> {
        match self.form {
            Form::Json => {
                let tags: Map<String, Json> =
                    tags.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
                format!("{}}}}}\n", Json::Object(tags)).into_bytes()
            }
            Form::Csv(_) => {
                let value = |name: &&str| tags.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v);
                let own = tags.iter().filter(|(name, _)| !self.columns.contains(&name.as_str()));
                let own: Vec<String> = own.map(|(name, value)| format!("{name}={value}")).collect();
                let own = own.join("&");
                let row = self.columns.iter().map(value).chain([own.as_str(), ""]);
                let mut writer = csv::Writer::from_writer(Vec::new());
                writer.write_record(row).expect("writing to memory does not fail");
                writer.into_inner().expect("writing to memory does not fail")
            }
        }
    }

    /// A point: `at` since the Unix epoch.
    pub(super) fn point(&mut self, metric: &str, at: Nanos, value: f64, tail: &[u8]) -> io::Result<()> {
        let line = match self.form {
            Form::Json => format!(
                "{{\"metric\":\"{metric}\",\"type\":\"Point\",\"data\":{{\"time\":\"{}\",\"value\":{},\"tags\":",
                rfc3339(at),
                plain(value)
            ),
            Form::Csv(format) => format!("{metric},{},{value:.6},", time(at, format)),
        };
        self.text.extend_from_slice(line.as_bytes());
        self.text.extend_from_slice(tail);
        if self.text.len() >= CHUNK { self.write_out() } else { Ok(()) }
    }

    fn write_out(&mut self) -> io::Result<()> {
        match &mut self.out {
            Out::Plain(out) => out.write_all(&self.text)?,
            Out::Gzip(out) => out.write_all(&self.text)?,
        }
        self.text.clear();
        Ok(())
    }

    /// What waits is written. What is compressed stays with the compressor until it has a block of it.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.write_out()?;
        match &mut self.out {
            Out::Plain(out) => out.flush(),
            Out::Gzip(_) => Ok(()),
        }
    }

    /// The last point was written.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.begin()?;
        self.flush()?;
        match self.out {
            Out::Plain(mut out) => out.flush(),
            Out::Gzip(out) => out.finish()?.flush(),
        }
    }
}

fn time(at: Nanos, format: TimeFormat) -> String {
    match format {
        TimeFormat::Unix => (at.0 / SECOND).to_string(),
        TimeFormat::UnixMilli => (at.0 / 1_000_000).to_string(),
        TimeFormat::UnixMicro => (at.0 / 1_000).to_string(),
        TimeFormat::UnixNano => at.0.to_string(),
        TimeFormat::Rfc3339 => rfc3339(Nanos(at.0 / SECOND * SECOND)),
        TimeFormat::Rfc3339Nano => rfc3339(at),
    }
}

/// In UTC, with as many decimals as there are.
fn rfc3339(at: Nanos) -> String {
    let whole = UNIX_EPOCH + Duration::from_secs(at.0 / SECOND);
    let mut text = humantime::format_rfc3339_seconds(whole).to_string();
    let decimals = format!("{:09}", at.0 % SECOND);
    let decimals = decimals.trim_end_matches('0');
    if !decimals.is_empty() {
        text.truncate(text.len() - 1);
        text.push('.');
        text.push_str(decimals);
        text.push('Z');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_k6_s() {
        // As k6 1.1 wrote one time in all formats.
        let at = Nanos(1_795_935_356_094_529_603);
        for (format, text) in [
            (TimeFormat::Unix, "1795935356"),
            (TimeFormat::UnixMilli, "1795935356094"),
            (TimeFormat::UnixMicro, "1795935356094529"),
            (TimeFormat::UnixNano, "1795935356094529603"),
            (TimeFormat::Rfc3339, "2026-11-29T06:55:56Z"),
            (TimeFormat::Rfc3339Nano, "2026-11-29T06:55:56.094529603Z"),
        ] {
            assert_eq!(time(at, format), text);
        }
        assert_eq!(rfc3339(Nanos(1_795_935_309_025_355_180)), "2026-11-29T06:55:09.02535518Z");
    }
}
