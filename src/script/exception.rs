//! What a script threw, as text.

use rquickjs::{CaughtError, Ctx, Error};

/// What a script threw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thrown {
    /// Its message, and where it came from, line by line.
    pub text: String,
}

/// The exception behind an error of the engine.
pub fn thrown(ctx: &Ctx<'_>, error: Error) -> Thrown {
    let text = match CaughtError::from_error(ctx, error) {
        CaughtError::Exception(exception) => {
            let name: String = exception.get("name").unwrap_or_else(|_| "Error".into());
            let message = exception.message().unwrap_or_default();
            let stack = exception.stack().unwrap_or_default();
            let head = if message.is_empty() { name } else { format!("{name}: {message}") };
            let lines: Vec<String> = stack.lines().map(|line| format!("\t{}", line.trim_start())).collect();
            if lines.is_empty() { head } else { format!("{head}\n{}\n", lines.join("\n")) }
        }
        // What comes when memory has run out is often null.
        CaughtError::Value(value) if value.is_null() => "out of memory".into(),
        CaughtError::Value(value) => match value.as_string() {
            Some(text) => text.to_string().unwrap_or_default(),
            None => ctx
                .json_stringify(value)
                .ok()
                .flatten()
                .and_then(|text| text.to_string().ok())
                .unwrap_or_else(|| "undefined".into()),
        },
        CaughtError::Error(error) => error.to_string(),
    };
    Thrown { text }
}
