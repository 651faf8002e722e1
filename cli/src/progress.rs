use indicatif::{ProgressBar, ProgressStyle};

/// A bar on stderr for work of several pieces. It shows itself on a terminal only.
pub fn bar(elements: u64, piece: u64) -> ProgressBar {
    if elements <= piece {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{wide_bar} {percent}% of {human_len} elements, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(elements).with_style(style)
}
