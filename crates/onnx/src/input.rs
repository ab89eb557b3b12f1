//! Reads a job's input into arrays, one for each input of the graph, and judges each.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gristmill_model::host::HostError;
use serde::Deserialize;
use serde_json::Value;

use crate::dtype::Dtype;
use crate::failure;
use crate::signature::{Port, Signature};
use crate::tensor::{Tensor, byte_size};
use crate::{npy, plain};

/// The arrays of an input, in the order of the signature.
pub(crate) fn read(signature: &Signature, input: &Value) -> Result<Vec<Tensor>, HostError> {
    let bad = |message: String| failure::invalid("bad_input", message);
    let Value::Object(input) = input else {
        return Err(
            bad("the input is not an object with one array for each of the model's".into()),
        );
    };
    let known = |name: &String| signature.inputs.iter().any(|port| port.name == *name);
    if let Some(unknown) = input.keys().find(|name| !known(name)) {
        let names: Vec<&str> = signature.inputs.iter().map(|port| port.name.as_str()).collect();
        return Err(bad(format!("no input `{unknown}`; the model takes {}", names.join(", "))));
    }
    let read = |port: &Port| match input.get(&port.name) {
        Some(value) => array(port, value).map_err(|what| format!("input `{}`: {what}", port.name)),
        None => Err(format!("input `{}` is missing: {}", port.name, port.describe())),
    };
    signature.inputs.iter().map(|port| read(port).map_err(bad)).collect()
}

/// What stands in `$array`.
#[derive(Deserialize)]
struct Inline {
    dtype: String,
    shape: Vec<usize>,
    data: String,
}

/// What stands in `$file`, as far as it matters here.
#[derive(Deserialize)]
struct Named {
    path: String,
}

fn array(port: &Port, value: &Value) -> Result<Tensor, String> {
    let tensor = match special(value) {
        None => plain::read(port.dtype, value)?,
        Some(("$array", inner)) => inline(inner)?,
        Some(("$file", inner)) => {
            let named = Named::deserialize(inner).map_err(|error| format!("$file: {error}"))?;
            npy::read(Path::new(&named.path))?
        }
        Some((key, _)) => return Err(format!("`{key}` is no array; `$array` and `$file` are")),
    };
    if tensor.dtype != port.dtype || !port.takes(&tensor.shape) {
        let (wanted, name, shape) = (port.describe(), tensor.dtype.name(), &tensor.shape);
        return Err(format!("{wanted} is wanted, this is {name}{shape:?}"));
    }
    Ok(tensor)
}

/// The one key and the value of an object that says what JSON cannot.
fn special(value: &Value) -> Option<(&str, &Value)> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    let (key, inner) = object.iter().next()?;
    key.starts_with('$').then_some((key.as_str(), inner))
}

fn inline(value: &Value) -> Result<Tensor, String> {
    let Inline { dtype, shape, data } =
        Inline::deserialize(value).map_err(|error| format!("$array: {error}"))?;
    let dtype = Dtype::named(&dtype)
        .filter(|dtype| *dtype != Dtype::String)
        .ok_or_else(|| format!("$array: elements of type {dtype} are not supported"))?;
    byte_size(dtype, &shape)?;
    let bytes = STANDARD.decode(data).map_err(|error| format!("$array: {error}"))?;
    Tensor::of_bytes(dtype, shape, bytes)
}
