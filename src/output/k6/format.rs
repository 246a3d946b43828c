//! Numbers as k6 prints them for people.

use super::model::{Contains, TimeUnit};

/// As ECMAScript prints a number.
pub(super) fn plain(value: f64) -> String {
    // Its zero has no sign.
    ryu_js::Buffer::new().format(value + 0.0).to_owned()
}

/// At most six decimals, and none that are zero.
pub(super) fn number(value: f64) -> String {
    let text = ryu_js::Buffer::new().format_to_fixed(value, 6).to_owned();
    plain(text.parse().unwrap_or(value))
}

/// A share of 0 to 1 in percent, cut off behind the second decimal.
pub(super) fn percent(share: f64) -> String {
    format!("{:.2}%", (share * 100.0 * 100.0).trunc() / 100.0)
}

/// Bytes, in powers of a thousand.
pub(super) fn bytes(value: f64) -> String {
    const UNITS: [&str; 9] = ["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];
    if value < 10.0 {
        return format!("{} B", plain(value.floor()));
    }
    let power = (value.ln() / 1000f64.ln()).floor().clamp(0.0, 8.0);
    let tenths = (value / 1000f64.powf(power) * 10.0 + 0.5).floor();
    // A whole number from 10 on, whatever unit that makes.
    match tenths < 100.0 {
        true => format!("{:.1} {}", tenths / 10.0, UNITS[power as usize]),
        false => format!("{:.0} {}", tenths / 10.0, UNITS[power as usize]),
    }
}

/// A time in milliseconds.
pub(super) fn time(ms: f64, unit: TimeUnit) -> String {
    match unit {
        TimeUnit::Any => any_time(ms),
        TimeUnit::Seconds => format!("{}s", fixed(ms / 1_000.0)),
        TimeUnit::Millis => format!("{}ms", fixed(ms)),
        TimeUnit::Micros => format!("{}µs", fixed(ms * 1_000.0)),
    }
}

fn fixed(value: f64) -> String {
    ryu_js::Buffer::new().format_to_fixed(value, 2).to_owned()
}

/// In the unit that suits it, cut off behind the second decimal.
fn any_time(ms: f64) -> String {
    let cut = |value: f64| plain((value * 100.0).trunc() / 100.0);
    if ms == 0.0 {
        return "0s".into();
    }
    if ms < 0.001 {
        return format!("{}ns", plain((ms * 1_000_000.0).trunc()));
    }
    if ms < 1.0 {
        return format!("{}µs", cut(ms * 1_000.0));
    }
    if ms < 1_000.0 {
        return format!("{}ms", cut(ms));
    }
    let seconds = ms / 1_000.0;
    if seconds < 60.0 {
        return format!("{}s", cut(seconds));
    }
    let whole = seconds.trunc();
    let (minutes, rest) = ((whole / 60.0).trunc(), plain(whole % 60.0));
    match minutes < 60.0 {
        true => format!("{}m{rest}s", plain(minutes)),
        false => format!("{}h{}m{rest}s", plain((minutes / 60.0).trunc()), plain(minutes % 60.0)),
    }
}

/// A value of a metric that is no rate.
pub(super) fn value(value: f64, contains: Contains, unit: TimeUnit) -> String {
    match contains {
        Contains::Data => bytes(value),
        Contains::Time => time(value, unit),
        Contains::Default => number(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All values are what k6 1.1 printed.
    #[test]
    fn times_are_k6_s() {
        for (ms, text) in [
            (0.0, "0s"),
            (1e-7, "0ns"),
            (0.0009999, "999ns"),
            (0.001, "1µs"),
            (0.0123456, "12.34µs"),
            (0.0046, "4.59µs"),
            (0.51693, "516.92µs"),
            (0.9999999, "999.99µs"),
            (1.5, "1.5ms"),
            (999.999, "999.99ms"),
            (1000.0, "1s"),
            (1001.0, "1s"),
            (1150.0, "1.14s"),
            (16400.0, "16.39s"),
            (59999.9, "59.99s"),
            (60000.0, "1m0s"),
            (61000.5, "1m1s"),
            (3599999.0, "59m59s"),
            (3661001.0, "1h1m1s"),
            (90061001.0, "25h1m1s"),
            (-5.0, "-5000000ns"),
            (-70000.0, "-70000000000ns"),
        ] {
            assert_eq!(time(ms, TimeUnit::Any), text, "{ms}");
        }
        assert_eq!(time(59999.9, TimeUnit::Seconds), "60.00s");
        assert_eq!(time(0.0123456, TimeUnit::Millis), "0.01ms");
        assert_eq!(time(0.0123456, TimeUnit::Micros), "12.35µs");
        assert_eq!(time(-5.0, TimeUnit::Seconds), "-0.01s");
        assert_eq!(time(3661001.0, TimeUnit::Micros), "3661001000.00µs");
    }

    /// All values are what k6 1.1 printed.
    #[test]
    fn numbers_are_k6_s() {
        for (value, text) in [
            (0.0, "0"),
            (-1e-9, "0"),
            (1e-9, "0"),
            (-0.000001, "-0.000001"),
            (0.0000015, "0.000002"),
            (1.0000005, "1.000001"),
            (1.0 / 3.0, "0.333333"),
            (1234567.891, "1234567.891"),
            (-1234.5678901, "-1234.56789"),
            (999999.9999999, "1000000"),
            (123456789012345678.0, "123456789012345680"),
            (1e21, "1e+21"),
            (3.6628235138046896e21, "3.6628235138046896e+21"),
        ] {
            assert_eq!(number(value), text);
        }
        for (share, text) in [
            (0.0, "0.00%"),
            (1.0, "100.00%"),
            (2.0 / 3.0, "66.66%"),
            (0.29, "28.99%"),
            (0.58, "57.99%"),
            (0.69, "69.00%"),
            (0.99999, "99.99%"),
        ] {
            assert_eq!(percent(share), text);
        }
        for (value, text) in [
            (0.0, "0 B"),
            (78.0, "78 B"),
            (239.585967749254, "240 B"),
            (997.0, "997 B"),
            (8_338.0, "8.3 kB"),
            (9_918.0, "9.9 kB"),
            (9_968.0, "10 kB"),
            (99_419.0, "99 kB"),
            (999_420.0, "999 kB"),
            (1_000_020.0, "1.0 MB"),
            (9_994_121.0, "10 MB"),
            (135_272_304.29255748, "135 MB"),
        ] {
            assert_eq!(bytes(value), text);
        }
    }
}
