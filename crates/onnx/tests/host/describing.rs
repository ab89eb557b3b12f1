//! What is told of a model from its file alone.

use std::path::Path;
use std::process::Output;

use gristmill_model::host::Described;
use serde_json::json;

use crate::process::{made, program};

fn run(model: &Path, library: Option<&Path>) -> Output {
    let mut command = program();
    if let Some(library) = library {
        command.arg("--runtime").arg(library);
    }
    command.arg("describe").arg(model).output().unwrap()
}

fn describe(model: &Path) -> Described {
    let output = run(model, None);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_signature_is_that_of_the_graph() {
    let described = describe(&made("add.onnx"));
    assert_eq!(
        (described.name.as_str(), described.doc.as_str()),
        ("add", "Adds two rows of three.")
    );
    let array =
        json!({"type": "object", "x-gristmill": "array", "dtype": "float32", "shape": [null, 3]});
    let row = json!({"anyOf": [array, {"type": "array"}]});
    let object = |properties: serde_json::Value, required: &[&str]| {
        json!({
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        })
    };
    assert_eq!(described.signature.input, object(json!({"a": row, "b": row}), &["a", "b"]));
    assert_eq!(described.signature.output, object(json!({"sum": array}), &["sum"]));
    assert!(!described.signature.streams);
}

#[test]
fn single_numbers_and_strings_are_what_they_are_in_json() {
    let described = describe(&made("scale.onnx"));
    assert_eq!(
        described.signature.input["properties"]["factor"]["anyOf"][1],
        json!({"type": "number"})
    );
    let described = describe(&made("greet.onnx"));
    let strings = json!({"type": "array", "items": {"type": "string"}});
    assert_eq!(described.signature.input["properties"]["name"], strings);
    assert_eq!(described.signature.output["properties"]["line"], strings);
}

#[test]
fn only_what_is_free_in_its_first_dimension_takes_batches() {
    for (graph, batch) in [
        ("add", 32),
        ("layer", 32),
        ("filetype", 32),
        ("greet", 32),
        // Fixed; a single number among the inputs; rows that follow one another.
        ("fixed", 1),
        ("scale", 1),
        ("sequence", 1),
    ] {
        let described = describe(&made(&format!("{graph}.onnx")));
        assert_eq!(described.batch, batch, "{graph}");
        assert_eq!(described.batch_wait_ms > 0, batch > 1, "{graph}");
    }
}

#[test]
fn a_file_gives_a_name_that_jobs_can_use() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("my model (1).v2.onnx");
    std::fs::copy(made("add.onnx"), &path).unwrap();
    assert_eq!(describe(&path).name, "my_model__1_.v2");
}

#[test]
fn a_library_that_is_none_is_an_error_and_no_crash() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("libonnxruntime.so");
    std::fs::write(&text, "no library").unwrap();
    for (library, words) in [
        (text.as_path(), "libonnxruntime.so"),
        (Path::new("/nowhere/libonnxruntime.so"), "/nowhere"),
        // A folder without one, and one with one.
        (made("").as_path(), "looked for libonnxruntime in"),
        (folder.path(), "libonnxruntime.so"),
        (&std::env::current_exe().unwrap(), "host-"),
    ] {
        let output = run(&made("add.onnx"), Some(library));
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.starts_with("onnx_runtime_missing: ") && said.contains(words), "{said}");
        assert!(said.contains("pip install onnxruntime"), "{said}");
    }
}
