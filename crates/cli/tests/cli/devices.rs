//! `devices` and what `doctor` says of GPUs, on machines with and without a driver.

#[path = "../../../worker/tests/devices/mock.rs"]
pub mod mock;

use std::path::Path;
use std::process::Command;

use gristmill_worker::device::process::numbers_are_ours;

use crate::mill::{gristmill, run};
use mock::Mock;

const GPU: &str = "GPU-aaaa1111-0000-0000-0000-000000000001";

fn busy() -> String {
    format!(
        "driver 550.54.15\ncuda 12040\ngpu\nuuid {GPU}\nname NVIDIA H100 80GB HBM3\n\
         bus 00000000:41:00.0\nmode 0\ntotal 85520809984\nused 30000000000\nutilization 97\n\
         temperature 64\npower 349600\nlimit 700000\nthrottle 4\nprocess {} 30000000000\n",
        std::process::id()
    )
}

/// The binary on a machine with that library.
fn with(library: &Path, folder: &Path) -> Command {
    let mut command = gristmill(folder);
    command.env("GRISTMILL_NVML_LIBRARY", library).env_remove("CUDA_VISIBLE_DEVICES");
    command
}

#[test]
fn a_machine_without_a_driver_has_cpus_and_memory() {
    let folder = tempfile::tempdir().unwrap();
    let nothing = folder.path().join("libnothing.so");
    let done = run(with(&nothing, folder.path()).arg("devices")).with_code(0);
    assert!(done.out.contains(" CPU") && done.out.contains(" of memory"), "{}", done.out);
    assert_eq!(done.out.lines().count(), 1);
    assert!(done.err.starts_with("No NVIDIA driver here: "), "{}", done.err);

    let json = run(with(&nothing, folder.path()).args(["devices", "--json"])).with_code(0).json();
    assert!(json["cpus"].as_u64().unwrap() >= 1 && json["gpus"].as_array().unwrap().is_empty());
    assert!(json["notes"][0].as_str().unwrap().starts_with("No NVIDIA driver here: "));

    let doctor = run(with(&nothing, folder.path()).arg("doctor"));
    assert!(doctor.out.contains("note  gpus         No NVIDIA driver here: "), "{}", doctor.out);
}

#[test]
fn a_gpu_is_listed_with_what_becomes_of_it() {
    let mock = Mock::new(&busy());
    let done = run(with(&mock.library(), mock.root()).arg("devices")).with_code(0);
    assert_eq!(done.err, "");
    let lines: Vec<&str> = done.out.lines().collect();
    assert!(lines[0].ends_with("NVIDIA driver 550.54.15 (CUDA 12.4)"), "{}", done.out);
    assert!(lines[1].starts_with("DEVICE ") && lines[1].ends_with("  STATE"), "{}", done.out);
    let told =
        ["NVIDIA H100", "30.0 GB / 85.5 GB", "97%", "64 C", "350 / 700 W", "in use, 55.5 GB"];
    for word in told {
        assert!(lines[2].starts_with(GPU) && lines[2].contains(word), "{word}: {}", done.out);
    }
    assert!(lines[2].ends_with("slowed: power limit"), "{}", done.out);
    let pid = format!("pid {}", std::process::id());
    let named = numbers_are_ours(Path::new("/proc"));
    let user = if named { pid.as_str() } else { "somebody (not told here)" };
    assert!(lines[2].contains(user), "{user}: {}", done.out);

    let json = run(with(&mock.library(), mock.root()).args(["devices", "--json"])).with_code(0);
    let gpu = &json.json()["gpus"][0];
    assert_eq!(gpu["uuid"], GPU);
    assert_eq!(gpu["verdict"]["state"], "partly_used");
    assert_eq!(gpu["verdict"]["foreign"], 30_000_000_000_u64);
    assert_eq!(gpu["sample"]["temperature"], 64);
    assert_eq!(gpu["used_by"].as_array().unwrap().len(), usize::from(named));

    let doctor = run(with(&mock.library(), mock.root()).arg("doctor"));
    let line = "ok    gpus         1 device can be used, driver 550.54.15\n";
    assert!(doctor.out.contains(line), "{}", doctor.out);
}

#[test]
fn what_may_not_be_used_is_said_with_the_reason() {
    let mock = Mock::new(&busy().replace("mode 0", "mode 2"));
    let done = run(with(&mock.library(), mock.root()).arg("devices")).with_code(0);
    assert!(done.out.contains("unusable: its compute mode is PROHIBITED"), "{}", done.out);
    let doctor = run(with(&mock.library(), mock.root()).arg("doctor"));
    assert!(doctor.out.contains("note  gpus         0 devices can be used"), "{}", doctor.out);

    let hidden =
        run(with(&mock.library(), mock.root()).env("CUDA_VISIBLE_DEVICES", "").arg("devices"))
            .with_code(0);
    assert!(!hidden.out.contains("DEVICE"), "{}", hidden.out);
    hidden.says(&["CUDA_VISIBLE_DEVICES is empty: it shows no GPU", GPU]);

    let old =
        Mock::without(&busy().replace("550.54.15", "470.57.02"), &["nvmlDeviceGetMemoryInfo_v2"]);
    let doctor = run(with(&old.library(), old.root()).arg("doctor")).with_code(1);
    assert!(doctor.out.contains("BAD   gpus         The NVIDIA driver 470.57.02 is too old: 510"));
}

#[test]
fn devices_are_declared_and_excluded() {
    let mock = Mock::new(&busy());
    let listed = |args: &[&str]| run(with(&mock.library(), mock.root()).arg("devices").args(args));
    let done = listed(&["--exclude", "0", "--device", "tpu:2"]).with_code(0);
    assert!(done.out.contains("tpu-0") && done.out.contains("tpu-1"), "{}", done.out);
    assert!(!done.out.contains(GPU), "{}", done.out);
    done.says(&["Excluded by the operator: "]);
    let done = listed(&["--device", "gpu=GPU-fake-1,vram=16GiB"]).with_code(0);
    assert!(done.out.contains("GPU-fake-1") && done.out.contains("17.2 GB"), "{}", done.out);
    listed(&["--device", "tpu"]).with_code(2).says(&["`tpu` declares no device", "like tpu:2"]);
    listed(&["--device", "tpu:1", "--device", "tpu:1"]).with_code(2).says(&["declared twice"]);
}
