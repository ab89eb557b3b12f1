//! Numbers and values as people say them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gristmill_model::payload::{Payload, Place};
use gristmill_model::{Span, Time};

/// `12 jobs`, `1 job`.
pub fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// A size in decimal units, as disks and networks count.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if count < 1_000 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1_000.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1_000.0;
        unit += 1;
    }
    let digits = usize::from(value < 99.5);
    format!("{value:.digits$} {}", UNITS[unit])
}

/// A length of time with the precision that fits it.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match seconds {
        s if s < 0.001 => format!("{:.0} µs", s * 1e6),
        s if s < 1.0 => format!("{:.0} ms", s * 1e3),
        s if s < 60.0 => format!("{s:.1} s"),
        s if s < 3_600.0 => format!("{} min {} s", s as u64 / 60, s as u64 % 60),
        s => format!("{} h {} min", s as u64 / 3_600, s as u64 / 60 % 60),
    }
}

/// How long ago a moment was.
pub fn ago(time: Time) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let since = Time(Span::from_std(now).0).since(time).to_std();
    // Clocks of two machines differ a little; a fraction of a second tells nothing.
    if since < Duration::from_secs(1) {
        return "now".into();
    }
    format!("{} ago", duration(Duration::from_secs(since.as_secs())).replace(".0 s", " s"))
}

/// How far ahead a moment is.
pub fn ahead_of_us(time: Time) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let wait = time.since(Time(Span::from_std(now).0)).to_std();
    if wait < Duration::from_secs(1) {
        return "now".into();
    }
    format!("in {}", duration(Duration::from_secs(wait.as_secs())).replace(".0 s", " s"))
}

/// A text on one line, cut to `width` characters.
pub fn one_line(text: &str, width: usize) -> String {
    let flat: String =
        text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(width + 1).collect();
    if flat.chars().count() <= width {
        return flat;
    }
    let mut cut: String = flat.chars().take(width.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// What goes in or comes out, as a person would point at it.
pub fn payload(payload: &Payload) -> String {
    match payload {
        Payload::Text(text) => text.clone(),
        Payload::Json(json) => json.clone(),
        Payload::File(file) => match &file.place {
            Place::Path(path) => path.clone(),
            Place::Blob(digest) => format!("{} ({digest})", file.name),
        },
        Payload::Line(line) => format!("line {} of {}", line.index + 1, line.list),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_keep_two_or_three_digits() {
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1_250), "1.2 kB");
        assert_eq!(bytes(999_900), "1.0 MB");
        assert_eq!(bytes(250_000_000), "250 MB");
        assert_eq!(duration(Duration::from_micros(450)), "450 µs");
        assert_eq!(duration(Duration::from_millis(1_540)), "1.5 s");
        assert_eq!(duration(Duration::from_secs(3_725)), "1 h 2 min");
    }

    #[test]
    fn a_text_is_cut_where_the_line_ends() {
        assert_eq!(one_line("a\nb\n", 10), "a b");
        assert_eq!(one_line("abcdef", 4), "abc…");
    }
}
