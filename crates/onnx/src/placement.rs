//! Where a loaded graph's nodes really run. ONNX Runtime places each node by itself, and what a GPU
//! cannot do it gives to the CPUs without a word.

use std::ffi::CStr;
use std::fmt;
use std::ptr;

use ort::AsPointer;
use ort::session::Session;
use ort::sys::OrtEpAssignedSubgraph;

/// The session's setting without which nothing is remembered.
pub(crate) const RECORD: &str = "session.record_ep_graph_assignment_info";

const CPU: &str = "CPUExecutionProvider";

/// Nodes of a graph, after optimising, by where they run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Placement {
    pub(crate) cpu: usize,
    pub(crate) device: usize,
}

impl Placement {
    /// Asks the session; it must have been loaded with [`RECORD`].
    pub(crate) fn of(session: &Session) -> Result<Self, ort::Error> {
        let api = ort::api();
        let mut parts: *const *const OrtEpAssignedSubgraph = ptr::null();
        let mut count = 0;
        // SAFETY: the session lives for the whole call; the runtime writes a pointer to an array of
        // `count` parts that it keeps as long as the session.
        let parts = unsafe {
            let status =
                (api.Session_GetEpGraphAssignmentInfo)(session.ptr(), &mut parts, &mut count);
            ort::Error::result_from_status(status)?;
            if count == 0 { &[][..] } else { std::slice::from_raw_parts(parts, count) }
        };
        let mut placement = Self::default();
        for part in parts {
            let mut provider = ptr::null();
            let mut nodes = ptr::null();
            let mut count = 0;
            // SAFETY: `part` was just given by the runtime, and so is the string it points to.
            let provider = unsafe {
                let status = (api.EpAssignedSubgraph_GetEpName)(*part, &mut provider);
                ort::Error::result_from_status(status)?;
                let status = (api.EpAssignedSubgraph_GetNodes)(*part, &mut nodes, &mut count);
                ort::Error::result_from_status(status)?;
                CStr::from_ptr(provider)
            };
            if provider.to_bytes() == CPU.as_bytes() {
                placement.cpu += count;
            } else {
                placement.device += count;
            }
        }
        Ok(placement)
    }

    /// Whether the work happens on the device. The runtime keeps a few small nodes, such as those
    /// that compute shapes, on the CPUs on purpose; so most nodes decide.
    pub(crate) fn on_device(self) -> bool {
        self.device > self.cpu
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} nodes run on the CPUs, {} on a device", self.cpu, self.device)
    }
}
