//! `explain` of jobs that want devices, in the very words that people read. The devices are
//! declared: that they are there is believed.

use serde_json::json;

use crate::mill::{Mill, until};

/// A mill whose worker has a GPU of 48 GiB.
fn mill() -> Mill {
    let mut mill = Mill::server();
    let args = ["work", "--cpus", "4", "--name", "miller", "--no-gpus"];
    let device = ["--device", "gpu=GPU-fake-1,vram=48GiB"];
    mill.join(mill.command(&[&args[..], &device[..]].concat()));
    mill
}

fn runs(mill: &Mill, batch: &str) {
    until("the first job", || mill.batch(batch)["counts"] == json!({ "running": 1 }));
}

#[test]
fn a_job_that_waits_for_a_gpu_hears_how_much_is_free_and_who_has_the_rest() {
    let mill = mill();
    let holds = mill.submit(&["--vram", "18GiB", "--", "sleep", "600"]);
    runs(&mill, &holds);
    let waits = mill.submit(&["--vram", "40GiB", "--", "true"]);
    let ahead = mill.run(&["explain", &format!("{waits}/0")]).with_code(0).out;
    let short = "GPU-fake-1: 30 of 48 GiB free, 40 GiB wanted";
    let backlog = format!("a2, number 1, waits in the worker's backlog on worker w1: {short}");
    let device = "GPU-fake-1  w1      30 of 48 GiB  40 GiB  j1: 18 GiB";
    assert!(ahead.contains(&backlog) && ahead.contains(device), "{ahead}");

    mill.submit(&["--vram", "40GiB", "--", "true"]);
    let told = mill.run(&["explain", "j3"]).with_code(0).out;
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[0].starts_with("j3 is queued (since "), "{told}");
    let why = format!(
        "it is the next of its project, and worker w1: it is busy: 1 running, 1 waiting; {short}"
    );
    assert!(lines[0].ends_with(&why), "{told}");
    let [.., _, worker, heading, last] = &lines[..] else { panic!("{told}") };
    assert!(worker.starts_with("w1") && worker.ends_with(short), "{told}");
    assert_eq!(*heading, "DEVICE      WORKER  FREE          WANTED  WHO HAS THE REST");
    assert_eq!(*last, device);

    let json = mill.run(&["explain", "j3", "--json"]).with_code(0).json();
    let device = &json["workers"][0]["devices"][0];
    assert_eq!(device["free_vram"], 30_u64 << 30);
    assert_eq!(
        (&device["wanted_vram"], &device["vram"]),
        (&json!(40_u64 << 30), &json!(48_u64 << 30))
    );
    assert_eq!(device["held_by"][0]["jobs"], json!(["j1"]));
    assert_eq!((&device["fits"], &json["rivals"]), (&json!(false), &json!([])));
}

#[test]
fn a_project_that_has_used_less_is_named_and_so_is_a_device_out_of_service() {
    let mill = mill();
    let holds = mill.submit(&["--gpu", "1", "--", "sleep", "600"]);
    runs(&mill, &holds);
    let half = ["--gpu", "0.5", "--", "true"];
    mill.submit(&half);
    let third = mill.submit(&half);
    mill.submit(&["--project", "lab", "--gpu", "1", "--", "true"]);
    let told = mill.run(&["explain", &format!("{third}/0")]).with_code(0).out;
    let device = "GPU-fake-1  w1      nothing  0.5, 24 GiB  j1: all of it";
    assert!(told.contains(device), "{told}");
    let rival = "j4 of project lab goes first too: its project has used less of its share";
    assert!(told.contains(rival), "{told}");
    let told = mill.run(&["explain", "j4"]).with_code(0).out;
    assert!(!told.contains("goes first too"), "{told}");
    assert!(told.contains("GPU-fake-1: all of it is wanted, and a part is taken"), "{told}");

    let reason = ["--reason", "the fan is loud"];
    let quarantine = ["devices", "quarantine", "w1", "GPU-fake-1"];
    mill.run(&[&quarantine[..], &reason[..]].concat()).with_code(0);
    let told = mill.run(&["explain", "j4"]).with_code(0).out;
    assert!(told.contains("w1      miller  no             GPU-fake-1 is out of service"), "{told}");
    assert!(told.ends_with("out of service: the fan is loud\n"), "{told}");
}

#[test]
fn what_no_gpu_could_ever_hold_is_refused_with_amounts() {
    let mill = mill();
    let refused = mill.run(&["submit", "--vram", "82GiB", "--", "true"]).with_code(3);
    refused.says(&["needs 82 GiB of memory on device gpu, has 48 GiB"]);
    let refused = mill.run(&["submit", "--gpu", "2", "--", "true"]).with_code(3);
    refused.says(&["needs 2 device(s) of kind gpu, has 1 that fit"]);
}
