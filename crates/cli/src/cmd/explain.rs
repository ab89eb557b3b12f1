//! `gristmill explain ID`: why a job is where it is, in the scheduler's own words.

use gristmill_model::api::{
    DeviceVerdict, Explanation, GivesWay, Holder, JobAt, Rival, WorkerVerdict,
};
use gristmill_model::booking;
use gristmill_model::problem::exit;
use gristmill_model::resources::{WHOLE, named};

use crate::args::{Connection, Context};
use crate::error::Result;
use crate::output::{Output, Table, ago, ahead_of_us, counted};

/// Say why a job is where it is: what it waits for, behind whom, and what each worker and device
/// lacks
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The job, like j17, or b3/17 for the job at place 17 of batch b3
    id: JobAt,
    #[command(flatten)]
    connection: Connection,
}

pub async fn run(context: &Context, args: &Args) -> Result<u8> {
    let output = context.output;
    let why = args.connection.client(&context.settings)?.explain(args.id).await?;
    if output.json {
        output.json(&why)?;
        return Ok(exit::OK);
    }
    print(context, &why)?;
    Ok(exit::OK)
}

fn print(context: &Context, why: &Explanation) -> Result<()> {
    let output = context.output;
    let since = why.since.map_or_else(String::new, |time| format!(" (since {})", ago(time)));
    let head = format!("{} is {}{since}", why.job, output.state(why.state));
    // Of several things that are waited for each gets a line of its own.
    if why.waits_for.len() > 1 {
        output.line(format!("{head}: it waits for {} things", why.waits_for.len()))?;
        why.waits_for.iter().try_for_each(|reason| output.line(format!("  - {reason}")))?;
    } else {
        output.line(format!("{head}: {}", why.summary))?;
    }
    print_queue(output, why)?;
    if let Some(at) = why.estimated_start {
        // What waits only for a time is promised no more than that it does not begin before.
        let how = if why.ahead.is_some() { "at the pace of late" } else { "at the earliest" };
        output.line(format!("{how} it would begin {}", ahead_of_us(at)))?;
    }
    why.would_help.iter().try_for_each(|help| output.line(format!("would help: {help}")))?;
    if !why.workers.is_empty() {
        workers(&why.workers).print(output)?;
    }
    match devices(&why.workers) {
        Some(table) => table.print(output),
        None => Ok(()),
    }
}

/// Who goes first: in its own line, in other lines, and for the sake of a session that is loaded.
fn print_queue(output: Output, why: &Explanation) -> Result<()> {
    if let Some(ahead) = why.ahead.filter(|ahead| *ahead > 0) {
        let verb = if ahead == 1 { "goes" } else { "go" };
        let mut first: Vec<String> = why.behind.iter().map(ToString::to_string).collect();
        if !first.is_empty() && ahead > first.len() as u64 {
            first.push("…".into());
        }
        let which =
            if first.is_empty() { String::new() } else { format!(": {}", first.join(", ")) };
        output.line(format!("{} {verb} first{which}", counted(ahead, "job")))?;
    }
    for Rival { job, project, reason } in &why.rivals {
        output.line(format!("{job} of project {project} goes first too: {reason}"))?;
    }
    for worker in &why.workers {
        let Some(GivesWay { session, job, until }) = &worker.gives_way else { continue };
        let (worker, when) = (worker.worker, ahead_of_us(*until));
        let jobs = format!("jobs of session {session}, which is loaded on {worker}, go first");
        output.line(format!("{jobs}, next {job}; this one is before them {when} at the latest"))?;
    }
    Ok(())
}

fn workers(verdicts: &[WorkerVerdict]) -> Table {
    let mut table = Table::new(["worker", "name", "could take it", "why"]);
    for verdict in verdicts {
        let fits = if verdict.fits { "yes" } else { "no" };
        let (name, reason) = (verdict.name.clone(), verdict.reason.clone());
        table.row([verdict.worker.to_string(), name, fits.into(), reason]);
    }
    table
}

/// Devices that would do and what of them is to be had, where there are any.
fn devices(verdicts: &[WorkerVerdict]) -> Option<Table> {
    let with_devices = verdicts.iter().filter(|verdict| !verdict.devices.is_empty());
    let mut with_devices = with_devices.peekable();
    with_devices.peek()?;
    let mut table = Table::new(["device", "worker", "free", "wanted", "who has the rest"]);
    for verdict in with_devices {
        let worker = verdict.worker.to_string();
        for device in &verdict.devices {
            let id = device.device.clone();
            table.row([id, worker.clone(), free(device), wanted(device), rest(device)]);
        }
        if verdict.more_devices > 0 {
            let more = format!("… {} more", verdict.more_devices);
            table.row([more, worker, String::new(), String::new(), String::new()]);
        }
    }
    Some(table)
}

fn free(device: &DeviceVerdict) -> String {
    let memory = booking::part_of(device.free_vram, device.vram);
    let share = named::amount(device.free_share);
    match (device.vram, device.wanted_share) {
        (_, 1..) if device.free_share == 0 => "nothing".into(),
        (0, _) => share,
        (_, 0) => memory,
        _ => format!("{share}, {memory}"),
    }
}

fn wanted(device: &DeviceVerdict) -> String {
    let memory = booking::size(device.wanted_vram);
    match (device.wanted_share, device.wanted_vram) {
        (0, _) => memory,
        (WHOLE, 0) => "all".into(),
        (WHOLE, _) => format!("all, at least {memory}"),
        (share, 0) => named::amount(share),
        (share, _) => format!("{}, {memory}", named::amount(share)),
    }
}

fn rest(device: &DeviceVerdict) -> String {
    if let Some(why) = &device.quarantined {
        return format!("out of service: {why}");
    }
    let mut holders: Vec<String> = device.held_by.iter().map(holder).collect();
    if device.more_holders > 0 {
        holders.push(format!("{} more", device.more_holders));
    }
    if device.foreign > 0 {
        holders.push(format!("others: {}", booking::size(device.foreign)));
    }
    match &device.hot {
        Some(session) => holders.push(format!("nobody; session {session} is loaded, and leaves")),
        None if holders.is_empty() => holders.push("nobody".into()),
        None => {}
    }
    holders.join("; ")
}

fn holder(holder: &Holder) -> String {
    let mut jobs: Vec<String> = holder.jobs.iter().map(ToString::to_string).collect();
    if holder.more_jobs > 0 {
        jobs.push(format!("{} more", holder.more_jobs));
    }
    let pinned = if holder.pinned { "pinned, " } else { "" };
    let who = match (&holder.session, jobs.is_empty()) {
        (None, _) => jobs.join(", "),
        (Some(session), true) => format!("session {session} ({pinned}idle)"),
        (Some(session), false) => {
            format!("session {session} ({pinned}busy with {})", jobs.join(", "))
        }
    };
    match (holder.share, holder.vram) {
        (WHOLE, _) => format!("{who}: all of it"),
        (share, 0) => format!("{who}: {}", named::amount(share)),
        (0, vram) => format!("{who}: {}", booking::size(vram)),
        (share, vram) => format!("{who}: {}, {}", named::amount(share), booking::size(vram)),
    }
}
