//! A thin safe face on libjpeg-turbo's TurboJPEG interface (`turbojpeg.h`, version 3).
//!
//! The `turbojpeg` crate's own face turns every warning into an error and so loses photos that any
//! viewer shows; this one tells the two apart, and reads the header once instead of twice. The
//! crate's `unsafe` is in this file and in `resize::avx2`.

use std::ffi::{CStr, c_int};

use turbojpeg::raw;

use crate::picture::{Layout, Picture};

/// Most scans of a progressive JPEG. Real ones have about ten; thousands are an attack on time
/// ("Two Issues with the JPEG Standard", libjpeg-turbo.org).
const MAX_SCANS: c_int = 500;

/// What libjpeg-turbo said when it was not content.
#[derive(Debug, Clone)]
pub struct Complaint {
    /// Its message, without the function's name.
    pub message: String,
    /// Whether it went on nevertheless. A fatal error after a warning looks like a warning too:
    /// the picture may be incomplete either way.
    pub warning: bool,
}

/// The colour model of a JPEG.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colours {
    /// Luma alone.
    Gray,
    /// Luma and chroma; one chroma sample for so many pixels across and down, if in a usual way.
    Yuv(Option<(u32, u32)>),
    /// Red, green and blue as they are.
    Rgb,
    /// Four inks, with or without a luma transform.
    Cmyk,
}

/// The header as libjpeg-turbo reads it.
#[derive(Debug, Clone, Copy)]
pub struct Header {
    /// Width and height in pixels.
    pub size: (u32, u32),
    /// The colour model.
    pub colours: Colours,
    /// Bits of a sample.
    pub precision: u32,
    /// Whether the file has no discrete cosine transform, and thus cannot be decoded smaller.
    pub lossless: bool,
    /// Whether the whole picture's coefficients are held while decoding.
    pub progressive: bool,
}

struct Handle(raw::tjhandle);

// SAFETY: a TurboJPEG instance is a plain heap object without ties to its thread; it must not be
// used by two at once, which `&mut` (and the lack of `Sync`) rules out.
unsafe impl Send for Handle {}

impl Handle {
    fn new(kind: raw::TJINIT) -> Option<Self> {
        // SAFETY: takes a number, gives an instance or null.
        let pointer = unsafe { raw::tj3Init(kind as c_int) };
        (!pointer.is_null()).then_some(Self(pointer))
    }

    fn set(&mut self, parameter: raw::TJPARAM, value: c_int) {
        // SAFETY: a live instance and two numbers. It fails for values out of range only, and
        // those given here are in range.
        let result = unsafe { raw::tj3Set(self.0, parameter as c_int, value) };
        debug_assert_eq!(result, 0, "tj3Set({parameter}, {value})");
    }

    fn get(&mut self, parameter: raw::TJPARAM) -> c_int {
        // SAFETY: a live instance and a number.
        unsafe { raw::tj3Get(self.0, parameter as c_int) }
    }

    fn complaint(&mut self) -> Complaint {
        // SAFETY: a live instance; the string is NUL-terminated and stays until the next call.
        let (message, code) =
            unsafe { (CStr::from_ptr(raw::tj3GetErrorStr(self.0)), raw::tj3GetErrorCode(self.0)) };
        let message = message.to_string_lossy();
        let message = message.split_once("(): ").map_or(&*message, |(_, rest)| rest);
        Complaint {
            message: message.replace('\n', " ").trim_end_matches('.').to_owned(),
            warning: code == raw::TJERR_TJERR_WARNING as c_int,
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: a live instance that nobody uses after this.
        unsafe { raw::tj3Destroy(self.0) }
    }
}

/// A decompressor, reusable for any number of images.
pub struct Decompressor(Handle);

/// A JPEG whose header has been read by a decompressor.
pub struct Opened<'a> {
    handle: &'a mut Handle,
    data: &'a [u8],
    /// What the header says.
    pub header: Header,
}

impl Decompressor {
    /// A new instance; none when there is no memory for it.
    pub fn new() -> Option<Self> {
        Handle::new(raw::TJINIT_TJINIT_DECOMPRESS).map(Self)
    }

    /// Reads the header.
    ///
    /// # Errors
    /// What the library said, if it could not make out a picture's size and colours.
    pub fn open<'a>(&'a mut self, data: &'a [u8]) -> Result<Opened<'a>, Complaint> {
        let handle = &mut self.0;
        // SAFETY: a live instance, and a slice that outlives the call.
        let result =
            unsafe { raw::tj3DecompressHeader(handle.0, data.as_ptr(), data.len() as raw::size_t) };
        if result != 0 {
            let complaint = handle.complaint();
            if !complaint.warning {
                return Err(complaint);
            }
        }
        let side = |value: c_int| u32::try_from(value).unwrap_or(0);
        let size = (
            side(handle.get(raw::TJPARAM_TJPARAM_JPEGWIDTH)),
            side(handle.get(raw::TJPARAM_TJPARAM_JPEGHEIGHT)),
        );
        let header = Header {
            size,
            colours: colours(handle),
            precision: side(handle.get(raw::TJPARAM_TJPARAM_PRECISION)),
            lossless: handle.get(raw::TJPARAM_TJPARAM_LOSSLESS) != 0,
            progressive: handle.get(raw::TJPARAM_TJPARAM_PROGRESSIVE) != 0,
        };
        Ok(Opened { handle, data, header })
    }
}

fn colours(handle: &mut Handle) -> Colours {
    match handle.get(raw::TJPARAM_TJPARAM_COLORSPACE) as raw::TJCS {
        raw::TJCS_TJCS_GRAY => Colours::Gray,
        raw::TJCS_TJCS_RGB => Colours::Rgb,
        raw::TJCS_TJCS_YCbCr => Colours::Yuv(sampling(handle)),
        _ => Colours::Cmyk,
    }
}

fn sampling(handle: &mut Handle) -> Option<(u32, u32)> {
    match handle.get(raw::TJPARAM_TJPARAM_SUBSAMP) as raw::TJSAMP {
        raw::TJSAMP_TJSAMP_444 => Some((1, 1)),
        raw::TJSAMP_TJSAMP_422 => Some((2, 1)),
        raw::TJSAMP_TJSAMP_420 => Some((2, 2)),
        raw::TJSAMP_TJSAMP_440 => Some((1, 2)),
        raw::TJSAMP_TJSAMP_411 => Some((4, 1)),
        raw::TJSAMP_TJSAMP_441 => Some((1, 4)),
        _ => None,
    }
}

impl Opened<'_> {
    /// The size when decoded `shrink` times smaller.
    pub fn size(&self, shrink: u32) -> (u32, u32) {
        (self.header.size.0.div_ceil(shrink), self.header.size.1.div_ceil(shrink))
    }

    /// Decodes into `picture`, `shrink` (1, 2, 4 or 8) times smaller, holding at most
    /// `max_megabytes` for a progressive JPEG's coefficients. A picture of layout
    /// [`Layout::Rgba`] takes four inks.
    ///
    /// # Errors
    /// What the library said; the picture then holds what was decoded until it was said.
    ///
    /// # Panics
    /// If the picture's size is not [`Opened::size`], or its planes are not those of the file.
    pub fn decode(
        &mut self,
        picture: &mut Picture,
        shrink: u32,
        max_megabytes: u32,
    ) -> Result<(), Complaint> {
        assert_eq!((picture.width(), picture.height()), self.size(shrink));
        assert!(matches!(shrink, 1 | 2 | 4 | 8) && (shrink == 1 || !self.header.lossless));
        let handle = &mut *self.handle;
        let scale = raw::tjscalingfactor { num: 1, denom: shrink as c_int };
        // SAFETY: a live instance; the factor is one of those the library lists.
        unsafe { raw::tj3SetScalingFactor(handle.0, scale) };
        handle.set(raw::TJPARAM_TJPARAM_SCANLIMIT, MAX_SCANS);
        handle.set(raw::TJPARAM_TJPARAM_MAXMEMORY, max_megabytes.clamp(1, 1 << 20) as c_int);
        let result = match picture.layout {
            Layout::Yuv { h, v } => {
                assert_eq!(self.header.colours, Colours::Yuv(Some((h, v))));
                self.decode_planes(picture)
            }
            _ => self.decode_packed(picture),
        };
        if result != 0 { Err(self.handle.complaint()) } else { Ok(()) }
    }

    fn decode_packed(&mut self, picture: &mut Picture) -> c_int {
        let format = match picture.layout {
            Layout::Gray => raw::TJPF_TJPF_GRAY,
            Layout::Rgb => raw::TJPF_TJPF_RGB,
            _ => raw::TJPF_TJPF_CMYK,
        };
        // SAFETY: `decode` asserted that the picture has the size the library will write, the rows
        // are tight (pitch 0), the plane's slice holds width * height pixels of this format, and
        // the library reads the same header from the same bytes as `open` did.
        unsafe {
            raw::tj3Decompress8(
                self.handle.0,
                self.data.as_ptr(),
                self.data.len() as raw::size_t,
                picture.plane_mut(0).as_mut_ptr(),
                0,
                format as c_int,
            )
        }
    }

    fn decode_planes(&mut self, picture: &mut Picture) -> c_int {
        // Every plane's slice is in bounds, or this panics.
        let ends = [0, 1, 2].map(|index| picture.planes[index].start + picture.plane(index).len());
        assert!(ends.iter().all(|&end| end <= picture.pixels.len()));
        let mut strides = picture.planes.map(|plane| plane.full.0 as c_int);
        let base = picture.pixels.as_mut_ptr();
        let mut starts = picture.planes.map(|plane| base.wrapping_add(plane.start));
        // SAFETY: as in `decode_packed`; the planes' sizes are the library's own rule
        // (tj3YUVPlaneWidth and -Height: luma's sides rounded up to the sampling, chroma's those
        // divided by it) for the sampling `decode` asserted, and no plane overlaps another.
        unsafe {
            raw::tj3DecompressToYUVPlanes8(
                self.handle.0,
                self.data.as_ptr(),
                self.data.len() as raw::size_t,
                starts.as_mut_ptr(),
                strides.as_mut_ptr(),
            )
        }
    }
}

/// A compressor, reusable for any number of images.
pub struct Compressor(Handle);

impl Compressor {
    /// A new instance; none when there is no memory for it.
    pub fn new() -> Option<Self> {
        let mut handle = Handle::new(raw::TJINIT_TJINIT_COMPRESS)?;
        // The output buffer is ours and never grows.
        handle.set(raw::TJPARAM_TJPARAM_NOREALLOC, 1);
        Some(Self(handle))
    }

    /// Bytes that hold any picture of this size, whatever is in it.
    pub fn bound(width: u32, height: u32) -> usize {
        // SAFETY: numbers in, a number out.
        let bytes = unsafe {
            raw::tj3JPEGBufSize(width as c_int, height as c_int, raw::TJSAMP_TJSAMP_420 as c_int)
        };
        bytes as usize
    }

    /// Writes a gray, RGB or 4:2:0 picture as a baseline JPEG, colours at 4:2:0, with the standard
    /// Huffman tables. Gives the number of bytes written to `out`.
    ///
    /// # Errors
    /// What the library said.
    ///
    /// # Panics
    /// If `out` is shorter than [`Compressor::bound`], or the layout is another.
    pub fn encode(
        &mut self,
        picture: &Picture,
        quality: u8,
        out: &mut [u8],
    ) -> Result<usize, Complaint> {
        assert!(out.len() >= Self::bound(picture.width(), picture.height()));
        let handle = &mut self.0;
        let subsampling = match picture.layout {
            Layout::Gray => raw::TJSAMP_TJSAMP_GRAY,
            _ => raw::TJSAMP_TJSAMP_420,
        };
        handle.set(raw::TJPARAM_TJPARAM_SUBSAMP, subsampling as c_int);
        handle.set(raw::TJPARAM_TJPARAM_QUALITY, c_int::from(quality));
        let mut start = out.as_mut_ptr();
        let mut length = out.len() as raw::size_t;
        let result = match picture.layout {
            Layout::Gray => {
                self.encode_packed(picture, raw::TJPF_TJPF_GRAY, &mut start, &mut length)
            }
            Layout::Rgb => self.encode_packed(picture, raw::TJPF_TJPF_RGB, &mut start, &mut length),
            Layout::Yuv { h: 2, v: 2 } => self.encode_planes(picture, &mut start, &mut length),
            other => panic!("no JPEG is written from {other:?}"),
        };
        if result != 0 { Err(self.0.complaint()) } else { Ok(length as usize) }
    }

    fn encode_packed(
        &mut self,
        picture: &Picture,
        format: raw::TJPF,
        start: &mut *mut u8,
        length: &mut raw::size_t,
    ) -> c_int {
        let plane = picture.planes[0];
        let channels = picture.layout.channels();
        let first = (plane.y as usize * plane.full.0 as usize + plane.x as usize) * channels;
        // SAFETY: the view lies inside the plane's slice, with rows `pitch` bytes apart. `start`
        // and `length` are an output slice of at least `bound` bytes, and with NOREALLOC the
        // library writes no further and keeps the pointer.
        unsafe {
            raw::tj3Compress8(
                self.0.0,
                picture.plane(0)[first..].as_ptr(),
                plane.width as c_int,
                (plane.full.0 as usize * channels) as c_int,
                plane.height as c_int,
                format as c_int,
                start,
                length,
            )
        }
    }

    fn encode_planes(
        &mut self,
        picture: &Picture,
        start: &mut *mut u8,
        length: &mut raw::size_t,
    ) -> c_int {
        let starts = [0, 1, 2].map(|index| {
            let plane = picture.planes[index];
            let first = plane.y as usize * plane.full.0 as usize + plane.x as usize;
            picture.plane(index)[first..].as_ptr()
        });
        let strides = picture.planes.map(|plane| plane.full.0 as c_int);
        let luma = picture.planes[0];
        assert!(luma.x + luma.width.next_multiple_of(2) <= luma.full.0);
        assert!(luma.y + luma.height.next_multiple_of(2) <= luma.full.1);
        // SAFETY: as in `encode_packed`, for each plane; the library reads luma up to the next even
        // side, which is there (`Layout::Yuv`), and chroma planes of half those sides.
        unsafe {
            raw::tj3CompressFromYUVPlanes8(
                self.0.0,
                starts.as_ptr(),
                picture.width() as c_int,
                strides.as_ptr(),
                picture.height() as c_int,
                start,
                length,
            )
        }
    }
}
