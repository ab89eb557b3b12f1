//! Reads and writes `.npy`, the format of numpy for one array, as far as it is plain numbers:
//! versions 1 to 3, C order, little-endian. Objects, which can run code when read, are refused like
//! all else.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use gristmill_model::limits;

use crate::dtype::Dtype;
use crate::tensor::{Data, Tensor, byte_size};

const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// What the header of a file says.
#[derive(Debug, PartialEq)]
struct Header {
    dtype: Dtype,
    shape: Vec<usize>,
}

/// Reads an array; nothing is allocated for it before its size was judged.
pub(crate) fn read(path: &Path) -> Result<Tensor, String> {
    let unreadable = |error: io::Error| format!("{}: {error}", path.display());
    // A pipe would be waited for, and a device has no end.
    if !path.metadata().map_err(unreadable)?.is_file() {
        return Err(format!("{} is not a file", path.display()));
    }
    let mut file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    let (header, read) = read_header(&mut file)?;
    let size = byte_size(header.dtype, &header.shape)?;
    if length != (read + size) as u64 {
        return Err(format!("its header tells of {size} bytes, {} follow", length - read as u64));
    }
    let mut bytes = vec![0; size];
    file.read_exact(&mut bytes).map_err(unreadable)?;
    Tensor::of_bytes(header.dtype, header.shape, bytes)
}

/// The header, and how many bytes it took.
fn read_header(file: &mut impl Read) -> Result<(Header, usize), String> {
    let cut_short = |_| "not an .npy file: it is cut short".to_owned();
    let mut start = [0; 8];
    file.read_exact(&mut start).map_err(cut_short)?;
    if start[..6] != MAGIC[..] {
        return Err("not an .npy file".into());
    }
    let (size, before) = match start[6] {
        1 => {
            let mut size = [0; 2];
            file.read_exact(&mut size).map_err(cut_short)?;
            (usize::from(u16::from_le_bytes(size)), 10)
        }
        2 | 3 => {
            let mut size = [0; 4];
            file.read_exact(&mut size).map_err(cut_short)?;
            (u32::from_le_bytes(size) as usize, 12)
        }
        version => return Err(format!("version {version} of .npy is not known")),
    };
    if size > limits::NPY_HEADER_BYTES {
        return Err(format!("a header of {size} bytes, {} at most", limits::NPY_HEADER_BYTES));
    }
    let mut text = vec![0; size];
    file.read_exact(&mut text).map_err(cut_short)?;
    let text = std::str::from_utf8(&text).map_err(|_| "its header is not text".to_owned())?;
    Ok((parse_header(text)?, before + size))
}

/// Parses `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`.
fn parse_header(text: &str) -> Result<Header, String> {
    let odd = || format!("not a header of .npy: {}", text.trim_end());
    let mut rest =
        text.trim().strip_prefix('{').and_then(|t| t.strip_suffix('}')).ok_or_else(odd)?;
    let (mut descr, mut fortran, mut shape) = (None, None, None);
    while let Some((key, after)) = rest.split_once(':') {
        let after = after.trim_start();
        // A tuple has commas of its own.
        let end = if after.starts_with('(') {
            after.find(')').ok_or_else(odd)? + 1
        } else {
            after.find(',').unwrap_or(after.len())
        };
        let (value, next) = after.split_at(end);
        match unquoted(key) {
            Some("descr") => descr = Some(value.trim()),
            Some("fortran_order") => fortran = Some(value.trim()),
            Some("shape") => shape = Some(value),
            _ => return Err(odd()),
        }
        rest = next.trim_start().trim_start_matches(',').trim_start();
    }
    let dtype = parse_dtype(descr.ok_or_else(odd)?)?;
    let shape = parse_shape(shape.ok_or_else(odd)?).ok_or_else(odd)?;
    match fortran {
        Some("False") => Ok(Header { dtype, shape }),
        Some("True") => Err("its order is Fortran's; save `numpy.ascontiguousarray(array)`".into()),
        _ => Err(odd()),
    }
}

fn unquoted(text: &str) -> Option<&str> {
    let text = text.trim();
    let inner = |quote| text.strip_prefix(quote).and_then(|text: &str| text.strip_suffix(quote));
    inner('\'').or_else(|| inner('"'))
}

fn parse_dtype(descr: &str) -> Result<Dtype, String> {
    let refused = || format!("elements of type {descr} are not supported");
    let descr = unquoted(descr).ok_or_else(refused)?;
    let dtype = descr.strip_prefix(['<', '|']).and_then(Dtype::of_npy);
    dtype.ok_or_else(refused)
}

/// Parses `()`, `(2,)`, `(2, 3)`.
fn parse_shape(text: &str) -> Option<Vec<usize>> {
    let inner = text.trim().strip_prefix('(')?.strip_suffix(')')?.trim();
    let inner = inner.strip_suffix(',').unwrap_or(inner);
    if inner.is_empty() {
        return Some(Vec::new());
    }
    inner.split(',').map(|size| size.trim().parse().ok()).collect()
}

/// Writes an array as a new file. `bfloat16`, which `.npy` does not know, becomes `float32`, in
/// which it has the same value.
pub(crate) fn write(path: &Path, tensor: &Tensor) -> io::Result<()> {
    let unsupported = || io::Error::other("strings are not written to files");
    let Data::Bytes(bytes) = &tensor.data else { return Err(unsupported()) };
    let wide;
    let (dtype, bytes) = if tensor.dtype == Dtype::Bfloat16 {
        wide = bytes.chunks_exact(2).flat_map(|half| [0, 0, half[0], half[1]]).collect();
        (Dtype::Float32, &wide)
    } else {
        (tensor.dtype, bytes)
    };
    let letters = dtype.npy().ok_or_else(unsupported)?;
    let mut file = BufWriter::new(File::create_new(path)?);
    file.write_all(&header(letters, dtype.size(), &tensor.shape))?;
    file.write_all(bytes)?;
    file.flush()
}

fn header(letters: &str, size: usize, shape: &[usize]) -> Vec<u8> {
    let order = if size == 1 { '|' } else { '<' };
    let sizes: String = shape.iter().map(|size| format!("{size}, ")).collect();
    let sizes = if shape.len() == 1 { sizes.trim_end() } else { sizes.trim_end_matches(", ") };
    let text =
        format!("{{'descr': '{order}{letters}', 'fortran_order': False, 'shape': ({sizes}), }}");
    // The elements begin at a multiple of 64, the header ends with a line end.
    let padded = (10 + text.len() + 1).next_multiple_of(64) - 10;
    let mut header = MAGIC.to_vec();
    header.extend([1, 0]);
    // A shape has at most `limits::ARRAY_DIMENSIONS` sizes of 20 digits: far below 64 KiB.
    header.extend((padded as u16).to_le_bytes());
    header.extend(format!("{text:<width$}\n", width = padded - 1).bytes());
    header
}

#[cfg(test)]
mod tests;
