//! Codings of bodies, undone: gzip, deflate, br, zstd (RFC 9110, 8.4.1; RFC 8878). What comes out is bounded.

use std::io::Read;

/// Most bytes that a body may become: more is a bomb.
pub const PLAIN_MOST: u64 = 256 << 20;

/// The body without its codings, which are undone in the opposite order; `None` where it has none that is known.
///
/// # Errors
/// When it is not in that coding, or would become too large.
pub fn undo(codings: &[String], body: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let names =
        codings.iter().flat_map(|field| field.split(',')).map(|name| name.trim().to_ascii_lowercase());
    let names: Vec<String> = names.filter(|name| !name.is_empty() && name != "identity").collect();
    // One that nobody knows stays, as with k6.
    if names.is_empty() || body.is_empty() || !names.iter().all(|name| is_known(name)) {
        return Ok(None);
    }
    let mut plain: Option<Vec<u8>> = None;
    for name in names.iter().rev() {
        let coded = plain.as_deref().unwrap_or(body);
        plain = Some(one(name, coded).map_err(|e| format!("error decompressing response body ({e})"))?);
    }
    Ok(plain)
}

fn is_known(name: &str) -> bool {
    matches!(name, "gzip" | "x-gzip" | "deflate" | "br" | "zstd")
}

fn one(name: &str, coded: &[u8]) -> Result<Vec<u8>, String> {
    match name {
        "br" => all(brotli_decompressor::Decompressor::new(coded, 4_096)),
        "zstd" => {
            let decoder = ruzstd::decoding::StreamingDecoder::new(coded).map_err(|e| e.to_string())?;
            all(decoder)
        }
        "deflate" => all(flate2::read::ZlibDecoder::new(coded)),
        _ => all(flate2::read::MultiGzDecoder::new(coded)),
    }
}

fn all(decoder: impl Read) -> Result<Vec<u8>, String> {
    let mut plain = Vec::new();
    let read = decoder.take(PLAIN_MOST + 1).read_to_end(&mut plain).map_err(|e| e.to_string())?;
    if read as u64 > PLAIN_MOST {
        return Err(format!("more than {PLAIN_MOST} bytes"));
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(plain).unwrap();
        out.finish().unwrap()
    }

    fn undone(codings: &[&str], body: &[u8]) -> Result<Option<Vec<u8>>, String> {
        undo(&codings.iter().map(|coding| (*coding).into()).collect::<Vec<_>>(), body)
    }

    #[test]
    fn codings_are_undone_from_the_last_one_on() {
        let once = gzip(b"plain");
        assert_eq!(undone(&["gzip"], &once).unwrap().unwrap(), b"plain");
        assert_eq!(undone(&["gzip, GZIP"], &gzip(&once)).unwrap().unwrap(), b"plain");
        assert_eq!(undone(&["gzip", "x-gzip"], &gzip(&once)).unwrap().unwrap(), b"plain");
        assert_eq!(undone(&["identity"], b"x").unwrap(), None);
        assert_eq!(undone(&["other"], b"x").unwrap(), None);
        for coding in ["gzip", "deflate", "br", "zstd"] {
            assert!(undone(&[coding], b"this is not in any coding").is_err(), "{coding}");
        }
    }

    #[test]
    fn a_bomb_is_an_error() {
        let mut body = gzip(&vec![0; (PLAIN_MOST + 1) as usize]);
        assert!(undone(&["gzip"], &body).unwrap_err().contains("more than"));
        body.truncate(100);
        assert!(undone(&["gzip"], &body).is_err());
    }
}
