//! JPEG, the format that matters most: through libjpeg-turbo with its SIMD code.
//!
//! `markers` reads the header before anything is allocated, `turbo` is the thin safe face of the C
//! library, `decode` and `encode` decide what to ask of it; `profile` is about colour profiles.

mod decode;
mod encode;
mod markers;
mod profile;
mod turbo;

pub use decode::decode;
pub use encode::encode;
pub use markers::Markers;
pub use profile::{MAX_PROFILE, read as profile};
pub use turbo::{Compressor, Decompressor};
