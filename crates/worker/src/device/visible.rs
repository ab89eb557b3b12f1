//! Which of the GPUs that are there this process may use: `CUDA_VISIBLE_DEVICES` as CUDA reads it,
//! and what the operator leaves out. Pure: texts in, names and notes out.
//!
//! CUDA's rules are those of the *CUDA C++ Programming Guide*, "CUDA Environment Variables":
//! indices or UUIDs, a UUID may be cut where it is still unique, and what stands behind the first
//! invalid entry is not seen. What the guide leaves open follows PyTorch, which reads the variable
//! without CUDA and must agree with it (`torch/cuda/__init__.py`, `_parse_visible_devices` and
//! `_transform_uuid_to_ordinals`): something named twice hides everything, the first entry settles
//! whether indices or UUIDs are meant, and an index is read like C's `strtoul`, so `1st` is 1.
//! `NVIDIA_VISIBLE_DEVICES` is the container runtime's affair: what it hides is not there at all.
//!
//! MIG instances are named as the *MIG User Guide* says: `MIG-<UUID>`, and before driver 470
//! `MIG-<GPU's UUID>/<GPU instance>/<compute instance>`.

use std::collections::BTreeSet;

/// What one may be named by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The full UUID.
    pub uuid: String,
    /// The model.
    pub name: String,
    /// The PCI address; the order of these is the order of the indices.
    pub bus: String,
    /// For a MIG instance: on which GPU it is, and where there.
    pub part: Option<Part>,
}

/// Where a MIG instance is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The UUID of the GPU.
    pub parent: String,
    /// The number of the GPU instance.
    pub gpu_instance: Option<u32>,
    /// The number of the compute instance in it.
    pub compute_instance: Option<u32>,
}

/// What is left, and what there is to say about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// UUIDs of those that may be used.
    pub uuids: BTreeSet<String>,
    /// A line each, for people.
    pub notes: Vec<String>,
}

/// What `CUDA_VISIBLE_DEVICES` leaves of all that is there; `order` is `CUDA_DEVICE_ORDER`.
#[must_use]
pub fn visible(all: &[Seen], variable: Option<&str>, order: Option<&str>) -> Choice {
    let Some(variable) = variable else {
        let uuids = all.iter().map(|seen| seen.uuid.clone()).collect();
        return Choice { uuids, notes: Vec::new() };
    };
    let mut choice = Choice::default();
    let entries: Vec<&str> = variable.split(',').map(str::trim).collect();
    let kind = Kind::of(entries[0]);
    for entry in &entries {
        let named = if Kind::of(entry) == kind { find(all, entry, kind) } else { Vec::new() };
        if named.is_empty() {
            choice.notes.push(ends_at(variable, entry));
            break;
        }
        let twice = named.iter().any(|seen| choice.uuids.contains(&seen.uuid));
        if twice {
            choice.uuids.clear();
            choice.notes.push(format!(
                "CUDA_VISIBLE_DEVICES={variable} names {entry} twice: CUDA shows no GPU then"
            ));
            break;
        }
        choice.uuids.extend(named.into_iter().map(|seen| seen.uuid.clone()));
    }
    if kind == Kind::Index && order != Some("PCI_BUS_ID") && has_several_models(all) {
        choice.notes.push(
            "CUDA_VISIBLE_DEVICES counts GPUs of several models, and CUDA counts the fastest \
             first: the order of their PCI addresses is taken here; set \
             CUDA_DEVICE_ORDER=PCI_BUS_ID, or name UUIDs"
                .into(),
        );
    }
    let hidden: Vec<&str> = schedulable(all)
        .filter(|seen| !choice.uuids.contains(&seen.uuid))
        .map(|seen| seen.uuid.as_str())
        .collect();
    if !hidden.is_empty() {
        choice.notes.push(format!("Hidden by CUDA_VISIBLE_DEVICES: {}", hidden.join(", ")));
    }
    choice
}

/// Takes away what the operator names, by UUID, by the beginning of one, by PCI address or by
/// index.
pub fn exclude(all: &[Seen], excluded: &[String], choice: &mut Choice) {
    for word in excluded {
        let by_bus: Vec<&Seen> =
            all.iter().filter(|seen| seen.bus.eq_ignore_ascii_case(word)).collect();
        let named = if by_bus.is_empty() { find(all, word, Kind::of(word)) } else { by_bus };
        if named.is_empty() {
            choice.notes.push(format!("Nothing to exclude: `{word}` names no GPU here"));
        }
        for seen in named {
            if choice.uuids.remove(&seen.uuid) {
                choice.notes.push(format!("Excluded by the operator: {}", seen.uuid));
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Index,
    Gpu,
    Mig,
}

impl Kind {
    fn of(entry: &str) -> Kind {
        match entry {
            mig if mig.starts_with("MIG-") => Kind::Mig,
            gpu if gpu.starts_with("GPU-") => Kind::Gpu,
            _ => Kind::Index,
        }
    }
}

/// What an entry names: one thing, or all the instances of a GPU in MIG mode. Nothing where it is
/// invalid, which a beginning is that fits more than one.
fn find<'a>(all: &'a [Seen], entry: &str, kind: Kind) -> Vec<&'a Seen> {
    let wholes = || all.iter().filter(|seen| seen.part.is_none());
    let found = match kind {
        Kind::Index => {
            let mut wholes: Vec<&Seen> = wholes().collect();
            wholes.sort_by(|a, b| a.bus.cmp(&b.bus));
            leading_number(entry).and_then(|index| wholes.get(index).copied())
        }
        Kind::Gpu => only(wholes().filter(|seen| seen.uuid.starts_with(entry))),
        Kind::Mig => only(all.iter().filter(|seen| is_instance(seen, entry))),
    };
    let Some(found) = found else { return Vec::new() };
    let parts: Vec<&Seen> = all
        .iter()
        .filter(|seen| seen.part.as_ref().is_some_and(|part| part.parent == found.uuid))
        .collect();
    // The GPU itself stays in the list: it is shown, and not used, while it has instances.
    [vec![found], parts].concat()
}

fn is_instance(seen: &Seen, entry: &str) -> bool {
    let Some(part) = &seen.part else { return false };
    let old = entry.strip_prefix("MIG-").filter(|rest| rest.starts_with("GPU-"));
    let Some(old) = old else { return seen.uuid.starts_with(entry) };
    let mut fields = old.split('/');
    let (gpu, rest) = (fields.next().unwrap_or_default(), fields.collect::<Vec<_>>());
    let numbers = [part.gpu_instance, part.compute_instance];
    part.parent == gpu
        && rest.len() == numbers.len()
        && rest.iter().zip(numbers).all(|(text, number)| text.parse().ok() == number)
}

fn only<'a>(mut found: impl Iterator<Item = &'a Seen>) -> Option<&'a Seen> {
    let first = found.next();
    if found.next().is_some() { None } else { first }
}

fn leading_number(entry: &str) -> Option<usize> {
    let end = entry.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(entry.len());
    entry[..end].parse().ok()
}

/// All but GPUs whose instances stand for them.
fn schedulable(all: &[Seen]) -> impl Iterator<Item = &Seen> {
    let parents: BTreeSet<&str> =
        all.iter().filter_map(|seen| seen.part.as_ref().map(|part| part.parent.as_str())).collect();
    all.iter().filter(move |seen| !parents.contains(seen.uuid.as_str()))
}

fn has_several_models(all: &[Seen]) -> bool {
    let wholes = all.iter().filter(|seen| seen.part.is_none());
    wholes.map(|seen| &seen.name).collect::<BTreeSet<_>>().len() > 1
}

fn ends_at(variable: &str, entry: &str) -> String {
    match entry {
        "" if variable.is_empty() => "CUDA_VISIBLE_DEVICES is empty: it shows no GPU".into(),
        "-1" | "NoDevFiles" if variable == entry => {
            format!("CUDA_VISIBLE_DEVICES={entry} shows no GPU")
        }
        _ => format!(
            "CUDA_VISIBLE_DEVICES={variable} ends at `{entry}`, which names no GPU here (or more \
             than one)"
        ),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const A: &str = "GPU-aaaa1111-0000-0000-0000-000000000001";
    const B: &str = "GPU-aaaa2222-0000-0000-0000-000000000002";
    const C: &str = "GPU-cccc3333-0000-0000-0000-000000000003";
    const FIRST: &str = "MIG-11111111-0000-0000-0000-000000000001";
    const SECOND: &str = "MIG-22222222-0000-0000-0000-000000000002";

    fn gpu(uuid: &str, bus: &str) -> Seen {
        Seen { uuid: uuid.into(), name: "H100".into(), bus: bus.into(), part: None }
    }

    fn instance(uuid: &str, gpu_instance: u32) -> Seen {
        let (gpu_instance, compute_instance) = (Some(gpu_instance), Some(0));
        let part = Some(Part { parent: C.into(), gpu_instance, compute_instance });
        let name = "H100 MIG 1g.10gb".into();
        Seen { part, name, ..gpu(uuid, "0000:03:00.0") }
    }

    /// Three GPUs, listed in another order than that of their addresses; C is cut in two.
    fn all() -> Vec<Seen> {
        vec![
            gpu(B, "0000:02:00.0"),
            gpu(A, "0000:01:00.0"),
            gpu(C, "0000:03:00.0"),
            instance(FIRST, 1),
            instance(SECOND, 2),
        ]
    }

    fn shown(variable: &str) -> Vec<String> {
        visible(&all(), Some(variable), Some("PCI_BUS_ID")).uuids.into_iter().collect()
    }

    #[test]
    fn what_cuda_would_see_is_seen() {
        assert_eq!(visible(&all(), None, None).uuids.len(), 5);
        assert_eq!(shown("0"), [A]);
        assert_eq!(shown(" 1 ,0"), [A, B]);
        assert_eq!(shown("1st"), [B]);
        assert_eq!(shown(B), [B]);
        assert_eq!(shown("GPU-aaaa1,GPU-aaaa2222"), [A, B]);
        assert_eq!(shown(FIRST), [FIRST]);
        assert_eq!(shown("MIG-2"), [SECOND]);
        assert_eq!(shown(&format!("MIG-{C}/2/0")), [SECOND]);
        assert_eq!(shown("2"), [C, FIRST, SECOND], "a GPU in MIG mode stands for its instances");
    }

    #[test]
    fn the_first_invalid_entry_ends_the_list_and_a_repeated_one_empties_it() {
        assert_eq!(shown("0,7,1"), [A]);
        assert_eq!(shown("0,-1,1"), [A]);
        assert_eq!(shown(&format!("{A},1")), [A], "the first entry settles the kind");
        assert_eq!(shown("GPU-aaaa"), [""; 0], "two begin so");
        assert_eq!(shown(&format!("MIG-{C}/9/0,{FIRST}")), [""; 0]);
        assert_eq!(shown("0,1,0"), [""; 0]);
        assert_eq!(shown(&format!("{A},GPU-aaaa1")), [""; 0]);
        for nothing in ["", "-1", "NoDevFiles", "all", ","] {
            assert_eq!(shown(nothing), [""; 0], "{nothing}");
        }
    }

    #[test]
    fn what_is_hidden_is_told_in_a_line() {
        let notes = |variable| visible(&all(), Some(variable), Some("PCI_BUS_ID")).notes;
        assert_eq!(notes("0,1,2"), [""; 0]);
        assert_eq!(notes("")[0], "CUDA_VISIBLE_DEVICES is empty: it shows no GPU");
        assert_eq!(notes("-1")[0], "CUDA_VISIBLE_DEVICES=-1 shows no GPU");
        assert!(notes("0,9")[0].contains("ends at `9`"));
        assert!(notes("0,0")[0].contains("twice"));
        assert_eq!(
            notes("0,1").last().unwrap(),
            &format!("Hidden by CUDA_VISIBLE_DEVICES: {FIRST}, {SECOND}")
        );
    }

    #[test]
    fn an_index_among_several_models_is_warned_of() {
        let mut mixed = all();
        mixed[0].name = "RTX 4000".into();
        let warns = |variable, order| {
            let choice = visible(&mixed, Some(variable), order);
            choice.notes.iter().any(|note| note.contains("CUDA_DEVICE_ORDER=PCI_BUS_ID"))
        };
        assert!(warns("0", None) && warns("0", Some("FASTEST_FIRST")));
        assert!(!warns("0", Some("PCI_BUS_ID")) && !warns(A, None));
        let alike = visible(&all(), Some("0"), None);
        assert!(!alike.notes.iter().any(|note| note.contains("CUDA_DEVICE_ORDER")));
    }

    #[test]
    fn the_operator_leaves_out_by_any_name() {
        let left = |word: &str| {
            let mut choice = visible(&all(), None, None);
            exclude(&all(), &[word.into()], &mut choice);
            (choice.uuids.into_iter().collect::<Vec<_>>(), choice.notes)
        };
        assert_eq!(left("1").0, [A, C, FIRST, SECOND]);
        assert_eq!(left("0000:01:00.0").0, [B, C, FIRST, SECOND]);
        assert_eq!(left("MIG-1").0, [A, B, C, SECOND]);
        assert_eq!(left(C).0, [A, B]);
        let (all, notes) = left("GPU-0");
        assert_eq!((all.len(), notes[0].contains("`GPU-0` names no GPU")), (5, true));
    }

    proptest! {
        #[test]
        fn whatever_stands_there_no_more_is_seen_than_is_there(
            variable in "[0-3,GPUMIG/a-c -]{0,40}",
        ) {
            let choice = visible(&all(), Some(&variable), None);
            let all = all();
            prop_assert!(choice.uuids.iter().all(|uuid| all.iter().any(|s| &s.uuid == uuid)));
        }
    }
}
