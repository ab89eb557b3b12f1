//! Inputs by name: `--input prompt='a mill' --input steps=20 --input picture=@rye.png`. What a
//! value is, the pipeline's signature says; a file goes up as a blob and is referred to.

use std::path::Path;

use gristmill_model::ids::DEFAULT_PROJECT;
use gristmill_model::signature::Inputs;
use serde_json::{Map, Value, json};

use crate::client::Client;
use crate::error::{Error, Result};

/// The one input that these names and values make, for a pipeline of a project.
pub async fn object(
    client: &Client,
    project: Option<&str>,
    pipeline: &str,
    given: &[(String, String)],
) -> Result<Value> {
    let found = client.pipeline(project.unwrap_or(DEFAULT_PROJECT), pipeline).await?;
    let first = found.spec.stages.first().and_then(|stage| stage.handler.session());
    let signature = first.and_then(|session| session.signature.as_deref());
    let takes = signature.and_then(Inputs::of);
    let mut object = Map::new();
    for (name, text) in given {
        let value = match text.strip_prefix('@') {
            Some(file) => blob(client, Path::new(file)).await?,
            None => {
                let schema = takes.as_ref().and_then(|takes| takes.parameter(name));
                typed(schema, text).map_err(|why| {
                    Error::input(format!("--input {name}={text}: {why}"))
                        .hint("write a file as NAME=@FILE, lists and objects as JSON")
                })?
            }
        };
        if object.insert(name.clone(), value).is_some() {
            return Err(Error::usage(format!("--input {name} is given twice")));
        }
    }
    Ok(Value::Object(object))
}

async fn blob(client: &Client, path: &Path) -> Result<Value> {
    let (digest, size) = client.upload(path).await?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(json!({ "$blob": { "digest": digest, "name": name, "size": size } }))
}

/// A value as its schema has it: of several types the first that reads it, text last of all.
fn typed(schema: Option<&Value>, text: &str) -> std::result::Result<Value, String> {
    let Some(schema) = schema else { return Ok(Value::from(text)) };
    let read: Option<Value> = serde_json::from_str(text).ok();
    if let Some(allowed) = schema.get("enum").and_then(Value::as_array) {
        let own = [read, Some(Value::from(text))].into_iter().flatten();
        let mut own = own.filter(|value| allowed.contains(value));
        // What is not among them the server refuses in better words.
        return Ok(own.next().unwrap_or_else(|| Value::from(text)));
    }
    if let Some(options) = schema.get("anyOf").and_then(Value::as_array) {
        let tried: Vec<Value> =
            options.iter().filter_map(|option| typed(Some(option), text).ok()).collect();
        let other = tried.iter().find(|value| !value.is_string());
        let found = other.or(tried.first()).cloned();
        return found.ok_or_else(|| "it is none of what the parameter takes".to_owned());
    }
    if schema.get("x-gristmill").is_some() {
        return read
            .filter(|value| !value.is_string())
            .ok_or_else(|| "it takes a file or bytes".into());
    }
    let fits = |value: &Value, name: &str| match name {
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    };
    match (schema.get("type").and_then(Value::as_str), read) {
        (None | Some("string"), _) => Ok(Value::from(text)),
        (Some(name), Some(value)) if fits(&value, name) => Ok(value),
        (Some(name), _) => Err(format!("expected {name}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_as_its_parameter_has_it() {
        let read = |schema: Value, text: &str| typed(Some(&schema), text);
        assert_eq!(typed(None, "5"), Ok(json!("5")));
        assert_eq!(read(json!({ "type": "string" }), "5"), Ok(json!("5")));
        assert_eq!(read(json!({ "type": "integer" }), "5"), Ok(json!(5)));
        assert_eq!(read(json!({ "type": "number" }), "0.5"), Ok(json!(0.5)));
        assert_eq!(read(json!({ "type": "boolean" }), "true"), Ok(json!(true)));
        assert_eq!(read(json!({ "type": "array" }), "[1,2]"), Ok(json!([1, 2])));
        assert_eq!(read(json!({ "type": "integer" }), "five"), Err("expected integer".into()));
        let either = json!({ "anyOf": [{ "type": "string" }, { "type": "integer" }] });
        assert_eq!(read(either.clone(), "5"), Ok(json!(5)));
        assert_eq!(read(either, "five"), Ok(json!("five")));
        assert_eq!(read(json!({ "enum": [1, "two"] }), "1"), Ok(json!(1)));
        assert_eq!(read(json!({ "enum": [1, "two"] }), "two"), Ok(json!("two")));
        assert!(read(json!({ "x-gristmill": "image" }), "rye.png").is_err());
    }
}
