//! What a worker offers beside the built-in handlers: functions of Python files and ONNX models,
//! each kept loaded in sessions. A host is asked what an entry is; what the command line says goes
//! before what the author wrote.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use gristmill_model::Span;
use gristmill_model::host::Described;
use gristmill_model::pipeline::{Handler, PipelineSpec, SessionSpec, StageSpec};
use gristmill_model::resources::{DeviceRequest, Resources, WHOLE};
use gristmill_model::retry::RetryPolicy;
use gristmill_worker::{DescribeError, SessionWork, describe};

use super::python;
use crate::cmd::submit::quantities::{cpus, size};
use crate::error::{Error, Result};

/// How what is offered is run.
#[derive(Debug, Default, clap::Args)]
pub struct Offers {
    /// Run an ONNX model; may be given again
    #[arg(long, value_name = "MODEL")]
    onnx: Vec<String>,
    /// GPUs for each session: whole ones, or a part of one as 0.5
    #[arg(long, value_name = "N", value_parser = gpus)]
    gpu: Option<u32>,
    /// Video memory for each session: with --gpu what a GPU must have, without it what is booked
    #[arg(long, value_name = "SIZE", value_parser = size)]
    vram: Option<u64>,
    /// CPUs for each session [default: 1]
    #[arg(long = "session-cpus", value_name = "N", value_parser = cpus)]
    session_cpus: Option<u32>,
    /// Jobs of one call at most
    #[arg(long, value_name = "N")]
    batch: Option<u32>,
    /// How long a call waits for more jobs
    #[arg(long, value_name = "SPAN")]
    batch_wait: Option<Span>,
    /// A call may take this long
    #[arg(long, value_name = "SPAN")]
    timeout: Option<Span>,
    /// What jobs call it, where one thing is offered [default: the function's or the file's name]
    #[arg(long = "as", value_name = "NAME")]
    called: Option<String>,
    /// Keep its sessions on their GPUs, also where others need them
    #[arg(long)]
    pin: bool,
    /// How long a session may take to load [default: 10m]
    #[arg(long, value_name = "SPAN")]
    start_timeout: Option<Span>,
    /// A session that says nothing for this long is taken for hung [default: 1m]
    #[arg(long, value_name = "SPAN")]
    hang_timeout: Option<Span>,
    /// The Python that runs .py files [default: the active environment's, that beside this program,
    /// or python3]
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    /// Another host for entries, which speaks docs/reference/session-protocol.md
    #[arg(long, value_name = "PROGRAM", conflicts_with = "python")]
    host: Option<PathBuf>,
    /// The ONNX Runtime library [default: looked for, see docs/how-to/onnx.md]
    #[arg(long, value_name = "PATH")]
    onnx_runtime: Option<PathBuf>,
}

impl Offers {
    /// Whether anything is offered beside entries.
    pub fn any(&self) -> bool {
        !self.onnx.is_empty()
    }

    /// Asks hosts what the entries are, and says what to do with them.
    pub async fn gather(&self, entries: &[String]) -> Result<Vec<SessionWork>> {
        let folder =
            std::env::current_dir().map_err(|error| Error::file("use", Path::new("."), &error))?;
        let mut gathered = Vec::new();
        for entry in entries {
            let host = match &self.host {
                Some(program) => vec![program.into()],
                None => python::host(self.python.as_deref(), entry)?,
            };
            gathered.push(self.offer(host, entry, &folder).await?);
        }
        for model in &self.onnx {
            gathered.push(self.offer(self.onnx_host()?, model, &folder).await?);
        }
        self.name(gathered)
    }

    fn onnx_host(&self) -> Result<Vec<OsString>> {
        let own = std::env::current_exe()
            .map_err(|error| Error::internal(format!("cannot find this program: {error}")))?;
        let mut host = vec![own.into(), "host".into(), "onnx".into()];
        if let Some(runtime) = &self.onnx_runtime {
            host.extend(["--runtime".into(), runtime.into()]);
        }
        Ok(host)
    }

    async fn offer(&self, host: Vec<OsString>, entry: &str, folder: &Path) -> Result<SessionWork> {
        let described = describe(&host, entry, folder).await.map_err(|why| refused(entry, why))?;
        let pipeline = self.pipeline(described)?;
        let run: Vec<OsString> = host.into_iter().chain(["run".into()]).collect();
        let usual = SessionWork::new(run, entry, folder.to_owned(), pipeline);
        Ok(SessionWork {
            start: self.start_timeout.map_or(usual.start, Span::to_std),
            silence: self.hang_timeout.map_or(usual.silence, Span::to_std),
            ..usual
        })
    }

    /// A name for one thing; two of one name would be one.
    fn name(&self, mut gathered: Vec<SessionWork>) -> Result<Vec<SessionWork>> {
        match (&self.called, &mut gathered[..]) {
            (None, _) => {}
            (Some(name), [only]) => {
                only.name.clone_from(name);
                only.pipeline.name.clone_from(name);
                for stage in &mut only.pipeline.stages {
                    stage.name.clone_from(name);
                    if let Handler::Session(spec) = &mut stage.handler {
                        spec.name.clone_from(name);
                    }
                }
            }
            (Some(_), several) => {
                let message = format!("--as names one thing, and {} are offered", several.len());
                return Err(Error::usage(message));
            }
        }
        for (place, work) in gathered.iter().enumerate() {
            if gathered[..place].iter().any(|earlier| earlier.name == work.name) {
                return Err(Error::usage(format!(
                    "two of what is offered are called `{}`",
                    work.name
                ))
                .hint("start a worker for each, and give one of them a name with --as"));
            }
            work.pipeline.check().map_err(|why| Error::usage(why.detail))?;
        }
        Ok(gathered)
    }

    fn pipeline(&self, described: Described) -> Result<PipelineSpec> {
        let signature = serde_json::to_string(&described.signature)
            .map_err(|error| Error::internal(format!("a signature is no JSON: {error}")))?;
        let session = SessionSpec {
            name: described.name.clone(),
            batch: self.batch.unwrap_or(described.batch),
            batch_wait: self.batch_wait.unwrap_or(Span::millis(described.batch_wait_ms)),
            pinned: self.pin || described.pinned,
            data: described.data.iter().map(|name| (name.clone(), None)).collect(),
            signature: Some(signature),
        };
        let stage = StageSpec::new(described.name.clone(), Handler::Session(session));
        let attempts = described.attempts.unwrap_or(stage.retry.attempts);
        let stage = StageSpec {
            resources: self.resources(&described),
            timeout: self.timeout.or(described.timeout_ms.map(Span::millis)),
            retry: RetryPolicy { attempts, ..stage.retry },
            ..stage
        };
        Ok(PipelineSpec { name: described.name, stages: vec![stage] })
    }

    fn resources(&self, described: &Described) -> Resources {
        let gpus = self.gpu.or(described.gpus).unwrap_or(0);
        let vram = self.vram.or(described.vram).unwrap_or(0);
        let devices = device_request(gpus, vram).into_iter().collect();
        Resources {
            cpus: self.session_cpus.or(described.cpus).unwrap_or(1_000),
            memory: described.memory.unwrap_or(0),
            devices,
            ..Resources::default()
        }
    }
}

/// What so many thousandths of GPUs, and so much video memory, ask for.
pub fn device_request(gpus: u32, vram: u64) -> Option<DeviceRequest> {
    let (count, share) = match gpus {
        0 if vram == 0 => return None,
        part if part < WHOLE => (1, part),
        whole => (whole / WHOLE, WHOLE),
    };
    Some(DeviceRequest { kind: "gpu".into(), count, vram, share })
}

/// Reads how many GPUs: whole ones, or a part of one, as thousandths.
pub fn gpus(text: &str) -> std::result::Result<u32, String> {
    let thousandths = cpus(text)?;
    if thousandths > WHOLE && !thousandths.is_multiple_of(WHOLE) {
        return Err("expected whole GPUs, as 2, or a part of one, as 0.5".into());
    }
    Ok(thousandths)
}

fn refused(entry: &str, why: DescribeError) -> Error {
    let error = Error::usage(format!("cannot offer {entry}: {why}"));
    match &why {
        DescribeError::Refused(words) if words.contains("No module named gristmill") => error.hint(
            "install the package there with `pip install gristmill`, or name another \
                        Python with --python",
        ),
        DescribeError::NotStarted(..) => error.hint("name a Python with --python"),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gpus_are_whole_or_a_part_of_one() {
        assert_eq!((gpus("1"), gpus("0.5"), gpus("2")), (Ok(1_000), Ok(500), Ok(2_000)));
        assert!(gpus("1.5").unwrap_err().contains("whole GPUs"));
        assert_eq!(device_request(0, 0), None);
        let part = device_request(500, 0).unwrap();
        assert_eq!((part.count, part.share, part.vram), (1, 500, 0));
        let memory = device_request(0, 7).unwrap();
        assert_eq!((memory.count, memory.share, memory.vram), (1, 0, 7));
        let two = device_request(2_000, 7).unwrap();
        assert_eq!((two.count, two.share, two.vram), (2, WHOLE, 7));
    }
}
