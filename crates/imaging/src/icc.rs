//! The colour profile: kept from file to file, never applied.
//!
//! A Display P3 or Adobe RGB photo without its profile is shown in the wrong colours, so the bytes
//! travel with the picture. They are believed only as far as the header goes (ICC.1:2022, 7.2):
//! length, signature, and which kind of pixels they are for. Where each format keeps them is in
//! `jpeg::profile`, `tiff`, `webp` and `raster`. A profile that is broken, too long or without a
//! place in the output is dropped, with a warning: that is no reason to refuse a photo.

use std::borrow::Cow;

use crate::format::Format;
use crate::jpeg;
use crate::limits::Limits;
use crate::picture::Layout;

/// Bytes of a profile's header and of the number of its tags.
const HEADER: usize = 132;
/// Tags looked at; real profiles have about twenty.
const MAX_TAGS: u32 = 256;
/// The primaries of sRGB as its profiles give them: tags and their X, Y and Z.
const SRGB: [(&[u8; 4], [f64; 3]); 3] = [
    (b"rXYZ", [0.4361, 0.2225, 0.0139]),
    (b"gXYZ", [0.3851, 0.7169, 0.0971]),
    (b"bXYZ", [0.1431, 0.0606, 0.7141]),
];

/// What a file has in the place of a profile: nothing, its bytes, or what is wrong with them.
pub type Found<'a> = Option<Result<Cow<'a, [u8]>, String>>;

/// A profile for the pixels we have: gray, or red, green and blue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    bytes: Vec<u8>,
    gray: bool,
}

impl Profile {
    /// Takes what was found, or warns of it.
    pub fn read(found: Found<'_>, limits: &Limits, warnings: &mut Vec<String>) -> Option<Self> {
        match found?.and_then(|bytes| Self::checked(bytes, limits)) {
            Ok(profile) => Some(profile),
            Err(what) => {
                warnings.push(format!("the colour profile was dropped: {what}"));
                None
            }
        }
    }

    fn checked(bytes: Cow<'_, [u8]>, limits: &Limits) -> Result<Self, String> {
        limits.check_profile(bytes.len())?;
        let Some(header) = bytes.first_chunk::<HEADER>() else {
            return Err(format!("it has only {} bytes", bytes.len()));
        };
        let declared = u32::from_be_bytes([header[0], header[1], header[2], header[3]]) as usize;
        if &header[36..40] != b"acsp" || !(HEADER..=bytes.len()).contains(&declared) {
            return Err("its header is damaged".to_owned());
        }
        let gray = match &header[16..20] {
            b"GRAY" => true,
            b"RGB " => false,
            other => return Err(format!("it is for {} colours", other.escape_ascii())),
        };
        // Some writers round the length up.
        let mut bytes = bytes.into_owned();
        bytes.truncate(declared);
        Ok(Self { bytes, gray })
    }

    /// The bytes to write with a picture of this layout, if they still fit: gray pixels do not
    /// keep a profile for colours, which is what was asked for, so nothing is said. A format
    /// without a place for the profile is worth a warning, unless sRGB is assumed there anyway.
    pub fn fitting(
        self,
        layout: Layout,
        format: Format,
        warnings: &mut Vec<String>,
    ) -> Option<Vec<u8>> {
        if self.gray != matches!(layout, Layout::Gray | Layout::GrayAlpha) {
            return None;
        }
        let holds = match format {
            Format::Jpeg => self.bytes.len() <= jpeg::MAX_PROFILE,
            Format::Png => true,
            // Gray is written as colours there: WebP knows nothing else, TIFF no gray with alpha.
            Format::WebP => !self.gray,
            Format::Tiff => layout != Layout::GrayAlpha,
            Format::Gif | Format::Bmp => false,
        };
        if !holds && !self.is_srgb() {
            warnings.push(format!("the colour profile was dropped: the {format} cannot hold it"));
        }
        holds.then_some(self.bytes)
    }

    /// Whether its primaries are those of sRGB, which everybody assumes where nothing is said.
    fn is_srgb(&self) -> bool {
        SRGB.iter().all(|(tag, primary)| {
            self.xyz(tag).is_some_and(|xyz| {
                xyz.iter().zip(primary).all(|(one, other)| (one - other).abs() < 0.002)
            })
        })
    }

    /// The numbers of a tag of type XYZ (ICC.1:2022, 7.3 and 10.31).
    fn xyz(&self, tag: &[u8; 4]) -> Option<[f64; 3]> {
        let tags = self.u32(HEADER - 4)?.min(MAX_TAGS) as usize;
        let entry = (0..tags)
            .map(|index| HEADER + 12 * index)
            .find(|&at| self.bytes.get(at..at + 4).is_some_and(|name| name == tag))?;
        let at = self.u32(entry + 4)? as usize;
        if self.bytes.get(at..at.checked_add(4)?)? != b"XYZ " {
            return None;
        }
        // Signed numbers with 16 bits after the point.
        let number = |place: usize| Some(f64::from(self.u32(place)?.cast_signed()) / 65_536.0);
        Some([number(at + 8)?, number(at + 12)?, number(at + 16)?])
    }

    fn u32(&self, at: usize) -> Option<u32> {
        self.bytes.get(at..)?.first_chunk().copied().map(u32::from_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(space: &[u8; 4], primaries: &[(&[u8; 4], [f64; 3])]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        bytes[16..20].copy_from_slice(space);
        bytes[36..40].copy_from_slice(b"acsp");
        bytes[131] = primaries.len() as u8;
        let first = (HEADER + 12 * primaries.len()) as u32;
        for (index, (tag, _)) in (0u32..).zip(primaries) {
            bytes.extend(*tag);
            bytes.extend((first + 20 * index).to_be_bytes());
            bytes.extend(20u32.to_be_bytes());
        }
        for (_, xyz) in primaries {
            bytes.extend(b"XYZ \0\0\0\0");
            bytes.extend(xyz.iter().flat_map(|v| ((v * 65_536.0) as i32).to_be_bytes()));
        }
        let length = (bytes.len() as u32).to_be_bytes();
        bytes[..4].copy_from_slice(&length);
        bytes
    }

    fn read(bytes: &[u8]) -> (Option<Profile>, Vec<String>) {
        let mut warnings = Vec::new();
        let found = Some(Ok(Cow::Borrowed(bytes)));
        (Profile::read(found, &Limits::default(), &mut warnings), warnings)
    }

    #[test]
    fn srgb_is_known_by_its_primaries() {
        let (plain, _) = read(&profile(b"RGB ", &SRGB));
        assert!(plain.as_ref().unwrap().is_srgb());
        let mut warnings = Vec::new();
        assert_eq!(plain.unwrap().fitting(Layout::Rgb, Format::Bmp, &mut warnings), None);
        assert_eq!(warnings, [""; 0]);
        let mut wide = SRGB;
        wide[0].1 = [0.5151, 0.2412, -0.0011];
        let (wide, _) = read(&profile(b"RGB ", &wide));
        assert!(!wide.as_ref().unwrap().is_srgb());
        assert_eq!(wide.unwrap().fitting(Layout::Rgb, Format::Bmp, &mut warnings), None);
        assert_eq!(warnings.len(), 1);
    }

    #[test]
    fn a_broken_profile_is_dropped_with_a_warning() {
        let whole = profile(b"RGB ", &SRGB);
        for end in 0..whole.len() {
            let (none, warnings) = read(&whole[..end]);
            assert_eq!((none, warnings.len()), (None, 1), "cut at {end}");
        }
        for (at, with) in [(36, b"abcd"), (16, b"Lab "), (16, b"CMYK"), (0, b"\0\0\0\x05")] {
            let mut broken = whole.clone();
            broken[at..at + 4].copy_from_slice(with);
            assert!(read(&broken).0.is_none());
        }
    }

    #[test]
    fn what_is_written_after_the_end_is_cut_off() {
        let whole = profile(b"GRAY", &[]);
        let (kept, warnings) = read(&[&whole[..], &[0; 3]].concat());
        assert_eq!((kept, warnings.len()), (Some(Profile { bytes: whole, gray: true }), 0));
    }

    #[test]
    fn tags_that_point_nowhere_are_not_srgb() {
        let whole = profile(b"RGB ", &SRGB);
        for at in HEADER - 4..whole.len() {
            let mut broken = whole.clone();
            broken[at] = 0xff;
            let _ = read(&broken).0.unwrap().is_srgb();
        }
    }
}
