//! How far a run has come: a bar on a terminal, a plain line now and then anywhere else.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{say, talks_to_terminal};

/// Between two plain lines.
const EVERY: Duration = Duration::from_secs(10);
const BAR: &str = "{wide_bar} {pos}/{len} {noun} {per_sec} ETA {eta}{msg}";

/// Shows progress on standard error.
pub struct Progress {
    bar: Option<ProgressBar>,
    noun: &'static str,
    total: u64,
    started: Instant,
    told: Instant,
}

impl Progress {
    /// `plain` never draws, also on a terminal.
    pub fn new(total: u64, noun: &'static str, plain: bool) -> Progress {
        let bar = (!plain && talks_to_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
            let template = BAR.replace("{noun}", noun);
            if let Ok(style) = ProgressStyle::with_template(&template) {
                bar.set_style(style);
            }
            bar
        });
        let now = Instant::now();
        Progress { bar, noun, total, started: now, told: now }
    }

    /// So many are settled, of which so many failed.
    pub fn reached(&mut self, settled: u64, failed: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(settled);
            if failed > 0 {
                bar.set_message(format!(", {failed} failed"));
            }
        } else if self.told.elapsed() >= EVERY {
            self.told = Instant::now();
            let rate = settled as f64 / self.started.elapsed().as_secs_f64();
            let Progress { total, noun, .. } = self;
            let failures = if failed > 0 { format!(", {failed} failed") } else { String::new() };
            say(format!("{settled}/{total} {noun}{failures}, {rate:.0}/s"));
        }
    }

    /// A line of talk that the bar does not overwrite.
    pub fn say(&self, line: &str) {
        self.aside(|| say(line));
    }

    /// Does something that prints, out of the bar's way.
    pub fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// Takes the bar away; what is said afterwards is whole.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
