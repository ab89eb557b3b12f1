//! What events are called where people and programs follow them, and what they name.

use super::{
    AttemptEvent, BatchEvent, DeviceEvent, EphemeralEvent, Event, JobsEvent, PipelineEvent,
    ProjectEvent, ServerEvent, WorkerEvent,
};
use crate::ids::{BatchId, JobId, WorkerId};

impl Event {
    /// The kind's stable name, as the event feed shows it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Event::Server(ServerEvent::Started { .. }) => "server_started",
            Event::Project(ProjectEvent::Defined { .. }) => "project_defined",
            Event::Pipeline(PipelineEvent::Defined { .. }) => "pipeline_defined",
            Event::Batch(BatchEvent::Opened { .. }) => "batch_opened",
            Event::Batch(BatchEvent::JobsAdded { .. }) => "jobs_added",
            Event::Batch(BatchEvent::RangeAdded { .. }) => "range_added",
            Event::Batch(BatchEvent::Closed { .. }) => "batch_closed",
            Event::Batch(BatchEvent::Held { .. }) => "batch_held",
            Event::Batch(BatchEvent::Released { .. }) => "batch_released",
            Event::Batch(BatchEvent::StartReached { .. }) => "start_reached",
            Event::Batch(BatchEvent::ExpiryReached { .. }) => "expiry_reached",
            Event::Batch(BatchEvent::DeadlineReached { .. }) => "deadline_reached",
            Event::Batch(BatchEvent::DependencyMet { .. }) => "dependency_met",
            Event::Batch(BatchEvent::DependencyFailed { .. }) => "dependency_failed",
            Event::Batch(BatchEvent::Finished { .. }) => "batch_finished",
            Event::Batch(BatchEvent::CallbackSettled { .. }) => "callback_settled",
            Event::Batch(BatchEvent::Forgotten { .. }) => "batches_pruned",
            Event::Attempt(AttemptEvent::Leased { .. }) => "attempt_leased",
            Event::Attempt(AttemptEvent::Succeeded { .. }) => "attempt_succeeded",
            Event::Attempt(AttemptEvent::Failed { .. }) => "attempt_failed",
            Event::Jobs(JobsEvent::BackoffElapsed { .. }) => "backoff_elapsed",
            Event::Jobs(JobsEvent::CancelRequested { .. }) => "cancel_requested",
            Event::Jobs(JobsEvent::Cancelled { .. }) => "jobs_cancelled",
            Event::Jobs(JobsEvent::Expired { .. }) => "jobs_expired",
            Event::Jobs(JobsEvent::Retried { .. }) => "jobs_retried",
            Event::Jobs(JobsEvent::Held { .. }) => "jobs_held",
            Event::Jobs(JobsEvent::Released { .. }) => "jobs_released",
            Event::Project(ProjectEvent::LimitSet { .. }) => "limit_set",
            Event::Project(ProjectEvent::FlowSet { .. }) => "flow_set",
            Event::Worker(WorkerEvent::Joined { .. }) => "worker_joined",
            Event::Worker(WorkerEvent::Paused { .. }) => "worker_paused",
            Event::Worker(WorkerEvent::Declared { .. }) => "worker_declared",
            Event::Device(DeviceEvent::Quarantined { .. }) => "device_quarantined",
            Event::Device(DeviceEvent::Returned { .. }) => "device_returned",
            Event::Device(DeviceEvent::SessionMeasured { .. }) => "session_measured",
            Event::Device(DeviceEvent::ForeignUseNoted { .. }) => "foreign_use_noted",
            Event::Ephemeral(EphemeralEvent::PartialMade { .. }) => "partial_made",
            Event::Ephemeral(EphemeralEvent::DevicesSampled { .. }) => "devices_sampled",
            Event::Worker(WorkerEvent::Draining { .. }) => "worker_draining",
            Event::Worker(WorkerEvent::Left { .. }) => "worker_left",
            Event::Restored(_) => "restored",
            Event::Ephemeral(EphemeralEvent::WorkerConnected { .. }) => "worker_connected",
            Event::Ephemeral(EphemeralEvent::WorkerDisconnected { .. }) => "worker_disconnected",
            Event::Ephemeral(EphemeralEvent::LeaseRenewed { .. }) => "lease_renewed",
            Event::Ephemeral(EphemeralEvent::PrefetchSet { .. }) => "prefetch_set",
            Event::Ephemeral(EphemeralEvent::ProgressMade { .. }) => "progress_made",
        }
    }

    /// The batch that the event names.
    #[must_use]
    pub const fn batch(&self) -> Option<BatchId> {
        match self {
            Event::Batch(
                BatchEvent::Opened { batch, .. }
                | BatchEvent::JobsAdded { batch, .. }
                | BatchEvent::RangeAdded { batch, .. }
                | BatchEvent::Closed { batch }
                | BatchEvent::Held { batch }
                | BatchEvent::Released { batch }
                | BatchEvent::StartReached { batch }
                | BatchEvent::ExpiryReached { batch }
                | BatchEvent::DeadlineReached { batch }
                | BatchEvent::DependencyMet { batch, .. }
                | BatchEvent::DependencyFailed { batch, .. }
                | BatchEvent::Finished { batch }
                | BatchEvent::CallbackSettled { batch, .. },
            )
            | Event::Ephemeral(
                EphemeralEvent::ProgressMade { batch, .. }
                | EphemeralEvent::PartialMade { batch, .. },
            ) => Some(*batch),
            _ => None,
        }
    }

    /// The one job that the event names.
    #[must_use]
    pub const fn job(&self) -> Option<JobId> {
        match self {
            Event::Attempt(
                AttemptEvent::Leased { job, .. }
                | AttemptEvent::Succeeded { job, .. }
                | AttemptEvent::Failed { job, .. },
            )
            | Event::Jobs(JobsEvent::BackoffElapsed { job })
            | Event::Ephemeral(
                EphemeralEvent::ProgressMade { job, .. } | EphemeralEvent::PartialMade { job, .. },
            ) => Some(*job),
            _ => None,
        }
    }

    /// The worker that the event names.
    #[must_use]
    pub const fn worker(&self) -> Option<WorkerId> {
        match self {
            Event::Attempt(
                AttemptEvent::Leased { worker, .. }
                | AttemptEvent::Succeeded { worker, .. }
                | AttemptEvent::Failed { worker, .. },
            )
            | Event::Worker(
                WorkerEvent::Joined { worker, .. }
                | WorkerEvent::Paused { worker, .. }
                | WorkerEvent::Draining { worker }
                | WorkerEvent::Left { worker, .. },
            )
            | Event::Device(
                DeviceEvent::Quarantined { worker, .. }
                | DeviceEvent::Returned { worker, .. }
                | DeviceEvent::SessionMeasured { worker, .. }
                | DeviceEvent::ForeignUseNoted { worker, .. },
            )
            | Event::Ephemeral(
                EphemeralEvent::WorkerConnected { worker, .. }
                | EphemeralEvent::WorkerDisconnected { worker, .. }
                | EphemeralEvent::LeaseRenewed { worker, .. }
                | EphemeralEvent::PrefetchSet { worker, .. }
                | EphemeralEvent::DevicesSampled { worker, .. },
            ) => Some(*worker),
            _ => None,
        }
    }
}
