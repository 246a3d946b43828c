//! What `res.json()` finds in a body, and what it says of one that is no JSON.

mod scan;

/// The JSON of what a selector (a path of gjson) finds. `None` where there is nothing, or the body is no JSON.
pub fn select(body: &str, selector: &str) -> Option<String> {
    if !gjson::valid(body) {
        return None;
    }
    let found = gjson::get(body, selector);
    found.exists().then(|| found.json().to_owned())
}

/// Why a body is no JSON, in k6's words; `None` where it is. Line and character are where k6 says: often one character further on.
pub fn fault(body: &str) -> Option<String> {
    let (offset, error) = scan::fault(body.as_bytes())?;
    let (mut line, mut character) = (1, 0);
    for (at, c) in body.char_indices() {
        if c == '\n' {
            line += 1;
            character = 1;
        } else {
            character += 1;
        }
        if at == offset {
            break;
        }
    }
    Some(format!("cannot parse json due to an error at line {line}, character {character} , error: {error}"))
}

#[cfg(test)]
mod tests;
