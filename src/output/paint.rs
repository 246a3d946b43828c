//! Colours, where they are wanted.

use std::fmt;

use anstyle::{AnsiColor, Style};

/// Paints text, or leaves it as it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint {
    /// Whether to paint at all.
    pub(super) on: bool,
}

impl Paint {
    pub(super) fn bold(self, text: impl fmt::Display) -> String {
        self.style(Style::new().bold(), text)
    }

    pub(super) fn dim(self, text: impl fmt::Display) -> String {
        self.style(Style::new().dimmed(), text)
    }

    pub(super) fn good(self, text: impl fmt::Display) -> String {
        self.style(AnsiColor::Green.on_default(), text)
    }

    pub(super) fn warn(self, text: impl fmt::Display) -> String {
        self.style(AnsiColor::Yellow.on_default(), text)
    }

    pub(super) fn bad(self, text: impl fmt::Display) -> String {
        self.style(AnsiColor::Red.on_default().bold(), text)
    }

    fn style(self, style: Style, text: impl fmt::Display) -> String {
        if self.on { format!("{style}{text}{style:#}") } else { text.to_string() }
    }
}
