//! `gristmill logs`: what a job printed, as it prints it, or what many did together; as JSON a line
//! for each of their lines.

use futures::{Stream, StreamExt};
use gristmill_model::api::{JobAt, LogLine, LogStream};
use gristmill_model::problem::exit;
use gristmill_model::{AttemptId, BatchId, WorkerId, limits};

use crate::args::{Connection, Context};
use crate::client::Client;
use crate::error::{Error, Result};

/// Print what jobs wrote to their standard output and standard error
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  gristmill logs j17 -f
  gristmill logs j17 --attempt a21
  gristmill logs --batch b3 -f
  gristmill logs --batch b3 --worker w2 --stream err --grep loss

Of one job the last attempt's output is shown, and where it failed if it did not print that itself;
`gristmill job ID` lists the attempts. Of a batch or a worker all attempts' output is shown in the
order of time, each line with its job and worker; with -f also of attempts that begin later.
With --json each line is told as {job, batch, index, attempt, worker, stream, at, text}.")]
pub struct Args {
    /// The job, like j17, or b3/17 for the job at place 17 of batch b3
    #[arg(conflicts_with_all = ["batch", "worker"])]
    id: Option<JobAt>,
    /// What all jobs of a batch printed
    #[arg(long, value_name = "ID")]
    batch: Option<BatchId>,
    /// What was printed at a worker
    #[arg(long, value_name = "ID")]
    worker: Option<WorkerId>,
    /// Go on printing until the job ends, the batch has finished or the worker has left
    #[arg(short, long)]
    follow: bool,
    /// Only this attempt of the job, like a21, instead of the last
    #[arg(long, value_name = "ID", conflicts_with_all = ["batch", "worker"])]
    attempt: Option<AttemptId>,
    /// Only one stream: out, err, worker (its own words) or traceback
    #[arg(long, value_name = "STREAM", value_parser = stream)]
    stream: Option<LogStream>,
    /// Only lines with this text in them
    #[arg(long, value_name = "TEXT")]
    grep: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

pub async fn run(context: &Context, args: &Args) -> Result<u8> {
    if args.id.is_none() && args.batch.is_none() && args.worker.is_none() {
        return Err(Error::usage("it is not said whose output is wanted")
            .hint("name a job, as in `gristmill logs j17`, or --batch b3, or --worker w2"));
    }
    let client = args.connection.client(&context.settings)?;
    match args.id {
        Some(job) => one(context, &client, job, args).await?,
        None => many(context, &client, args).await?,
    }
    Ok(exit::OK)
}

/// What one job printed, as the server hands it out.
async fn one(context: &Context, client: &Client, job: JobAt, args: &Args) -> Result<()> {
    let mut query = args.query();
    query.extend(args.attempt.map(|attempt| ("attempt", attempt.to_string())));
    let mut pieces = Box::pin(client.logs(job, &query, context.output.json).await?);
    while let Some(piece) = pieces.next().await {
        context.output.raw(&piece?)?;
    }
    Ok(())
}

/// What many jobs printed, a line after the other.
async fn many(context: &Context, client: &Client, args: &Args) -> Result<()> {
    let mut query = args.query();
    query.extend(args.batch.map(|batch| ("batch", batch.to_string())));
    query.extend(args.worker.map(|worker| ("worker", worker.to_string())));
    let pieces = client.joint_logs(&query).await?;
    let names = Names { job: !is_one_job(client, args).await?, worker: args.worker.is_none() };
    let mut lines = Box::pin(lines(pieces));
    while let Some(line) = lines.next().await {
        let line = line?;
        match context.output.json {
            true => context.output.raw(&[line, b"\n".to_vec()].concat())?,
            false => context.output.line(names.before(&read(&line)?))?,
        }
    }
    Ok(())
}

impl Args {
    /// What is asked of one job and of many alike.
    fn query(&self) -> Vec<(&'static str, String)> {
        let stream = self.stream.map(|stream| serde_json::to_value(stream).unwrap_or_default());
        let stream = stream.and_then(|word| Some(("stream", word.as_str()?.to_owned())));
        let grep = self.grep.clone().map(|text| ("grep", text));
        let follow = ("follow", self.follow.to_string());
        [follow].into_iter().chain(stream).chain(grep).collect()
    }
}

/// Whether all lines are of one job, for good.
async fn is_one_job(client: &Client, args: &Args) -> Result<bool> {
    let Some(batch) = args.batch else { return Ok(false) };
    let batch = client.batch(batch).await?;
    Ok(batch.jobs == 1 && !batch.open)
}

/// What stands before a line: whatever is not the same for all.
struct Names {
    job: bool,
    worker: bool,
}

impl Names {
    fn before(&self, line: &LogLine) -> String {
        let job = self.job.then(|| line.job.to_string());
        let worker = (self.job && self.worker).then(|| line.worker.to_string());
        let failed = (line.stream == Some(LogStream::Traceback)).then(|| "traceback".to_owned());
        let names: Vec<String> = [job, worker, failed].into_iter().flatten().collect();
        match names[..] {
            [] => line.text.clone(),
            _ => format!("{} | {}", names.join(" "), line.text),
        }
    }
}

fn read(line: &[u8]) -> Result<LogLine> {
    serde_json::from_slice(line)
        .map_err(|error| Error::internal(format!("a line of output cannot be read: {error}")))
}

/// The lines of a stream of bytes.
fn lines(pieces: impl Stream<Item = Result<Vec<u8>>>) -> impl Stream<Item = Result<Vec<u8>>> {
    let begun = Vec::new();
    pieces
        .scan(begun, |begun, piece| {
            let split = piece.and_then(|piece| split(begun, &piece));
            futures::future::ready(Some(split))
        })
        .flat_map(|split| match split {
            Ok(lines) => futures::stream::iter(lines.into_iter().map(Ok).collect::<Vec<_>>()),
            Err(error) => futures::stream::iter(vec![Err(error)]),
        })
}

/// A line of JSON about a line of output: its letters may take six bytes each.
const LONGEST: usize = 8 * limits::LOG_LINE_BYTES;

fn split(begun: &mut Vec<u8>, piece: &[u8]) -> Result<Vec<Vec<u8>>> {
    let mut lines = Vec::new();
    for part in piece.split_inclusive(|byte| *byte == b'\n') {
        begun.extend(part);
        if begun.ends_with(b"\n") {
            begun.pop();
            lines.push(std::mem::take(begun));
        } else if begun.len() > LONGEST {
            return Err(Error::internal("the server sent a line of output without an end"));
        }
    }
    Ok(lines)
}

fn stream(text: &str) -> std::result::Result<LogStream, String> {
    match text {
        "out" | "stdout" => Ok(LogStream::Stdout),
        "err" | "stderr" => Ok(LogStream::Stderr),
        "worker" => Ok(LogStream::Worker),
        "traceback" => Ok(LogStream::Traceback),
        _ => Err("expected out, err, worker or traceback".into()),
    }
}

#[cfg(test)]
mod tests {
    use gristmill_model::JobId;

    use super::*;

    #[test]
    fn before_a_line_stands_what_is_not_the_same_for_all() {
        let line = LogLine {
            job: JobId(17),
            batch: BatchId(3),
            index: 0,
            attempt: AttemptId(21),
            worker: WorkerId(2),
            stream: Some(LogStream::Stderr),
            at: None,
            text: "loss 3".into(),
        };
        let told = |job, worker| Names { job, worker }.before(&line);
        assert_eq!(told(true, true), "j17 w2 | loss 3");
        assert_eq!(told(true, false), "j17 | loss 3");
        assert_eq!(told(false, true), "loss 3");
        let failed = LogLine { stream: Some(LogStream::Traceback), ..line.clone() };
        assert_eq!(Names { job: true, worker: false }.before(&failed), "j17 traceback | loss 3");
    }

    #[tokio::test]
    async fn lines_are_whole_however_the_pieces_were_cut() {
        let pieces = ["on", "e\ntwo\nth", "", "ree\n"].map(|piece| Ok(piece.as_bytes().to_vec()));
        let told: Vec<_> = lines(futures::stream::iter(pieces)).collect().await;
        let told: Vec<String> =
            told.into_iter().map(|line| String::from_utf8(line.unwrap()).unwrap()).collect();
        assert_eq!(told, ["one", "two", "three"]);
        assert!(split(&mut Vec::new(), &vec![b'x'; LONGEST + 1]).is_err());
    }
}
