//! Points and lengths of time, in whole microseconds.
//!
//! Nothing in `model` or `engine` reads a clock: a [`Time`] is always handed in. On disk it is a
//! number; for people a time is RFC 3339 in UTC and a span is written like `1m 30s`.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A point in time: microseconds since the Unix epoch, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(pub u64);

/// One moment by both clocks. What the server decides by (leases, pauses, rates, ages) goes by
/// `now`; what people name by the calendar goes by `wall`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment {
    /// The engine's own clock, which never goes back and never leaps.
    pub now: Time,
    /// The wall clock, which may be set to anything at any time.
    pub wall: Time,
}

impl Moment {
    /// What the engine's clock shows when the wall's shows this, if nobody sets that meanwhile; for
    /// what has passed, now.
    #[must_use]
    pub fn now_at(self, wall: Time) -> Time {
        self.now + wall.since(self.wall)
    }

    /// What the wall's clock shows, or showed, when the engine's shows this.
    #[must_use]
    pub fn wall_at(self, now: Time) -> Time {
        self.wall + now.since(self.now) - self.now.since(now)
    }
}

impl From<Time> for Moment {
    /// A moment at which both clocks show the same.
    fn from(time: Time) -> Moment {
        Moment { now: time, wall: time }
    }
}

/// A length of time in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(pub u64);

impl Time {
    /// The span since `earlier`, or nothing where `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Time) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Span = Span(0);

    /// A span of whole seconds.
    #[must_use]
    pub const fn seconds(n: u64) -> Span {
        Span(n.saturating_mul(1_000_000))
    }

    /// A span of whole milliseconds.
    #[must_use]
    pub const fn millis(n: u64) -> Span {
        Span(n.saturating_mul(1_000))
    }

    /// The same span as the standard library's type.
    #[must_use]
    pub const fn to_std(self) -> Duration {
        Duration::from_micros(self.0)
    }

    /// From the standard library's type, cut to whole microseconds.
    #[must_use]
    pub fn from_std(duration: Duration) -> Span {
        Span(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
    }

    /// The span as a fraction of seconds, for rates and reports.
    #[must_use]
    pub fn as_secs_f64(self) -> f64 {
        self.to_std().as_secs_f64()
    }
}

impl Add<Span> for Time {
    type Output = Time;

    fn add(self, span: Span) -> Time {
        Time(self.0.saturating_add(span.0))
    }
}

impl Sub<Span> for Time {
    type Output = Time;

    fn sub(self, span: Span) -> Time {
        Time(self.0.saturating_sub(span.0))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The formatter covers years up to 9999; later times are shown as that bound.
        const LAST_MICROSECOND_OF_9999: u64 = 253_402_300_799_999_999;
        let at = UNIX_EPOCH + Duration::from_micros(self.0.min(LAST_MICROSECOND_OF_9999));
        humantime::format_rfc3339_micros(at).fmt(f)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.to_std()).fmt(f)
    }
}

impl FromStr for Time {
    type Err = String;

    /// A time by RFC 3339, with `Z` or an offset like `+02:00`; without either it is UTC.
    fn from_str(text: &str) -> Result<Time, String> {
        let offset = chrono::DateTime::parse_from_rfc3339(text).ok();
        let offset = offset.and_then(|at| u64::try_from(at.timestamp_micros()).ok());
        let utc = || humantime::parse_rfc3339_weak(text).ok()?.duration_since(UNIX_EPOCH).ok();
        offset.map(Time).or_else(|| Some(Time(Span::from_std(utc()?).0))).ok_or_else(|| {
            format!(
                "`{text}` is not a time: expected one like 2026-11-21T08:30:00Z, or with an \
                 offset like 2026-11-21T09:30:00+01:00"
            )
        })
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Span, String> {
        humantime::parse_duration(text)
            .map(Span::from_std)
            .map_err(|_| format!("`{text}` is not a length of time: expected one like 500ms or 2m"))
    }
}

macro_rules! text_for_people {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                if to.is_human_readable() { to.collect_str(self) } else { to.serialize_u64(self.0) }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                if from.is_human_readable() {
                    String::deserialize(from)?.parse().map_err(de::Error::custom)
                } else {
                    u64::deserialize(from).map($name)
                }
            }
        }
    };
}

text_for_people!(Time);
text_for_people!(Span);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_rfc3339_and_short_spans() {
        let time = Time(1_795_250_000_000_000);
        assert_eq!(time.to_string().parse::<Time>(), Ok(time));
        for text in [
            "2026-11-21T08:30:00Z",
            "2026-11-21T08:30:00.000Z",
            "2026-11-21T09:30:00+01:00",
            "2026-11-21 03:00:00-05:30",
            "2026-11-21T08:30:00",
            "2026-11-21 08:30:00",
        ] {
            assert_eq!(text.parse(), Ok(Time(1_795_249_800_000_000)), "{text}");
        }
        for text in ["soon", "2026-11-21", "1969-12-31T23:59:59Z", "2026-11-21T08:30:00+25:00"] {
            assert!(text.parse::<Time>().unwrap_err().contains("+01:00"), "{text}");
        }
        assert_eq!(Span::millis(1_500).to_string(), "1s 500ms");
        assert_eq!("1m 30s".parse::<Span>(), Ok(Span::seconds(90)));
        assert!("soon".parse::<Span>().unwrap_err().contains("500ms"));
        assert!(!Time(u64::MAX).to_string().is_empty());
    }

    #[test]
    fn arithmetic_never_wraps() {
        assert_eq!(Time(5) - Span(9), Time(0));
        assert_eq!(Time(u64::MAX) + Span(1), Time(u64::MAX));
        assert_eq!(Time(1).since(Time(2)), Span::ZERO);
    }
}
