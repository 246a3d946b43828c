//! `--source`: local addresses that share the connections.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::super::error::Problems;
use super::super::workers::host::Host;

const FORM: &str = "write an address of this host, several with commas, or a range such as 127.0.1.0/28";
/// Addresses at most, over all ranges.
const SOURCES_MAX: usize = 4_096;

/// Reads every `--source`: as written, and the addresses, each once.
pub(super) fn sources(
    texts: &[String],
    host: &impl Host,
    problems: &mut Problems,
) -> (Vec<String>, Vec<IpAddr>) {
    let given: Vec<String> =
        texts.iter().flat_map(|text| text.split(',')).map(|word| word.trim().to_owned()).collect();
    let mut all: Vec<IpAddr> = Vec::new();
    for word in &given {
        let Some(addresses) = problems.note("--source", parse(word)) else { continue };
        if let Some((ip, why)) = addresses.iter().find_map(|ip| Some((ip, host.try_source(*ip).err()?))) {
            problems.add("--source", refused(*ip, &why));
        }
        all.extend(addresses);
    }
    let mut seen = std::collections::HashSet::new();
    all.retain(|ip| seen.insert(*ip));
    if all.len() > SOURCES_MAX {
        problems.add(
            "--source",
            format!("{} addresses are more than the {SOURCES_MAX} that it takes", all.len()),
        );
    }
    (given, all)
}

fn refused(ip: IpAddr, why: &std::io::Error) -> String {
    if why.raw_os_error() != Some(libc::EADDRNOTAVAIL) {
        return format!("connections cannot come from `{ip}`: {why}");
    }
    let bits = if ip.is_ipv4() { 32 } else { 128 };
    format!(
        "`{ip}` is not an address of this host; as root `ip addr add {ip}/{bits} dev INTERFACE` makes it one (and \
         the target must have a route back to it)"
    )
}

/// An address, or all addresses of a range in CIDR form.
fn parse(word: &str) -> Result<Vec<IpAddr>, String> {
    let bad = |what: &str| format!("`{word}`: {what}; {FORM}");
    let (address, prefix) = match word.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (word, None),
    };
    let bare = address.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(address);
    let ip: IpAddr = bare.parse().map_err(|_| bad("this is not an IP address"))?;
    if ip.is_unspecified() || ip.is_multicast() {
        return Err(bad("connections cannot come from this address"));
    }
    let Some(prefix) = prefix else { return Ok(vec![ip]) };
    let bits: u32 = if ip.is_ipv4() { 32 } else { 128 };
    let prefix: u32 = prefix
        .parse()
        .ok()
        .filter(|prefix| *prefix <= bits)
        .ok_or_else(|| bad(&format!("the length of the prefix is a number up to {bits}")))?;
    let free = bits - prefix;
    if free > SOURCES_MAX.ilog2() {
        return Err(bad(&format!(
            "the range has more than {SOURCES_MAX} addresses: /{} is the largest that it takes",
            bits - SOURCES_MAX.ilog2()
        )));
    }
    Ok((0..1u32 << free).map(|at| nth(ip, free, at)).collect())
}

/// Address number `at` of the range around `ip` whose last `free` bits vary.
fn nth(ip: IpAddr, free: u32, at: u32) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => Ipv4Addr::from_bits(ip.to_bits() >> free << free | at).into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> free << free | u128::from(at)).into(),
    }
}
