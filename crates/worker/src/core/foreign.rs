//! What programs of others have of devices' memory, as far as it is worth acting on: more is
//! believed at once, less after a few looks, and neither in small change. What is booked beside it,
//! and what the server's log tells of it, stays the same while a desktop draws a window.

use std::collections::BTreeMap;

use gristmill_model::limits;

/// What others have, by device.
#[derive(Debug, Default)]
pub(super) struct ForeignUse {
    devices: BTreeMap<u16, Noted>,
}

#[derive(Debug, Default)]
struct Noted {
    /// Bytes, in steps.
    bytes: u64,
    /// Looks in a row that showed less, and the most of these.
    less: Option<(u32, u64)>,
}

impl ForeignUse {
    /// Takes in what a look at a device showed, of so many bytes that there are. Says what counts
    /// from now on, where that is another figure than before.
    pub(super) fn look(&mut self, device: u16, there: u64, seen: u64) -> Option<u64> {
        let step = limits::FOREIGN_STEP.max(there / limits::FOREIGN_STEPS);
        let seen = seen.div_ceil(step).saturating_mul(step).min(there);
        let before = self.devices.get(&device).map_or(0, |noted| noted.bytes);
        if seen == before && before == 0 {
            return None;
        }
        let noted = self.devices.entry(device).or_default();
        // That nobody is there any more was looked at more than once by who tells it.
        if seen > before || seen == 0 {
            *noted = Noted { bytes: seen, less: None };
            return Some(seen).filter(|seen| *seen != before);
        }
        if seen.saturating_add(step) >= before {
            noted.less = None;
            return None;
        }
        let (looks, most) = noted.less.map_or((1, seen), |(n, most)| (n + 1, most.max(seen)));
        if looks < limits::FOREIGN_LOOKS {
            noted.less = Some((looks, most));
            return None;
        }
        *noted = Noted { bytes: most, less: None };
        Some(most)
    }

    /// All that was ever noted, by device: where nobody is any more that too.
    pub(super) fn noted(&self) -> impl Iterator<Item = (u16, u64)> + '_ {
        self.devices.iter().map(|(device, noted)| (*device, noted.bytes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn more_counts_at_once_and_less_after_a_while() {
        let mut foreign = ForeignUse::default();
        let mut look = |gib| foreign.look(0, 64 * GIB, gib * GIB);
        assert_eq!(look(0), None);
        assert_eq!(look(10), Some(10 * GIB));
        assert_eq!((look(9), look(10)), (None, None), "small change");
        assert_eq!(look(30), Some(30 * GIB));
        assert_eq!((look(12), look(14)), (None, None));
        assert_eq!(look(13), Some(14 * GIB), "the most of three looks");
        assert_eq!((look(2), look(2), look(14), look(2)), (None, None, None, None));
        assert_eq!(look(0), Some(0), "whoever says that nobody is there was sure");
        assert_eq!(look(0), None);
    }

    proptest! {
        #[test]
        fn never_less_than_what_is_there_and_never_more_than_a_step_above_for_long(
            seen in vec(0..80_u64 * GIB, 1..60),
        ) {
            let mut foreign = ForeignUse::default();
            let mut counts = 0;
            let (there, step) = (80 * GIB, 80 * GIB / limits::FOREIGN_STEPS);
            for bytes in &seen {
                let news = foreign.look(3, there, *bytes);
                prop_assert!(news.is_none_or(|news| news != counts), "no news is not told");
                counts = news.unwrap_or(counts);
                prop_assert!(counts >= *bytes && counts <= there);
                prop_assert_eq!(foreign.noted().map(|(_, bytes)| bytes).max().unwrap_or(0), counts);
            }
            let last = *seen.last().expect("at least one");
            let looks = (0..2 * limits::FOREIGN_LOOKS).filter_map(|_| foreign.look(3, there, last));
            counts = looks.last().unwrap_or(counts);
            prop_assert!(counts <= last + 2 * step, "{counts} counts, {last} is there");
        }
    }
}
