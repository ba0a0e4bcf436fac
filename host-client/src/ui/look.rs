//! How the interface looks: its characters and its styles.

use std::io::{self, IsTerminal};

use anstyle::{AnsiColor, Style};

use super::text::Charset;

/// What plays: titles, and the mark of the present song.
pub const PRESENT: Style = AnsiColor::Green.on_default().bold();
/// What matters most on a line.
pub const STRONG: Style = Style::new().bold();
/// What matters least on a line.
pub const FAINT: Style = Style::new().dimmed();
/// Something is wrong.
pub const WARNING: Style = AnsiColor::Yellow.on_default();

/// The characters to draw with, and whether to style them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// The characters.
    pub charset: Charset,
    has_styles: bool,
}

impl Look {
    /// No styles.
    pub const fn plain(charset: Charset) -> Self {
        Self { charset, has_styles: false }
    }

    /// All styles.
    #[cfg(test)]
    pub const fn styled(charset: Charset) -> Self {
        Self { charset, has_styles: true }
    }

    /// What the terminal, the locale and the user want. Without a terminal, or with `NO_COLOR` or `TERM=dumb`, there are no
    /// styles.
    pub fn detect() -> Self {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var("TERM").is_ok_and(|term| term == "dumb");
        let has_styles = io::stdout().is_terminal() && !is_set("NO_COLOR") && !is_dumb;
        Self { charset: Charset::detect(), has_styles }
    }

    /// `text` in this style.
    pub fn paint(self, style: Style, text: &str) -> String {
        if self.has_styles && !text.is_empty() { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}
