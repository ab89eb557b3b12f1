//! Graphs give the numbers that the runtime's own Python API gives.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gristmill_model::host::HostErrorKind::OutOfMemory;
use serde_json::{Value, json};

use crate::process::{Host, assert_error, made};

/// What the set-up wrote of a graph: inputs and outputs.
pub fn expected(graph: &str) -> Vec<(Value, Value)> {
    let text = std::fs::read_to_string(made("expected.json")).unwrap();
    let mut all: Value = serde_json::from_str(&text).unwrap();
    let Value::Array(cases) = all[graph].take() else { panic!("{graph} is not among them") };
    cases.into_iter().map(|mut case| (case["inputs"].take(), case["outputs"].take())).collect()
}

pub fn floats(value: &Value) -> Vec<f32> {
    let array = &value["$array"];
    assert_eq!(array["dtype"], "float32");
    let bytes = STANDARD.decode(array["data"].as_str().unwrap()).unwrap();
    bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
}

/// The same names, shapes and, but for the last bits that another order of adding gives, numbers.
pub fn assert_alike(result: &Value, expected: &Value) {
    let (result, expected) = (result.as_object().unwrap(), expected.as_object().unwrap());
    assert_eq!(result.len(), expected.len());
    for (name, expected) in expected {
        let result = &result[name];
        if expected["$array"]["dtype"] != "float32" {
            assert_eq!(result, expected);
            continue;
        }
        assert_eq!(result["$array"]["shape"], expected["$array"]["shape"], "{name}");
        for (one, other) in floats(result).into_iter().zip(floats(expected)) {
            assert!((one - other).abs() <= 1e-5 * other.abs().max(1.0), "{name}: {one}, {other}");
        }
    }
}

#[test]
fn graphs_give_what_the_runtime_itself_gives() {
    for graph in ["add", "layer", "fixed", "sequence", "scale", "greet", "gather"] {
        let mut host = Host::with(&format!("{graph}.onnx"));
        for (inputs, outputs) in expected(graph) {
            let results = host.call(vec![inputs]);
            assert_alike(results[0].as_ref().unwrap(), &outputs);
        }
    }
}

#[test]
fn a_real_model_knows_rust_from_python() {
    let mut host = Host::with("filetype.onnx");
    let (inputs, outputs): (Vec<Value>, Vec<Value>) = expected("filetype").into_iter().unzip();
    let best = |value: &Value| {
        let likely = floats(&value["target_label"]);
        (0..likely.len()).max_by(|a, b| likely[*a].total_cmp(&likely[*b]))
    };
    let mut kinds = Vec::new();
    for (result, outputs) in host.call(inputs).into_iter().zip(outputs) {
        let result = result.unwrap();
        assert_alike(&result, &outputs);
        assert!(floats(&result["target_label"]).iter().any(|likely| *likely > 0.9));
        kinds.push(best(&result));
    }
    assert_ne!(kinds[0], kinds[1]);
}

#[test]
fn too_little_memory_is_said_and_survived() {
    let mut host = Host::with("hoard.onnx");
    let results = host.call(vec![json!({"shape": [1_u64 << 45]}), json!({"shape": [4]})]);
    assert_error(&results[0], OutOfMemory, "");
    assert_eq!(floats(&results[1].as_ref().unwrap()["sum"]), [4.0]);
}
