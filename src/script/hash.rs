//! Hashes as `k6/crypto` has them: of bytes at once or in parts, with a key (HMAC, RFC 2104) or without, and how they are written.

use hmac::digest::{Digest, DynDigest};
use hmac::{Hmac, KeyInit, Mac};

use super::base64::Alphabet;

/// The algorithms, by their names.
pub const NAMES: [&str; 9] =
    ["md4", "md5", "sha1", "sha256", "sha384", "sha512", "sha512_224", "sha512_256", "ripemd160"];

/// Most random bytes that are given at once: more would hold everybody up.
const RANDOM_MOST: f64 = (16 << 20) as f64;

/// A hash under way.
pub struct Hash(Box<dyn State>);

trait State {
    fn update(&mut self, bytes: &[u8]);
    fn finish(&self) -> Vec<u8>;
}

struct Plain(Box<dyn DynDigest>);

impl State for Plain {
    fn update(&mut self, bytes: &[u8]) {
        DynDigest::update(&mut *self.0, bytes);
    }

    fn finish(&self) -> Vec<u8> {
        self.0.box_clone().finalize().into_vec()
    }
}

struct Keyed<M: Mac + Clone>(M);

impl<M: Mac + Clone> State for Keyed<M> {
    fn update(&mut self, bytes: &[u8]) {
        Mac::update(&mut self.0, bytes);
    }

    fn finish(&self) -> Vec<u8> {
        self.0.clone().finalize().into_bytes().to_vec()
    }
}

impl Hash {
    /// A new one.
    ///
    /// # Errors
    /// When no algorithm has this name, in k6's words.
    pub fn new(name: &str) -> Result<Hash, String> {
        let digest: Box<dyn DynDigest> = match name {
            "md4" => Box::new(md4::Md4::new()),
            "md5" => Box::new(md5::Md5::new()),
            "sha1" => Box::new(sha1::Sha1::new()),
            "sha256" => Box::new(sha2::Sha256::new()),
            "sha384" => Box::new(sha2::Sha384::new()),
            "sha512" => Box::new(sha2::Sha512::new()),
            "sha512_224" => Box::new(sha2::Sha512_224::new()),
            "sha512_256" => Box::new(sha2::Sha512_256::new()),
            "ripemd160" => Box::new(ripemd::Ripemd160::new()),
            _ => return Err(unknown(name)),
        };
        Ok(Hash(Box::new(Plain(digest))))
    }

    /// A new one with a key of any length: an HMAC.
    ///
    /// # Errors
    /// As for [`new`](Hash::new).
    pub fn keyed(name: &str, key: &[u8]) -> Result<Hash, String> {
        macro_rules! of {
            ($hash:ty) => {
                Hmac::<$hash>::new_from_slice(key)
                    .map(|mac| Hash(Box::new(Keyed(mac))))
                    .map_err(|error| error.to_string())
            };
        }
        match name {
            "md4" => of!(md4::Md4),
            "md5" => of!(md5::Md5),
            "sha1" => of!(sha1::Sha1),
            "sha256" => of!(sha2::Sha256),
            "sha384" => of!(sha2::Sha384),
            "sha512" => of!(sha2::Sha512),
            "sha512_224" => of!(sha2::Sha512_224),
            "sha512_256" => of!(sha2::Sha512_256),
            "ripemd160" => of!(ripemd::Ripemd160),
            _ => Err(unknown(name)),
        }
    }

    /// Takes more bytes in.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Of all bytes so far; it goes on.
    pub fn digest(&self) -> Vec<u8> {
        self.0.finish()
    }
}

fn unknown(name: &str) -> String {
    format!("invalid algorithm: {name}")
}

/// A digest in the encoding that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// As text.
    Text(String),
    /// As it is: `binary`.
    Bytes(Vec<u8>),
}

/// Writes a digest as `hex`, `base64`, `base64url`, `base64rawurl` or `binary`.
///
/// # Errors
/// When it is none of these, in k6's words.
pub fn shown(digest: Vec<u8>, encoding: &str) -> Result<Shown, String> {
    Ok(Shown::Text(match encoding {
        "hex" => hex::encode(digest),
        "base64" => Alphabet::Standard.encode(&digest),
        "base64url" => Alphabet::Url.encode(&digest),
        "base64rawurl" => Alphabet::UrlRaw.encode(&digest),
        "binary" => return Ok(Shown::Bytes(digest)),
        other => return Err(format!("invalid output encoding: {other}")),
    }))
}

/// So many random bytes of the system's; a fraction is left out.
///
/// # Errors
/// When there are none, more than 16 MiB, or the system has none.
pub fn random_bytes(size: f64) -> Result<Vec<u8>, String> {
    if !(1.0..=RANDOM_MOST).contains(&size) {
        return Err("invalid size".into());
    }
    let mut random = vec![0; size as usize];
    getrandom::fill(&mut random).map_err(|error| format!("the system has no random bytes: {error}"))?;
    Ok(random)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of `squall é`: plain, and with the key `key`; of `x` with a key that is longer than a block. By k6 1.1.0.
    const KNOWN: [(&str, &str, &str, &str); 9] = [
        (
            "md4",
            "a8132b9379e1dbeabfbfd201e06ecabe",
            "4de348f4c9f2c31c01b2e0e70c442597",
            "158a4ecdb434f794405a4d696eeab468",
        ),
        (
            "md5",
            "49efd72c3f27cde1bd1f067f4710590d",
            "dc7058c984dd9322c15d88b93092e3f8",
            "033c26afc9bb030281cd23a8890e9b08",
        ),
        (
            "sha1",
            "9cb546fdfc9b7beb76fb8064219b51cdcab8cb73",
            "fc15bbe7e8f8f83804b8faf90b8052a0f9b03511",
            "e2e4a90d1cee5e796e99915a47e0c725cf932393",
        ),
        (
            "sha256",
            "9749b3f8c7529cb5e865fc4ce84fb19583c3d4e8a5ea95b353e083d26b22a107",
            "3b9d84e6ee6b356f453fa4b35a5ead63e23da8733c52874fa714952d937933f8",
            "a34abd1b081e75091b5f15447fb45ea6a1a7d624c190b880750d5d0f52ca715e",
        ),
        (
            "sha384",
            "55e3278532659680e381d2e593176c3be00e5efccea6e7e2cbbb11015f9ccfc1c62e714cecf4bd35c5c8b253dcd2a6b7",
            "ef37265ec90f9d47e44cdca0cb7ffccb538ac40d7ea91a60cf584c24ec14463f626fcad779c9b27218e31303d29cb43c",
            "5fd490dde9e045e0b0609d39a2caa73baf65675eb7709e98ccbd1eba6925ea4f6bfa364ea7796b1e80be941a2637ffd8",
        ),
        (
            "sha512",
            "7e6b16bac9d8632d7a221995705a087d901cbaeb080633f1ddaaef8aa6081734922a666849ac5136a706f1394b73431be977220fa3b7debb74f00ca98bc539c3",
            "2cef0ac0cb22ac9f261cb5c3dce0e991a0be4f9f7104cb0ca7fb9b53dba4510b5e0398cbc723a714a64aff7ed80e71b7049277e6cfd51c49b07a6d139834aab2",
            "3bea04514dec7eac85d846ec90cead0c22ff461ba7250c03635876766055b829aac0109c567fa359e5f177a9e8c30233a682a33467845ac6f966813635668f7a",
        ),
        (
            "sha512_224",
            "1bb5942b806462084ca80313f46248808b02f0746d4daa4d7c81d77e",
            "7cb5624ec6f724320ce15a34afcb24f8692de95b2a4fd2e44d4d7b0f",
            "069db33e12fdc927813c572fa148c1c978e6a82b7ac504b99b5a21aa",
        ),
        (
            "sha512_256",
            "a6c03c6557ea8d2d918b0962b588c8809f5944838758b182da35c285695b657a",
            "a6f62e317f9597817cbe7779308b6bcc700a8a8aad61b5c6949bdef3e6649667",
            "f31aa1fbcdeb3b33338615a17b5cdd1a441a6c6c62951c5297bce3c0253e7aa6",
        ),
        (
            "ripemd160",
            "ce51f9fb3a68b2683a4cd702cb534a71f1569810",
            "e70219d4154f3ffc6992665cace24a6cd32fd583",
            "0e787bed01410e5072deb4981de4c17a4ad766c4",
        ),
    ];

    fn hex_of(hash: Result<Hash, String>, bytes: &[u8]) -> String {
        let mut hash = hash.unwrap();
        hash.update(bytes);
        hex::encode(hash.digest())
    }

    #[test]
    fn hashes_are_those_of_k6() {
        assert_eq!(KNOWN.map(|(name, ..)| name), NAMES);
        for (name, plain, keyed, long) in KNOWN {
            assert_eq!(hex_of(Hash::new(name), "squall é".as_bytes()), plain, "{name}");
            assert_eq!(hex_of(Hash::keyed(name, b"key"), "squall é".as_bytes()), keyed, "{name}");
            assert_eq!(hex_of(Hash::keyed(name, &[b'k'; 200]), b"x"), long, "{name}");
        }
        assert_eq!(hex_of(Hash::keyed("md5", b""), b"x"), "5a470ef74cd7af75c375be99c6ef771f");
    }

    /// As the Hasher of k6 1.1.0 had them.
    #[test]
    fn a_hash_goes_on_behind_its_digest() {
        for (mut hash, wanted) in [
            (
                Hash::new("sha1").unwrap(),
                [
                    "da39a3ee5e6b4b0d3255bfef95601890afd80709",
                    "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8",
                    "2iNhTgJGmg18e9G9q1ycR0sZBNw=",
                ],
            ),
            (
                Hash::keyed("sha1", b"k").unwrap(),
                [
                    "3a84a218ee6665209bb70e84525dd837645a1965",
                    "40e7d441cadb17b07f050341aa23a6820ed81c8b",
                    "ix7Xzz4IVJqOJi1Z99KqNkqFd/c=",
                ],
            ),
        ] {
            let nothing = hash.digest();
            hash.update(b"a");
            let (one, again) = (hash.digest(), hash.digest());
            hash.update(b"b");
            assert_eq!(one, again);
            let found = [(nothing, "hex"), (one, "hex"), (hash.digest(), "base64")]
                .map(|(digest, encoding)| shown(digest, encoding).unwrap());
            assert_eq!(found, wanted.map(|text| Shown::Text(text.into())));
        }
    }

    /// As k6 1.1.0 wrote the sha1 of `>>>?`.
    #[test]
    fn digests_are_written_as_by_k6() {
        let digest = hex::decode("5bf3dcfb2099d2d617a3858768ffc786c61af5d8").unwrap();
        for (encoding, wanted) in [
            ("hex", "5bf3dcfb2099d2d617a3858768ffc786c61af5d8"),
            ("base64", "W/Pc+yCZ0tYXo4WHaP/HhsYa9dg="),
            ("base64url", "W_Pc-yCZ0tYXo4WHaP_HhsYa9dg="),
            ("base64rawurl", "W_Pc-yCZ0tYXo4WHaP_HhsYa9dg"),
        ] {
            assert_eq!(shown(digest.clone(), encoding), Ok(Shown::Text(wanted.into())));
        }
        assert_eq!(shown(digest.clone(), "binary"), Ok(Shown::Bytes(digest)));
        for encoding in ["HEX", "", "other"] {
            assert_eq!(shown(vec![], encoding), Err(format!("invalid output encoding: {encoding}")));
        }
        for name in ["other", "MD5"] {
            assert_eq!(Hash::new(name).err(), Some(format!("invalid algorithm: {name}")));
            assert_eq!(Hash::keyed(name, b"k").err(), Some(format!("invalid algorithm: {name}")));
        }
    }

    #[test]
    fn random_bytes_have_the_size_that_was_asked_for() {
        assert_eq!(random_bytes(1.5).unwrap().len(), 1);
        let (one, two) = (random_bytes(16.0).unwrap(), random_bytes(16.0).unwrap());
        assert_ne!(one, two);
        for size in [0.0, -1.0, 0.5, f64::NAN, 1e9] {
            assert_eq!(random_bytes(size), Err("invalid size".into()), "{size}");
        }
    }
}
