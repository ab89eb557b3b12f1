//! What events are called where people and programs follow them, and which of them the log keeps.

use super::Event;

impl Event {
    /// Whether the event belongs in the log; the others are pulse.
    #[must_use]
    pub const fn is_durable(&self) -> bool {
        !matches!(
            self,
            Event::WorkerConnected { .. }
                | Event::WorkerDisconnected { .. }
                | Event::LeaseRenewed { .. }
                | Event::PrefetchSet { .. }
                | Event::ProgressMade { .. }
                | Event::PartialMade { .. }
                | Event::DevicesSampled { .. }
        )
    }

    /// The kind's stable name, as the event feed shows it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Event::ServerStarted { .. } => "server_started",
            Event::ProjectDefined { .. } => "project_defined",
            Event::PipelineDefined { .. } => "pipeline_defined",
            Event::BatchOpened { .. } => "batch_opened",
            Event::JobsAdded { .. } => "jobs_added",
            Event::RangeAdded { .. } => "range_added",
            Event::BatchClosed { .. } => "batch_closed",
            Event::BatchHeld { .. } => "batch_held",
            Event::BatchReleased { .. } => "batch_released",
            Event::StartReached { .. } => "start_reached",
            Event::ExpiryReached { .. } => "expiry_reached",
            Event::DeadlineReached { .. } => "deadline_reached",
            Event::DependencyMet { .. } => "dependency_met",
            Event::DependencyFailed { .. } => "dependency_failed",
            Event::BatchFinished { .. } => "batch_finished",
            Event::CallbackSettled { .. } => "callback_settled",
            Event::BatchesPruned { .. } => "batches_pruned",
            Event::AttemptLeased { .. } => "attempt_leased",
            Event::AttemptSucceeded { .. } => "attempt_succeeded",
            Event::AttemptFailed { .. } => "attempt_failed",
            Event::BackoffElapsed { .. } => "backoff_elapsed",
            Event::CancelRequested { .. } => "cancel_requested",
            Event::JobsCancelled { .. } => "jobs_cancelled",
            Event::JobsExpired { .. } => "jobs_expired",
            Event::JobsRetried { .. } => "jobs_retried",
            Event::JobsHeld { .. } => "jobs_held",
            Event::JobsReleased { .. } => "jobs_released",
            Event::LimitSet { .. } => "limit_set",
            Event::FlowSet { .. } => "flow_set",
            Event::WorkerJoined { .. } => "worker_joined",
            Event::WorkerPaused { .. } => "worker_paused",
            Event::WorkerDeclared { .. } => "worker_declared",
            Event::DeviceQuarantined { .. } => "device_quarantined",
            Event::DeviceReturned { .. } => "device_returned",
            Event::SessionMeasured { .. } => "session_measured",
            Event::ForeignUseNoted { .. } => "foreign_use_noted",
            Event::PartialMade { .. } => "partial_made",
            Event::DevicesSampled { .. } => "devices_sampled",
            Event::WorkerDraining { .. } => "worker_draining",
            Event::WorkerLeft { .. } => "worker_left",
            Event::Restored(_) => "restored",
            Event::WorkerConnected { .. } => "worker_connected",
            Event::WorkerDisconnected { .. } => "worker_disconnected",
            Event::LeaseRenewed { .. } => "lease_renewed",
            Event::PrefetchSet { .. } => "prefetch_set",
            Event::ProgressMade { .. } => "progress_made",
        }
    }
}
