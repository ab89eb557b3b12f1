//! A pipeline's own OpenAPI document: what the type hints of its handler say, as the schemas of a
//! call. For clients that are made from a document, and for people who look it up.

use axum::Json;
use axum::extract::State;
use gristmill_model::api::{Pipeline, Problem};
use gristmill_model::host::Signature;
use gristmill_model::pipeline::{Handler, StageSpec};
use serde_json::{Map, Value, json};

use super::super::Api;
use super::super::openapi::document;
use super::super::parts::{Path, Query};
use super::super::problem::Answer;
use super::super::projects::In;
use super::find;

/// The path of calls in the server's document.
const CALL: &str = "/v1/pipelines/{name}/call";
/// Where schemas lie in a document.
const SCHEMAS: &str = "#/components/schemas/";

/// The OpenAPI document of one pipeline: how it is called, what it takes and gives.
#[utoipa::path(get, path = "/v1/pipelines/{name}/openapi.json", tag = "pipelines",
    params(("name" = String, Path, example = "generate"), In),
    responses((status = 200, body = Value), (status = "4XX", body = Problem)))]
pub(in super::super) async fn openapi(
    State(api): State<Api>,
    Path(name): Path<String>,
    Query(project): Query<In>,
) -> Answer<Json<Value>> {
    let pipeline = find(&api, project.name(), name).await?;
    Ok(Json(of(&pipeline, serde_json::to_value(document()).unwrap_or_default())))
}

/// Narrows the server's document to calls of one pipeline.
fn of(pipeline: &Pipeline, whole: Value) -> Value {
    let spec = &pipeline.spec;
    let input = spec.stages.first().and_then(signature).map(|signature| signature.input);
    let output = spec.stages.last().and_then(signature).map(|signature| signature.output);
    let mut call = whole["paths"][CALL]["post"].clone();
    call["operationId"] = json!(spec.name);
    call["summary"] = json!(format!("Calls `{}`", spec.name));
    drop_parameter(&mut call, "name");
    call["requestBody"]["content"]["application/json"]["schema"] = input.unwrap_or(json!({}));
    call["responses"]["200"]["content"]["application/json"]["schema"] = output.unwrap_or(json!({}));
    let mut schemas = Map::new();
    gather(&call, &whole, &mut schemas);
    json!({
        "openapi": whole["openapi"],
        "info": { "title": spec.name, "version": pipeline.version.to_string() },
        "paths": { CALL.replace("{name}", &spec.name): { "post": call } },
        "components": {
            "schemas": schemas,
            "securitySchemes": whole["components"]["securitySchemes"],
        },
        "security": whole["security"],
    })
}

fn signature(stage: &StageSpec) -> Option<Signature> {
    let Handler::Session(session) = &stage.handler else { return None };
    serde_json::from_str(session.signature.as_deref()?).ok()
}

/// What stands in the path already.
fn drop_parameter(call: &mut Value, name: &str) {
    if let Some(parameters) = call["parameters"].as_array_mut() {
        parameters.retain(|parameter| parameter["name"] != name);
    }
}

/// Takes along the schemas that a part of the document refers to, and those that they refer to.
fn gather(part: &Value, whole: &Value, schemas: &mut Map<String, Value>) {
    match part {
        Value::Object(fields) => {
            if let Some(name) = fields.get("$ref").and_then(Value::as_str)
                && let Some(name) = name.strip_prefix(SCHEMAS)
                && !schemas.contains_key(name)
            {
                let schema = whole["components"]["schemas"][name].clone();
                schemas.insert(name.to_owned(), schema.clone());
                gather(&schema, whole, schemas);
            }
            fields.values().for_each(|value| gather(value, whole, schemas));
        }
        Value::Array(items) => items.iter().for_each(|item| gather(item, whole, schemas)),
        _ => {}
    }
}
