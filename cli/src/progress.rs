use indicatif::{ProgressBar, ProgressStyle};

/// A bar on stderr for rounds of measuring. It shows itself on a terminal only.
pub fn rounds(rounds: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_bar} {pos} of {len} rounds, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(rounds).with_style(style)
}

/// A bar on stderr for work of several chunks. It shows itself on a terminal only.
pub fn bar(elements: u64, chunk: u64) -> ProgressBar {
    if elements <= chunk {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{wide_bar} {percent}% of {human_len} elements, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(elements).with_style(style)
}
