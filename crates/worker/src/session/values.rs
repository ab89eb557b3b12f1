//! Values on their way to a host and back: references to files and blobs among them are found,
//! brought or published, and replaced. How values say what JSON cannot, `gristmill_model::host`
//! states.

use gristmill_model::attempt::{Failure, FailureKind};
use gristmill_model::digest::Digest;
use gristmill_model::payload::{Artifact, Place};
use serde_json::{Map, Value, json};

/// References of one value at most.
const REFERENCES: usize = gristmill_model::limits::ARTIFACTS;

/// What a value refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reference {
    /// Bytes in the server's store, and what they are called.
    Blob { digest: Digest, name: String },
    /// A file on a disk that submitter and worker share.
    Path(String),
    /// A file that a host has made.
    File { path: String, name: String, media: Option<String> },
}

/// Finds the references of a value, in order.
///
/// # Errors
/// A failure that names the first one that breaks the rule, or too many of them.
pub(super) fn references(value: &Value) -> Result<Vec<Reference>, Failure> {
    let mut found = Vec::new();
    collect(value, &mut found)?;
    Ok(found)
}

fn collect(value: &Value, found: &mut Vec<Reference>) -> Result<(), Failure> {
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| collect(item, found)),
        Value::Object(fields) => match reference(fields)? {
            Some(reference) if found.len() < REFERENCES => {
                found.push(reference);
                Ok(())
            }
            Some(_) => Err(bad(format!("a value with more than {REFERENCES} files"))),
            None => fields.values().try_for_each(|field| collect(field, found)),
        },
        _ => Ok(()),
    }
}

/// The reference that an object is, if it is one.
fn reference(fields: &Map<String, Value>) -> Result<Option<Reference>, Failure> {
    let Some((key, inner)) = fields.iter().next().filter(|_| fields.len() == 1) else {
        return Ok(None);
    };
    let text = |name: &str| inner.get(name).and_then(Value::as_str).map(str::to_owned);
    let needed = |name: &str| {
        text(name).ok_or_else(|| bad(format!("{key} without `{name}`: expected a text")))
    };
    Ok(Some(match key.as_str() {
        "$blob" => {
            let digest = needed("digest")?;
            let digest = digest.parse().map_err(|why| bad(format!("$blob: {why}")))?;
            Reference::Blob { digest, name: text("name").unwrap_or_else(|| "blob".into()) }
        }
        "$path" => match inner.as_str() {
            Some(path) => Reference::Path(path.to_owned()),
            None => return Err(bad("$path is no text: expected an absolute path".into())),
        },
        "$file" => {
            let (path, media) = (needed("path")?, text("media"));
            let name = text("name").unwrap_or_else(|| "file".into());
            Reference::File { path, name, media }
        }
        _ => return Ok(None),
    }))
}

/// Puts other values in the place of references, in order; where there is none for one, it stays.
pub(super) fn replace(value: &mut Value, with: &mut impl Iterator<Item = Option<Value>>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, with)),
        Value::Object(fields) => {
            if matches!(reference(fields), Ok(Some(_))) {
                if let Some(Some(other)) = with.next() {
                    *value = other;
                }
            } else {
                fields.values_mut().for_each(|field| replace(field, with));
            }
        }
        _ => {}
    }
}

/// A file that lies at hand, as a host is told of it.
pub(super) fn file(path: &std::path::Path, name: &str) -> Value {
    json!({ "$file": { "path": path, "name": name } })
}

/// A file of a result, as the world is told of it.
pub(super) fn published(artifact: &Artifact, media: Option<&str>) -> Value {
    match &artifact.place {
        Place::Blob(digest) => json!({ "$blob": {
            "digest": digest.to_string(),
            "name": artifact.name,
            "size": artifact.size,
            "media": media,
        } }),
        Place::Path(path) => json!({ "$path": path }),
    }
}

fn bad(message: String) -> Failure {
    Failure::new(FailureKind::Invalid, "bad_value", message)
}
