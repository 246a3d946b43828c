//! The fields of a response's head.

/// Name and value of each, in their order, without the blanks around them. A line that continues the one before (RFC 9112, 5.2) is left out.
pub fn fields(head: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let lines = head.split(|b| *b == b'\n').skip(1);
    lines.filter_map(|line| {
        let at =
            line.iter().position(|b| *b == b':').filter(|at| *at > 0 && !line[0].is_ascii_whitespace())?;
        Some((line[..at].trim_ascii(), line[at + 1..].trim_ascii()))
    })
}

/// The values of the fields of this name, whatever its case.
pub fn values(head: &[u8], name: &str) -> Vec<String> {
    let found = fields(head).filter(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()));
    found.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_whatever_their_case() {
        let head = b"HTTP/1.1 200 OK\r\nA: 1\r\nset-cookie:x=1 \r\n folded: 3\r\nSet-Cookie: y=2\r\n\r\n";
        assert_eq!(values(head, "Set-Cookie"), ["x=1", "y=2"]);
        assert_eq!(fields(head).count(), 3);
    }
}
