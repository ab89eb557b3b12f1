//! What NVIDIA's error numbers (Xids) mean for the device on which they occur.
//!
//! The judgement is that of NVIDIA's catalogue of Xids (docs.nvidia.com/deploy/xid-errors,
//! "Analyzing Xid Errors with the Xid Catalog", table of Xids up to 172), by the immediate action
//! that it asks for. RESET_GPU, RESTART_BM and the workflows that end in a reset take the GPU out
//! of service; RESTART_APP and IGNORE do not. A number that the catalogue does not name, or for
//! which it knows nothing but support, takes it out as well: it is from a newer driver, and nobody
//! here can say that it is harmless.

/// What is to be done about an Xid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// The GPU needs a reset, or worse: nothing may go there.
    Broken(&'static str),
    /// The program that was at work has failed; the GPU goes on.
    Application,
}

/// Judges an Xid.
#[must_use]
pub const fn meaning(xid: u64) -> Meaning {
    match xid {
        46 => Meaning::Broken("the GPU stopped processing"),
        48 => Meaning::Broken("double-bit ECC error"),
        54 => Meaning::Broken("auxiliary power is not connected"),
        62 => Meaning::Broken("its micro-controller has halted"),
        64 => Meaning::Broken("failing memory could not be remapped"),
        74 => Meaning::Broken("NVLink error"),
        78 => Meaning::Broken("vGPU could not start"),
        79 => Meaning::Broken("the GPU has fallen off the bus"),
        95 => Meaning::Broken("uncontained memory error"),
        109 => Meaning::Broken("a context switch timed out"),
        110 => Meaning::Broken("security fault"),
        119 => Meaning::Broken("its system processor does not answer"),
        120 => Meaning::Broken("error in its system processor"),
        136 => Meaning::Broken("a link could not be trained"),
        140 => Meaning::Broken("unrecovered ECC error"),
        143 => Meaning::Broken("the GPU could not be initialised"),
        144..=150 => Meaning::Broken("NVLink error"),
        151 => Meaning::Broken("its keys could not be changed"),
        155 => Meaning::Broken("an NVLink is down"),
        156 => Meaning::Broken("a part of it was retired"),
        158 => Meaning::Broken("fatal timeout"),
        // Restart the program: faults of programs (13 and 31 out of bounds, 43 stopped, 45 torn
        // down after another error, 69, 80), of copy engines, video and JPEG engines, and memory
        // errors that stayed within one program (94).
        8
        | 11
        | 13
        | 25
        | 31
        | 32
        | 39..=41
        | 43..=45
        | 60
        | 68..=72
        | 75..=77
        | 80
        | 82..=86
        | 88
        | 89
        | 94
        | 96..=105
        | 126..=135
        | 139 => Meaning::Application,
        // Ignore, or only to be told: remapped memory (63), corrected errors (92, 121), tests,
        // power smoothing, and 154, which comes with another Xid and repeats its consequence.
        14
        | 37
        | 38
        | 63
        | 66
        | 67
        | 92
        | 93
        | 106..=108
        | 121
        | 137
        | 141
        | 152..=154
        | 157
        | 160..=165 => Meaning::Application,
        _ => Meaning::Broken("unknown to this version"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_faults_leave_a_gpu_in_service_and_its_own_do_not() {
        for xid in [13, 31, 43, 45, 63, 68, 94, 137, 154] {
            assert_eq!(meaning(xid), Meaning::Application, "{xid}");
        }
        for xid in [46, 48, 62, 64, 74, 79, 95, 109, 119, 120, 140, 150] {
            assert!(matches!(meaning(xid), Meaning::Broken(_)), "{xid}");
        }
        assert_eq!(meaning(12_345), Meaning::Broken("unknown to this version"));
    }
}
