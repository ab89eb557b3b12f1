//! Values that JSON cannot say: files, images, bytes, arrays. Each is an object with one key that
//! begins with `$`.

use serde_json::Value;

/// Whether a value stands for such a thing.
pub(super) fn fits(kind: &str, value: &Value) -> bool {
    let own: &[&str] = match kind {
        "file" | "image" | "bytes" => &["$bytes"],
        // A list of numbers is an array too, if it is small.
        "array" | "tensor" if value.is_array() || value.is_number() => return true,
        "array" | "tensor" => &["$array"],
        // Of a later kind this version knows nothing.
        _ => return true,
    };
    let Some(fields) = value.as_object() else { return false };
    let [key] = &fields.keys().collect::<Vec<_>>()[..] else { return false };
    ["$file", "$blob", "$path"].contains(&key.as_str()) || own.contains(&key.as_str())
}

/// Whether a schema takes a file.
pub(super) fn takes_file(schema: &Value) -> bool {
    let options = schema.get("anyOf").and_then(Value::as_array);
    options.into_iter().flatten().any(takes_file)
        || schema.get("x-gristmill").is_some()
        || schema.as_object().is_none_or(|words| {
            ["type", "anyOf", "enum"].iter().all(|word| !words.contains_key(*word))
        })
}
