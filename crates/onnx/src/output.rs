//! Writes arrays as values of a result: inline where they are small, else as `.npy` files in the
//! folder that the worker named.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gristmill_model::host::{HostError, Open};
use gristmill_model::limits;
use serde_json::{Map, Value, json};

use crate::signature::Signature;
use crate::tensor::{Data, Tensor};
use crate::{failure, npy};

/// Bytes of one result that travel inline, before base64 adds a third: with its names it still fits
/// into a frame.
const INLINE_IN_ALL: usize = limits::HOST_FRAME_BYTES / 2;

/// Where results go.
pub(crate) struct Shelf {
    folder: PathBuf,
    inline_bytes: usize,
}

impl Shelf {
    pub(crate) fn new(open: &Open) -> Self {
        let inline_bytes = usize::try_from(open.inline_bytes).unwrap_or(usize::MAX);
        Self { folder: PathBuf::from(&open.folder), inline_bytes }
    }

    /// The result of an item: an object with one value for each output.
    pub(crate) fn put(
        &self,
        (call, item): (u64, u32),
        signature: &Signature,
        outputs: &[Tensor],
    ) -> Result<Value, HostError> {
        let mut room = INLINE_IN_ALL;
        let mut result = Map::new();
        for (place, (port, tensor)) in signature.outputs.iter().zip(outputs).enumerate() {
            let size = tensor.bytes();
            let value = match &tensor.data {
                Data::Strings(strings) => nested(&tensor.shape, strings),
                Data::Bytes(bytes) if size <= self.inline_bytes.min(room) => {
                    room -= size;
                    inline(tensor, bytes)
                }
                Data::Bytes(_) => {
                    self.file(&format!("{call}-{item}-{place}.npy"), &port.name, tensor)?
                }
            };
            result.insert(port.name.clone(), value);
        }
        Ok(Value::Object(result))
    }

    fn file(&self, file: &str, name: &str, tensor: &Tensor) -> Result<Value, HostError> {
        let path = self.folder.join(file);
        npy::write(&path, tensor).map_err(|error| {
            failure::failed("output_not_written", format!("{}: {error}", path.display()))
        })?;
        // Graphs name their outputs as they like, with slashes too.
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let name: String = name.chars().map(|c| if plain(c) { c } else { '_' }).collect();
        Ok(json!({"$file": {
            "path": path.to_string_lossy(),
            "name": format!("{name}.npy"),
            "media": "application/x-npy",
        }}))
    }
}

fn inline(tensor: &Tensor, bytes: &[u8]) -> Value {
    json!({"$array": {
        "dtype": tensor.dtype.name(),
        "shape": tensor.shape,
        "data": STANDARD.encode(bytes),
    }})
}

/// Strings in lists in lists, as the shape says.
fn nested(shape: &[usize], strings: &[String]) -> Value {
    match shape {
        [] => strings.first().map_or(Value::Null, |string| json!(string)),
        [_] => json!(strings),
        [length, inner @ ..] => {
            let step = strings.len() / (*length).max(1);
            let row = |place| nested(inner, &strings[place * step..(place + 1) * step]);
            Value::Array((0..*length).map(row).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_nested_as_their_shape_says() {
        let strings: Vec<String> = ["a", "b", "c", "d"].map(String::from).to_vec();
        assert_eq!(nested(&[2, 2], &strings), json!([["a", "b"], ["c", "d"]]));
        assert_eq!(nested(&[4], &strings), json!(["a", "b", "c", "d"]));
        assert_eq!(nested(&[], &strings[..1]), json!("a"));
        assert_eq!(nested(&[2, 0], &[]), json!([[], []]));
        assert_eq!(nested(&[0, 2], &[]), json!([]));
    }
}
