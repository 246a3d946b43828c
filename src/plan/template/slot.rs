//! Slots: what a name in a template stands for.

use std::io::Write as _;

use super::{Constant, Names, RenderError};
use crate::plan::scope::Scope;
use crate::rng::Rng;

/// Longest random text.
const STRING_MAX: u64 = 1 << 16;
const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// What there is in any plan, and what it stands for.
pub(super) const NAMES: [(&str, &str); 9] = [
    ("vu", "the user's number over all scenarios, from 1 (k6's `__VU`)"),
    ("iteration", "the user's iterations before this one (k6's `__ITER`)"),
    ("sequence", "the iteration's number in its scenario, from 0; each once over all users"),
    ("uuid", "a random UUID (RFC 9562, version 4)"),
    ("timestamp", "seconds since the Unix epoch"),
    ("timestamp_ms", "milliseconds since the Unix epoch"),
    ("timestamp_us", "microseconds since the Unix epoch"),
    ("random_int(a, b)", "a whole number from `a` to `b`, both included"),
    ("random_string(n)", "`n` letters and digits"),
];

/// Something that is filled in anew each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    Vu,
    Iteration,
    Sequence,
    Uuid,
    /// Since the Unix epoch, in units of so many ns.
    Timestamp(u64),
    /// Both included.
    RandomInt(i64, i64),
    RandomString(u32),
    Data {
        set: u32,
        column: u32,
    },
    Variable(u32),
}

pub(super) enum Parsed<'a> {
    Constant(&'a Constant),
    /// Of the environment.
    Env(String),
    Slot(Slot),
}

/// Reads the name of a value.
pub(super) fn parse<'a>(text: &str, names: &Names<'a>) -> Result<Parsed<'a>, String> {
    if let Some(index) = names.variables.iter().position(|name| name == text) {
        return Ok(Parsed::Slot(Slot::Variable(index as u32)));
    }
    if let Some(value) = names.constants.get(text) {
        return Ok(Parsed::Constant(value));
    }
    if let Some(name) = text.strip_prefix("env.") {
        let value =
            (names.env)(name).ok_or_else(|| format!("the environment has no variable {name}: set it"))?;
        return Ok(Parsed::Env(value));
    }
    if let Some(path) = text.strip_prefix("data.") {
        return column(path, names).map(Parsed::Slot);
    }
    Ok(Parsed::Slot(match text {
        "vu" => Slot::Vu,
        "iteration" => Slot::Iteration,
        "sequence" => Slot::Sequence,
        "uuid" => Slot::Uuid,
        "timestamp" => Slot::Timestamp(1_000_000_000),
        "timestamp_ms" => Slot::Timestamp(1_000_000),
        "timestamp_us" => Slot::Timestamp(1_000),
        _ => return call(text, names).map(Parsed::Slot),
    }))
}

fn column(path: &str, names: &Names<'_>) -> Result<Slot, String> {
    let (set, column) = path.split_once('.').ok_or("a value of a data set is data.SET.COLUMN")?;
    let sets = || names.data.iter().map(|set| set.name.as_str());
    let index = sets().position(|name| name == set);
    let index = index.ok_or_else(|| format!("there is no data set `{set}`{}", known(set, sets())))?;
    if !names.data[index].is_known() {
        return Ok(Slot::Data { set: index as u32, column: 0 }); // what is wrong with it was said
    }
    let columns = || names.data[index].columns().iter().map(String::as_str);
    let place = columns().position(|name| name == column);
    let place = place.ok_or_else(|| match &names.data[index].columns() {
        [only] if only.contains([';', '\t']) => {
            format!("data set `{set}` has one column, `{only}`: give its `delimiter`")
        }
        _ => format!("data set `{set}` has no column `{column}`{}", known(column, columns())),
    })?;
    Ok(Slot::Data { set: index as u32, column: place as u32 })
}

fn call(text: &str, names: &Names<'_>) -> Result<Slot, String> {
    let arguments = |name: &str| {
        let inside = text.strip_prefix(name)?.trim_start().strip_prefix('(')?.strip_suffix(')')?;
        Some(inside.split(',').map(|part| part.trim().to_owned()).collect::<Vec<_>>())
    };
    if let Some(given) = arguments("random_int") {
        let numbers: Vec<i64> = given.iter().filter_map(|part| part.parse().ok()).collect();
        return match numbers[..] {
            [from, to] if given.len() == 2 && from <= to => Ok(Slot::RandomInt(from, to)),
            _ => Err("random_int takes the smallest and the largest number, as in random_int(1, 100)".into()),
        };
    }
    if let Some(given) = arguments("random_string") {
        let len =
            given.first().and_then(|part| part.parse().ok()).filter(|len| (1..=STRING_MAX).contains(len));
        return match len {
            Some(len) if given.len() == 1 => Ok(Slot::RandomString(len as u32)),
            _ => Err(format!("random_string takes a length from 1 to {STRING_MAX}, as in random_string(8)")),
        };
    }
    let all = names
        .variables
        .iter()
        .chain(names.constants.keys())
        .map(String::as_str)
        .chain(NAMES.map(|(name, _)| name));
    Err(format!("nothing has the name `{text}`{}", known(text, all)))
}

/// The nearest name and all there are, for messages.
fn known<'a>(text: &str, all: impl Iterator<Item = &'a str>) -> String {
    let all: Vec<&str> = all.collect();
    if all.is_empty() {
        return "; there are none".into();
    }
    let near = all.iter().min_by_key(|name| strsim::damerau_levenshtein(name, text));
    let near = near.filter(|name| strsim::damerau_levenshtein(name, text) <= 3);
    let meant = near.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
    format!("{meant} (there are {})", all.join(", "))
}

impl Slot {
    /// Appends the value. True where it is JSON, not text.
    #[inline]
    pub(super) fn write(self, out: &mut Vec<u8>, scope: &mut Scope<'_>) -> Result<bool, RenderError> {
        match self {
            Slot::Vu => number(out, scope.vu),
            Slot::Iteration => number(out, scope.iteration),
            Slot::Sequence => number(out, scope.sequence),
            Slot::Timestamp(unit) => number(out, scope.wall.0 / unit),
            Slot::Uuid => {
                uuid(out, scope.rng);
                return Ok(false);
            }
            Slot::RandomInt(from, to) => {
                // The span of all 2^64 numbers does not fit, but no two i64 are further apart.
                let span = from.abs_diff(to).saturating_add(1);
                let value = from.wrapping_add_unsigned(scope.rng.below(span));
                if value < 0 {
                    out.push(b'-');
                }
                number(out, value.unsigned_abs());
            }
            Slot::RandomString(len) => {
                out.extend((0..len).map(|_| LETTERS[scope.rng.below(LETTERS.len() as u64) as usize]));
                return Ok(false);
            }
            Slot::Data { set, column } => {
                let row = scope.rows.get(set as usize).copied().unwrap_or_default();
                return Ok(scope.data[set as usize].field(row, column, out));
            }
            Slot::Variable(index) => {
                let value = scope.values.get(index as usize).and_then(Option::as_ref);
                let value = value.ok_or(RenderError::Unset(index))?;
                out.extend_from_slice(&value.bytes);
                return Ok(value.is_json);
            }
        }
        Ok(true)
    }
}

fn number(out: &mut Vec<u8>, value: u64) {
    let mut digits = [0; 20];
    let (mut at, mut left) = (digits.len(), value);
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Version 4 (RFC 9562, 5.4).
fn uuid(out: &mut Vec<u8>, rng: &mut Rng) {
    let high = rng.next_u64() & !0xf000 | 0x4000;
    let low = rng.next_u64() & !(3 << 62) | 1 << 63;
    // A Vec takes everything.
    let _ = write!(
        out,
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    );
}
