//! Types of an array's elements: their names to the world, to ONNX Runtime and in `.npy` files.

use ort::value::TensorElementType;

/// What an array's elements are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dtype {
    Float16,
    Bfloat16,
    Float32,
    Float64,
    Int8,
    Int16,
    Int32,
    Int64,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Bool,
    String,
}

/// One row for each: its name, its letters in a `.npy` file, the runtime's word, bytes of an
/// element. Strings have no fixed size, and neither they nor `bfloat16` are known to `.npy`.
const TABLE: [(Dtype, &str, &str, TensorElementType, usize); 14] = [
    (Dtype::Float16, "float16", "f2", TensorElementType::Float16, 2),
    (Dtype::Bfloat16, "bfloat16", "", TensorElementType::Bfloat16, 2),
    (Dtype::Float32, "float32", "f4", TensorElementType::Float32, 4),
    (Dtype::Float64, "float64", "f8", TensorElementType::Float64, 8),
    (Dtype::Int8, "int8", "i1", TensorElementType::Int8, 1),
    (Dtype::Int16, "int16", "i2", TensorElementType::Int16, 2),
    (Dtype::Int32, "int32", "i4", TensorElementType::Int32, 4),
    (Dtype::Int64, "int64", "i8", TensorElementType::Int64, 8),
    (Dtype::Uint8, "uint8", "u1", TensorElementType::Uint8, 1),
    (Dtype::Uint16, "uint16", "u2", TensorElementType::Uint16, 2),
    (Dtype::Uint32, "uint32", "u4", TensorElementType::Uint32, 4),
    (Dtype::Uint64, "uint64", "u8", TensorElementType::Uint64, 8),
    (Dtype::Bool, "bool", "b1", TensorElementType::Bool, 1),
    (Dtype::String, "string", "", TensorElementType::String, 0),
];

impl Dtype {
    fn row(self) -> &'static (Dtype, &'static str, &'static str, TensorElementType, usize) {
        TABLE.iter().find(|row| row.0 == self).expect("the table has a row for every type")
    }

    /// Its name in `$array` and in signatures.
    pub(crate) fn name(self) -> &'static str {
        self.row().1
    }

    /// Its letter and size in a `.npy` file, without the byte order; nothing where it has none.
    pub(crate) fn npy(self) -> Option<&'static str> {
        Some(self.row().2).filter(|letters| !letters.is_empty())
    }

    pub(crate) fn element(self) -> TensorElementType {
        self.row().3
    }

    /// Bytes of one element; 0 for strings.
    pub(crate) fn size(self) -> usize {
        self.row().4
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    pub(crate) fn of_npy(letters: &str) -> Option<Self> {
        TABLE.iter().find(|row| !row.2.is_empty() && row.2 == letters).map(|row| row.0)
    }

    /// Nothing for what no job can say: complex numbers, packed and 8-bit floats.
    pub(crate) fn of_element(element: TensorElementType) -> Option<Self> {
        TABLE.iter().find(|row| row.3 == element).map(|row| row.0)
    }
}
