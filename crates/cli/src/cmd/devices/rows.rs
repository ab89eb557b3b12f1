//! Devices as lines of a table.

use gristmill_worker::device::foreign::{Verdict, Who};

use super::{Found, Shown, User};
use crate::output::{Table, bytes, counted, one_line};

/// Characters of a command that are shown; `--json` has all that is known.
const COMMAND: usize = 40;
/// Processes of a GPU that are named.
const NAMED: usize = 3;

/// What there is besides devices.
pub fn machine(found: &Found<'_>) -> String {
    let memory = match found.memory {
        0 => "unknown memory".into(),
        known => format!("{} of memory", bytes(known)),
    };
    let mut line = format!("{}, {memory}", counted(found.cpus.into(), "CPU"));
    if let Some(driver) = found.driver {
        line.push_str(&format!(", NVIDIA driver {driver}"));
    }
    if let Some(cuda) = found.cuda {
        line.push_str(&format!(" (CUDA {cuda})"));
    }
    line
}

/// The devices, if there are any.
pub fn table(found: &Found<'_>) -> Option<Table> {
    if found.gpus.is_empty() && found.declared.is_empty() {
        return None;
    }
    let headings = ["device", "model", "vram", "busy", "temp", "power", "used by", "state"];
    let mut table = Table::new(headings);
    for gpu in &found.gpus {
        table.row([
            gpu.gpu.uuid.clone(),
            gpu.gpu.name.clone(),
            vram(gpu),
            or_dash(gpu.sample.and_then(|sample| sample.utilization), |busy| format!("{busy}%")),
            or_dash(gpu.sample.and_then(|sample| sample.temperature), |heat| format!("{heat} C")),
            power(gpu),
            used_by(gpu),
            state(gpu),
        ]);
    }
    for one in found.declared {
        let vram = Some(one.vram).filter(|vram| *vram > 0);
        let dash = || "-".to_owned();
        let vram = or_dash(vram, bytes);
        let (model, state) = (one.kind.clone(), "declared".to_owned());
        table.row([one.id.clone(), model, vram, dash(), dash(), dash(), dash(), state]);
    }
    Some(table)
}

fn or_dash<T>(value: Option<T>, shown: impl Fn(T) -> String) -> String {
    value.map_or_else(|| "-".into(), shown)
}

fn vram(gpu: &Shown<'_>) -> String {
    let memory = gpu.sample.and_then(|sample| sample.memory);
    or_dash(memory, |memory| format!("{} / {}", bytes(memory.used), bytes(memory.total)))
}

fn power(gpu: &Shown<'_>) -> String {
    let Some(sample) = gpu.sample else { return "-".into() };
    let watts = |milliwatts: u32| milliwatts.div_ceil(1_000);
    match (sample.power, sample.power_limit) {
        (Some(power), Some(limit)) => format!("{} / {} W", watts(power), watts(limit)),
        (Some(power), None) => format!("{} W", watts(power)),
        (None, _) => "-".into(),
    }
}

fn used_by(gpu: &Shown<'_>) -> String {
    if gpu.used_by.is_empty() {
        let unknown = matches!(gpu.verdict, Verdict::PartlyUsed { who: Who::Unknown, .. });
        return if unknown { "somebody (not told here)".into() } else { "-".into() };
    }
    let mut users: Vec<String> = gpu.used_by.iter().take(NAMED).map(user).collect();
    if gpu.used_by.len() > NAMED {
        users.push(format!("{} more", gpu.used_by.len() - NAMED));
    }
    users.join("; ")
}

fn user(user: &User) -> String {
    let process = &user.process;
    let command = process.command.as_deref().map(|command| one_line(command, COMMAND));
    let mut line = command.unwrap_or_else(|| "a process".into());
    match &process.user {
        Some(name) => line.push_str(&format!(" ({name}, pid {})", process.pid)),
        None => line.push_str(&format!(" (pid {})", process.pid)),
    }
    if let Some(held) = user.bytes {
        line.push_str(&format!(" {}", bytes(held)));
    }
    line
}

fn state(gpu: &Shown<'_>) -> String {
    let mut state = match &gpu.verdict {
        Verdict::Unusable { reason } => return format!("unusable: {reason}"),
        Verdict::Free { .. } => "free".to_owned(),
        Verdict::PartlyUsed { free, .. } => format!("in use, {} free", bytes(*free)),
    };
    if let Some(holder) = &gpu.held_by {
        state.push_str(&format!(", taken by {holder}"));
    }
    if let Some(why) = gpu.sample.and_then(|sample| sample.slowed_by.as_deref())
        && !why.is_empty()
    {
        state.push_str(&format!(", slowed: {}", why.join(", ")));
    }
    state
}
