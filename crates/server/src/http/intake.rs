//! From what a submission says to what the engine takes in: judges what can be judged without the
//! engine, which judges the rest.

use gristmill_model::api::{BatchRequest, JobRequest, SingleRequest};
use gristmill_model::command::{BatchKey, PipelineRef, Submission};
use gristmill_model::job::JobSpec;
use gristmill_model::limits;
use gristmill_model::payload::{Artifact, Payload, Place};
use gristmill_model::pipeline::{PipelineSpec, StageSpec};
use gristmill_model::problem::{Code, Rejection};
use serde_json::Value;

use super::terms;

/// The name of a pipeline that a submission brings along without giving it one.
const INLINE: &str = "inline";

/// A submission without its jobs and its range, and the jobs.
pub(super) fn batch(
    request: BatchRequest,
    key: Option<BatchKey>,
) -> Result<(Submission, Vec<JobRequest>), Rejection> {
    let BatchRequest { name, priority, labels, jobs, open, .. } = request;
    let pipeline = pipeline_of(request.pipeline, request.stages)?;
    let terms = terms::settle(request.terms)?;
    let empty = Submission::new(pipeline, Vec::new());
    let project = request.project.unwrap_or_else(|| empty.project.clone());
    let head = Submission { project, name, key, priority, labels, terms, open, ..empty };
    Ok((head, jobs))
}

/// A submission of one job.
pub(super) fn single(
    request: SingleRequest,
    key: Option<BatchKey>,
) -> Result<Submission, Rejection> {
    let SingleRequest { input, file, output, key: of_job, priority, labels, .. } = request;
    let pipeline = pipeline_of(request.pipeline, request.stages)?;
    let terms = terms::settle(request.terms)?;
    let only = JobRequest { input, file, output, key: of_job, ..JobRequest::default() };
    let submission = Submission::new(pipeline, vec![job(only)?]);
    let project = request.project.unwrap_or_else(|| submission.project.clone());
    Ok(Submission { project, key, priority, labels, terms, ..submission })
}

fn pipeline_of(
    name: Option<String>,
    stages: Option<Vec<StageSpec>>,
) -> Result<PipelineRef, Rejection> {
    match (name, stages) {
        (Some(name), None) => Ok(PipelineRef::Named(name)),
        (name, Some(stages)) => {
            let name = name.unwrap_or_else(|| INLINE.to_owned());
            Ok(PipelineRef::Inline(PipelineSpec { name, stages }))
        }
        (None, None) => Err(invalid("expected `pipeline`, the name of one, or `stages`")),
    }
}

/// One job.
pub(super) fn job(request: JobRequest) -> Result<JobSpec, Rejection> {
    let JobRequest { input, file, output, key, priority, labels } = request;
    let input = match (input, file) {
        (Some(_), Some(_)) => return Err(invalid("expected `input` or `file`, not both")),
        (None, None) => Payload::empty(),
        (Some(value), None) => inline(value)?,
        (None, Some(file)) => {
            check_file(&file)?;
            Payload::File(file)
        }
    };
    if let Some(output) = &output {
        check_path("output", output)?;
    }
    Ok(JobSpec { input, output, key, priority, labels })
}

fn inline(value: Value) -> Result<Payload, Rejection> {
    let payload = match value {
        Value::String(text) => Payload::Text(text),
        other => Payload::Json(other.to_string()),
    };
    let size = payload.inline_len();
    if size > limits::INLINE_BYTES {
        let detail = format!(
            "an input of {size} bytes: at most {} travel inline; PUT it to /v1/blobs and name it as \
             `file`",
            limits::INLINE_BYTES
        );
        return Err(Rejection::new(Code::TooLarge, detail));
    }
    Ok(payload)
}

fn check_file(file: &Artifact) -> Result<(), Rejection> {
    let name = file.name.as_str();
    let plain = !name.is_empty() && name.len() <= 255 && !name.contains(['/', '\0']);
    if !plain || name == "." || name == ".." {
        return Err(invalid(&format!("file.name `{name}`: expected a name without folders")));
    }
    match &file.place {
        Place::Path(path) => check_path("file.place.path", path),
        Place::Blob(_) => Ok(()),
    }
}

/// Server and worker do not share a working folder with whoever submits.
fn check_path(what: &str, path: &str) -> Result<(), Rejection> {
    if path.starts_with('/') && !path.contains('\0') {
        return Ok(());
    }
    Err(invalid(&format!("{what} `{path}`: expected a path from the root on")))
}

fn invalid(detail: &str) -> Rejection {
    Rejection::new(Code::InvalidRequest, detail)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn take(request: Value) -> Result<JobSpec, Rejection> {
        job(serde_json::from_value(request).unwrap())
    }

    #[test]
    fn inputs_are_texts_values_files_or_nothing() {
        assert_eq!(take(json!({})).unwrap().input, Payload::empty());
        assert_eq!(take(json!({"input": "a"})).unwrap().input, Payload::Text("a".into()));
        let value = take(json!({"input": {"a": [1, null]}})).unwrap().input;
        assert_eq!(value, Payload::Json(r#"{"a":[1,null]}"#.into()));
        let file = json!({"name": "a.jpg", "size": 3, "place": {"path": "/in/a.jpg"}});
        assert!(take(json!({ "file": file })).is_ok());
        assert!(take(json!({ "file": file, "input": 1 })).unwrap_err().detail.contains("not both"));
    }

    #[test]
    fn what_would_surprise_a_worker_is_refused() {
        let file = |name: &str, path: &str| {
            take(json!({"file": {"name": name, "size": 3, "place": {"path": path}}}))
        };
        for name in ["", "..", "a/b", "/etc/passwd"] {
            assert!(file(name, "/in").unwrap_err().detail.contains("without folders"), "{name}");
        }
        assert!(file("a", "in/a").unwrap_err().detail.contains("from the root"));
        assert!(take(json!({"output": "out"})).unwrap_err().detail.contains("output `out`"));
        let long = "x".repeat(limits::INLINE_BYTES + 1);
        assert_eq!(take(json!({"input": long})).unwrap_err().code, Code::TooLarge);
    }
}
