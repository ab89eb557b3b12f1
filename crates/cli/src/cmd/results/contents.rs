//! What a job's result is as files: each blob, path, byte string and array in it is one, and
//! `result.json` is the value with their names in their places.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gristmill_model::api::Job;
use gristmill_model::digest::Digest;
use gristmill_model::limits;
use gristmill_model::payload::{Artifact, Payload, Place};
use serde_json::{Map, Value};

use super::name::{self, Names};
use super::npy;
use crate::client::Client;
use crate::error::Result;

/// The whole value, written last: where it is, all of the result is there.
pub const VALUE: &str = "result.json";
/// A value that is a text and nothing else.
const TEXT: &str = "result.txt";

/// A file that is to be made.
#[derive(Debug, PartialEq, Eq)]
pub struct File {
    /// What it is called, within the folder of its job.
    pub name: String,
    pub source: Source,
}

/// Where its bytes come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The server's store.
    Blob(Digest),
    /// A disk that is shared with the workers.
    Path(PathBuf),
    /// The result itself.
    Bytes(Vec<u8>),
}

/// A place in a value that becomes a file.
struct Leaf {
    /// The keys that lead to it.
    keys: Vec<String>,
    /// What its maker called it.
    own: Option<String>,
    ending: String,
    source: Source,
}

/// The files of a job that has succeeded, in the order of the value; the value itself is the last.
pub async fn of_job(client: &Client, job: &Job) -> Result<Vec<File>> {
    let mut files = match &job.result {
        None => of_value(Value::Null, None),
        Some(Payload::Text(text)) => of_value(Value::from(text.as_str()), None),
        Some(Payload::Json(text)) => of_text(text.as_bytes()),
        // Only its number travels; the text stands in the list.
        Some(line @ Payload::Line(_)) => of_value(crate::output::payload(line).into(), None),
        Some(Payload::File(file)) => match long_value(client, file).await? {
            Some(text) => of_text(&text),
            None => of_value(Value::Null, Some(leaf_of(file))),
        },
    };
    let value = files.pop();
    let mut names = Names::default();
    names.take(VALUE);
    files.iter().for_each(|file| drop(names.take(&file.name)));
    for artifact in &job.artifacts {
        let leaf = leaf_of(artifact);
        let wish = leaf.own.unwrap_or_else(|| name::of_keys(&["artifact".into()], &leaf.ending));
        files.push(File { name: names.take(&wish), source: leaf.source });
    }
    files.extend(value);
    Ok(files)
}

/// A value that is too long to travel within a job lies in the store under this name.
async fn long_value(client: &Client, file: &Artifact) -> Result<Option<Vec<u8>>> {
    let Place::Blob(digest) = file.place else { return Ok(None) };
    if file.name != VALUE || file.size > limits::HOST_FRAME_BYTES as u64 {
        return Ok(None);
    }
    let bytes = client.blob(digest).await?;
    Ok(serde_json::from_slice::<Value>(&bytes).is_ok().then_some(bytes))
}

fn of_text(json: &[u8]) -> Vec<File> {
    let Ok(value) = serde_json::from_slice(json) else {
        let text = String::from_utf8_lossy(json).into_owned();
        return of_value(Value::String(text), None);
    };
    let mut files = of_value(value, None);
    // Where nothing was replaced the value is kept to the letter.
    if let [only] = &mut files[..] {
        only.source = Source::Bytes(json.to_vec());
    }
    files
}

/// The files of a value, or of the one file that is the whole of it; the value is the last.
fn of_value(mut value: Value, whole: Option<Leaf>) -> Vec<File> {
    let mut names = Names::default();
    names.take(VALUE);
    let mut leaves = Vec::new();
    match whole {
        Some(leaf) => leaves.push(leaf),
        None => collect(&value, &mut Vec::new(), &mut leaves),
    }
    let mut files = named(leaves, &mut names);
    let mut given = files.iter().map(|file| Value::from(file.name.as_str()));
    match (&value, files.first()) {
        // The whole is one file.
        (Value::Null, Some(_)) => value = given.next().unwrap_or_default(),
        _ => replace(&mut value, &mut given),
    }
    if files.is_empty()
        && let Value::String(text) = &value
    {
        files.push(File { name: TEXT.into(), source: Source::Bytes(text.clone().into_bytes()) });
    }
    // A value that was read has a JSON form.
    let mut json = serde_json::to_vec_pretty(&value).unwrap_or_default();
    json.push(b'\n');
    files.push(File { name: VALUE.into(), source: Source::Bytes(json) });
    files
}

/// Its own name for each that has one to itself, else the keys that lead to it.
fn named(leaves: Vec<Leaf>, names: &mut Names) -> Vec<File> {
    let lower = |name: &String| name.to_lowercase();
    let owns: Vec<String> = leaves.iter().filter_map(|leaf| leaf.own.as_ref().map(lower)).collect();
    let alone = |own: &String| owns.iter().filter(|other| **other == lower(own)).count() == 1;
    let name = |leaf: Leaf| {
        let own = leaf.own.filter(|own| alone(own) && names.is_free(own));
        let wish = own.unwrap_or_else(|| name::of_keys(&leaf.keys, &leaf.ending));
        File { name: names.take(&wish), source: leaf.source }
    };
    leaves.into_iter().map(name).collect()
}

fn collect(value: &Value, keys: &mut Vec<String>, leaves: &mut Vec<Leaf>) {
    match value {
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                below(place.to_string(), item, keys, leaves);
            }
        }
        Value::Object(fields) => match leaf(fields, keys) {
            Some(leaf) => leaves.push(leaf),
            None => fields.iter().for_each(|(key, field)| below(key.clone(), field, keys, leaves)),
        },
        _ => {}
    }
}

fn below(key: String, value: &Value, keys: &mut Vec<String>, leaves: &mut Vec<Leaf>) {
    keys.push(key);
    collect(value, keys, leaves);
    keys.pop();
}

/// Puts names in the places of leaves, in the order in which they were collected.
fn replace(value: &mut Value, names: &mut impl Iterator<Item = Value>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, names)),
        Value::Object(fields) if leaf(fields, &[]).is_some() => {
            *value = names.next().unwrap_or_default();
        }
        Value::Object(fields) => fields.values_mut().for_each(|field| replace(field, names)),
        _ => {}
    }
}

/// The leaf that an object is. What is not well formed is a value like any other.
fn leaf(fields: &Map<String, Value>, keys: &[String]) -> Option<Leaf> {
    let (key, inner) = fields.iter().next().filter(|_| fields.len() == 1)?;
    let text = |name: &str| inner.get(name).and_then(Value::as_str);
    let (own, ending, source) = match key.as_str() {
        "$blob" => {
            let source = Source::Blob(text("digest")?.parse().ok()?);
            let own = text("name").and_then(name::plain);
            let given = own.as_deref().map(name::ending).filter(|ending| !ending.is_empty());
            let ending =
                given.unwrap_or_else(|| name::ending_of(text("media").unwrap_or_default()));
            let ending = ending.to_owned();
            (own, ending, source)
        }
        "$path" => {
            let path = inner.as_str()?;
            let own = name::plain(path);
            (own.clone(), ending(own.as_deref()), Source::Path(path.into()))
        }
        "$bytes" => (None, ".bin".into(), Source::Bytes(STANDARD.decode(inner.as_str()?).ok()?)),
        "$array" => (None, ".npy".into(), Source::Bytes(npy::file(inner)?)),
        _ => return None,
    };
    Some(Leaf { keys: keys.to_vec(), own, ending, source })
}

fn leaf_of(file: &Artifact) -> Leaf {
    let own = name::plain(&file.name);
    let source = match &file.place {
        Place::Blob(digest) => Source::Blob(*digest),
        Place::Path(path) => Source::Path(path.into()),
    };
    Leaf { keys: Vec::new(), ending: ending(own.as_deref()), own, source }
}

fn ending(name: Option<&str>) -> String {
    name.map(name::ending).filter(|ending| !ending.is_empty()).unwrap_or(".bin").to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn blob(name: Option<&str>, media: Option<&str>) -> Value {
        let digest = Digest([7; 32]).to_string();
        json!({ "$blob": { "digest": digest, "name": name, "size": 5, "media": media } })
    }

    fn names(files: &[File]) -> Vec<&str> {
        files.iter().map(|file| file.name.as_str()).collect()
    }

    fn value(files: &[File]) -> Value {
        match &files.last().unwrap().source {
            Source::Bytes(bytes) => serde_json::from_slice(bytes).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_blob_is_a_file_and_the_value_names_them() {
        let png = Some("image/png");
        let given = json!({
            "images": [blob(None, png), blob(Some("red.png"), png)],
            "thumbs": { "big one": blob(Some("same.jpg"), None), "small": blob(Some("SAME.jpg"), None) },
            "seed": 17,
        });
        let files = of_value(given, None);
        let expected =
            ["images-0.png", "red.png", "thumbs-big-one.jpg", "thumbs-small.jpg", "result.json"];
        assert_eq!(names(&files), expected);
        let told = json!({
            "images": ["images-0.png", "red.png"],
            "thumbs": { "big one": "thumbs-big-one.jpg", "small": "thumbs-small.jpg" },
            "seed": 17,
        });
        assert_eq!(value(&files), told);
        assert_eq!(files[0].source, Source::Blob(Digest([7; 32])));
    }

    #[test]
    fn names_lead_nowhere_else_and_do_not_meet() {
        let escape = Some("../../.ssh/authorized_keys");
        let given =
            json!([blob(escape, None), blob(Some("result.json"), None), { "$path": "/a/b.wav" }]);
        let files = of_value(given, None);
        assert_eq!(names(&files), ["authorized_keys", "1.json", "b.wav", "result.json"]);
        assert_eq!(files[2].source, Source::Path("/a/b.wav".into()));
        let odd = json!({ "a": { "0": blob(None, None) }, "a-0": blob(None, None) });
        assert_eq!(names(&of_value(odd, None)), ["a-0.bin", "a-0-1.bin", "result.json"]);
    }

    #[test]
    fn bytes_and_arrays_are_files_however_small() {
        let array = json!({ "dtype": "uint8", "shape": [2], "data": "AQI=" });
        let files =
            of_value(json!({ "mask": { "$array": array }, "raw": { "$bytes": "aGk=" } }), None);
        assert_eq!(names(&files), ["mask.npy", "raw.bin", "result.json"]);
        assert_eq!(files[1].source, Source::Bytes(b"hi".to_vec()));
        assert!(matches!(&files[0].source, Source::Bytes(npy) if npy.ends_with(&[1, 2])));
        let alone = of_value(json!({ "$bytes": "aGk=" }), None);
        assert_eq!(
            (names(&alone), value(&alone)),
            (vec!["result.bin", "result.json"], json!("result.bin"))
        );
    }

    #[test]
    fn a_text_is_a_text_and_other_values_stay_to_the_letter() {
        let files = of_value(json!("a red mill"), None);
        assert_eq!(names(&files), ["result.txt", "result.json"]);
        assert_eq!(files[0].source, Source::Bytes(b"a red mill".to_vec()));
        assert_eq!(value(&files), json!("a red mill"));
        let text = b"{\"b\":1.0,  \"a\":[{\"$blob\":{}}]}";
        let files = of_text(text);
        assert_eq!(names(&files), ["result.json"]);
        assert_eq!(files[0].source, Source::Bytes(text.to_vec()));
    }

    #[test]
    fn a_file_that_is_the_whole_result_keeps_its_name() {
        let place = Place::Blob(Digest([7; 32]));
        let whole =
            |name: &str| leaf_of(&Artifact { name: name.into(), size: 1, place: place.clone() });
        let files = of_value(Value::Null, Some(whole("flour.txt")));
        assert_eq!(
            (names(&files), value(&files)),
            (vec!["flour.txt", "result.json"], json!("flour.txt"))
        );
        let files = of_value(Value::Null, Some(whole("result.json")));
        assert_eq!(names(&files), ["result-1.json", "result.json"]);
    }
}
