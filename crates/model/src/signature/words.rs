//! Schemas and values in a few words, for whoever must mend an input.

use serde_json::Value;

/// Parameters that a refusal lists at most.
const LISTED: usize = 24;

/// Characters of a value that a refusal shows at most.
const SHOWN: usize = 40;

/// What a schema takes.
pub(super) fn expected(schema: &Value) -> String {
    if let Some(options) = schema.get("anyOf").and_then(Value::as_array) {
        let options: Vec<String> = options.iter().take(LISTED).map(expected).collect();
        return options.join(" or ");
    }
    if let Some(kind) = schema.get("x-gristmill").and_then(Value::as_str) {
        return format!("{} {kind}", article(kind));
    }
    if let Some(allowed) = schema.get("enum").and_then(Value::as_array) {
        let allowed: Vec<String> = allowed.iter().take(LISTED).map(short).collect();
        return format!("one of {}", allowed.join(", "));
    }
    let names: Vec<String> = schema.get("type").into_iter().flat_map(types).map(of_type).collect();
    if names.is_empty() { "any value".to_owned() } else { names.join(" or ") }
}

/// The names in a `type`: one, or a list.
pub(super) fn types(named: &Value) -> impl Iterator<Item = &str> {
    let list = named.as_array().into_iter().flatten().filter_map(Value::as_str);
    named.as_str().into_iter().chain(list)
}

fn of_type(name: &str) -> String {
    match name {
        "null" => "null".to_owned(),
        "boolean" => "true or false".to_owned(),
        "array" => "a list".to_owned(),
        name => format!("{} {name}", article(name)),
    }
}

fn article(word: &str) -> &'static str {
    if word.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

/// A value, cut where it is long.
pub(super) fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        None => text,
        Some((at, _)) => format!("{}…", &text[..at]),
    }
}

/// All parameters, with what each takes and whether it must be there.
pub(super) fn parameters<'a>(
    parameters: impl Iterator<Item = (&'a str, &'a Value)>,
    required: &[&str],
) -> String {
    let mut listed: Vec<String> = parameters
        .map(|(name, schema)| {
            let must = match (required.contains(&name), schema.get("default")) {
                (true, _) => ", required".to_owned(),
                (false, Some(default)) => format!(", {} by default", short(default)),
                (false, None) => String::new(),
            };
            format!("`{name}` ({}{must})", expected(schema))
        })
        .collect();
    if listed.is_empty() {
        return "no parameters".to_owned();
    }
    let more = listed.len().saturating_sub(LISTED);
    listed.truncate(LISTED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", listed.join(", "))
}
