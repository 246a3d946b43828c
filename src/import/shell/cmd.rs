//! Words as cmd.exe and the programs it starts make them: browsers' "Copy as cURL (cmd)".
//!
//! First cmd.exe takes its `^` away: outside of quotes it makes the next character an ordinary one, and joins lines. Then the program
//! takes its words from what is left, where `\"` is a quote. Variables (`%NAME%`) stay as they are written.

use std::iter::Peekable;
use std::str::CharIndices;

use super::{Command, Commands, place};
use crate::import::ImportError;

/// Whether a line other than the last ends in `^`.
pub(super) fn goes_on_over_lines(text: &str) -> bool {
    let last = text.trim_end().rsplit('\n').next().unwrap_or_default();
    let before = &text.trim_end()[..text.trim_end().len() - last.len()];
    before.lines().any(|line| line.trim_end().ends_with(" ^"))
}

/// The commands of a script.
///
/// # Errors
/// A quote without its end; pipes and files.
pub(super) fn commands(text: &str) -> Result<Commands, ImportError> {
    let mut found = Commands::default();
    let (mut line, mut after) = (String::new(), None);
    let mut opened = None;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '^' if opened.is_none() => line.extend(escaped(&mut chars)),
            '"' => {
                opened = if opened.is_some() { None } else { Some(at) };
                line.push(c);
            }
            '\r' if chars.peek().is_some_and(|(_, next)| *next == '\n') => {}
            '\n' | '&' if opened.is_none() => {
                end(&mut found, &mut line, after)?;
                after = Some(c);
            }
            '|' | '<' | '>' if opened.is_none() => {
                let what = format!("`{c}` needs a shell: give the curl command alone, and quote its words");
                return Err(ImportError::new(place(&text[..at]), what));
            }
            c => line.push(c),
        }
    }
    end(&mut found, &mut line, after)?;
    Ok(found)
}

/// What a `^` makes an ordinary character: the next one, or the one behind a line break.
fn escaped(chars: &mut Peekable<CharIndices<'_>>) -> Option<char> {
    let mut next = || match chars.next()?.1 {
        '\r' if chars.peek().is_some_and(|(_, c)| *c == '\n') => chars.next().map(|(_, c)| c),
        c => Some(c),
    };
    match next()? {
        '\n' => next(),
        c => Some(c),
    }
}

fn end(found: &mut Commands, line: &mut String, after: Option<char>) -> Result<(), ImportError> {
    let words = words(&std::mem::take(line))
        .ok_or_else(|| ImportError::new("the command", "its last `\"` has no second one: copy it whole"))?;
    if !words.is_empty() {
        found.commands.push(Command { words, after });
    }
    Ok(())
}

/// A line's words as Microsoft's C runtime makes them; none where a quote has no end.
fn words(line: &str) -> Option<Vec<Vec<u8>>> {
    let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let backslashes = rest.len() - rest.trim_start_matches('\\').len();
        if backslashes > 0 {
            rest = &rest[backslashes..];
            let before_quote = rest.starts_with('"');
            // Before a quote each two are one, and the odd one takes the quote's meaning away. Elsewhere Microsoft's runtime keeps all;
            // but browsers write two for each, and what they had is wanted.
            let kept = if before_quote { backslashes / 2 } else { backslashes.div_ceil(2) };
            let word = word.get_or_insert_default();
            *word += &"\\".repeat(kept);
            if before_quote && backslashes % 2 == 1 {
                word.push('"');
                rest = &rest[1..];
            }
            continue;
        }
        rest = &rest[c.len_utf8()..];
        match c {
            '"' if quoted && rest.starts_with('"') => {
                word.get_or_insert_default().push('"');
                rest = &rest[1..];
            }
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' | '\t' if !quoted => words.extend(word.take().map(String::into_bytes)),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word.map(String::into_bytes));
    (!quoted).then_some(words)
}
