//! The colour profile of a JPEG, cut into APP2 segments because one holds less than 64 KiB
//! (ICC.1:2022, annex B.4): each has a signature, its number from 1 on, and how many there are.

use std::borrow::Cow;

use crate::icc::Found;
use crate::jpeg::markers::{Markers, Segment};
use crate::limits::Limits;

const APP0: u8 = 0xe0;
const APP2: u8 = 0xe2;
const SIGNATURE: &[u8] = b"ICC_PROFILE\0";
/// Bytes that the length in front of a part counts besides it: itself, signature, two numbers.
const OVERHEAD: usize = 2 + SIGNATURE.len() + 2;
/// Bytes of a profile in one segment.
const CHUNK: usize = u16::MAX as usize - OVERHEAD;
/// The longest profile a JPEG can hold.
pub const MAX_PROFILE: usize = CHUNK * 255;

/// Whether a segment holds a part of a profile.
pub fn is_part(marker: u8, body: &[u8]) -> bool {
    marker == APP2 && body.starts_with(SIGNATURE)
}

/// The profile, its parts put into the order of their numbers. One that has no profile costs
/// nothing; nor does a CMYK one, whose profile does not fit the colours it is decoded to.
pub fn read<'a>(data: &'a [u8], markers: &Markers, limits: &Limits) -> Found<'a> {
    (markers.profile && !markers.four_inks).then(|| join(&data[..markers.scan], limits))
}

fn join<'a>(header: &'a [u8], limits: &Limits) -> Result<Cow<'a, [u8]>, String> {
    let mut parts: [Option<&[u8]>; 255] = [None; 255];
    let mut count = None;
    let mut at = 2;
    while let Some(segment) = Segment::next(header, at) {
        at = segment.end;
        if !is_part(segment.marker, segment.body) {
            continue;
        }
        let [number, of, part @ ..] = &segment.body[SIGNATURE.len()..] else {
            return Err("one of its parts has no number".to_owned());
        };
        if *number == 0 || number > of || *count.get_or_insert(*of) != *of {
            return Err(format!("it has a part {number} of {of}"));
        }
        if parts[usize::from(*number) - 1].replace(part).is_some() {
            return Err(format!("it has part {number} twice"));
        }
    }
    let parts = &parts[..usize::from(count.unwrap_or(0))];
    if let Some(missing) = parts.iter().position(Option::is_none) {
        return Err(format!("its part {} of {} is missing", missing + 1, parts.len()));
    }
    limits.check_profile(parts.iter().flatten().map(|part| part.len()).sum())?;
    Ok(match parts {
        [Some(whole)] => Cow::Borrowed(whole),
        parts => parts.iter().flatten().copied().collect::<Vec<_>>().concat().into(),
    })
}

/// The JPEG with a profile, behind its JFIF segment where it begins with one.
///
/// # Panics
/// If the profile is longer than [`MAX_PROFILE`].
pub fn insert(jpeg: &[u8], profile: &[u8]) -> Vec<u8> {
    let begin = match jpeg {
        [_, _, 0xff, APP0, high, low, ..] => 4 + usize::from(u16::from_be_bytes([*high, *low])),
        _ => 2,
    };
    let chunks = profile.chunks(CHUNK);
    let count = chunks.len();
    assert!(count <= 255, "a profile of {} bytes", profile.len());
    let (head, rest) = jpeg.split_at(begin);
    let mut tagged = Vec::with_capacity(jpeg.len() + profile.len() + count * (2 + OVERHEAD));
    tagged.extend_from_slice(head);
    for (number, chunk) in (1u8..).zip(chunks) {
        let length = (OVERHEAD + chunk.len()) as u16;
        tagged.extend_from_slice(&[0xff, APP2]);
        tagged.extend_from_slice(&length.to_be_bytes());
        tagged.extend_from_slice(SIGNATURE);
        tagged.extend_from_slice(&[number, count as u8]);
        tagged.extend_from_slice(chunk);
    }
    tagged.extend_from_slice(rest);
    tagged
}
