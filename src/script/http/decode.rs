//! Codings of bodies, undone as k6 does: gzip, deflate, br, zstd (RFC 9110, 8.4.1; RFC 8878). What comes out is bounded.

use std::error::Error;
use std::io::{self, Read};

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use ruzstd::decoding::StreamingDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};

use crate::script::errors::{DECODING, OTHER};

/// Most bytes that a body may become: more is a bomb.
pub const PLAIN_MOST: u64 = 256 << 20;

/// A body that is not in the coding that its head names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undecoded {
    /// `res.error`.
    pub text: String,
    /// k6's error code.
    pub code: u32,
    /// What could be read: the body; `None` where it is null.
    pub plain: Option<Vec<u8>>,
}

/// The body without its codings, which are undone in the opposite order; `None` where it has none of those. `codings` is the value of the first
/// Content-Encoding field; others do not count for k6, nor do codings that it does not know, or that are not in small letters. At most `most`
/// bytes come out of each.
///
/// # Errors
/// When it is not in such a coding, or would become too large. k6 takes such a response for a failed one, with status 0.
#[inline(never)]
pub fn undo(codings: &str, body: &[u8], most: u64) -> Result<Option<Vec<u8>>, Undecoded> {
    let known = codings.split(',').map(str::trim).filter_map(Coding::named);
    let mut plain: Option<Vec<u8>> = None;
    let mut fault = None;
    for coding in known.rev() {
        let coded = plain.as_deref().unwrap_or(body);
        let mut out = Vec::new();
        let undone = coding.undo(coded, most, &mut out);
        // What goes wrong first is told; the others have a part of it to read.
        fault = fault.or(undone.err());
        plain = Some(out);
    }
    match fault {
        None => Ok(plain),
        Some(Fault::Ends) => Err(Undecoded { text: "unexpected EOF".into(), code: OTHER, plain }),
        Some(Fault::Bad { text, is_begun }) => Err(Undecoded {
            text: format!("error decompressing response body ({text})"),
            code: DECODING,
            plain: plain.filter(|_| is_begun),
        }),
    }
}

#[derive(Clone, Copy)]
enum Coding {
    Gzip,
    Deflate,
    Br,
    Zstd,
}

enum Fault {
    /// It ends too early.
    Ends,
    /// It is not in that coding.
    Bad {
        text: String,
        /// Its beginning was.
        is_begun: bool,
    },
}

impl Fault {
    /// As k6 puts what its readers of formats say into words of its own.
    fn wrapped(text: &str, is_begun: bool) -> Fault {
        Fault::Bad { text: format!("error decompressing response body ({text})"), is_begun }
    }

    fn too_large(most: u64) -> Fault {
        Fault::wrapped(&format!("more than {most} bytes"), true)
    }
}

impl Coding {
    fn named(name: &str) -> Option<Coding> {
        Some(match name {
            "gzip" => Coding::Gzip,
            "deflate" => Coding::Deflate,
            "br" => Coding::Br,
            "zstd" => Coding::Zstd,
            _ => return None,
        })
    }

    /// Each is a function of its own: a frame of theirs has up to 50 KiB, all pages of which are touched when it begins, on the stack of each user.
    fn undo(self, coded: &[u8], most: u64, out: &mut Vec<u8>) -> Result<(), Fault> {
        match self {
            Coding::Gzip => gzip(coded, most, out),
            Coding::Deflate => deflate(coded, most, out),
            Coding::Br => br(coded, most, out),
            Coding::Zstd => zstd(coded, most, out),
        }
    }
}

/// Reads all of it; what was read stays when there is an error.
fn all(
    decoder: impl Read,
    most: u64,
    out: &mut Vec<u8>,
    text: fn(&io::Error) -> String,
) -> Result<(), Fault> {
    let result = decoder.take(most + 1).read_to_end(out);
    if out.len() as u64 > most {
        out.truncate(most as usize);
        return Err(Fault::too_large(most));
    }
    match result {
        Ok(_) => Ok(()),
        Err(error) if ends_early(&error) => Err(Fault::Ends),
        Err(error) => Err(Fault::wrapped(&text(&error), true)),
    }
}

/// Whether an error, or what caused it, is that there are no more bytes.
fn ends_early(error: &(dyn Error + 'static)) -> bool {
    let mut error = Some(error);
    while let Some(now) = error {
        if let Some(io) = now.downcast_ref::<io::Error>() {
            if io.kind() == io::ErrorKind::UnexpectedEof {
                return true;
            }
            // Its source is that of what it holds, not what it holds.
            error = io.get_ref().map(|inner| inner as &(dyn Error + 'static));
            continue;
        }
        error = now.source();
    }
    false
}

/// What is too short to begin with.
fn too_short(text: &str) -> Fault {
    Fault::Bad { text: text.into(), is_begun: false }
}

/// Members one behind the other (RFC 1952, 2.2).
#[inline(never)]
fn gzip(coded: &[u8], most: u64, out: &mut Vec<u8>) -> Result<(), Fault> {
    /// The fields that every member has.
    const HEAD: usize = 10;
    if coded.len() < HEAD {
        return Err(too_short(if coded.is_empty() { "EOF" } else { "unexpected EOF" }));
    }
    if !coded.starts_with(&[0x1f, 0x8b, 8]) {
        return Err(Fault::wrapped("gzip: invalid header", false));
    }
    all(flate2::read::MultiGzDecoder::new(coded), most, out, |error| {
        let text = error.to_string();
        let known = [("header", "gzip: invalid header"), ("checksum", "gzip: invalid checksum")];
        known.iter().find(|(word, _)| text.contains(word)).map_or(text.clone(), |(_, go)| (*go).to_owned())
    })
}

/// In zlib's format, as RFC 9110, 8.4.1.2 has it. Without its head, as some servers send it, it is an error to k6, too.
#[inline(never)]
fn deflate(coded: &[u8], most: u64, out: &mut Vec<u8>) -> Result<(), Fault> {
    let [method, flags, ..] = coded else { return Err(too_short("unexpected EOF")) };
    // RFC 1950, 2.2.
    if method & 0x0f != 8 || (u16::from(*method) << 8 | u16::from(*flags)) % 31 != 0 {
        return Err(Fault::wrapped("zlib: invalid header", false));
    }
    all(flate2::read::ZlibDecoder::new(coded), most, out, |error| format!("zlib: {error}"))
}

/// Nothing at all is an empty body to k6.
#[inline(never)]
fn br(coded: &[u8], most: u64, out: &mut Vec<u8>) -> Result<(), Fault> {
    const STEP: usize = 64 << 10;
    let mut state =
        BrotliState::new(StandardAlloc::default(), StandardAlloc::default(), StandardAlloc::default());
    let (mut left, mut at, mut total) = (coded.len(), 0, 0);
    let bad = |text: &str| Fault::Bad { text: text.into(), is_begun: true };
    if coded.is_empty() {
        return Ok(());
    }
    loop {
        let begin = out.len();
        out.resize(begin + STEP, 0);
        let (mut room, mut written) = (STEP, 0);
        let result = BrotliDecompressStream(
            &mut left,
            &mut at,
            coded,
            &mut room,
            &mut written,
            &mut out[begin..],
            &mut total,
            &mut state,
        );
        out.truncate(begin + written);
        if out.len() as u64 > most {
            out.truncate(most as usize);
            return Err(Fault::too_large(most));
        }
        match result {
            BrotliResult::ResultSuccess if left > 0 => return Err(bad("brotli: excessive input")),
            BrotliResult::ResultSuccess => return Ok(()),
            BrotliResult::NeedsMoreOutput => {}
            BrotliResult::NeedsMoreInput => return Err(Fault::Ends),
            BrotliResult::ResultFailure => return Err(bad("brotli: invalid data")),
        }
    }
}

/// Frames one behind the other (RFC 8878, 3.1); those that are to be skipped are. Nothing at all is an empty body.
#[inline(never)]
fn zstd(mut coded: &[u8], most: u64, out: &mut Vec<u8>) -> Result<(), Fault> {
    while !coded.is_empty() {
        let mut decoder = match StreamingDecoder::new(&mut coded) {
            Ok(decoder) => decoder,
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length, ..
            })) => {
                let behind = usize::try_from(length).ok().and_then(|length| coded.get(length..));
                coded = behind.ok_or(Fault::Ends)?;
                continue;
            }
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::BadMagicNumber(_))) => {
                return Err(Fault::wrapped("invalid input: magic number mismatch", true));
            }
            Err(error) if ends_early(&error) => return Err(Fault::Ends),
            Err(error) => return Err(Fault::wrapped(&error.to_string(), true)),
        };
        let mut frame = Vec::new();
        let left = most.saturating_sub(out.len() as u64);
        let result = all(&mut decoder, left, &mut frame, ToString::to_string);
        out.append(&mut frame);
        result.map_err(|fault| match fault {
            // The limit is that of all frames.
            Fault::Bad { .. } if out.len() as u64 == most => Fault::too_large(most),
            other => other,
        })?;
        let decoder = decoder.into_frame_decoder();
        if let (Some(given), Some(counted)) =
            (decoder.get_checksum_from_data(), decoder.get_calculated_checksum())
            && given != counted
        {
            return Err(Fault::wrapped("CRC check failed", true));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
