//! Arrays of a result as `.npy` files, as longer arrays come from their handlers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// What a header is padded to, by the format.
const ALIGNED: usize = 64;

/// The file for what stands in `$array`; nothing where that is no array.
pub fn file(array: &Value) -> Option<Vec<u8>> {
    let dtype = array.get("dtype")?.as_str()?;
    let shape = array.get("shape")?.as_array()?.iter().map(Value::as_u64);
    let shape: Vec<u64> = shape.collect::<Option<_>>()?;
    let elements = STANDARD.decode(array.get("data")?.as_str()?).ok()?;
    let (letter, size) = element(dtype)?;
    let count = shape.iter().try_fold(1_u64, |count, length| count.checked_mul(*length))?;
    if count.checked_mul(size) != Some(elements.len() as u64) {
        return None;
    }
    let order = if size == 1 { '|' } else { '<' };
    let lengths: String = shape.iter().map(|length| format!("{length}, ")).collect();
    let text = format!(
        "{{'descr': '{order}{letter}{size}', 'fortran_order': False, 'shape': ({}), }}",
        lengths.trim_end_matches(if shape.len() > 1 { ", " } else { " " }),
    );
    let start = b"\x93NUMPY\x01\0";
    let whole = (start.len() + 2 + text.len() + 1).next_multiple_of(ALIGNED);
    let header = u16::try_from(whole - start.len() - 2).ok()?;
    let mut file = start.to_vec();
    file.extend(header.to_le_bytes());
    file.extend(text.into_bytes());
    file.resize(whole - 1, b' ');
    file.push(b'\n');
    file.extend(elements);
    Some(file)
}

/// The letter of an element's type, and its bytes.
fn element(dtype: &str) -> Option<(char, u64)> {
    if dtype == "bool" {
        return Some(('b', 1));
    }
    let digits = dtype.find(|c: char| c.is_ascii_digit())?;
    let (kind, bits) = dtype.split_at(digits);
    let size = bits.parse::<u64>().ok()? / 8;
    let (letter, sizes): (char, &[u64]) = match kind {
        "int" => ('i', &[1, 2, 4, 8]),
        "uint" => ('u', &[1, 2, 4, 8]),
        "float" => ('f', &[2, 4, 8]),
        "complex" => ('c', &[8, 16]),
        _ => return None,
    };
    sizes.contains(&size).then_some((letter, size))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn array(dtype: &str, shape: &[u64], bytes: &[u8]) -> Value {
        json!({ "dtype": dtype, "shape": shape, "data": STANDARD.encode(bytes) })
    }

    #[test]
    fn an_array_becomes_the_file_that_numpy_reads() {
        for (dtype, shape, size, told) in [
            ("float32", &[2, 1][..], 8, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1)"),
            ("uint8", &[3], 3, "{'descr': '|u1', 'fortran_order': False, 'shape': (3,)"),
            ("complex128", &[], 16, "{'descr': '<c16', 'fortran_order': False, 'shape': ()"),
        ] {
            let bytes = vec![7; size];
            let file = file(&array(dtype, shape, &bytes)).unwrap();
            let header = usize::from(u16::from_le_bytes([file[8], file[9]]));
            assert_eq!((header + 10) % ALIGNED, 0);
            assert!(file.starts_with(b"\x93NUMPY\x01\0"));
            let text = std::str::from_utf8(&file[10..10 + header]).unwrap();
            assert!(text.starts_with(told) && text.ends_with("\n"), "{text}");
            assert_eq!(file[10 + header..], bytes);
        }
    }

    #[test]
    fn what_is_no_array_is_left() {
        assert_eq!(file(&array("float32", &[2], b"four")), None);
        assert_eq!(file(&array("object", &[1], b"x")), None);
        assert_eq!(file(&json!({ "dtype": "bool", "shape": [1], "data": "?" })), None);
    }
}
