//! Beginning and end: what is said first, what stops a host, and what it does not put up with.

use gristmill_model::host::HostErrorKind::{Cancelled, Failed};
use gristmill_model::host::{FromHost, HostError, Open, ToHost};
use serde_json::json;

use crate::process::{Host, assert_error, gpu};

fn failure(host: &mut Host, open: Open) -> HostError {
    host.say(&ToHost::Open(open));
    match host.hear() {
        FromHost::Failed { error } => error,
        other => panic!("expected it to fail: {other:?}"),
    }
}

#[test]
fn close_ends_it_well() {
    let mut host = Host::with("add.onnx");
    host.say(&ToHost::Close {});
    let (status, words) = host.wait();
    assert!(status.success(), "{words}");
    assert!(
        words.contains("add.onnx is loaded: 1 nodes run on the CPUs, 0 on a device"),
        "{words}"
    );
}

#[test]
fn a_socket_that_closes_ends_it_well() {
    let host = Host::with("add.onnx");
    host.socket.shutdown(std::net::Shutdown::Both).unwrap();
    assert!(host.wait().0.success());
    // Before anything was loaded too.
    let host = Host::start();
    host.socket.shutdown(std::net::Shutdown::Both).unwrap();
    assert!(host.wait().0.success());
}

#[test]
fn a_socket_that_closes_ends_it_in_the_middle_of_work() {
    let mut host = Host::with("long.onnx");
    host.say_call(vec![json!({"count": i64::MAX})]);
    host.socket.shutdown(std::net::Shutdown::Both).unwrap();
    let (status, words) = host.wait();
    assert!(status.success(), "{words}");
}

#[test]
fn a_run_that_nobody_wants_is_stopped() {
    let mut host = Host::with("long.onnx");
    let inputs = vec![json!({"count": 3}), json!({"count": i64::MAX}), json!({"count": i64::MAX})];
    let call = host.say_call(inputs);
    let FromHost::Ended { item: 0, .. } = host.hear() else { panic!("the first is short") };
    // A word about another call says nothing.
    host.say(&ToHost::Cancel { call: call + 1, items: vec![1] });
    host.say(&ToHost::Cancel { call, items: vec![2, 77] });
    host.say(&ToHost::Cancel { call, items: vec![1] });
    for place in [1, 2] {
        let FromHost::Ended { item, result, .. } = host.hear() else { panic!("not ended") };
        assert_eq!(item, place);
        let gristmill_model::host::HostResult::Error(error) = result else { panic!("not stopped") };
        assert_error(&Err(error), Cancelled, "stopped");
    }
    assert_eq!(host.hear(), FromHost::Done { call, memory: None });
    // It goes on after that.
    assert!(host.call(vec![json!({"count": 1})])[0].is_ok());
}

#[test]
fn it_says_alive_while_it_works() {
    let mut host = Host::start();
    let mut open = host.opening("long.onnx");
    open.alive_every_ms = 20;
    host.say(&ToHost::Open(open));
    while host.hear() == (FromHost::Alive {}) {}
    let call = host.say_call(vec![json!({"count": i64::MAX})]);
    for _ in 0..3 {
        assert_eq!(host.hear(), FromHost::Alive {});
    }
    host.say(&ToHost::Cancel { call, items: vec![0] });
    assert_error(&host.hear_call(call, 1)[0], Cancelled, "stopped");
}

#[test]
fn what_cannot_be_loaded_is_said() {
    for (graph, code, words) in [
        ("nothing.onnx", "model_load_failed", "does not exist"),
        ("rows.npy", "model_load_failed", "Protobuf parsing failed"),
        ("list.onnx", "model_unsupported", "output `xs` is Sequence"),
    ] {
        let mut host = Host::start();
        let open = host.opening(graph);
        let error = failure(&mut host, open);
        assert!(error.code == code && error.message.contains(words), "{error:?}");
        assert!(error.kind == Failed && error.fatal, "{error:?}");
        assert!(!host.wait().0.success());
    }
}

#[test]
fn a_gpu_that_the_runtime_cannot_use_is_never_replaced_by_cpus() {
    let mut host = Host::start();
    let open = Open { devices: vec![gpu()], ..host.opening("add.onnx") };
    let error = failure(&mut host, open);
    assert_eq!((error.kind, error.code.as_str()), (Failed, "not_on_device"));
    assert!(error.message.contains("onnxruntime-gpu"), "{error:?}");
    let (status, words) = host.wait();
    assert!(!status.success() && words.contains("not_on_device"), "{words}");
}

#[test]
fn devices_that_no_model_can_have_are_refused() {
    let mut odd = gpu();
    odd.kind = "tpu".into();
    for (devices, words) in [(vec![gpu(), gpu()], "2 devices"), (vec![odd], "kind `tpu`")] {
        let mut host = Host::start();
        let open = Open { devices, ..host.opening("add.onnx") };
        let error = failure(&mut host, open);
        assert!(error.message.contains(words), "{error:?}");
    }
}

#[test]
fn a_runtime_that_is_missing_is_said_with_a_way_out() {
    let mut host = Host::start_with(|command| {
        command.env("ORT_DYLIB_PATH", "/nowhere/libonnxruntime.so");
    });
    let open = host.opening("add.onnx");
    let error = failure(&mut host, open);
    assert_eq!(error.code, "onnx_runtime_missing");
    for words in ["/nowhere/libonnxruntime.so", "pip install onnxruntime", "--onnx-runtime PATH"] {
        assert!(error.message.contains(words), "{error:?}");
    }
}

#[test]
fn a_worker_of_another_version_is_refused() {
    let mut host = Host::start();
    let open = Open { protocol: 2, ..host.opening("add.onnx") };
    assert!(failure(&mut host, open).message.contains("version 2"));
}

#[test]
fn words_outside_the_contract_end_it() {
    type End = fn(&mut Host);
    let endings: [(&str, End); 4] = [
        ("a frame that is none", |host| host.say_bytes(b"\xc1\xc1")),
        ("a frame of", |host| {
            use std::io::Write;
            host.socket.write_all(&u32::MAX.to_le_bytes()).unwrap();
        }),
        ("`open` twice", |host| {
            let open = host.opening("add.onnx");
            host.say(&ToHost::Open(open));
        }),
        ("before the last call was over", |host| {
            host.say_call(vec![json!({"count": i64::MAX})]);
            host.say_call(vec![json!({"count": 1})]);
        }),
    ];
    for (words, end) in endings {
        let mut host = Host::with("long.onnx");
        end(&mut host);
        let (status, said) = host.wait();
        assert!(!status.success() && said.contains(words), "{words}: {said}");
    }
}

#[test]
fn it_begins_with_open() {
    let mut host = Host::start();
    host.say_call(vec![]);
    assert!(host.wait().1.contains("did not begin with `open`"));
}

#[test]
fn keys_that_it_does_not_know_are_ignored() {
    let mut host = Host::start();
    let mut open = serde_json::to_value(ToHost::Open(host.opening("add.onnx"))).unwrap();
    open["of_tomorrow"] = json!([1, 2]);
    let bytes = rmp_serde::to_vec_named(&open).unwrap();
    host.say_bytes(&bytes);
    assert!(matches!(host.hear(), FromHost::Ready { .. }));
    assert!(host.call(vec![]).is_empty());
}

#[test]
fn without_a_worker_it_says_so() {
    let output = crate::process::program().arg("run").output().unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && words.contains("started by a worker"), "{words}");
}
