//! Devices and sessions: list them as they stand, take a device out of service, put it back. All of
//! it only the engine knows.

use axum::Json;
use axum::extract::State;
use gristmill_engine::{State as Engine, Worker};
use gristmill_model::api::{Device, Page, Problem, Quarantine, QuarantineRequest, Session};
use gristmill_model::command::Command;
use gristmill_model::problem::Code;
use gristmill_model::{AttemptId, WorkerId, limits};
use serde::Deserialize;
use utoipa::IntoParams;

use super::Api;
use super::auth::Caller;
use super::body::Whole;
use super::parts::{Path, Query};
use super::problem::{Answer, Refusal};

/// `?worker=`
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Of {
    /// Of this worker alone.
    #[param(value_type = Option<String>, example = "w2")]
    worker: Option<WorkerId>,
}

/// Lists the devices of all workers that are here, or of one. Where there are more than a page
/// holds, ask worker by worker.
#[utoipa::path(get, path = "/v1/devices", tag = "devices", params(Of),
    responses((status = 200, body = Page<Device>), (status = "4XX", body = Problem)))]
pub(super) async fn list(
    State(api): State<Api>,
    Query(Of { worker }): Query<Of>,
) -> Answer<Json<Page<Device>>> {
    let rows = move |state: &Engine| {
        let here = state.workers().filter(|(id, _)| worker.is_none_or(|only| only == *id));
        page(here.flat_map(|(id, found)| of_worker(state, id, found)))
    };
    Ok(Json(api.handle.look(rows).await?))
}

/// Lists the sessions of all workers that are here, or of one, as they last told.
#[utoipa::path(get, path = "/v1/sessions", tag = "devices", operation_id = "sessions", params(Of),
    responses((status = 200, body = Page<Session>), (status = "4XX", body = Problem)))]
pub(super) async fn sessions(
    State(api): State<Api>,
    Query(Of { worker }): Query<Of>,
) -> Answer<Json<Page<Session>>> {
    let rows = move |state: &Engine| {
        let here = state.workers().filter(|(id, _)| worker.is_none_or(|only| only == *id));
        page(here.flat_map(|(id, found)| {
            let sessions = state.samples(id).map_or(&[][..], |samples| &samples.sessions);
            let name = found.name().to_owned();
            sessions.iter().cloned().map(move |sample| Session {
                worker: id,
                worker_name: name.clone(),
                sample,
            })
        }))
    };
    Ok(Json(api.handle.look(rows).await?))
}

/// Takes a device out of service: what runs there goes on, nothing else begins.
#[utoipa::path(post, path = "/v1/workers/{id}/devices/{device}/quarantine", tag = "devices",
    request_body = QuarantineRequest,
    params(("id" = String, Path, example = "w2"), ("device" = String, Path, example = "GPU-5a0…")),
    responses((status = 200, body = Device), (status = "4XX", body = Problem)))]
pub(super) async fn quarantine(
    State(api): State<Api>,
    Caller(actor): Caller,
    Path((worker, device)): Path<(WorkerId, String)>,
    body: Whole,
) -> Answer<Json<Device>> {
    let QuarantineRequest { reason } = body.json()?;
    if reason.trim().is_empty() {
        let detail = "a reason is not empty: whoever puts the device back must know what was wrong";
        return Err(Refusal::new(Code::InvalidRequest, detail));
    }
    let quarantined = Some(reason);
    let command = Command::SetDevice { worker, device: device.clone(), quarantined };
    api.handle.request(actor, command).await?;
    find(&api, worker, device).await
}

/// Puts a device back into service.
#[utoipa::path(post, path = "/v1/workers/{id}/devices/{device}/return", tag = "devices",
    operation_id = "return",
    params(("id" = String, Path, example = "w2"), ("device" = String, Path, example = "GPU-5a0…")),
    responses((status = 200, body = Device), (status = "4XX", body = Problem)))]
pub(super) async fn give_back(
    State(api): State<Api>,
    Caller(actor): Caller,
    Path((worker, device)): Path<(WorkerId, String)>,
) -> Answer<Json<Device>> {
    let command = Command::SetDevice { worker, device: device.clone(), quarantined: None };
    api.handle.request(actor, command).await?;
    find(&api, worker, device).await
}

async fn find(api: &Api, worker: WorkerId, device: String) -> Answer<Json<Device>> {
    let missing = format!("worker {worker} has no device `{device}`");
    let find = move |state: &Engine| {
        let found = state.worker(worker)?;
        of_worker(state, worker, found).into_iter().find(|row| row.id == device)
    };
    let found = api.handle.look(find).await?;
    found.map(Json).ok_or_else(|| Refusal::new(Code::NoSuchDevice, missing))
}

fn page<T>(rows: impl Iterator<Item = T>) -> Page<T> {
    let mut items: Vec<T> = rows.take(limits::PAGE + 1).collect();
    let has_more = items.len() > limits::PAGE;
    items.truncate(limits::PAGE);
    Page { items, has_more }
}

/// A worker's devices as they stand.
pub(super) fn of_worker(state: &Engine, id: WorkerId, worker: &Worker) -> Vec<Device> {
    let samples = state.samples(id).map_or(&[][..], |samples| &samples.devices);
    let booking = &worker.booking;
    let devices = (0..).zip(&booking.capacity().devices).zip(&worker.devices);
    let rows = devices.map(|((place, device), health)| {
        let (booked_share, booked_vram) = booking.booked_of(place);
        let quarantined = health.quarantined.clone();
        Device {
            worker: id,
            worker_name: worker.name().to_owned(),
            id: device.id.clone(),
            kind: device.kind.clone(),
            name: device.name.clone(),
            vram: device.vram,
            slots: device.slots,
            booked_share,
            booked_vram,
            quarantined: quarantined.map(|(reason, by)| Quarantine { reason, by }),
            session: booking.last_on(place).map(str::to_owned),
            attempts: booking.running().filter(|it| is_on(worker, *it, place)).collect(),
            sample: samples.iter().find(|sample| sample.device == device.id).cloned(),
        }
    });
    rows.collect()
}

fn is_on(worker: &Worker, attempt: AttemptId, place: u16) -> bool {
    worker.booking.seat_of(attempt).is_some_and(|seat| seat.devices.contains(&place))
}

/// The devices of an attempt that runs, by name; none of one that waits for them at its worker.
pub(super) fn of_attempt(state: &Engine, attempt: AttemptId) -> Vec<String> {
    let worker = state.attempt(attempt).and_then(|live| state.worker(live.worker));
    let seat = worker.and_then(|worker| Some((worker, worker.booking.seat_of(attempt)?)));
    let Some((worker, seat)) = seat else { return Vec::new() };
    let devices = &worker.booking.capacity().devices;
    seat.devices.iter().map(|place| devices[usize::from(*place)].id.clone()).collect()
}
