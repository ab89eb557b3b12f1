//! A model in memory: loads its graph into ONNX Runtime and runs it on arrays.

use std::path::Path;

use gristmill_model::host::HostError;
use ort::ep;
use ort::memory::Allocator;
use ort::session::builder::{GraphOptimizationLevel, LoadCanceler, SessionBuilder};
use ort::session::{NoSelectedOutputs, RunOptions, Session, SessionInputValue};
use ort::value::{DynTensor, DynTensorValueType, DynValue, Shape, Tensor as StringTensor};

use crate::OnnxError;
use crate::dtype::Dtype;
use crate::placement::{self, Placement};
use crate::runtime::Started;
use crate::signature::Signature;
use crate::stack;
use crate::tensor::{Data, Tensor};
use crate::{cuda_libraries, failure};

/// How a graph is loaded.
pub(crate) struct Settings {
    pub(crate) place: Place,
    /// Threads that share one node's work.
    pub(crate) threads: usize,
    /// Whether to make the graph fast; it takes a while.
    optimise: bool,
}

/// Where a graph shall run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Cpus,
    /// The first GPU that this process sees; with at most this much memory, where it is not 0.
    Gpu {
        memory: u64,
    },
}

impl Settings {
    pub(crate) fn for_work(place: Place, threads: usize) -> Self {
        Self { place, threads, optimise: true }
    }

    /// To read the signature and nothing else.
    pub(crate) fn for_a_look() -> Self {
        Self { place: Place::Cpus, threads: 1, optimise: false }
    }
}

/// A loaded graph.
pub(crate) struct Model {
    session: Session,
    signature: Signature,
    placement: Placement,
}

impl Model {
    pub(crate) fn load(
        started: &Started,
        path: &Path,
        settings: &Settings,
    ) -> Result<Self, OnnxError> {
        Self::load_stoppable(started, path, settings, |_| {})
    }

    /// Loads; `loading` gets what another thread can stop it with.
    pub(crate) fn load_stoppable(
        started: &Started,
        path: &Path,
        settings: &Settings,
        loading: impl FnOnce(LoadCanceler),
    ) -> Result<Self, OnnxError> {
        if settings.place != Place::Cpus {
            cuda_libraries::load_beside(&started.library);
        }
        let failed = |reason| OnnxError::Load { path: path.to_path_buf(), reason };
        let builder = builder(started, settings).map_err(failed)?;
        let mut builder = placed(builder, settings.place)?;
        loading(builder.canceler());
        let session =
            builder.commit_from_file(path).map_err(|error| failed(failure::of(&error)))?;
        let signature = Signature::of(&session)?;
        let placement = Placement::of(&session).map_err(|error| failed(failure::of(&error)))?;
        if settings.place != Place::Cpus && placement.device == 0 {
            let what = format!(
                "none of the {} nodes of {} would run on the GPU",
                placement.cpu,
                path.display()
            );
            return Err(OnnxError::NotOnDevice { what });
        }
        Ok(Self { session, signature, placement })
    }

    pub(crate) fn signature(&self) -> &Signature {
        &self.signature
    }

    pub(crate) fn placement(&self) -> Placement {
        self.placement
    }

    /// What the author wrote about it.
    pub(crate) fn doc(&self) -> String {
        let metadata = self.session.metadata();
        metadata.ok().and_then(|metadata| metadata.description()).unwrap_or_default()
    }

    /// Runs the graph on one item, or on several that are stacked along their first dimension: one
    /// array for each input, and one back for each output, in the signature's order.
    pub(crate) fn run(
        &mut self,
        items: &[&[Tensor]],
        stop: &RunOptions<NoSelectedOutputs>,
    ) -> Result<Vec<Tensor>, HostError> {
        let names = self.signature.inputs.iter().map(|port| port.name.as_str());
        let values = names
            .enumerate()
            .map(|(place, name)| {
                let arrays: Vec<&Tensor> = items.iter().map(|item| &item[place]).collect();
                Ok((name, hand_over(&arrays)?))
            })
            .collect::<Result<Vec<_>, ort::Error>>()
            .map_err(|error| failure::of(&error))?;
        let mut outputs =
            self.session.run_with_options(values, stop).map_err(|error| failure::of(&error))?;
        self.signature
            .outputs
            .iter()
            .map(|port| match outputs.remove(&port.name) {
                Some(value) => take_back(value),
                None => Err(failure::failed("run_failed", format!("no output `{}`", port.name))),
            })
            .collect()
    }
}

fn builder(started: &Started, settings: &Settings) -> Result<SessionBuilder, HostError> {
    let level = if settings.optimise {
        GraphOptimizationLevel::All
    } else {
        GraphOptimizationLevel::Disable
    };
    // Each setting may fail, and the error then holds the builder, which nobody wants back.
    let build = || -> Result<SessionBuilder, ort::Error> {
        Ok(Session::builder(&started.environment)?
            .with_optimization_level(level)?
            .with_intra_threads(settings.threads)?
            .with_inter_threads(1)?
            // Waiting threads would turn round and round, and a session waits most of its life.
            .with_intra_op_spinning(false)?
            .with_config_entry(placement::RECORD, "1")?)
    };
    build().map_err(|error| failure::of(&error))
}

/// Says where the graph is to run. The runtime takes no for an answer only where it is told to.
fn placed(builder: SessionBuilder, place: Place) -> Result<SessionBuilder, OnnxError> {
    let provider = match place {
        // Named even so: the runtime could otherwise choose by itself.
        Place::Cpus => ep::CPU::default().build(),
        Place::Gpu { memory } => {
            let cuda = ep::CUDA::default()
                .with_device_id(0)
                .with_arena_extend_strategy(ep::ArenaExtendStrategy::SameAsRequested)
                // Left alone it tries out all algorithms for every new number of rows.
                .with_conv_algorithm_search(ep::cuda::ConvAlgorithmSearch::Heuristic);
            match usize::try_from(memory) {
                Ok(memory) if memory > 0 => cuda.with_memory_limit(memory).build(),
                _ => cuda.build(),
            }
        }
    };
    builder.with_execution_providers([provider.error_on_failure()]).map_err(|error| {
        // Before that it tells in which line of its own source it noticed.
        let words = error.message().rsplit("FAIL : ").next().unwrap_or_default();
        let what = format!(
            "this ONNX Runtime cannot use the GPU: {}; `pip install \"onnxruntime-gpu[cuda,cudnn]\"` \
             brings all that it needs but the driver",
            words.trim_end_matches(['.', '\n'])
        );
        OnnxError::NotOnDevice { what }
    })
}

/// Copies arrays, one behind the other, into memory of the runtime's own, aligned as it likes it.
fn hand_over(arrays: &[&Tensor]) -> Result<SessionInputValue<'static>, ort::Error> {
    let (dtype, shape) = stack::stacked(arrays);
    let shape = Shape::new(shape.iter().map(|size| *size as i64));
    if dtype == Dtype::String {
        let strings: Vec<String> =
            arrays.iter().flat_map(|array| array.strings()).cloned().collect();
        return Ok(StringTensor::from_string_array((shape, &strings[..]))?.into());
    }
    let mut value = DynTensor::new(&Allocator::default(), dtype.element(), shape)?;
    let mut target = value.data_ptr_mut().cast::<u8>();
    for bytes in arrays.iter().filter_map(|array| array.raw()).filter(|bytes| !bytes.is_empty()) {
        // SAFETY: the stack was just made in the CPUs' memory for the type and shape of all arrays
        // together, and each `Tensor` holds as many bytes as its own type and shape say.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), target, bytes.len());
            target = target.add(bytes.len());
        }
    }
    Ok(value.into())
}

fn take_back(value: DynValue) -> Result<Tensor, HostError> {
    let unusable = |what: String| failure::failed("output_unsupported", what);
    let value =
        value.downcast::<DynTensorValueType>().map_err(|error| unusable(error.to_string()))?;
    let dtype = Dtype::of_element(*value.data_type())
        .ok_or_else(|| unusable(format!("an output of type {}", value.data_type())))?;
    let shape = value.shape().iter().map(|size| usize::try_from(*size).unwrap_or(0)).collect();
    if dtype == Dtype::String {
        let (_, strings) = value.try_extract_strings().map_err(|error| failure::of(&error))?;
        return Ok(Tensor { dtype, shape, data: Data::Strings(strings) });
    }
    if !value.memory_info().is_cpu_accessible() {
        return Err(unusable("an output that was left in the device's memory".into()));
    }
    let size = value.shape().num_elements() * dtype.size();
    let bytes = if size == 0 {
        Vec::new()
    } else {
        // SAFETY: the runtime gave this array out as one of this type and shape, and it lies in the
        // CPUs' memory.
        unsafe { std::slice::from_raw_parts(value.data_ptr().cast::<u8>(), size) }.to_vec()
    };
    Ok(Tensor { dtype, shape, data: Data::Bytes(bytes) })
}
