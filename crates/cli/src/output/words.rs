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
    // Judged as it is shown: what rounds up to the next unit is shown in that.
    match seconds {
        s if s < 0.000_999_5 => format!("{:.0} µs", s * 1e6),
        s if s < 0.999_5 => format!("{:.0} ms", s * 1e3),
        s if s < 59.95 => format!("{s:.1} s"),
        s if s < 3_600.0 => format!("{} min {} s", s as u64 / 60, s as u64 % 60),
        s if s < 86_400.0 => format!("{} h {} min", s as u64 / 3_600, s as u64 / 60 % 60),
        s => format!("{} d {} h", s as u64 / 86_400, s as u64 / 3_600 % 24),
    }
}

/// What this machine's wall clock shows: the one place in the command line that reads it.
#[expect(clippy::disallowed_methods, reason = "this is where it is read")]
pub fn wall_clock() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(Span::from_std(since).0)
}

/// How long ago a moment was.
pub fn ago(time: Time) -> String {
    let since = wall_clock().since(time).to_std();
    // Clocks of two machines differ a little; a fraction of a second tells nothing.
    if since < Duration::from_secs(1) {
        return "now".into();
    }
    format!("{} ago", duration(Duration::from_secs(since.as_secs())).replace(".0 s", " s"))
}

/// How far ahead a moment is.
pub fn ahead_of_us(time: Time) -> String {
    let wait = time.since(wall_clock()).to_std();
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
    use proptest::prelude::*;

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
        assert_eq!(duration(Duration::from_secs(650 * 3_600 + 2_700)), "27 d 2 h");
    }

    #[test]
    fn a_text_is_cut_where_the_line_ends() {
        assert_eq!(one_line("a\nb\n", 10), "a b");
        assert_eq!(one_line("abcdef", 4), "abc…");
    }

    /// A number with its unit, in that unit's parts of a byte or second.
    fn read(text: &str, units: &[(&str, f64, f64)]) -> Result<f64, TestCaseError> {
        let words: Vec<&str> = text.split(' ').collect();
        words.chunks(2).try_fold(0.0, |sum, pair| {
            let number: f64 = pair[0].parse().unwrap();
            let (_, worth, below) = units.iter().find(|(unit, ..)| *unit == pair[1]).unwrap();
            prop_assert!(number < *below, "{text}");
            Ok(sum + number * worth)
        })
    }

    proptest! {
        #[test]
        fn a_size_and_a_time_are_shown_in_their_unit_and_near_enough(
            count in prop_oneof![0..10_000_u64, 0..=1_u64 << 60],
            micros in prop_oneof![0..3_000_u64, 0..3_000_000_u64, 0..=1_u64 << 40],
        ) {
            let thousands = [
                ("B", 1.0, 1e3),
                ("kB", 1e3, 1e3),
                ("MB", 1e6, 1e3),
                ("GB", 1e9, 1e3),
                ("TB", 1e12, 1e3),
                ("PB", 1e15, f64::MAX),
            ];
            let shown = read(&bytes(count), &thousands)?;
            prop_assert!((shown - count as f64).abs() <= 0.051 * count as f64);
            let times = [
                ("µs", 1e-6, 1e3),
                ("ms", 1e-3, 1e3),
                ("s", 1.0, 60.0),
                ("min", 60.0, 60.0),
                ("h", 3_600.0, 24.0),
                ("d", 86_400.0, f64::MAX),
            ];
            let seconds = micros as f64 / 1e6;
            let shown = read(&duration(Duration::from_micros(micros)), &times)?;
            // Half of the last digit; minutes, hours and days are cut, not rounded.
            let last = match seconds {
                s if s < 0.001 => 0.5e-6,
                s if s < 1.0 => 0.5e-3,
                s if s < 60.0 => 0.05,
                s if s < 3_600.0 => 1.0,
                s if s < 86_400.0 => 60.0,
                _ => 3_600.0,
            };
            prop_assert!((shown - seconds).abs() <= last + 1e-9, "{shown} for {seconds}");
        }

        #[test]
        fn one_line_is_one_line_and_no_longer(text in any::<String>(), width in 1..40_usize) {
            let line = one_line(&text, width);
            prop_assert!(line.chars().count() <= width && !line.chars().any(char::is_control));
            let flat: String =
                text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            let kept = line.strip_suffix('…').unwrap_or(&line);
            prop_assert!(flat.starts_with(kept) && (flat == line || line.ends_with('…')));
        }
    }
}
