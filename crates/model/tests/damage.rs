//! Bytes that no one of us wrote, or that were changed on their way: reading them never panics, and
//! what is read after all survives being written and read again.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::fmt::Debug;
use std::sync::LazyLock;

use gristmill_model::api::{self, AppendRequest, BatchRequest, SingleRequest};
use gristmill_model::event::Record;
use gristmill_model::pipeline::PipelineSpec;
use gristmill_model::restored::Part;
use gristmill_model::wire::{FromWorker, ToWorker};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// One of each event and frame, as MessagePack.
static PACKED: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let byte =
        |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap();
    let files = [
        include_str!("golden/event-4.hex"),
        include_str!("golden/from-worker-4.hex"),
        include_str!("golden/to-worker-1.hex"),
    ];
    let lines = files.iter().flat_map(|file| file.lines());
    lines.map(|line| line.as_bytes().chunks(2).map(byte).collect()).collect()
});

/// What the API shows, and what it is asked, as JSON.
static JSON: LazyLock<Vec<String>> = LazyLock::new(|| {
    let shown = include_str!("golden/api-1.txt").lines();
    let shown = shown.map(|line| line.split_once(' ').unwrap().1.to_owned());
    let asked = [
        r#"{"project":"lab","pipeline":"mill","name":"n","priority":-3,"labels":{"a":"b"},
            "terms":{"delay":"10m","expires_in":"1h","after":[{"on":"b3","when":"failed"}]},
            "jobs":[{"input":{"x":[1,2.5,null]},"key":"k","priority":7}],"open":true}"#,
        r#"{"stages":[{"name":"sum","handler":{"command":{"argv":["true","{input}"]}},
            "resources":{"cpus":500,"devices":[{"kind":"gpu","count":1}],"named":{"l":1500}},
            "timeout":"1m 30s"}],"range":{"brace":"f-{0..9}.{a,b}"}}"#,
        r#"{"pipeline":"mill","input":"grain","output":"/out/a","labels":{}}"#,
        r#"{"jobs":[],"range":{"numbers":{"first":1,"last":9,"step":2}},"close":true}"#,
        r#"{"name":"mill","stages":[]}"#,
    ];
    shown.chain(asked.map(str::to_owned)).collect()
});

/// A few bytes changed, put in or taken out, and perhaps the end cut off.
#[derive(Debug, Clone)]
struct Damage {
    of: Index,
    edits: Vec<(Index, Edit)>,
    cut: Option<Index>,
}

#[derive(Debug, Clone, Copy)]
enum Edit {
    Set(u8),
    Insert(u8),
    Remove,
}

fn damage(byte: impl Strategy<Value = u8> + Clone + 'static) -> impl Strategy<Value = Damage> {
    let edit = prop_oneof![
        4 => byte.clone().prop_map(Edit::Set),
        1 => byte.prop_map(Edit::Insert),
        1 => Just(Edit::Remove),
    ];
    let edits = vec((any::<Index>(), edit), 0..5);
    (any::<Index>(), edits, proptest::option::weighted(0.2, any::<Index>()))
        .prop_map(|(of, edits, cut)| Damage { of, edits, cut })
}

impl Damage {
    fn done_to(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        for (place, edit) in &self.edits {
            match edit {
                Edit::Insert(byte) => bytes.insert(place.index(bytes.len() + 1), *byte),
                _ if bytes.is_empty() => {}
                Edit::Set(byte) => *place.get_mut(&mut bytes) = *byte,
                Edit::Remove => drop(bytes.remove(place.index(bytes.len()))),
            }
        }
        if let Some(cut) = self.cut {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        bytes
    }
}

fn packed_survives<T>(bytes: &[u8]) -> Result<(), TestCaseError>
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    if let Ok(value) = rmp_serde::from_slice::<T>(bytes) {
        let again = rmp_serde::to_vec(&value).unwrap();
        prop_assert_eq!(&rmp_serde::from_slice::<T>(&again).unwrap(), &value);
    }
    Ok(())
}

fn json_survives<T>(text: &str) -> Result<(), TestCaseError>
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    if let Ok(value) = serde_json::from_str::<T>(text) {
        let again = serde_json::to_string(&value).unwrap();
        let read = serde_json::from_str::<T>(&again);
        prop_assert!(read.as_ref().is_ok_and(|read| *read == value), "{again}: {read:?}");
    }
    Ok(())
}

fn all_packed(bytes: &[u8]) -> Result<(), TestCaseError> {
    packed_survives::<Record>(bytes)?;
    packed_survives::<Part>(bytes)?;
    packed_survives::<FromWorker>(bytes)?;
    packed_survives::<ToWorker>(bytes)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn damaged_events_and_frames_never_panic(damage in damage(any::<u8>())) {
        all_packed(&damage.done_to(damage.of.get(&PACKED).clone()))?;
    }

    #[test]
    fn noise_never_panics(bytes in vec(any::<u8>(), 0..64)) {
        all_packed(&bytes)?;
    }

    #[test]
    fn damaged_json_never_panics(
        damage in damage(proptest::sample::select(&b"\"{}[]:,0123456789.-+eEtfnull \\ub3jT"[..])),
    ) {
        let bytes = damage.done_to(damage.of.get(&JSON).clone().into_bytes());
        let text = String::from_utf8_lossy(&bytes);
        json_survives::<api::Accepted>(&text)?;
        json_survives::<api::Batch>(&text)?;
        json_survives::<api::Job>(&text)?;
        json_survives::<api::Attempt>(&text)?;
        json_survives::<api::Problem>(&text)?;
        json_survives::<api::SubmittedJob>(&text)?;
        json_survives::<BatchRequest>(&text)?;
        json_survives::<SingleRequest>(&text)?;
        json_survives::<AppendRequest>(&text)?;
        if let Ok(spec) = serde_json::from_str::<PipelineSpec>(&text) {
            // Good or bad, it is judged.
            let _ = spec.check();
            json_survives::<PipelineSpec>(&text)?;
        }
    }
}

#[test]
fn what_is_damaged_here_is_good_before() {
    let good = PACKED.iter().filter(|bytes| {
        rmp_serde::from_slice::<Record>(bytes).is_ok()
            || rmp_serde::from_slice::<FromWorker>(bytes).is_ok()
            || rmp_serde::from_slice::<ToWorker>(bytes).is_ok()
    });
    assert_eq!(good.count(), PACKED.len());
    for text in JSON.iter() {
        let read = [
            serde_json::from_str::<api::Accepted>(text).is_ok(),
            serde_json::from_str::<api::Batch>(text).is_ok(),
            serde_json::from_str::<api::Job>(text).is_ok(),
            serde_json::from_str::<api::Attempt>(text).is_ok(),
            serde_json::from_str::<api::Problem>(text).is_ok(),
            serde_json::from_str::<api::SubmittedJob>(text).is_ok(),
            serde_json::from_str::<BatchRequest>(text).is_ok(),
            serde_json::from_str::<SingleRequest>(text).is_ok(),
            serde_json::from_str::<AppendRequest>(text).is_ok(),
            serde_json::from_str::<PipelineSpec>(text).is_ok(),
        ];
        assert!(read.contains(&true), "{text}");
    }
}
