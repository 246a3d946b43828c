//! k6's colours, where they are wanted.

/// Paints text, or leaves it as it is. Codes are parameters of SGR (ECMA-48, 8.3.117), in the order in which k6 writes them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ink {
    /// Whether to paint at all.
    pub(super) on: bool,
}

impl Ink {
    pub(super) fn paint(self, codes: &str, text: &str) -> String {
        if self.on { format!("\x1b[{codes}m{text}\x1b[0m") } else { text.to_owned() }
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// Of what was as it should be, or was not.
    pub(super) fn judged(self, good: bool, text: &str) -> String {
        self.paint(if good { "32" } else { "31" }, text)
    }
}

/// Whether it was as it should be.
pub(super) fn mark(good: bool) -> &'static str {
    if good { "✓" } else { "✗" }
}
