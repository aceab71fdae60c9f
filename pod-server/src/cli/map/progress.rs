//! The progress bar, on a terminal only.

use std::{fmt, future::Future};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use crate::cli::console;

/// How far the lines have come.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
}

impl Progress {
    pub(super) fn new() -> Self {
        let bar = console::is_watched().then(|| {
            // The bar takes what the rest of the line leaves.
            let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} done, {rate}, {msg}, {eta} left")
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .with_key("rate", |state: &ProgressState, out: &mut dyn fmt::Write| {
                    let _ = out.write_str(&rate(state.per_sec()));
                });
            let bar = ProgressBar::new(0).with_style(style).with_message("0 failed");
            bar.enable_steady_tick(std::time::Duration::from_millis(200));
            bar
        });
        Self { bar }
    }

    /// The number of lines submitted so far.
    pub(super) fn read(&self, total: u64) {
        if let Some(bar) = &self.bar {
            bar.set_length(total);
        }
    }

    /// Another line has ended; `failed` is the number of failures so far.
    pub(super) fn finished(&self, failed: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(1);
            let running = bar.length().unwrap_or(0).saturating_sub(bar.position());
            bar.set_message(format!("{running} under way, {failed} failed"));
        }
    }

    /// Takes the bar away while something else is written to the terminal.
    pub(super) async fn hide_while<T>(&self, writing: impl Future<Output = T>) -> T {
        if let Some(bar) = &self.bar {
            bar.set_draw_target(indicatif::ProgressDrawTarget::hidden());
            let written = writing.await;
            bar.set_draw_target(indicatif::ProgressDrawTarget::stderr());
            return written;
        }
        writing.await
    }

    pub(super) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// The rate per second, with decimals only if it is small.
fn rate(per_second: f64) -> String {
    if per_second < 10.0 { format!("{per_second:.1}/s") } else { format!("{per_second:.0}/s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_short() {
        for (per_second, expected) in [(0.0, "0.0/s"), (0.26, "0.3/s"), (9.94, "9.9/s"), (1234.567, "1235/s")] {
            assert_eq!(rate(per_second), expected);
        }
    }
}
