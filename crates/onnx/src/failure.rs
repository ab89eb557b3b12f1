//! What an error of ONNX Runtime means for a job: its class, and whether this process is at its
//! end.

use gristmill_model::host::{HostError, HostErrorKind};
use ort::ErrorCode;

/// CUDA's errors after which its context in this process is of no use: no device (100), an
/// uncorrectable memory error (214), an illegal address (700) and its kin, unknown (999).
const STICKY: [u32; 15] =
    [100, 214, 220, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 720, 999];

/// Words of the runtime, of CUDA and of its libraries for too little memory.
const NO_MEMORY: [&str; 6] = [
    "out of memory",
    "failed to allocate memory",
    "bad_alloc",
    "bad allocation",
    "alloc_failed",
    "available memory of",
];

/// Judges an error by its code and words.
pub(crate) fn of<R>(error: &ort::Error<R>) -> HostError {
    judge(error.code(), error.message())
}

fn judge(code: ErrorCode, message: &str) -> HostError {
    let words = message.to_ascii_lowercase();
    let (kind, name, fatal) = if NO_MEMORY.iter().any(|part| words.contains(part)) {
        (HostErrorKind::OutOfMemory, "out_of_memory", false)
    } else if is_sticky(code, &words) {
        (HostErrorKind::Device, "device_failed", true)
    } else if code == ErrorCode::InvalidArgument {
        (HostErrorKind::Invalid, "bad_input", false)
    } else {
        (HostErrorKind::Failed, "run_failed", false)
    };
    HostError {
        kind,
        code: name.into(),
        message: first_line(message),
        traceback: rest(message),
        fatal,
    }
}

/// CUDA's own errors are worded `CUDA failure 700: an illegal memory access was encountered ; ...`,
/// in older builds `CUDA error ...`.
fn is_sticky(code: ErrorCode, words: &str) -> bool {
    let number = |after: &str| {
        let at = words.find(after)? + after.len();
        let digits: String = words[at..].chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u32>().ok()
    };
    code == ErrorCode::DeviceReset
        || ["cuda failure ", "cuda error "]
            .into_iter()
            .filter_map(number)
            .any(|number| STICKY.contains(&number))
        || words.contains("an illegal memory access")
        || words.contains("cudnn_status_execution_failed")
        || words.contains("cublas_status_execution_failed")
}

fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().trim().to_owned()
}

fn rest(message: &str) -> String {
    message.split_once('\n').map_or(String::new(), |(_, rest)| rest.trim_end().to_owned())
}

/// An input that can never succeed.
pub(crate) fn invalid(code: &str, message: impl Into<String>) -> HostError {
    error(HostErrorKind::Invalid, code, message)
}

pub(crate) fn failed(code: &str, message: impl Into<String>) -> HostError {
    error(HostErrorKind::Failed, code, message)
}

pub(crate) fn cancelled() -> HostError {
    error(HostErrorKind::Cancelled, "cancelled", "stopped as it was asked to")
}

fn error(kind: HostErrorKind, code: &str, message: impl Into<String>) -> HostError {
    let message = message.into();
    HostError { kind, code: code.into(), message, traceback: String::new(), fatal: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(code: ErrorCode, message: &str) -> (HostErrorKind, bool) {
        let error = judge(code, message);
        (error.kind, error.fatal)
    }

    #[test]
    fn words_of_the_runtime_are_told_apart() {
        use HostErrorKind::{Device, Failed, Invalid, OutOfMemory};
        let fail = ErrorCode::GenericFailure;
        for (code, message, expected) in [
            (fail, "CUDA failure 2: out of memory ; GPU=0 ; hostname=a ; file=b", OutOfMemory),
            (ErrorCode::RuntimeException, "Available memory of 8 is smaller than 16", OutOfMemory),
            (fail, "bfc_arena.cc:376 Failed to allocate memory for requested buffer", OutOfMemory),
            (fail, "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0", OutOfMemory),
            (fail, "CUDA failure 700: an illegal memory access was encountered", Device),
            (fail, "CUDA failure 719: unspecified launch failure ; GPU=0", Device),
            (ErrorCode::DeviceReset, "the device went away", Device),
            // A launch that asked for too much; the context lives on.
            (fail, "CUDA failure 9: invalid configuration argument", Failed),
            (fail, "Non-zero status code returned while running Add node", Failed),
            (ErrorCode::InvalidArgument, "Got invalid dimensions for input: x", Invalid),
        ] {
            assert_eq!(kind(code, message), (expected, expected == Device), "{message}");
        }
    }

    #[test]
    fn a_message_is_one_sentence_and_the_rest_stands_behind_it() {
        let error = judge(ErrorCode::GenericFailure, "Add node failed\nStacktrace:\nframe\n");
        assert_eq!(error.message, "Add node failed");
        assert_eq!(error.traceback, "Stacktrace:\nframe");
    }
}
