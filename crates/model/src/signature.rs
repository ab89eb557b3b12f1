//! What a handler takes, held against what a job brings. A submitter hears of a misspelt or missing
//! parameter at once, and not from a failed job after an hour in the queue.
//!
//! Pure, and lenient where the schema says nothing: what it does not know it lets through, for the
//! handler itself has the last word.

mod leaf;
mod words;

#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

use crate::host::Signature;
use crate::payload::Payload;
use crate::problem::{Code, Rejection};

/// The inputs that a handler takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Inputs {
    schema: Value,
}

/// Why an input does not fit: where, and what was expected in place of what.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Misfit {
    path: String,
    why: String,
}

impl Inputs {
    /// Reads them off a signature as a pipeline carries it; nothing where that says nothing of
    /// parameters.
    #[must_use]
    pub fn of(signature: &str) -> Option<Inputs> {
        let Signature { input, .. } = serde_json::from_str(signature).ok()?;
        input.get("properties").is_some_and(Value::is_object).then_some(Inputs { schema: input })
    }

    /// Names of the parameters, with what each takes.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &Value)> {
        properties(&self.schema).into_iter().flatten().map(|(name, schema)| (name.as_str(), schema))
    }

    /// What a parameter takes.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&Value> {
        properties(&self.schema)?.get(name)
    }

    /// Judges a job's input.
    ///
    /// # Errors
    /// `invalid_input`: what does not fit, what was expected, and which parameters there are.
    pub fn check(&self, input: &Payload) -> Result<(), Rejection> {
        let judged = match input {
            Payload::Json(text) => self.check_json(text),
            Payload::Text(text) if text.is_empty() && self.required().next().is_none() => Ok(()),
            Payload::Text(_) | Payload::Line(_) => self.check_only("a text", takes_text),
            Payload::File(_) => self.check_only("a file", leaf::takes_file),
        };
        judged.map_err(|misfit| self.rejection(&misfit))
    }

    /// Judges what all items of a range are: texts.
    ///
    /// # Errors
    /// As [`Inputs::check`].
    pub fn check_texts(&self) -> Result<(), Rejection> {
        self.check_only("a text", takes_text).map_err(|misfit| self.rejection(&misfit))
    }

    fn check_json(&self, text: &str) -> Result<(), Misfit> {
        let unreadable = |why| Misfit { path: String::new(), why: format!("it is no JSON: {why}") };
        let value: Value = serde_json::from_str(text).map_err(unreadable)?;
        if value.is_null() && self.required().next().is_none() {
            return Ok(());
        }
        let names_some = value
            .as_object()
            .is_some_and(|fields| fields.keys().any(|name| self.parameter(name).is_some()));
        if names_some {
            return check(&self.schema, &value, "");
        }
        match self.only().and_then(|name| Some((name, self.parameter(name)?))) {
            Some((name, schema)) if !value.is_object() => check(schema, &value, name),
            // An object may be what the only parameter takes; if not, its names are what is wrong.
            Some((name, schema)) if check(schema, &value, name).is_ok() => Ok(()),
            _ if value.is_object() => check(&self.schema, &value, ""),
            _ => {
                let got = words::short(&value);
                let why = format!("expected an object with the parameters, got {got}");
                Err(Misfit { path: String::new(), why })
            }
        }
    }

    /// Something that is no object stands for the only parameter, or the only one that is required.
    fn check_only(&self, what: &str, takes: fn(&Value) -> bool) -> Result<(), Misfit> {
        let Some(name) = self.only() else {
            let why = format!("{what} alone does not say which parameter it is");
            return Err(Misfit { path: String::new(), why });
        };
        match self.parameter(name) {
            Some(schema) if !takes(schema) => {
                let why = format!("expected {}, got {what}", words::expected(schema));
                Err(Misfit { path: name.to_owned(), why })
            }
            _ => Ok(()),
        }
    }

    /// The parameter that an input without names stands for, where that is clear.
    #[must_use]
    pub fn only(&self) -> Option<&str> {
        let sole =
            |names: Vec<&'_ str>| if let [only] = names[..] { Some(only.to_owned()) } else { None };
        let found = sole(self.required().collect())
            .or_else(|| sole(self.parameters().map(|(name, _)| name).collect()))?;
        self.parameters().map(|(name, _)| name).find(|name| *name == found)
    }

    fn required(&self) -> impl Iterator<Item = &str> {
        let listed = self.schema.get("required").and_then(Value::as_array);
        listed.into_iter().flatten().filter_map(Value::as_str)
    }

    fn rejection(&self, misfit: &Misfit) -> Rejection {
        let Misfit { path, why } = misfit;
        let place = if path.is_empty() { "input".to_owned() } else { format!("input `{path}`") };
        let required: Vec<&str> = self.required().collect();
        let takes = words::parameters(self.parameters(), &required);
        Rejection::new(Code::InvalidInput, format!("{place}: {why}; it takes {takes}"))
    }
}

fn takes_text(schema: &Value) -> bool {
    check(schema, &Value::String(String::new()), "").is_ok() || schema.get("enum").is_some()
}

fn properties(schema: &Value) -> Option<&Map<String, Value>> {
    schema.get("properties")?.as_object()
}

/// Holds a value against a schema. Both are trees that were read within the depth that the reader
/// allows, and each part of the one meets each part of the other at most once.
fn check(schema: &Value, value: &Value, path: &str) -> Result<(), Misfit> {
    let misfit = |why: String| Err(Misfit { path: path.to_owned(), why });
    let wrong = || {
        let (expected, got) = (words::expected(schema), words::short(value));
        misfit(format!("expected {expected}, got {got}"))
    };
    if let Some(options) = schema.get("anyOf").and_then(Value::as_array) {
        let fits = |option: &Value| check(option, value, path).is_ok();
        return if options.is_empty() || options.iter().any(fits) { Ok(()) } else { wrong() };
    }
    if let Some(kind) = schema.get("x-gristmill").and_then(Value::as_str) {
        return if leaf::fits(kind, value) { Ok(()) } else { wrong() };
    }
    if let Some(allowed) = schema.get("enum").and_then(Value::as_array) {
        return if allowed.contains(value) { Ok(()) } else { wrong() };
    }
    if let Some(named) = schema.get("type")
        && !words::types(named).any(|name| is_of(name, value))
    {
        return wrong();
    }
    match value {
        Value::Object(fields) => check_object(schema, fields, path),
        Value::Array(items) => {
            let Some(schema) = schema.get("items") else { return Ok(()) };
            let mut items = items.iter().enumerate();
            items.try_for_each(|(at, item)| check(schema, item, &format!("{path}[{at}]")))
        }
        _ => Ok(()),
    }
}

fn check_object(schema: &Value, fields: &Map<String, Value>, path: &str) -> Result<(), Misfit> {
    let within = |name: &str| {
        if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
    };
    let known = properties(schema);
    for (name, value) in fields {
        match (known.and_then(|known| known.get(name)), schema.get("additionalProperties")) {
            (Some(schema), _) => check(schema, value, &within(name))?,
            (None, Some(Value::Bool(false))) => {
                let why = "there is no such parameter".to_owned();
                return Err(Misfit { path: within(name), why });
            }
            (None, Some(schema)) => check(schema, value, &within(name))?,
            (None, None) => {}
        }
    }
    let required = schema.get("required").and_then(Value::as_array);
    let mut required = required.into_iter().flatten().filter_map(Value::as_str);
    match required.find(|name| !fields.contains_key(*name)) {
        None => Ok(()),
        Some(name) => Err(Misfit { path: within(name), why: "it is missing".to_owned() }),
    }
}

fn is_of(name: &str, value: &Value) -> bool {
    match name {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "number" => value.is_number(),
        "integer" => {
            value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|it| it.fract() == 0.0)
        }
        _ => true,
    }
}
