//! The chunks of a WebP file that are not pixels (RFC 9649, 2.3 and 2.7): colour profile and EXIF.
//!
//! Read here because the decoder makes room for as many bytes as such a chunk declares, up to
//! 4 GiB, before it looks whether they are there.

use std::borrow::Cow;

use crate::exif;
use crate::icc::Found;
use crate::orientation::Orientation;

/// The colour profile.
pub fn profile(file: &[u8]) -> Found<'_> {
    let body = chunk(file, b"ICCP")?;
    Some(body.map(Cow::Borrowed).ok_or_else(|| "the file ends within it".to_owned()))
}

/// How the picture wants to be turned.
pub fn orientation(file: &[u8]) -> Orientation {
    let exif = chunk(file, b"EXIF").flatten().unwrap_or_default();
    // Some writers copy the name that EXIF has in a JPEG, too.
    exif::orientation(exif.strip_prefix(b"Exif\0\0").unwrap_or(exif))
}

/// The first chunk of this name: its body, or none if the file ends before that does. Only files
/// that begin with an extended header have such chunks.
fn chunk<'a>(file: &'a [u8], name: &[u8; 4]) -> Option<Option<&'a [u8]>> {
    if file.get(12..16)? != b"VP8X" {
        return None;
    }
    let mut at = 12usize;
    loop {
        let (head, rest) = file.get(at..)?.split_at_checked(8)?;
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        if head.starts_with(name) {
            return Some(rest.get(..length));
        }
        at = at.checked_add(8)?.checked_add(length)?.checked_add(length % 2)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(chunks: &[(&[u8; 4], u32, &[u8])]) -> Vec<u8> {
        let mut file = b"RIFF\0\0\0\0WEBP".to_vec();
        for (name, length, body) in chunks {
            file.extend([&name[..], &length.to_le_bytes(), body].concat());
        }
        file
    }

    #[test]
    fn chunks_are_found_behind_odd_ones() {
        let file = file(&[
            (b"VP8X", 10, &[0; 10]),
            (b"junk", 3, &[0; 4]),
            (b"ICCP", 3, b"abc"),
            (b"EXIF", 0, b""),
        ]);
        // The odd profile's filler is missing, so what follows is out of step.
        assert_eq!(profile(&file), Some(Ok(Cow::Borrowed(&b"abc"[..]))));
        assert_eq!(orientation(&file), Orientation::UPRIGHT);
    }

    #[test]
    fn a_length_beyond_the_file_is_no_chunk() {
        let beyond = file(&[(b"VP8X", 10, &[0; 10]), (b"ICCP", u32::MAX, b"abc")]);
        assert!(profile(&beyond).is_some_and(|found| found.is_err()));
        for end in 0..beyond.len() {
            let _ = (profile(&beyond[..end]), orientation(&beyond[..end]));
        }
        assert_eq!(profile(&file(&[(b"VP8L", 0, b""), (b"ICCP", 1, b"a")])), None);
    }
}
