//! What is let through, what a refusal says, and that nothing is too odd to be judged.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::digest::Digest;
use crate::payload::{Artifact, Line, Place};

fn inputs(properties: Value, required: &[&str]) -> Inputs {
    let input = json!({
        "type": "object", "properties": properties, "required": required,
        "additionalProperties": false,
    });
    let signature = json!({ "input": input, "output": {} }).to_string();
    Inputs::of(&signature).expect("it has parameters")
}

fn prompt() -> Inputs {
    let properties = json!({
        "prompt": { "type": "string" },
        "steps": { "type": "integer", "default": 20 },
        "size": { "enum": ["small", "large"] },
        "seeds": { "type": "array", "items": { "type": "integer" } },
        "start": { "x-gristmill": "image" },
        "weight": { "anyOf": [{ "type": "number" }, { "type": "null" }] },
    });
    inputs(properties, &["prompt"])
}

fn json_of(value: Value) -> Payload {
    Payload::Json(value.to_string())
}

fn refused(inputs: &Inputs, input: &Payload) -> String {
    let rejection = inputs.check(input).unwrap_err();
    assert_eq!(rejection.code, Code::InvalidInput);
    rejection.detail
}

fn file() -> Payload {
    let place = Place::Blob(Digest([7; 32]));
    Payload::File(Artifact { name: "rye.png".into(), size: 3, place })
}

#[test]
fn what_fits_is_let_through() {
    let blob = json!({ "$blob": { "digest": "b3-00", "name": "rye.png", "size": 3 } });
    for input in [
        json!({ "prompt": "a mill" }),
        json!({ "prompt": "a mill", "steps": 3, "size": "large", "seeds": [1, 2], "start": blob }),
        json!({ "prompt": "a mill", "steps": 3.0, "weight": null }),
        json!({ "prompt": "", "weight": 0.5, "seeds": [], "start": { "$bytes": "" } }),
    ] {
        assert_eq!(prompt().check(&json_of(input)), Ok(()));
    }
}

#[test]
fn a_value_without_names_is_the_only_parameters() {
    let of = |schema: Value| inputs(json!({ "only": schema, "more": { "default": 1 } }), &["only"]);
    let marked = json!({ "$array": { "dtype": "int64", "shape": [1], "data": "AQAAAAAAAAA=" } });
    for (schema, fits) in [
        (json!({ "type": "integer" }), json!(3)),
        (json!({ "type": "array", "items": { "type": "number" } }), json!([1, 2.5])),
        (json!({ "type": "object", "additionalProperties": {} }), json!({ "width": 3 })),
        (json!({ "x-gristmill": "array" }), marked),
        (json!({}), json!(null)),
    ] {
        assert_eq!(of(schema).check(&json_of(fits)), Ok(()));
    }
    let told = refused(&of(json!({ "type": "integer" })), &json_of(json!("three")));
    assert!(told.starts_with("input `only`: expected an integer, got \"three\""), "{told}");
    let told = refused(&of(json!({ "type": "integer" })), &json_of(json!({ "olny": 3 })));
    assert!(told.starts_with("input `olny`: there is no such parameter"), "{told}");
    assert_eq!(of(json!({ "type": "object" })).check(&json_of(json!({ "only": {} }))), Ok(()));
    let optional = inputs(json!({ "only": { "type": "integer" } }), &[]);
    assert_eq!(optional.check(&json_of(json!(null))), Ok(()), "nothing is brought");
}

#[test]
fn a_refusal_says_where_what_was_expected_and_what_there_is() {
    let told = |input| refused(&prompt(), &json_of(input));
    let wrong = told(json!({ "prompt": 5 }));
    assert!(wrong.starts_with("input `prompt`: expected a string, got 5; it takes "), "{wrong}");
    assert!(wrong.contains("`prompt` (a string, required)"), "{wrong}");
    assert!(wrong.contains("`steps` (an integer, 20 by default)"), "{wrong}");
    assert!(wrong.contains("`start` (an image)"), "{wrong}");
    assert!(told(json!({})).starts_with("input `prompt`: it is missing"));
    let unknown = told(json!({ "prompt": "x", "promt": "x" }));
    assert!(unknown.starts_with("input `promt`: there is no such parameter"), "{unknown}");
    let deep = told(json!({ "prompt": "x", "seeds": [1, "two"] }));
    assert!(deep.starts_with("input `seeds[1]`: expected an integer, got \"two\""), "{deep}");
    let one_of = told(json!({ "prompt": "x", "size": "huge" }));
    assert!(one_of.contains("expected one of \"small\", \"large\", got \"huge\""), "{one_of}");
    let either = told(json!({ "prompt": "x", "weight": "much" }));
    assert!(either.contains("expected a number or null, got \"much\""), "{either}");
    let plain = told(json!({ "prompt": "x", "start": "rye.png" }));
    assert!(plain.contains("input `start`: expected an image, got \"rye.png\""), "{plain}");
    let many = told(json!({ "prompt": "x", "start": { "$blob": {}, "more": 1 } }));
    assert!(many.contains("`start`: expected an image"), "{many}");
    assert!(told(json!([1])).starts_with("input `prompt`: expected a string, got [1]"));
    let two = inputs(json!({ "a": {}, "b": {} }), &["a", "b"]);
    let unclear = refused(&two, &json_of(json!([1])));
    assert!(unclear.starts_with("input: expected an object with the parameters, got [1]"));
    assert!(refused(&prompt(), &Payload::Json("{".into())).starts_with("input: it is no JSON"));
    let long = told(json!({ "prompt": ["x".repeat(1_000)] }));
    assert!(long.contains('…') && long.len() < 500, "{long}");
}

#[test]
fn nested_objects_are_held_against_their_own_words() {
    let options = json!({
        "type": "object", "properties": { "width": { "type": "integer" } }, "required": ["width"],
        "additionalProperties": { "type": "boolean" },
    });
    let inputs = inputs(json!({ "options": options }), &[]);
    let check = |options| inputs.check(&json_of(json!({ "options": options })));
    assert_eq!(check(json!({ "width": 3, "tiled": true })), Ok(()));
    assert!(
        check(json!({})).unwrap_err().detail.starts_with("input `options.width`: it is missing")
    );
    assert!(
        check(json!({ "width": 3, "tiled": 1 })).unwrap_err().detail.contains("`options.tiled`")
    );
}

#[test]
fn a_text_or_a_file_stands_for_the_only_parameter_that_can_be_meant() {
    let text = Payload::Text("a mill".into());
    let line = Payload::Line(Line { list: Digest([7; 32]), index: 3 });
    assert_eq!((prompt().check(&text), prompt().check(&line)), (Ok(()), Ok(())));
    assert_eq!((prompt().only(), prompt().check_texts()), (Some("prompt"), Ok(())));
    assert!(refused(&prompt(), &file()).contains("`prompt`: expected a string, got a file"));

    let picture = inputs(json!({ "picture": { "x-gristmill": "image" } }), &[]);
    assert_eq!(picture.check(&file()), Ok(()));
    assert!(refused(&picture, &text).contains("`picture`: expected an image, got a text"));
    assert_eq!(picture.check(&Payload::empty()), Ok(()), "nothing is required");

    let two = inputs(json!({ "a": { "type": "string" }, "b": { "type": "string" } }), &["a", "b"]);
    assert!(refused(&two, &text).starts_with("input: a text alone does not say which parameter"));
    assert!(two.check_texts().is_err());
    let count = inputs(json!({ "count": { "type": "integer" } }), &["count"]);
    assert!(refused(&count, &text).contains("`count`: expected an integer, got a text"));
    let array = inputs(
        json!({ "x": { "anyOf": [{ "x-gristmill": "array" }, { "type": "array" }] } }),
        &["x"],
    );
    assert_eq!(array.check(&file()), Ok(()));
    assert_eq!(array.check(&json_of(json!({ "x": [1.5, 2] }))), Ok(()));
}

#[test]
fn a_signature_that_says_nothing_of_parameters_holds_nothing_against_anybody() {
    for signature in
        ["", "{}", "null", r#"{"input":true,"output":{}}"#, r#"{"input":{},"output":{}}"#]
    {
        assert_eq!(Inputs::of(signature), None, "{signature}");
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<f32>().prop_map(|it| Value::from(f64::from(it))),
        "[a-z$é]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        let word = prop_oneof![
            "(type|enum|properties|required|additionalProperties|items|anyOf|default|x-gristmill)",
            "[ab$]{1,3}",
        ];
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            btree_map(word, inner, 0..5).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_schema_and_no_input_is_too_odd(properties in any_value(), value in any_value()) {
        let schema = json!({ "properties": { "a": properties }, "required": ["a"] });
        let inputs = Inputs { schema };
        for input in [json_of(value.clone()), json_of(json!({ "a": value })), Payload::empty(), file()] {
            if let Err(rejection) = inputs.check(&input) {
                prop_assert!(rejection.detail.contains("it takes `a`"));
            }
        }
    }

    #[test]
    fn any_text_is_judged(signature in ".{0,60}", text in ".{0,60}") {
        if let Some(inputs) = Inputs::of(&signature) {
            let _ = inputs.check(&Payload::Json(text));
        }
        let _ = prompt().check(&Payload::Json(signature));
    }
}
