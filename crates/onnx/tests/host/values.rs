//! Values in all forms: types of elements, plain JSON, files in and out.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gristmill_model::host::HostErrorKind::{Failed, Invalid};
use gristmill_model::host::ToHost;
use serde_json::{Map, Value, json};

use crate::calls::floats;
use crate::process::{Host, assert_error, made};

const KINDS: [(&str, usize); 13] = [
    ("float16", 2),
    ("bfloat16", 2),
    ("float32", 4),
    ("float64", 8),
    ("int8", 1),
    ("int16", 2),
    ("int32", 4),
    ("int64", 8),
    ("uint8", 1),
    ("uint16", 2),
    ("uint32", 4),
    ("uint64", 8),
    ("bool", 1),
];

#[test]
fn every_type_of_element_comes_back_as_it_went_in() {
    let mut host = Host::with("kinds.onnx");
    let input = |salt: u8| {
        let mut input: Map<String, Value> = KINDS
            .iter()
            .map(|(kind, size)| {
                let byte = |n| if *kind == "bool" { n % 2 } else { salt.wrapping_add(n) };
                let bytes: Vec<u8> = (0..2 * *size as u8).map(byte).collect();
                let data = STANDARD.encode(bytes);
                ((*kind).into(), json!({"$array": {"dtype": kind, "shape": [1, 2], "data": data}}))
            })
            .collect();
        input.insert("string".into(), json!([["ähm", ""]]));
        Value::Object(input)
    };
    let inputs = [input(1), input(40)];
    for (result, input) in host.call(inputs.to_vec()).into_iter().zip(inputs) {
        let result = result.unwrap();
        for (kind, value) in input.as_object().unwrap() {
            assert_eq!(result[format!("{kind}_out")], *value);
        }
    }
}

#[test]
fn plain_numbers_become_what_the_graph_takes() {
    let mut host = Host::with("kinds.onnx");
    let mut input: Map<String, Value> =
        KINDS.iter().map(|(kind, _)| ((*kind).into(), json!([[1, 2]]))).collect();
    input.insert("bool".into(), json!([[true, false]]));
    input.insert("string".into(), json!([["a", "b"]]));
    let result = host.call(vec![Value::Object(input)])[0].clone().unwrap();
    let hex = |kind: &str| {
        let bytes = STANDARD.decode(result[kind]["$array"]["data"].as_str().unwrap()).unwrap();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    assert_eq!(hex("float16_out"), "003c0040");
    assert_eq!(hex("bfloat16_out"), "803f0040");
    assert_eq!(hex("float64_out"), "000000000000f03f0000000000000040");
    assert_eq!(hex("uint16_out"), "01000200");
    assert_eq!(hex("bool_out"), "0100");
}

#[test]
fn a_single_number_goes_without_lists() {
    let mut host = Host::with("scale.onnx");
    let result = host.call(vec![json!({"x": [[1, 2]], "factor": 3})])[0].clone().unwrap();
    assert_eq!(floats(&result["y"]), [3.0, 6.0]);
}

#[test]
fn a_file_of_numpys_goes_in() {
    let mut host = Host::with("add.onnx");
    let file = |name: &str| json!({"$file": {"path": made(name), "name": name}});
    let input = |a: Value| json!({"a": a, "b": [[1, 1, 1], [1, 1, 1]]});
    let results = host.call(vec![
        input(file("rows.npy")),
        input(file("fortran.npy")),
        input(file("big_endian.npy")),
        input(file("objects.npy")),
        input(file("add.onnx")),
        input(file("nothing.npy")),
        input(json!({"$file": {"name": "no path"}})),
        input(json!({"$bytes": "AAAA"})),
        input(json!({"$array": {"dtype": "complex64", "shape": [1], "data": ""}})),
        input(json!({"$array": {"dtype": "float32", "shape": [1, 3], "data": "AAAA"}})),
        input(json!({"$array": {"dtype": "float32", "shape": [1, 3], "data": "?"}})),
        input(json!({"$array": {"dtype": "float32", "shape": [1_u64 << 60, 3], "data": ""}})),
    ]);
    assert_eq!(floats(&results[0].as_ref().unwrap()["sum"]), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    for (result, words) in results[1..].iter().zip([
        "Fortran",
        "'>f4' are not supported",
        "'|O' are not supported",
        "not an .npy file",
        "No such file",
        "missing field `path`",
        "`$bytes` is no array",
        "complex64 are not supported",
        "has 12 bytes, but there are 3",
        "$array",
        "over the limit",
    ]) {
        assert_error(result, Invalid, words);
    }
}

#[test]
fn a_large_result_is_a_file_that_can_go_in_again() {
    let mut host = Host::start();
    let mut open = host.opening("identity.onnx");
    open.inline_bytes = 16;
    host.say(&ToHost::Open(open));
    host.hear();
    let small = json!({"x": [[1, 2, 3, 4]]});
    let large = json!({"x": [[1, 2, 3, 4, 5]]});
    let results = host.call(vec![small, large.clone()]);
    assert_eq!(floats(&results[0].as_ref().unwrap()["y"]), [1.0, 2.0, 3.0, 4.0]);
    let file = results[1].as_ref().unwrap()["y"].clone();
    assert_eq!(file["$file"]["name"], "y.npy");
    let path = std::path::PathBuf::from(file["$file"]["path"].as_str().unwrap());
    assert_eq!(path.parent(), Some(host.folder.path()));

    let again = host.call(vec![json!({"x": file})])[0].clone().unwrap();
    let other = again["y"]["$file"]["path"].as_str().unwrap();
    assert_ne!(other, path.to_str().unwrap());
    assert_eq!(std::fs::read(other).unwrap(), std::fs::read(&path).unwrap());

    // A folder that is gone is this item's failure.
    std::fs::remove_dir_all(host.folder.path()).unwrap();
    assert_error(&host.call(vec![large])[0], Failed, "No such file");
}

#[test]
fn a_result_that_fits_no_frame_is_an_error() {
    // One long greeting for each of many names: more than went in, and strings go into no file.
    let mut host = Host::with("greet.onnx");
    let long = "x".repeat(1 << 20);
    let input = |names: usize| json!({"greeting": [long], "name": vec!["y"; names]});
    let results = host.call(vec![input(20), input(2)]);
    assert_error(&results[0], Failed, "a frame of 20");
    assert_eq!(results[1].as_ref().unwrap()["line"].as_array().unwrap().len(), 2);
}
