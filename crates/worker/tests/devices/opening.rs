//! The library is there or it is not, and why not is one line that helps.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use gristmill_worker::device::nvml::{NoNvml, Nvml};

use crate::mock::Mock;

fn refusal(library: &Path) -> NoNvml {
    Nvml::open(Some(library)).unwrap_err()
}

#[test]
fn a_library_that_is_there_tells_its_versions() {
    let mock = Mock::new("driver 570.86.15\ncuda 12080\n");
    let nvml = Nvml::open(Some(&mock.library())).unwrap();
    assert_eq!((nvml.driver(), nvml.cuda()), ("570.86.15", Some("12.8")));
}

/// A library that needs another one, which is not there.
fn needy(folder: &Path) -> PathBuf {
    let (needed, needy) = (folder.join("libneeded.so"), folder.join("libneedy.so"));
    let build = |library: &Path, needs: &[&Path]| {
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-Wl,--no-as-needed", "-x", "c", "/dev/null", "-x", "none", "-o"]);
        assert!(cc.arg(library).args(needs).status().unwrap().success());
    };
    build(&needed, &[]);
    build(&needy, &[&needed]);
    fs::remove_file(needed).unwrap();
    needy
}

#[test]
fn no_driver_and_a_broken_one_are_told_apart() {
    let mock = Mock::new("");
    let absent = refusal(&mock.root().join("libnothing.so.1"));
    assert!(matches!(absent, NoNvml::NoDriver { .. }), "{absent:?}");
    assert!(absent.to_string().starts_with("No NVIDIA driver here: "), "{absent}");

    let named = refusal(Path::new("libnothing-of-the-kind.so.1"));
    assert!(matches!(named, NoNvml::NoDriver { .. }), "{named:?}");

    let broken = mock.root().join("libbroken.so.1");
    fs::write(&broken, "no library at all").unwrap();
    let broken = refusal(&broken);
    assert!(matches!(broken, NoNvml::Broken { .. }), "{broken:?}");
    let needy = refusal(&needy(mock.root()));
    assert!(matches!(&needy, NoNvml::Broken { why, .. } if why.contains("libneeded")), "{needy:?}");
    let empty = refusal(&Mock::without("", &["nvmlInit_v2"]).library());
    assert!(empty.to_string().contains("lacks nvmlInit_v2"), "{empty}");
}

#[test]
fn a_missing_call_is_an_old_driver_or_a_broken_library() {
    let processes = "nvmlDeviceGetComputeRunningProcesses_v3";
    let old = refusal(&Mock::without("driver 470.57.02\n", &[processes]).library());
    assert_eq!(
        old.to_string(),
        format!(
            "The NVIDIA driver 470.57.02 is too old: 510 or newer is needed (it lacks {processes})"
        )
    );
    for lacks in [processes, "nvmlDeviceGetMemoryInfo_v2", "nvmlShutdown"] {
        let broken = refusal(&Mock::without("driver 550.54.15\n", &[lacks]).library());
        assert!(broken.to_string().contains(&format!("it lacks {lacks}")), "{broken}");
    }
}

#[test]
fn what_nvml_says_at_its_start_is_told_in_words() {
    let says = |code: u32| refusal(&Mock::new(&format!("fail nvmlInit_v2 {code}\n")).library());
    assert_eq!(says(9), NoNvml::NotLoaded);
    assert_eq!(says(4), NoNvml::Denied);
    assert_eq!(says(18), NoNvml::Mismatch);
    assert_eq!(says(999), NoNvml::Failed("an internal driver error occurred".into()));
    assert!(says(12_345).to_string().contains("12345"));
}
