//! What `--out` asks for: a form, and where it goes.

use std::path::PathBuf;

use crate::units::{Nanos, parse_duration};

/// Times in CSV.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeFormat {
    /// Seconds since the Unix epoch.
    #[default]
    Unix,
    /// Milliseconds since then.
    UnixMilli,
    /// Microseconds since then.
    UnixMicro,
    /// Nanoseconds since then.
    UnixNano,
    /// RFC 3339, in UTC.
    Rfc3339,
    /// The same with as many decimals as there are.
    Rfc3339Nano,
}

impl TimeFormat {
    fn parse(text: &str) -> Result<TimeFormat, String> {
        match text {
            "unix" => Ok(TimeFormat::Unix),
            "unix_milli" => Ok(TimeFormat::UnixMilli),
            "unix_micro" => Ok(TimeFormat::UnixMicro),
            "unix_nano" => Ok(TimeFormat::UnixNano),
            "rfc3339" => Ok(TimeFormat::Rfc3339),
            "rfc3339_nano" => Ok(TimeFormat::Rfc3339Nano),
            _ => Err(format!(
                "`{text}` is no format of times: there are unix, unix_milli, unix_micro, unix_nano, rfc3339 and rfc3339_nano"
            )),
        }
    }
}

/// A form of points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Objects in JSON, one a line.
    Json,
    /// Rows of CSV, with times in this format.
    Csv(TimeFormat),
}

/// One `--out`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutSpec {
    /// What is written.
    pub form: Form,
    /// To which file; `None` is standard output.
    pub path: Option<PathBuf>,
}

impl OutSpec {
    /// Reads `json=FILE`, `csv=FILE` or `csv=fileName=FILE,saveInterval=1s,timeFormat=unix`. `env` gives variables of the environment:
    /// `K6_CSV_FILENAME`, `K6_CSV_SAVE_INTERVAL` and `K6_CSV_TIME_FORMAT` stand where the text says nothing. Lines are written at
    /// least once a second, whatever the interval for saving is.
    ///
    /// # Errors
    /// What is wrong, and what there is.
    pub fn parse(text: &str, env: impl Fn(&str) -> Option<String>) -> Result<OutSpec, String> {
        let (kind, argument) = text.split_once('=').unwrap_or((text, ""));
        let refuse = |why: String| format!("--out {text}: {why}");
        match kind {
            "json" => {
                let path = (!matches!(argument, "" | "-")).then(|| argument.into());
                Ok(OutSpec { form: Form::Json, path })
            }
            "csv" => csv(argument, env).map_err(refuse),
            _ => Err(refuse(format!("`{kind}` is no output: there are json and csv"))),
        }
    }

    /// What is written is to be compressed, as the path's end says.
    pub fn is_gzip(&self) -> bool {
        self.path.as_ref().is_some_and(|path| path.extension().is_some_and(|ending| ending == "gz"))
    }

    /// Where it goes, for people.
    pub fn place(&self) -> String {
        self.path.as_ref().map_or("standard output".into(), |path| path.display().to_string())
    }
}

fn csv(argument: &str, env: impl Fn(&str) -> Option<String>) -> Result<OutSpec, String> {
    let mut name = env("K6_CSV_FILENAME");
    let mut format = env("K6_CSV_TIME_FORMAT").filter(|text| !text.is_empty());
    let mut interval = env("K6_CSV_SAVE_INTERVAL").filter(|text| !text.is_empty());
    if argument.contains('=') {
        for part in argument.split(',') {
            let (key, value) = part.split_once('=').ok_or_else(|| {
                format!("`{part}` is not key=value; there are fileName, saveInterval and timeFormat")
            })?;
            match key {
                "fileName" => name = Some(value.into()),
                "saveInterval" => interval = Some(value.into()),
                "timeFormat" => format = Some(value.into()),
                _ => {
                    return Err(format!("there is no `{key}`, but fileName, saveInterval and timeFormat"));
                }
            }
        }
    } else if !argument.is_empty() {
        name = Some(argument.into());
    }
    if let Some(text) = &interval {
        let _: Nanos = parse_duration(text).map_err(|error| format!("saveInterval: {error}"))?;
    }
    let format = format.as_deref().map(TimeFormat::parse).transpose()?.unwrap_or_default();
    let name = name.filter(|name| !name.is_empty()).unwrap_or_else(|| "file.csv".into());
    Ok(OutSpec { form: Form::Csv(format), path: (name != "-").then(|| name.into()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_k6_takes_is_taken() {
        let read = |text: &str| OutSpec::parse(text, |_| None).unwrap();
        let csv = |format, path: &str| OutSpec { form: Form::Csv(format), path: Some(path.into()) };
        assert_eq!(read("json=a=b.json"), OutSpec { form: Form::Json, path: Some("a=b.json".into()) });
        assert_eq!(read("json").path, None);
        assert_eq!(read("json=-").place(), "standard output");
        assert_eq!(read("csv"), csv(TimeFormat::Unix, "file.csv"));
        assert_eq!(read("csv=x.csv.gz"), csv(TimeFormat::Unix, "x.csv.gz"));
        assert!(read("csv=x.csv.gz").is_gzip() && !read("json=x.json").is_gzip());
        let all = "csv=fileName=x1.csv,saveInterval=2s,timeFormat=rfc3339";
        assert_eq!(read(all), csv(TimeFormat::Rfc3339, "x1.csv"));
        let env = |name: &str| match name {
            "K6_CSV_TIME_FORMAT" => Some("unix_nano".to_owned()),
            "K6_CSV_FILENAME" => Some("env.csv".to_owned()),
            _ => None,
        };
        assert_eq!(OutSpec::parse("csv", env), Ok(csv(TimeFormat::UnixNano, "env.csv")));
        assert_eq!(OutSpec::parse("csv=x.csv", env), Ok(csv(TimeFormat::UnixNano, "x.csv")));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, why) in [
            ("bogus=1", "--out bogus=1: `bogus` is no output: there are json and csv"),
            (
                "csv=bogus=1",
                "--out csv=bogus=1: there is no `bogus`, but fileName, saveInterval and timeFormat",
            ),
            (
                "csv=x.csv,timeFormat=rfc3339",
                "--out csv=x.csv,timeFormat=rfc3339: `x.csv` is not key=value; there are fileName, saveInterval and timeFormat",
            ),
            (
                "csv=timeFormat=never",
                "--out csv=timeFormat=never: `never` is no format of times: there are unix, unix_milli, unix_micro, unix_nano, rfc3339 and rfc3339_nano",
            ),
        ] {
            assert_eq!(OutSpec::parse(text, |_| None).unwrap_err(), why);
        }
        let why = OutSpec::parse("csv=saveInterval=zz", |_| None).unwrap_err();
        assert!(why.starts_with("--out csv=saveInterval=zz: saveInterval: "), "{why}");
    }
}
