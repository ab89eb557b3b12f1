//! What there is, what of it may be used, and why not the rest.

use std::fs;

use gristmill_worker::device::declared::Declared;
use gristmill_worker::device::gpu::Mode;
use gristmill_worker::device::inventory::{Inventory, Options};

use crate::machine::{A, B, Machine, gpu, two};

fn uuids(inventory: &Inventory) -> Vec<&str> {
    inventory.gpus.iter().map(|gpu| gpu.uuid.as_str()).collect()
}

fn offered(inventory: &Inventory) -> Vec<String> {
    inventory.offered().into_iter().map(|device| device.id).collect()
}

#[test]
fn two_gpus_are_described_in_the_order_of_their_addresses() {
    let machine = Machine::new(&two());
    let inventory = machine.probe();
    assert_eq!(inventory.notes, [""; 0]);
    assert_eq!(inventory.driver.as_deref(), Some("550.54.15"));
    assert_eq!(inventory.cuda.as_deref(), Some("12.4"));
    assert_eq!(uuids(&inventory), [B, A]);
    let first = &inventory.gpus[0];
    assert_eq!((first.bus.as_str(), first.minor), ("0000:41:00.0", Some(1)));
    assert_eq!((first.index, first.capability.as_deref()), (1, Some("9.0")));
    assert_eq!((first.near.numa_node, first.near.cpus.len()), (Some(1), 8));
    assert_eq!((first.mode, first.slots), (Mode::Shared, None));
    let device = &inventory.offered()[0];
    assert_eq!((device.kind.as_str(), device.vram), ("gpu", 85_520_809_984));
}

#[test]
fn a_machine_without_a_driver_offers_what_is_declared() {
    let machine = Machine::new("");
    let library = Some(machine.path("nothing.so"));
    let declared =
        |kind: &str, id: &str| Declared { kind: kind.into(), id: id.into(), vram: 7, slots: 0 };
    let declared = vec![declared("tpu", "tpu-0"), declared("gpu", "GPU-fake-1")];
    let inventory = Inventory::probe(Options { library, declared, ..machine.options() });
    assert_eq!(offered(&inventory), ["tpu-0", "GPU-fake-1"]);
    assert_eq!(inventory.notes.len(), 1);
    assert!(inventory.notes[0].starts_with("No NVIDIA driver here: "), "{:?}", inventory.notes);
}

#[test]
fn a_driver_without_gpus_says_so() {
    let machine = Machine::new("driver 550.54.15\n");
    assert_eq!(machine.probe().notes, ["The NVIDIA driver 550.54.15 finds no GPU"]);
    let visible = Some("0".into());
    let notes = Inventory::probe(Options { visible, ..machine.options() }).notes;
    assert_eq!(notes.len(), 1, "there is nothing that could be hidden: {notes:?}");
    machine.mock.tell("fail nvmlDeviceGetCount_v2 999\n");
    let notes = machine.probe().notes;
    assert_eq!(notes, ["GPUs cannot be counted: an internal driver error occurred"]);
}

#[test]
fn a_gpu_that_cannot_be_looked_at_does_not_hide_the_others() {
    let broken = gpu(A, 0, "c1") + "fail nvmlDeviceGetHandleByIndex_v2 15\n";
    let machine = Machine::new(&(broken + &gpu(B, 1, "41")));
    let inventory = machine.probe();
    assert_eq!(uuids(&inventory), [B]);
    assert_eq!(inventory.notes, ["GPU 0 is left out: it has fallen off the bus"]);
}

#[test]
fn the_environment_and_the_operator_hide_gpus() {
    let machine = Machine::new(&two());
    let visible = Some("0".into());
    let inventory = Inventory::probe(Options { visible, ..machine.options() });
    assert_eq!(uuids(&inventory), [B], "the first on the bus, not NVML's first");
    assert_eq!(inventory.notes, [format!("Hidden by CUDA_VISIBLE_DEVICES: {A}")]);

    let exclude = vec!["GPU-bbbb".to_owned()];
    let inventory = Inventory::probe(Options { exclude, ..machine.options() });
    assert_eq!(uuids(&inventory), [A]);
    assert_eq!(inventory.notes, [format!("Excluded by the operator: {B}")]);
}

#[test]
fn a_gpu_that_may_not_be_opened_is_shown_and_not_counted() {
    let machine = Machine::new(&two());
    fs::remove_file(machine.path("dev/nvidia1")).unwrap();
    let visible = Some("0".into());
    let mut inventory = Inventory::probe(Options { visible, ..machine.options() });
    assert_eq!(uuids(&inventory), [B, A]);
    assert_eq!(
        offered(&inventory),
        [A],
        "in a job of a batch system index 0 is the first of its own"
    );
    let why = inventory.gpus[0].unusable.clone().unwrap();
    assert!(why.contains("nvidia1 is not there"), "{why}");
    inventory.refresh();
    assert_eq!(inventory.gpus[0].unusable, Some(why), "a second look does not make it usable");
}

#[test]
fn the_compute_mode_is_honoured_and_never_changed() {
    let machine = Machine::new(&two().replacen("mode 0", "mode 2", 1));
    let mut inventory = machine.probe();
    assert_eq!(offered(&inventory), [B]);
    let prohibited = |inventory: &Inventory| inventory.gpus[1].unusable.clone();
    assert!(prohibited(&inventory).unwrap().contains("PROHIBITED"));

    machine.mock.tell(&two().replacen("mode 0", "mode 3", 1));
    inventory.refresh();
    assert_eq!(prohibited(&inventory), None);
    assert_eq!((inventory.gpus[1].mode, inventory.gpus[1].slots), (Mode::Exclusive, Some(1)));

    fs::create_dir(machine.path("pipes")).unwrap();
    fs::write(machine.path("pipes/control"), "").unwrap();
    inventory.refresh();
    assert_eq!((inventory.gpus[1].mps, inventory.gpus[1].slots), (true, None), "MPS shares it");
    fs::remove_file(machine.path("pipes/control")).unwrap();
    let client = two().replacen("mode 0", "mode 3\nmps 4711 1048576", 1);
    machine.mock.tell(&client);
    inventory.refresh();
    assert_eq!((inventory.gpus[1].mps, inventory.gpus[1].slots), (true, None), "a client shows it");
    machine.mock.tell(&two().replacen("mode 0", "mode 3", 1));
    inventory.refresh();
    assert_eq!((inventory.gpus[1].mps, inventory.gpus[1].slots), (false, Some(1)));
}

const FIRST: &str = "MIG-11111111-0000-0000-0000-000000000001";
const SECOND: &str = "MIG-22222222-0000-0000-0000-000000000002";

fn cut() -> String {
    let instance = |uuid: &str, gi: u32, jpegs: u32| {
        format!(
            "instance\n uuid {uuid}\n name NVIDIA H100 80GB HBM3 MIG 1g.10gb\n total 10200547328\n \
             used 0\n gi {gi}\n ci 0\n multiprocessors 16\n slices 1\n jpegs {jpegs}\n"
        )
    };
    two() + "mig 1\n" + &instance(FIRST, 7, 1) + &instance(SECOND, 8, 0)
}

#[test]
fn in_mig_mode_the_instances_are_used_and_the_gpu_is_not() {
    let machine = Machine::new(&cut());
    let mut inventory = machine.probe();
    assert_eq!(uuids(&inventory), [B, FIRST, SECOND, A]);
    assert_eq!(offered(&inventory), [FIRST, SECOND, A]);
    assert_eq!(
        inventory.gpus[0].unusable.as_deref(),
        Some("MIG mode is on: its instances are used")
    );
    let part = &inventory.gpus[1];
    let instance = part.instance.as_ref().unwrap();
    assert_eq!((part.vram, part.minor, part.whole()), (10_200_547_328, Some(1), B));
    assert_eq!((instance.gpu_instance, instance.compute_instance), (Some(7), Some(0)));
    assert_eq!((instance.multiprocessors, instance.slices), (Some(16), Some(1)));
    assert_eq!(instance.jpeg_engines, Some(1));
    assert_eq!(inventory.parts_of(B), [B, FIRST, SECOND]);
    let samples = inventory.refresh();
    assert!(samples[FIRST].is_ok());
    assert_eq!(offered(&inventory), [FIRST, SECOND, A], "a second look changes nothing");

    let only = |visible: &str| {
        let visible = Some(visible.to_owned());
        offered(&Inventory::probe(Options { visible, ..machine.options() }))
    };
    assert_eq!(only("0"), [FIRST, SECOND]);
    assert_eq!(only(&format!("MIG-{B}/8/0")), [SECOND]);
}

#[test]
fn a_gpu_in_mig_mode_without_instances_says_what_to_do() {
    let machine = Machine::new(&(two() + "mig 1\n"));
    let inventory = machine.probe();
    assert_eq!(offered(&inventory), [A]);
    assert!(inventory.gpus[0].unusable.as_ref().unwrap().contains("nvidia-smi mig -cgi"));
}

#[test]
fn all_of_it_can_be_told_as_json() {
    let inventory = Machine::new(&cut()).probe();
    let json = serde_json::to_value(&inventory).unwrap();
    assert_eq!(json["gpus"][1]["instance"]["parent"], B);
    assert_eq!(json["gpus"][1]["mode"], "shared");
    assert_eq!(json["driver"], "550.54.15");
    assert!(json.get("options").is_none() && json.get("nvml").is_none());
}
