//! An array in memory: type, shape, and its elements as bytes (or strings).
//!
//! Elements stay bytes all the way: they are stacked, split, written and handed to ONNX Runtime
//! without anybody looking at them as numbers.

use gristmill_model::limits;

use crate::dtype::Dtype;

/// An array, in C order, little-endian.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tensor {
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Data,
}

/// Its elements.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Data {
    Bytes(Vec<u8>),
    Strings(Vec<String>),
}

impl Tensor {
    /// An array whose bytes fit its shape.
    pub(crate) fn of_bytes(
        dtype: Dtype,
        shape: Vec<usize>,
        bytes: Vec<u8>,
    ) -> Result<Self, String> {
        let wanted = byte_size(dtype, &shape)?;
        if wanted != bytes.len() {
            let name = dtype.name();
            let have = bytes.len();
            return Err(format!("{name}{shape:?} has {wanted} bytes, but there are {have}"));
        }
        // ONNX Runtime reads a byte as a bool as it is; any other value than 0 and 1 is undefined.
        if dtype == Dtype::Bool && bytes.iter().any(|byte| *byte > 1) {
            return Err("a bool is neither 0 nor 1".into());
        }
        Ok(Self { dtype, shape, data: Data::Bytes(bytes) })
    }

    /// How many entries it has along its first dimension; nothing for a single number.
    pub(crate) fn rows(&self) -> Option<usize> {
        self.shape.first().copied()
    }

    /// Its elements, where they are bytes.
    pub(crate) fn raw(&self) -> Option<&[u8]> {
        match &self.data {
            Data::Bytes(bytes) => Some(bytes),
            Data::Strings(_) => None,
        }
    }

    /// Its elements, where they are strings.
    pub(crate) fn strings(&self) -> &[String] {
        match &self.data {
            Data::Bytes(_) => &[],
            Data::Strings(strings) => strings,
        }
    }

    /// Bytes that its elements take.
    pub(crate) fn bytes(&self) -> usize {
        match &self.data {
            Data::Bytes(bytes) => bytes.len(),
            Data::Strings(strings) => strings.iter().map(String::len).sum(),
        }
    }
}

/// Elements of a shape.
pub(crate) fn elements(shape: &[usize]) -> Result<usize, String> {
    if shape.len() > limits::ARRAY_DIMENSIONS {
        return Err(format!("{} dimensions, {} at most", shape.len(), limits::ARRAY_DIMENSIONS));
    }
    // A 0 among them makes it empty however large the others are, and those alone could overflow.
    if shape.contains(&0) {
        return Ok(0);
    }
    shape
        .iter()
        .try_fold(1_usize, |product, size| product.checked_mul(*size))
        .filter(|count| *count <= limits::ARRAY_BYTES)
        .ok_or_else(|| {
            format!("the shape {shape:?} is over the limit of {} bytes", limits::ARRAY_BYTES)
        })
}

/// Bytes of an array of this type and shape, judged by the limit.
pub(crate) fn byte_size(dtype: Dtype, shape: &[usize]) -> Result<usize, String> {
    elements(shape)?
        .checked_mul(dtype.size())
        .filter(|bytes| *bytes <= limits::ARRAY_BYTES)
        .ok_or_else(|| {
            format!("{}{shape:?} is over the limit of {} bytes", dtype.name(), limits::ARRAY_BYTES)
        })
}
