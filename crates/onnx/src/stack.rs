//! Which items of a call may share a run, and how a shared run's arrays are told apart again.

use gristmill_model::limits;

use crate::dtype::Dtype;
use crate::tensor::{Data, Tensor};

/// Sorts items into runs: those whose arrays agree in all but their first dimension share one, in
/// order, as long as each of their stacked arrays stays within the limit.
pub(crate) fn runs(items: &[(u32, Vec<Tensor>)], stackable: bool) -> Vec<Vec<usize>> {
    let mut runs: Vec<(usize, Vec<usize>)> = Vec::new();
    for (place, (_, arrays)) in items.iter().enumerate() {
        let bytes = arrays.iter().map(Tensor::bytes).sum::<usize>();
        let shared = runs.iter_mut().find(|(taken, run)| {
            stackable
                && rows(arrays).is_some()
                && taken.saturating_add(bytes) <= limits::ARRAY_BYTES
                && agree(&items[run[0]].1, arrays)
        });
        match shared {
            Some((taken, run)) => {
                *taken += bytes;
                run.push(place);
            }
            None => runs.push((bytes, vec![place])),
        }
    }
    runs.into_iter().map(|(_, run)| run).collect()
}

/// How many rows an item has: the length of the first dimension, where all its arrays agree on it.
pub(crate) fn rows(arrays: &[Tensor]) -> Option<usize> {
    let rows = arrays.first()?.rows()?;
    arrays.iter().all(|array| array.rows() == Some(rows)).then_some(rows)
}

/// Whether two items can be stacked: each has its rows, and beyond them their shapes are the same.
fn agree(some: &[Tensor], others: &[Tensor]) -> bool {
    rows(some).is_some()
        && some.iter().zip(others).all(|(one, other)| one.shape[1..] == other.shape[1..])
}

/// Cuts a shared run's outputs into those of each item. Nothing where an output has not as many
/// rows as went in: the graph does not treat rows one by one, and no part of it is one item's.
pub(crate) fn split(outputs: Vec<Tensor>, rows: &[usize]) -> Option<Vec<Vec<Tensor>>> {
    let all: usize = rows.iter().sum();
    if outputs.iter().any(|output| output.rows() != Some(all)) {
        return None;
    }
    let mut items: Vec<Vec<Tensor>> =
        rows.iter().map(|_| Vec::with_capacity(outputs.len())).collect();
    for Tensor { dtype, shape, data } in outputs {
        let mut from = 0;
        for (item, rows) in items.iter_mut().zip(rows) {
            let mut shape = shape.clone();
            shape[0] = *rows;
            let part = from..from + rows;
            from = part.end;
            let data = match &data {
                Data::Bytes(bytes) => Data::Bytes(cut(bytes, part, all)),
                Data::Strings(strings) => Data::Strings(cut(strings, part, all)),
            };
            item.push(Tensor { dtype, shape, data });
        }
    }
    Some(items)
}

/// The part of some rows out of all of them.
fn cut<T: Clone>(data: &[T], part: std::ops::Range<usize>, all: usize) -> Vec<T> {
    let each = data.len() / all.max(1);
    data[part.start * each..part.end * each].to_vec()
}

/// The shape of a stack, and its type.
pub(crate) fn stacked(arrays: &[&Tensor]) -> (Dtype, Vec<usize>) {
    let mut shape = arrays[0].shape.clone();
    if arrays.len() > 1 {
        shape[0] = arrays.iter().filter_map(|array| array.rows()).sum();
    }
    (arrays[0].dtype, shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(shape: &[usize]) -> Tensor {
        let count = shape.iter().product::<usize>() as u8;
        Tensor::of_bytes(Dtype::Uint8, shape.to_vec(), (0..count).collect()).unwrap()
    }

    #[test]
    fn those_that_agree_beyond_the_first_dimension_share_a_run() {
        let items: Vec<(u32, Vec<Tensor>)> = [&[1, 3][..], &[2, 3], &[1, 4], &[1, 3], &[]]
            .iter()
            .zip(0..)
            .map(|(shape, number)| (number, vec![tensor(shape)]))
            .collect();
        assert_eq!(runs(&items, true), [vec![0, 1, 3], vec![2], vec![4]]);
        assert_eq!(runs(&items, false).len(), 5);
    }

    #[test]
    fn an_item_whose_arrays_differ_in_rows_runs_alone() {
        let odd = vec![tensor(&[1, 3]), tensor(&[2, 3])];
        let even = vec![tensor(&[2, 3]), tensor(&[2, 3])];
        let items = vec![(0, odd.clone()), (1, even.clone()), (2, odd), (3, even)];
        assert_eq!(runs(&items, true), [vec![0], vec![1, 3], vec![2]]);
    }

    #[test]
    fn a_shared_run_is_split_in_order() {
        let items = split(vec![tensor(&[3, 2]), tensor(&[3])], &[1, 0, 2]).unwrap();
        assert_eq!(items[0][0], Tensor::of_bytes(Dtype::Uint8, vec![1, 2], vec![0, 1]).unwrap());
        assert_eq!(items[1][0], Tensor::of_bytes(Dtype::Uint8, vec![0, 2], vec![]).unwrap());
        assert_eq!(
            items[2][0],
            Tensor::of_bytes(Dtype::Uint8, vec![2, 2], vec![2, 3, 4, 5]).unwrap()
        );
        assert_eq!(items[2][1], Tensor::of_bytes(Dtype::Uint8, vec![2], vec![1, 2]).unwrap());
        assert_eq!(split(vec![tensor(&[2, 2])], &[1, 2]), None);
        assert_eq!(split(vec![tensor(&[])], &[1, 2]), None);
    }
}
