//! What holds for any text as a check, a threshold, a JSON path, a status set, a duration, a rate or a
//! size; and for any response that checks are put to.
//!
//! The input is an expression, and behind a NUL the head and body of a response.

use std::str::FromStr;

use squall::plan::check::Check;
use squall::plan::extract::{Extract, Source};
use squall::plan::json_path::JsonPath;
use squall::plan::response::ResponseView;
use squall::plan::status::StatusSet;
use squall::threshold::Threshold;
use squall::units::{ByteSize, Nanos, Rate};

/// Each is refused with a message or judges any response; what is printed is read as the same again.
pub(crate) fn holds(input: &[u8]) {
    let (text, response) = input.split_at(input.iter().position(|b| *b == 0).unwrap_or(input.len()));
    let Ok(text) = std::str::from_utf8(text) else { return };
    let end = response.windows(4).position(|four| four == b"\r\n\r\n").map_or(response.len(), |at| at + 4);
    let (head, body) = response.split_at(end);
    let response =
        |status| ResponseView::new(status, body.len() as u64, Nanos(5_000_000)).with_parts(head, body, false);

    match Check::parse(text) {
        Ok(check) => {
            assert!(!check.judge(&response(0)), "no response passes no check");
            let judged = check.judge(&response(200));
            let again = Check::parse(&check.name).expect("the name is the expression");
            assert_eq!(again.judge(&response(200)), judged);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    match Threshold::parse_flag(text) {
        Ok(threshold) => {
            let again = Threshold::parse_flag(&threshold.to_string());
            assert_eq!(again.as_ref(), Ok(&threshold), "printed as it is read");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    for source in [Source::Json(text.into()), Source::Header(text.into()), Source::Regex(text.into())] {
        if let Ok(extract) = Extract::compile(0, &source, None) {
            let taken = extract.take(&response(200));
            assert!(
                taken.is_none_or(|value| value.bytes.len() <= 6 * input.len()),
                "a value is part of the response"
            );
        }
    }
    if let Ok(path) = JsonPath::compile(text) {
        response(200).json_at(&path);
    }
    if let Ok(set) = text.parse::<StatusSet>() {
        assert!(!set.is_empty() && !set.contains(99) && !set.contains(1000));
    }
    reads_itself::<Nanos>(text);
    reads_itself::<ByteSize>(text);
    reads_itself::<Rate>(text);
    if let Ok(rate) = text.parse::<Rate>() {
        assert!(rate.count > 0 && rate.per > Nanos::ZERO && rate.per_second() > 0.0);
    }
}

fn reads_itself<T: FromStr + ToString + PartialEq + std::fmt::Debug>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        let printed = value.to_string();
        let Ok(again) = printed.parse::<T>() else { panic!("{value:?} is printed as {printed}") };
        assert_eq!(again, value, "{printed}");
    }
}
