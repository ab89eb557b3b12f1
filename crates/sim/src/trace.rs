//! What happened, in lines for people: a bounded ring of the last ones, and a digest of all of
//! them by which two runs are compared.

use std::collections::VecDeque;
use std::fmt::{self, Write};

use gristmill_model::Time;

/// Lines kept when nobody asks for all.
pub const LAST_LINES: usize = 80;

/// The story of a run.
#[derive(Debug)]
pub struct Trace {
    lines: VecDeque<String>,
    keep: usize,
    digest: u64,
}

impl Trace {
    /// A trace that keeps so many of its last lines.
    #[must_use]
    pub fn new(keep: usize) -> Trace {
        // FNV-1a's offset basis (Fowler, Noll, Vo; RFC 9923).
        Trace { lines: VecDeque::new(), keep, digest: 0xcbf2_9ce4_8422_2325 }
    }

    /// Adds a line.
    pub fn say(&mut self, now: Time, who: &str, what: fmt::Arguments) {
        let mut line = if self.lines.len() >= self.keep {
            self.lines.pop_front().unwrap_or_default()
        } else {
            String::new()
        };
        line.clear();
        write!(line, "{:>12}  {who:<8} {what}", Seconds(now)).expect("strings take all");
        for byte in line.bytes() {
            self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
        self.lines.push_back(line);
    }

    /// A number that stands for every line ever said.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// The last lines.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }
}

struct Seconds(Time);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:06}", self.0.0 / 1_000_000, self.0.0 % 1_000_000);
        f.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_keeps_the_last_lines_and_the_digest_all() {
        let mut short = Trace::new(1);
        let mut long = Trace::new(9);
        for trace in [&mut short, &mut long] {
            trace.say(Time(1_500_000), "server", format_args!("boots"));
            trace.say(Time(2_000_000), "server", format_args!("crashes"));
        }
        assert_eq!(short.digest(), long.digest());
        assert_eq!(long.lines().count(), 2);
        assert_eq!(short.lines().next(), Some("    2.000000  server   crashes"));
    }
}
