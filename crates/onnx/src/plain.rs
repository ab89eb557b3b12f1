//! Arrays written as plain JSON: a number, or lists of numbers (or strings) in lists.

use half::{bf16, f16};
use serde_json::Value;

use crate::dtype::Dtype;
use crate::tensor::{Data, Tensor, elements};

/// Reads an array of this type. Its shape is what the lists say; they must be of equal length.
pub(crate) fn read(dtype: Dtype, value: &Value) -> Result<Tensor, String> {
    let shape = shape(value);
    let count = elements(&shape)?;
    let mut leaves = Vec::new();
    gather(value, &shape, &mut leaves)?;
    if dtype == Dtype::String {
        let strings = leaves.into_iter().map(string).collect::<Result<_, _>>()?;
        return Ok(Tensor { dtype, shape, data: Data::Strings(strings) });
    }
    let mut bytes = Vec::with_capacity(count * dtype.size());
    for leaf in leaves {
        push(dtype, leaf, &mut bytes).ok_or_else(|| format!("{leaf} is not a {}", dtype.name()))?;
    }
    Tensor::of_bytes(dtype, shape, bytes)
}

/// The lengths of the first list, of the first list in it, and so on.
fn shape(mut value: &Value) -> Vec<usize> {
    let mut shape = Vec::new();
    while let Value::Array(list) = value {
        shape.push(list.len());
        match list.first() {
            Some(first) => value = first,
            None => break,
        }
    }
    shape
}

/// Everything that is in no further list, in order. `shape` is judged: no deeper than an array is.
fn gather<'a>(
    value: &'a Value,
    shape: &[usize],
    leaves: &mut Vec<&'a Value>,
) -> Result<(), String> {
    match (value, shape) {
        (Value::Array(list), [length, inner @ ..]) if list.len() == *length => {
            list.iter().try_for_each(|entry| gather(entry, inner, leaves))
        }
        (Value::Array(_), _) | (_, [_, ..]) => Err("its lists differ in length".into()),
        (leaf, []) => {
            leaves.push(leaf);
            Ok(())
        }
    }
}

fn string(leaf: &Value) -> Result<String, String> {
    let text = leaf.as_str().ok_or_else(|| format!("{leaf} is not a string"))?;
    // The runtime takes strings that end with a zero byte.
    if text.contains('\0') {
        return Err("a string has a zero byte in it".into());
    }
    Ok(text.to_owned())
}

/// Writes one number; nothing where it is none of this type, or too large for it.
fn push(dtype: Dtype, leaf: &Value, bytes: &mut Vec<u8>) -> Option<()> {
    // A number that is finite in JSON must not become infinite.
    let float = || leaf.as_f64();
    let whole = || leaf.as_i64();
    match dtype {
        Dtype::Float16 => {
            bytes.extend(Some(f16::from_f64(float()?)).filter(|x| x.is_finite())?.to_le_bytes());
        }
        Dtype::Bfloat16 => {
            bytes.extend(Some(bf16::from_f64(float()?)).filter(|x| x.is_finite())?.to_le_bytes());
        }
        Dtype::Float32 => {
            bytes.extend(Some(float()? as f32).filter(|x| x.is_finite())?.to_le_bytes());
        }
        Dtype::Float64 => bytes.extend(float()?.to_le_bytes()),
        Dtype::Int8 => bytes.extend(i8::try_from(whole()?).ok()?.to_le_bytes()),
        Dtype::Int16 => bytes.extend(i16::try_from(whole()?).ok()?.to_le_bytes()),
        Dtype::Int32 => bytes.extend(i32::try_from(whole()?).ok()?.to_le_bytes()),
        Dtype::Int64 => bytes.extend(whole()?.to_le_bytes()),
        Dtype::Uint8 => bytes.push(u8::try_from(whole()?).ok()?),
        Dtype::Uint16 => bytes.extend(u16::try_from(whole()?).ok()?.to_le_bytes()),
        Dtype::Uint32 => bytes.extend(u32::try_from(whole()?).ok()?.to_le_bytes()),
        Dtype::Uint64 => bytes.extend(leaf.as_u64()?.to_le_bytes()),
        Dtype::Bool => bytes.push(u8::from(leaf.as_bool()?)),
        Dtype::String => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_become_arrays() {
        let read = |value| read(Dtype::Int16, &value).map(|tensor| tensor.shape);
        assert_eq!(read(json!(7)), Ok(vec![]));
        assert_eq!(read(json!([1, 2, 3])), Ok(vec![3]));
        assert_eq!(read(json!([[1, 2, 3], [4, 5, 6]])), Ok(vec![2, 3]));
        assert_eq!(read(json!([])), Ok(vec![0]));
        assert_eq!(read(json!([[], []])), Ok(vec![2, 0]));
    }

    #[test]
    fn ragged_lists_are_refused() {
        for value in [json!([[1, 2], [3]]), json!([1, [2]]), json!([[1], 2]), json!([[[1]], [2]])] {
            assert!(read(Dtype::Int16, &value).unwrap_err().contains("differ"), "{value}");
        }
        let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
        assert!(read(Dtype::Int16, &deep).unwrap_err().contains("dimensions"));
    }

    #[test]
    fn a_number_must_fit_its_type() {
        for (dtype, value) in [
            (Dtype::Int8, json!([128])),
            (Dtype::Uint8, json!([-1])),
            (Dtype::Uint64, json!([-1])),
            (Dtype::Int64, json!([1.5])),
            (Dtype::Float32, json!([1e300])),
            (Dtype::Float16, json!([70_000])),
            (Dtype::Float32, json!(["1"])),
            (Dtype::Float32, json!([null])),
            (Dtype::Bool, json!([1])),
            (Dtype::String, json!([1])),
            (Dtype::String, json!(["a\0b"])),
        ] {
            assert!(read(dtype, &value).is_err(), "{} {value}", dtype.name());
        }
        let largest = read(Dtype::Uint64, &json!(u64::MAX)).unwrap();
        assert_eq!(largest.data, Data::Bytes(vec![255; 8]));
    }
}
