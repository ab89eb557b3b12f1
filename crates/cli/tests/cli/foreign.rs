//! Workers whose GPU somebody else uses: they wait until it is free, or refuse it until a person
//! has put it back.

use std::process::{Child, Command};

use serde_json::Value;

use crate::devices::mock::Mock;
use crate::mill::{Mill, signal, until};

/// A machine with one GPU, of which `used` bytes are had by `pid`.
fn machine(gpu: &str, used: u64, pid: Option<u32>) -> String {
    let process = pid.map_or_else(String::new, |pid| format!("process {pid} {used}\n"));
    format!(
        "driver 550.54.15\ncuda 12040\ngpu\nuuid {gpu}\nname H100\nbus 00000000:41:00.0\nmode 0\n\
         total 85520809984\nused {used}\nutilization 0\n{process}"
    )
}

/// Somebody who uses a GPU; ended with the test.
struct Other(Child);

impl Other {
    fn start() -> Other {
        Other(Command::new("sleep").arg("600").spawn().unwrap())
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        signal(self.0.id(), libc::SIGKILL);
        self.0.wait().ok();
    }
}

/// A server and a worker with that machine's GPU.
fn mill(mock: &Mock, policy: &str) -> Mill {
    let mut mill = Mill::server();
    let mut work = mill.command(&["work", "--cpus", "2", "--foreign", policy]);
    work.env("GRISTMILL_NVML_LIBRARY", mock.library()).env_remove("CUDA_VISIBLE_DEVICES");
    mill.join(work);
    mill
}

/// Why the GPU is out of service, if it is.
fn reason(mill: &Mill) -> Option<String> {
    let done = mill.run(&["devices", "--server", &mill.url, "--json"]).with_code(0);
    let device: Value = serde_json::from_str(done.out.lines().next()?).unwrap();
    device["quarantined"]["reason"].as_str().map(str::to_owned)
}

const OTHERS: u64 = 30_000_000_000;

#[test]
fn a_gpu_that_others_use_waits_for_them_to_leave() {
    let gpu = "GPU-f0e1aaaa-0000-0000-0000-000000000001";
    let other = Other::start();
    let mock = Mock::new(&machine(gpu, OTHERS, Some(other.0.id())));
    let mill = mill(&mock, "wait");
    until("it is seen", || reason(&mill).is_some_and(|why| why.starts_with("others use it")));

    // A person may put it back; that others are there is seen all the same.
    mill.run(&["devices", "return", "w1", gpu]).with_code(0);
    until("it is seen again", || reason(&mill).is_some_and(|why| why.starts_with("others use it")));

    mock.tell(&machine(gpu, 0, None));
    until("they have left", || reason(&mill).is_none());
    mill.run(&["submit", "--gpu", "1", "--wait", "--", "true"]).with_code(0);
}

#[test]
fn a_gpu_that_is_refused_stays_out_until_a_person_puts_it_back() {
    let gpu = "GPU-f0e1aaaa-0000-0000-0000-000000000002";
    let mock = Mock::new(&machine(gpu, 0, None));
    let mill = mill(&mock, "refuse");
    mill.run(&["submit", "--gpu", "1", "--wait", "--", "true"]).with_code(0);

    let other = Other::start();
    mock.tell(&machine(gpu, OTHERS, Some(other.0.id())));
    until("it is seen", || reason(&mill).is_some());
    drop(other);
    mock.tell(&machine(gpu, 0, None));
    // Four looks, of which three would do for a worker that waits.
    std::thread::sleep(gristmill_model::limits::DEVICE_LOOK.to_std() * 4);
    assert!(reason(&mill).is_some_and(|why| why.starts_with("others use it")));

    mill.run(&["devices", "return", "w1", gpu]).with_code(0);
    mill.run(&["submit", "--gpu", "1", "--wait", "--", "true"]).with_code(0);
    assert_eq!(reason(&mill), None);
}

#[test]
fn a_gpu_whose_lock_was_taken_away_goes_out_of_service() {
    let gpu = "GPU-f0e1aaaa-0000-0000-0000-000000000003";
    let mock = Mock::new(&machine(gpu, 0, None));
    let mill = mill(&mock, "wait");
    mill.run(&["submit", "--gpu", "1", "--wait", "--", "true"]).with_code(0);
    for folder in gristmill_worker::device::lock::FOLDERS {
        std::fs::remove_file(format!("{folder}/{gpu}.lock")).ok();
    }
    until("it is seen", || reason(&mill).is_some_and(|why| why.contains("lock was removed")));
}
