//! Files that we write are read again; what is no plain array is refused before it costs anything.

use super::*;

fn file(header: &str, data: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(data);
    file.write_all(&bytes).unwrap();
    file
}

#[test]
fn what_is_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    for (place, shape) in
        [vec![], vec![6], vec![2, 3], vec![0, 5], vec![1, 2, 1, 3]].iter().enumerate()
    {
        for dtype in [Dtype::Float32, Dtype::Int64, Dtype::Uint8, Dtype::Bool, Dtype::Float16] {
            let size = byte_size(dtype, shape).unwrap();
            let bytes = (0..size).map(|n| (n % 2) as u8).collect();
            let tensor = Tensor::of_bytes(dtype, shape.clone(), bytes).unwrap();
            let path = folder.path().join(format!("{place}-{}.npy", dtype.name()));
            write(&path, &tensor).unwrap();
            assert_eq!(read(&path).unwrap(), tensor);
            // The elements are aligned, as numpy wants them for mapping.
            assert_eq!(path.metadata().unwrap().len() as usize % 64, size % 64);
        }
    }
}

#[test]
fn bfloat16_is_written_as_the_same_numbers_in_float32() {
    let folder = tempfile::tempdir().unwrap();
    let halves: Vec<u8> =
        [1.5_f32, -2.0].iter().flat_map(|x| half::bf16::from_f32(*x).to_le_bytes()).collect();
    let tensor = Tensor::of_bytes(Dtype::Bfloat16, vec![2], halves).unwrap();
    let path = folder.path().join("b.npy");
    write(&path, &tensor).unwrap();
    let wide: Vec<u8> = [1.5_f32, -2.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    assert_eq!(read(&path).unwrap(), Tensor::of_bytes(Dtype::Float32, vec![2], wide).unwrap());
}

#[test]
fn what_is_not_a_plain_array_is_refused() {
    for (header, data, words) in [
        ("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", 8, "'|O' are not supported"),
        ("{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }", 4, "'>f4' are not supported"),
        ("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }", 16, "Fortran"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }", 12, "12 follow"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }", 17, "17 follow"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", 4, "not a header"),
        ("{'descr': '<f4', 'fortran_order': False, }", 4, "not a header"),
        ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", 4, "not"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999,), }", 4, "limit"),
        (
            "{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999, 9999999999), }",
            4,
            "limit",
        ),
        ("no header at all", 4, "not a header"),
    ] {
        let file = file(header, &vec![0; data]);
        let refused = read(file.path()).unwrap_err();
        assert!(refused.contains(words), "{header}: {refused}");
    }
}

#[test]
fn what_is_cut_short_or_no_file_is_refused() {
    let whole = file("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", &[0; 4]);
    let bytes = std::fs::read(whole.path()).unwrap();
    for length in 0..bytes.len() {
        std::fs::write(whole.path(), &bytes[..length]).unwrap();
        assert!(read(whole.path()).is_err(), "{length} bytes");
    }
    assert!(read(Path::new("/dev/zero")).unwrap_err().contains("not a file"));
}
