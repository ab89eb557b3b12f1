//! A table: records by id, kept in pages of neighbours.
//!
//! Ids are handed out in order and most live records are neighbours, so a page number is looked
//! up in a small ordered map and the record in the page by its position. A page goes when its
//! last record does; what becomes of single records among dead neighbours is the price.

use std::collections::BTreeMap;
use std::ops::Range;

/// Slots of a page.
const SLOTS: usize = 64;

/// Records by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table<T> {
    pages: BTreeMap<u64, Page<T>>,
}

/// Neighbouring slots, of which at least one is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Page<T> {
    slots: Box<[Option<T>; SLOTS]>,
    taken: usize,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table { pages: BTreeMap::new() }
    }
}

impl<T> Table<T> {
    pub(crate) fn get(&self, id: u64) -> Option<&T> {
        let (page, slot) = place(id);
        self.pages.get(&page)?.slots[slot].as_ref()
    }

    pub(crate) fn get_mut(&mut self, id: u64) -> Option<&mut T> {
        let (page, slot) = place(id);
        self.pages.get_mut(&page)?.slots[slot].as_mut()
    }

    /// Puts a record in and returns the one that was there.
    pub(crate) fn insert(&mut self, id: u64, record: T) -> Option<T> {
        let (page, slot) = place(id);
        let page = self.pages.entry(page).or_insert_with(Page::empty);
        let before = page.slots[slot].replace(record);
        if before.is_none() {
            page.taken += 1;
        }
        before
    }

    /// Takes a record out.
    pub(crate) fn remove(&mut self, id: u64) -> Option<T> {
        let (number, slot) = place(id);
        let page = self.pages.get_mut(&number)?;
        let record = page.slots[slot].take()?;
        page.taken -= 1;
        if page.taken == 0 {
            self.pages.remove(&number);
        }
        Some(record)
    }

    /// All records in order of their ids.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (u64, &T)> {
        self.pages.iter().flat_map(|(number, page)| page.part(*number, 0..SLOTS))
    }

    /// The records with ids in a range, in order.
    pub(crate) fn range(&self, ids: Range<u64>) -> impl DoubleEndedIterator<Item = (u64, &T)> {
        let pages =
            if ids.is_empty() { 0..0 } else { place(ids.start).0..place(ids.end - 1).0 + 1 };
        self.pages.range(pages).flat_map(move |(number, page)| {
            let first = number * SLOTS as u64;
            let slot = |id: u64| id.saturating_sub(first).min(SLOTS as u64) as usize;
            page.part(*number, slot(ids.start)..slot(ids.end))
        })
    }
}

impl<T> Page<T> {
    fn empty() -> Page<T> {
        // Made on the heap, for a page of large records is no guest for the stack.
        let slots: Box<[Option<T>]> = (0..SLOTS).map(|_| None).collect();
        let Ok(slots) = slots.try_into() else { unreachable!("as many slots as a page has") };
        Page { slots, taken: 0 }
    }

    fn part(&self, number: u64, slots: Range<usize>) -> impl DoubleEndedIterator<Item = (u64, &T)> {
        let first = number * SLOTS as u64 + slots.start as u64;
        let part = self.slots[slots].iter().enumerate();
        part.filter_map(move |(at, slot)| Some((first + at as u64, slot.as_ref()?)))
    }
}

/// The page and the slot of an id.
fn place(id: u64) -> (u64, usize) {
    (id / SLOTS as u64, (id % SLOTS as u64) as usize)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn neighbours_share_a_page_and_an_empty_page_goes() {
        let mut table = Table::default();
        for id in 1..=200 {
            assert_eq!(table.insert(id, id * 2), None);
        }
        assert_eq!(table.pages.len(), 4);
        for id in 64..128 {
            assert_eq!(table.remove(id), Some(id * 2));
        }
        assert_eq!(table.pages.len(), 3);
        assert_eq!((table.iter().count(), table.get(63), table.get(64)), (136, Some(&126), None));
        assert_eq!(
            table.range(60..131).map(|(id, _)| id).collect::<Vec<_>>(),
            [60, 61, 62, 63, 128, 129, 130]
        );
    }

    #[test]
    fn the_outermost_ids_have_a_place() {
        let mut table = Table::default();
        table.insert(0, 'a');
        table.insert(u64::MAX, 'z');
        table.insert(u64::MAX - 1, 'y');
        assert_eq!(table.iter().map(|(id, _)| id).collect::<Vec<_>>(), [0, u64::MAX - 1, u64::MAX]);
        let last = table.range(1..u64::MAX).collect::<Vec<_>>();
        assert_eq!(last, [(u64::MAX - 1, &'y')]);
        assert_eq!(table.range(5..5).count(), 0);
        assert_eq!(table.remove(u64::MAX), Some('z'));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Insert(u64, u8),
        Remove(u64),
        Change(u64, u8),
        Range(u64, u64),
    }

    /// Ids close together, so that pages fill, share and empty.
    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let id = 0..260_u64;
        let step = prop_oneof![
            4 => (id.clone(), any::<u8>()).prop_map(|(id, record)| Step::Insert(id, record)),
            4 => id.clone().prop_map(Step::Remove),
            1 => (id.clone(), any::<u8>()).prop_map(|(id, record)| Step::Change(id, record)),
            2 => (id.clone(), id).prop_map(|(first, end)| Step::Range(first, end)),
        ];
        vec(step, 1..400)
    }

    fn listed<'a>(all: impl Iterator<Item = (u64, &'a u8)>) -> Vec<(u64, u8)> {
        all.map(|(id, record)| (id, *record)).collect()
    }

    proptest! {
        #[test]
        fn a_table_is_a_map(steps in steps()) {
            let (mut table, mut naive) = (Table::default(), BTreeMap::new());
            for step in steps {
                match step {
                    Step::Insert(id, record) => {
                        prop_assert_eq!(table.insert(id, record), naive.insert(id, record));
                    }
                    Step::Remove(id) => prop_assert_eq!(table.remove(id), naive.remove(&id)),
                    Step::Change(id, record) => {
                        let (ours, theirs) = (table.get_mut(id), naive.get_mut(&id));
                        prop_assert_eq!(&ours, &theirs);
                        ours.into_iter().chain(theirs).for_each(|slot| *slot = record);
                    }
                    Step::Range(first, end) => {
                        let there = naive.iter().filter(|(id, _)| (first..end).contains(*id));
                        let there: Vec<_> = there.map(|(id, record)| (*id, *record)).collect();
                        prop_assert_eq!(listed(table.range(first..end)), there.clone());
                        let mut back = listed(table.range(first..end).rev());
                        back.reverse();
                        prop_assert_eq!(back, there);
                    }
                }
                prop_assert_eq!(table.iter().count(), naive.len());
            }
            let all: Vec<_> = naive.iter().map(|(id, record)| (*id, *record)).collect();
            prop_assert_eq!(listed(table.iter()), all.clone());
            for id in 0..260 {
                prop_assert_eq!(table.get(id), naive.get(&id));
                prop_assert_eq!(table.get(id).is_some(), naive.contains_key(&id));
            }
            prop_assert!(table.pages.values().all(|page| page.taken > 0), "no page is empty");
            let mut rebuilt = Table::default();
            for (id, record) in all.into_iter().rev() {
                rebuilt.insert(id, record);
            }
            prop_assert_eq!(rebuilt, table, "equal content is equal structure");
        }
    }
}
