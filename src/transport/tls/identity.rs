//! Files with certificates and keys: PEM (RFC 7468), DER, PKCS#12 (RFC 7292), with or without a password.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use p12_keystore::error::Error as ArchiveError;
use p12_keystore::{CertificateBag, Pkcs12Archive};
use pkcs8::EncryptedPrivateKeyInfoRef;
use rustls::Error;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::certificate::Certificate;
use super::{Identity, TlsSetupError};

const PASSWORD: &str = "--key-password names a file with the password";

/// All certificates of a file: any number in PEM, or one in DER.
pub(super) fn certificates(file: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let file = without_mark(file);
    if is_der(file) {
        return match Certificate::read(file) {
            Some(_) => Ok(vec![CertificateDer::from(file.to_vec())]),
            None if is_archive(file) => Err("the file is PKCS#12, which only --cert takes".into()),
            None => Err("the file is binary, but no certificate in DER".into()),
        };
    }
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(file).collect();
    let all = all.map_err(|e| e.to_string())?;
    if !all.is_empty() {
        return Ok(all);
    }
    Err(match label(file) {
        Some("PKCS7") => {
            "the file holds PKCS#7, which `openssl pkcs7 -print_certs -in FILE -out NEW` takes apart".into()
        }
        Some(label) => format!("the file holds none, but `{label}`"),
        None => "the file holds none".into(),
    })
}

/// What is shown to servers that want to know who we are. Certificates may be of any version: it is the server that judges them.
pub(super) fn certified(
    identity: &Identity,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsSetupError> {
    let unfit = |why: String| TlsSetupError::Identity(why);
    let (chain, key) = if is_archive(&identity.chain) {
        if identity.key.is_some() {
            return Err(TlsSetupError::Key(
                "--cert is PKCS#12, which has the key in it: leave --key out".into(),
            ));
        }
        archive(&identity.chain, identity.password.as_deref()).map_err(unfit)?
    } else {
        let chain = certificates(&identity.chain).map_err(TlsSetupError::Chain)?;
        let file = identity.key.as_deref().unwrap_or(&identity.chain);
        (chain, key(file, identity.password.as_deref())?)
    };
    let leaf =
        Certificate::read(&chain[0]).ok_or_else(|| unfit("the first certificate cannot be read".into()))?;
    let key = provider.key_provider.load_private_key(key).map_err(|error| match leaf.odd_rsa_key() {
        Some(bits) => {
            unfit(format!("the RSA key has {bits} bits, and 2048 to 8192 are what can be signed with"))
        }
        None => unfit(match error {
            Error::General(_) => {
                "the key is none of RSA, ECDSA (P-256, P-384, P-521) and Ed25519: give one that is".into()
            }
            other => other.to_string(),
        }),
    })?;
    if key.public_key().is_some_and(|public| public.as_ref() != leaf.key()) {
        return Err(unfit("the key is not that of the first certificate".into()));
    }
    Ok(CertifiedKey::new(chain, key))
}

/// The first private key of a file.
fn key(file: &[u8], password: Option<&[u8]>) -> Result<PrivateKeyDer<'static>, TlsSetupError> {
    let (file, bad) = (without_mark(file), |why: &str| TlsSetupError::Key(why.into()));
    if let Some(encrypted) = encrypted(file) {
        let password = password.ok_or_else(|| bad(&format!("it is encrypted: {PASSWORD}")))?;
        let encrypted = encrypted.map_err(|why| bad(&why))?;
        let info = EncryptedPrivateKeyInfoRef::try_from(&*encrypted).map_err(|_| {
            bad("it is encrypted in a way that is not known: `openssl pkcs8 -topk8` writes it anew")
        })?;
        let plain = info.decrypt(password).map_err(|_| {
            TlsSetupError::Password("the password does not open the key: give that of the key".into())
        })?;
        return PrivateKeyDer::try_from(plain.as_bytes().to_vec()).map_err(bad);
    }
    if text_of(file).is_some_and(|text| text.contains("Proc-Type: 4,ENCRYPTED")) {
        return Err(bad(
            "it is encrypted in the form of old OpenSSL, which is not read: `openssl pkcs8 -topk8 -in FILE -out NEW` writes it anew",
        ));
    }
    if password.is_some() {
        return Err(TlsSetupError::Password("the key is not encrypted: leave --key-password out".into()));
    }
    if is_der(file) {
        return PrivateKeyDer::try_from(file.to_vec())
            .map_err(|_| bad("the file is binary, but no key in DER (PKCS#8, PKCS#1 or SEC1)"));
    }
    PrivateKeyDer::from_pem_slice(file).map_err(|error| match label(file) {
        Some(label) if !label.ends_with("PRIVATE KEY") => bad(&format!("the file holds none, but `{label}`")),
        None => bad("the file holds none"),
        _ => bad(&error.to_string()),
    })
}

/// The encrypted key of a file, as DER (RFC 5958, section 3), where it has one.
fn encrypted(file: &[u8]) -> Option<Result<Vec<u8>, String>> {
    if is_der(file) {
        return EncryptedPrivateKeyInfoRef::try_from(file).is_ok().then(|| Ok(file.to_vec()));
    }
    let (_, rest) = text_of(file)?.split_once("-----BEGIN ENCRYPTED PRIVATE KEY-----")?;
    let body = rest
        .split_once("-----END ENCRYPTED PRIVATE KEY-----")
        .map(|(body, _)| body.split_whitespace().collect::<String>());
    let der = body.and_then(|body| BASE64_STANDARD.decode(body).ok());
    Some(der.ok_or_else(|| "the encrypted key is cut off, or no base64".into()))
}

/// The key of a PKCS#12 file, its certificate, and those of its issuers that are in it.
fn archive(
    file: &[u8],
    password: Option<&[u8]>,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), String> {
    let text = std::str::from_utf8(password.unwrap_or_default()).map_err(|_| "the password is not UTF-8")?;
    let archive = Pkcs12Archive::from_pkcs12(file, text).map_err(|error| match (&error, password) {
        (ArchiveError::UnsupportedEncryptionScheme | ArchiveError::UnsupportedMacAlgorithm, _) => {
            format!("{error}: `openssl pkcs12 -in FILE -out NEW.pem` takes it apart")
        }
        (_, None) => format!("the PKCS#12 file does not open without a password: {PASSWORD}"),
        (ArchiveError::MacError(_), _) => "the password does not open the PKCS#12 file".into(),
        _ => format!("the PKCS#12 file cannot be read: {error}"),
    })?;
    let key = archive.keys.first().ok_or("the PKCS#12 file has no private key")?;
    let own = |bag: &&CertificateBag| {
        bag.local_key_id
            .as_deref()
            .is_some_and(|id| key.local_key_id.as_ref().is_some_and(|own| own.as_ref() == id))
    };
    let leaf = archive.certs.iter().find(own).or(archive.certs.first());
    let mut chain = vec![leaf.ok_or("the PKCS#12 file has no certificate")?.cert.as_der()];
    while let Some(next) =
        issuer(chain[chain.len() - 1], archive.certs.iter().map(|bag| bag.cert.as_der()), &chain)
    {
        chain.push(next);
    }
    let chain = chain.into_iter().map(|der| CertificateDer::from(der.to_vec())).collect();
    let key = PrivateKeyDer::try_from(key.key.as_der().to_vec()).map_err(str::to_owned)?;
    Ok((chain, key))
}

/// Which of `all` bears the name of `der`'s issuer, and is not in `taken` yet.
fn issuer<'a>(der: &[u8], mut all: impl Iterator<Item = &'a [u8]>, taken: &[&[u8]]) -> Option<&'a [u8]> {
    let certificate = Certificate::read(der)?;
    all.find(|other| {
        !taken.contains(other)
            && Certificate::read(other).is_some_and(|other| certificate.names_as_issuer(&other))
    })
}

/// A SEQUENCE whose length is the file's (X.690, section 8.1): no text begins so.
fn is_der(file: &[u8]) -> bool {
    file.starts_with(&[0x30]) && contents(file).is_some_and(|(at, length)| at + length == file.len())
}

/// PFX (RFC 7292, section 4): the sequence begins with the version, 3. Such files may be in BER, too.
fn is_archive(file: &[u8]) -> bool {
    let at = match file {
        [0x30, 0x80, ..] => Some(2),
        [0x30, ..] => contents(file).map(|(at, _)| at),
        _ => None,
    };
    at.and_then(|at| file.get(at..at + 3)) == Some(&[2, 1, 3])
}

/// Where the contents of the first element begin, and how long they are.
fn contents(file: &[u8]) -> Option<(usize, usize)> {
    let first = usize::from(*file.get(1)?);
    if first < 0x80 {
        return Some((2, first));
    }
    let more = first & 0x7f;
    let bytes = file.get(2..2 + more).filter(|bytes| (1..=4).contains(&bytes.len()))?;
    Some((2 + more, bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte))))
}

/// Without the mark that editors put before UTF-8 (U+FEFF).
fn without_mark(file: &[u8]) -> &[u8] {
    file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file)
}

fn text_of(file: &[u8]) -> Option<&str> {
    std::str::from_utf8(file).ok()
}

/// What the first section of a PEM file says that it is.
fn label(file: &[u8]) -> Option<&str> {
    Some(text_of(file)?.split_once("-----BEGIN ")?.1.split_once("-----")?.0)
}
