//! Items that fit share a run; none of them suffers for another.

use gristmill_model::host::HostErrorKind::{Failed, Invalid};
use serde_json::{Value, json};

use crate::calls::{assert_alike, expected, floats};
use crate::process::{Host, assert_error};

#[test]
fn sixty_four_items_each_get_their_own_result() {
    let mut host = Host::with("layer.onnx");
    let cases = expected("layer");
    let inputs = cases[..64].iter().map(|(inputs, _)| inputs.clone()).collect();
    for (result, (_, outputs)) in host.call(inputs).into_iter().zip(&cases) {
        assert_alike(&result.unwrap(), outputs);
    }
}

#[test]
fn all_items_that_fit_share_one_run() {
    // Each row tells how many rows the graph saw at once.
    let mut host = Host::with("company.onnx");
    let row = |x| json!({"x": [[x]]});
    let bad = json!({"x": [["one"]]});
    let mut inputs: Vec<Value> = (0..64).map(row).collect();
    inputs.insert(10, bad);
    for (place, result) in host.call(inputs).into_iter().enumerate() {
        match result {
            Ok(value) => assert_eq!(floats(&value["y"]), [64.0]),
            Err(_) => assert_eq!(place, 10),
        }
    }
    assert_eq!(floats(&host.call(vec![row(7)])[0].as_ref().unwrap()["y"]), [1.0]);
}

#[test]
fn a_bad_item_does_not_disturb_the_others() {
    let mut host = Host::with("add.onnx");
    let good = |x: f32| json!({"a": [[x, 0, 0]], "b": [[1, 1, 1]]});
    let results = host.call(vec![
        good(1.0),
        json!({"a": [[1, 2]], "b": [[1, 1, 1]]}),
        json!({"a": [[1, 2, 3]]}),
        json!({"a": [[1, 2, 3]], "b": [[1, 1, 1]], "c": 1}),
        json!({"a": "text", "b": [[1, 1, 1]]}),
        json!({"a": {"$array": {"dtype": "int8", "shape": [1, 3], "data": "AAAA"}}, "b": [[1, 1, 1]]}),
        json!([1, 2, 3]),
        good(2.0),
        // Its arrays differ in rows, which this graph cannot add.
        json!({"a": [[1, 2, 3], [4, 5, 6]], "b": [[1, 1, 1], [1, 1, 1], [1, 1, 1]]}),
    ]);
    assert_eq!(floats(&results[0].as_ref().unwrap()["sum"]), [2.0, 1.0, 1.0]);
    assert_error(&results[1], Invalid, "input `a`: float32[*, 3] is wanted, this is float32[1, 2]");
    assert_error(&results[2], Invalid, "input `b` is missing: float32[*, 3]");
    assert_error(&results[3], Invalid, "no input `c`; the model takes a, b");
    assert_error(&results[4], Invalid, "input `a`: \"text\" is not a float32");
    assert_error(&results[5], Invalid, "this is int8[1, 3]");
    assert_error(&results[6], Invalid, "not an object");
    assert_eq!(floats(&results[7].as_ref().unwrap()["sum"]), [3.0, 1.0, 1.0]);
    let error = results[8].as_ref().unwrap_err();
    assert!(!error.fatal && error.message.contains("Add"), "{error:?}");
}

#[test]
fn an_item_that_fails_as_it_runs_takes_no_other_with_it() {
    let mut host = Host::with("gather.onnx");
    let inputs = (0..9).map(|n| json!({"index": [if n == 4 { 99 } else { n % 5 }]})).collect();
    let results = host.call(inputs);
    for (place, result) in results.iter().enumerate() {
        match result {
            Ok(value) => assert_eq!(floats(&value["row"]).len(), 2),
            Err(_) => assert_eq!(place, 4),
        }
    }
    assert_error(&results[4], Invalid, "indices element out of data bounds, idx=99");
    // It goes on after that.
    assert!(host.call(vec![json!({"index": [1]})])[0].is_ok());
}

#[test]
fn items_of_several_rows_and_shapes_are_told_apart() {
    let mut host = Host::with("identity.onnx");
    let rows = |rows: usize, width: usize, x: usize| {
        json!((0..rows).map(|row| vec![(x + row) as f64; width]).collect::<Vec<_>>())
    };
    let inputs = [rows(1, 2, 10), rows(3, 2, 20), rows(2, 5, 30), rows(1, 2, 40), rows(1, 5, 50)];
    let results = host.call(inputs.iter().map(|x| json!({"x": x})).collect());
    for (result, input) in results.iter().zip(&inputs) {
        let result = &result.as_ref().unwrap()["y"];
        let flat: Vec<f32> = input
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|row| row.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32))
            .collect();
        assert_eq!(floats(result), flat);
    }
}

#[test]
fn a_graph_that_does_not_treat_rows_one_by_one_is_not_believed() {
    // Alone each of these fails. Stacked, the graph makes three rows of two, and takes no offence.
    let mut host = Host::with("fold.onnx");
    let six: Value = json!({"x": [[1, 2, 3, 4, 5, 6]]});
    for result in host.call(vec![six.clone(), six]) {
        assert_error(&result, Failed, "Reshape");
    }
    // Twelve numbers do make rows of four.
    let twelve = json!({"x": [[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12]]});
    assert_eq!(host.call(vec![twelve])[0].as_ref().unwrap()["y"]["$array"]["shape"], json!([3, 4]));
}

#[test]
fn sequences_are_never_stacked() {
    let mut host = Host::with("sequence.onnx");
    let input = json!({"x": [[1, 1], [1, 1]]});
    for result in host.call(vec![input.clone(), input]) {
        assert_eq!(floats(&result.unwrap()["y"]), [1.0, 1.0, 2.0, 2.0]);
    }
}
