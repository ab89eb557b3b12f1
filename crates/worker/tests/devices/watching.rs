//! What GPUs do while they are watched: figures, processes, errors, and memory that comes back.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use gristmill_model::Time;
use gristmill_worker::device::foreign::{self, Ours, Verdict, Who};
use gristmill_worker::device::health::{self, Ear, Trouble};
use gristmill_worker::device::nvml::{Fault, Nvml};
use gristmill_worker::device::process;
use gristmill_worker::device::sample::{self, Sample, Work};
use gristmill_worker::device::vram::{Return, Step};
use tokio::sync::mpsc;

use crate::machine::{A, B, Machine, gpu, two};

const GIB: u64 = 1 << 30;

fn look(machine: &Machine, uuid: &str) -> Result<Sample, Fault> {
    sample::look(&Nvml::open(Some(&machine.mock.library())).unwrap(), uuid)
}

fn with(line: &str) -> String {
    gpu(A, 0, "c1") + line + "\n"
}

#[test]
fn every_figure_is_told() {
    let sample = look(&Machine::new(&two()), A).unwrap();
    assert_eq!(sample.memory.unwrap().total, 85_520_809_984);
    assert_eq!((sample.utilization, sample.jpeg_utilization), (Some(0), Some(0)));
    assert_eq!((sample.temperature, sample.power), (Some(31), Some(69_000)));
    assert_eq!(sample.power_limit, Some(700_000));
    assert_eq!(sample.slowed_by, Some(vec![]), "an idle GPU is not slowed");
    assert_eq!((sample.clock, sample.memory_clock), (Some(345), Some(2_619)));
    assert_eq!((sample.pcie_generation, sample.pcie_width), (Some(5), Some(16)));
    assert_eq!((sample.persistence, sample.processes), (Some(true), Some(vec![])));
    // SW power cap, and hot by the hardware's word.
    let slowed = look(&Machine::new(&two().replace("throttle 1", "throttle 0x44")), A).unwrap();
    assert_eq!(slowed.slowed_by, Some(vec!["too hot (hardware)", "power limit"]));
}

#[test]
fn a_figure_that_is_missing_is_missing_and_no_more() {
    let bare = format!("gpu\n uuid {A}\n bus 00000000:C1:00.0\n");
    let sample = look(&Machine::new(&bare), A).unwrap();
    assert_eq!(sample, Sample { processes: Some(vec![]), ..Sample::default() });
    for call in ["nvmlDeviceGetTemperature 4", "nvmlDeviceGetPowerUsage 999"] {
        let sample = look(&Machine::new(&with(&format!("fail {call}"))), A).unwrap();
        assert!(sample.temperature.is_none() || sample.power.is_none());
        assert!(sample.memory.is_some(), "{call}");
    }
}

#[test]
fn a_card_that_is_lost_fails_as_a_whole() {
    let lost = |state: &str| look(&Machine::new(state), A).unwrap_err().to_string();
    assert_eq!(lost(&with("fail nvmlDeviceGetTemperature 15")), "it has fallen off the bus");
    assert_eq!(lost(&with("fail nvmlDeviceGetHandleByUUID 15")), "it has fallen off the bus");
    let reset = lost(&with("fail nvmlDeviceGetMemoryInfo_v2 16"));
    assert_eq!(reset, "it must be reset before it is used");
    assert_eq!(lost(""), "it is not there any more");
}

#[test]
fn an_inventory_notices_what_is_lost_and_what_is_back() {
    let machine = Machine::new(&two());
    let mut inventory = machine.probe();
    machine.mock.tell(&(two() + "fail nvmlDeviceGetMemoryInfo_v2 15\n"));
    let samples = inventory.refresh();
    assert!(samples[A].is_ok() && samples[B].is_err());
    assert_eq!(inventory.offered().len(), 1);
    assert_eq!(inventory.gpus[0].unusable.as_deref(), Some("it has fallen off the bus"));
    machine.mock.tell(&two());
    inventory.refresh();
    assert_eq!(inventory.offered().len(), 2);
}

#[test]
fn processes_are_told_once_each_with_what_they_do() {
    let machine = Machine::new(&with(
        "process 10 1073741824\nprocess 11 -1\nmps 12 5\nprocess 12 5\ngraphics 13 7\n\
         graphics 10 1073741824\nused 2147483648",
    ));
    let processes = look(&machine, A).unwrap().processes.unwrap();
    let told: Vec<_> = processes.iter().map(|p| (p.pid, p.bytes, p.work)).collect();
    assert_eq!(
        told,
        [
            (10, Some(GIB), Work::Compute),
            (11, None, Work::Compute),
            (12, Some(5), Work::Mps),
            (13, Some(7), Work::Graphics),
        ]
    );
    machine.mock.tell(&with("fail nvmlDeviceGetComputeRunningProcesses_v3 4"));
    assert_eq!(look(&machine, A).unwrap().processes, None);
}

#[test]
fn others_on_a_gpu_are_named() {
    let state = |own: &str| {
        gpu(A, 0, "c1").replace("used 0", "used 42949672960") + "process 4711 32212254720\n" + own
    };
    let machine = Machine::new(&state(""));
    fs::create_dir(machine.path("proc/4711")).unwrap();
    fs::write(machine.path("proc/4711/cmdline"), "python3\0train.py\0").unwrap();
    let ours = Ours { pids: BTreeSet::from([10]), bytes: 10 * GIB };
    let verdict = |told| foreign::judge(look(&machine, A).as_ref(), &ours, told);
    let Verdict::PartlyUsed { foreign, who: Who::Processes(who), .. } = verdict(true) else {
        panic!("{:?}", verdict(true));
    };
    assert_eq!((foreign, who.len()), (40 * GIB, 1));
    let named = process::named(&machine.path("proc"), who[0].pid);
    assert_eq!(named.command.as_deref(), Some("python3 train.py"));

    machine.mock.tell(&state("process 10 10737418240\n"));
    let Verdict::PartlyUsed { foreign, .. } = verdict(true) else { panic!() };
    assert_eq!(foreign, 30 * GIB);
    let Verdict::PartlyUsed { foreign, who: Who::Unknown, .. } = verdict(false) else { panic!() };
    assert_eq!(foreign, 30 * GIB, "in a container our booked bytes stand for ours");

    machine.mock.tell("");
    assert!(matches!(verdict(true), Verdict::Unusable { .. }));
}

#[test]
fn memory_is_waited_for() {
    let machine = Machine::new(&with("process 10 1073741824").replace("used 0", "used 1073741824"));
    let wait = Return::begin(Time(0), BTreeSet::from([10]), 0);
    let step = || wait.look(Time(0), look(&machine, A).ok().as_ref());
    assert!(matches!(step(), Step::Again(_)));
    machine.mock.tell(&gpu(A, 0, "c1"));
    assert_eq!(step(), Step::Back);
}

const SOON: Duration = Duration::from_millis(5);
const LONG: Duration = Duration::from_secs(30);

fn both() -> BTreeSet<String> {
    BTreeSet::from([A.into(), B.into()])
}

#[test]
fn errors_are_heard_and_judged() {
    let machine = Machine::new(&two());
    let nvml = Nvml::open(Some(&machine.mock.library())).unwrap();
    let ear = Ear::open(&nvml, &both()).unwrap();
    assert_eq!(ear.hear(SOON), Ok(None));
    machine.mock.tell(&(String::from("event 0 8 31\nevent 1 8 79\nevent 0 2 0\n") + &two()));
    let trouble = |gpu: &str, xid, out: Option<&str>| Trouble {
        gpu: Some(gpu.into()),
        xid,
        out_of_service: out.map(str::to_owned),
    };
    let heard = || ear.hear(LONG).unwrap().unwrap();
    assert_eq!(heard(), trouble(A, Some(31), None), "a program's fault");
    let bus = "Xid 79, the GPU has fallen off the bus";
    assert_eq!(heard(), trouble(B, Some(79), Some(bus)));
    assert_eq!(heard(), trouble(A, None, Some("double-bit ECC error: it needs a reset")));
    assert_eq!(ear.hear(SOON), Ok(None), "each is told once");

    machine.mock.tell(&(String::from("fail nvmlEventSetWait_v2 15\n") + &two()));
    assert!(matches!(ear.hear(LONG), Err(Fault::Lost(_))), "nobody says which");
    machine.mock.tell(&(String::from("fail nvmlEventSetWait_v2 999\n") + &two()));
    assert!(ear.hear(LONG).is_err());
}

#[test]
fn a_gpu_that_tells_nothing_does_not_silence_the_others() {
    let silent = [
        "fail nvmlDeviceRegisterEvents 3",
        "fail nvmlDeviceRegisterEvents 999",
        "fail nvmlDeviceGetSupportedEventTypes 3",
        "events 0",
    ];
    for line in silent {
        let machine = Machine::new(&format!("event 1 8 48\n{}{}", with(line), gpu(B, 1, "41")));
        let nvml = Nvml::open(Some(&machine.mock.library())).unwrap();
        let ear = Ear::open(&nvml, &both()).unwrap();
        assert!(ear.notes.len() == 1 && ear.notes[0].contains(A), "{:?}", ear.notes);
        assert_eq!(ear.hear(LONG).unwrap().unwrap().gpu.as_deref(), Some(B), "{line}");
    }
}

#[test]
fn where_nothing_can_be_heard_nobody_listens() {
    use crate::mock::Mock;
    for lacks in ["nvmlEventSetFree", "nvmlEventSetCreate", "nvmlDeviceRegisterEvents"] {
        let mock = Mock::without(&two(), &[lacks]);
        let nvml = Nvml::open(Some(&mock.library())).unwrap();
        assert!(Ear::open(&nvml, &both()).is_none(), "{lacks}");
    }
}

#[test]
fn a_gpu_that_is_lost_does_not_silence_the_others() {
    let machine = Machine::new(&two());
    let inventory = machine.probe();
    let (out, mut troubles) = mpsc::channel(4);
    health::listen(&inventory, out).unwrap();
    let lost = "fail nvmlDeviceGetMemoryInfo_v2 15\nfail nvmlEventSetWait_v2 15";
    let rest = with(lost) + &gpu(B, 1, "41");
    machine.mock.tell(&rest);
    let trouble = troubles.blocking_recv().unwrap();
    assert_eq!(trouble.gpu.as_deref(), Some(A));
    assert_eq!(trouble.out_of_service.as_deref(), Some("it has fallen off the bus"));

    machine.mock.tell(&(String::from("event 1 8 48\n") + &rest));
    let trouble = troubles.blocking_recv().unwrap();
    assert_eq!((trouble.gpu.as_deref(), trouble.xid), (Some(B), Some(48)));
}

#[test]
fn a_thread_listens_until_nobody_wants_to_know() {
    let machine = Machine::new(&two());
    let inventory = machine.probe();
    let (out, mut troubles) = mpsc::channel(4);
    health::listen(&inventory, out).unwrap();
    machine.mock.tell(&(String::from("event 0 8 94\n") + &two()));
    let trouble = troubles.blocking_recv().unwrap();
    assert_eq!((trouble.xid, trouble.out_of_service), (Some(94), None));

    machine.mock.tell(&(String::from("fail nvmlEventSetWait_v2 999\n") + &two()));
    assert_eq!(troubles.blocking_recv(), None, "it has ended");

    let nothing = Machine::new("fail nvmlInit_v2 9\n").probe();
    let (out, mut troubles) = mpsc::channel(4);
    health::listen(&nothing, out).unwrap();
    assert_eq!(troubles.blocking_recv(), None);
}
