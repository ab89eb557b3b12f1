//! Pixels in memory, between decoder and encoder: packed or in planes, possibly a view of a part.

use crate::error::ImageError;
use crate::orientation::{Orientation, orient};
use crate::pool::Pool;

/// How the samples of a picture lie in memory. Every sample has 8 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Luma.
    Gray,
    /// Luma and straight (not premultiplied) alpha.
    GrayAlpha,
    /// Red, green, blue.
    Rgb,
    /// Red, green, blue and straight alpha.
    Rgba,
    /// Three planes: luma, and two of chroma with one sample for `h` by `v` pixels. Luma has rows
    /// and columns to spare up to a multiple of those, as libjpeg-turbo reads and writes it.
    Yuv {
        /// Pixels to one chroma sample across.
        h: u32,
        /// Pixels to one chroma sample down.
        v: u32,
    },
}

impl Layout {
    /// Bytes of one pixel of one plane.
    pub fn channels(self) -> usize {
        match self {
            Self::Gray | Self::Yuv { .. } => 1,
            Self::GrayAlpha => 2,
            Self::Rgb => 3,
            Self::Rgba => 4,
        }
    }

    /// The sizes of the planes of a picture of this size; unused planes are empty.
    pub fn plane_sizes(self, width: u32, height: u32) -> [(u32, u32); 3] {
        match self {
            Self::Yuv { h, v } => {
                let chroma = (width.div_ceil(h), height.div_ceil(v));
                [(width, height), chroma, chroma]
            }
            _ => [(width, height), (0, 0), (0, 0)],
        }
    }
}

/// One plane: where its rows lie in the buffer, and which part of them is the picture.
#[derive(Debug, Clone, Copy, Default)]
pub struct Plane {
    /// Offset in bytes of the first row's first pixel, before any crop.
    pub start: usize,
    /// Pixels a row, and rows, before any crop.
    pub full: (u32, u32),
    /// Left edge of the view in pixels.
    pub x: u32,
    /// Upper edge of the view in pixels.
    pub y: u32,
    /// Width of the view in pixels.
    pub width: u32,
    /// Height of the view in pixels.
    pub height: u32,
}

impl Plane {
    /// A plane that fills its buffer.
    pub fn tight(width: u32, height: u32) -> Self {
        Self { start: 0, full: (width, height), x: 0, y: 0, width, height }
    }
}

/// A picture in a buffer from the pool.
#[derive(Debug)]
pub struct Picture {
    /// The samples' order.
    pub layout: Layout,
    /// Planes in use: three for [`Layout::Yuv`], else one.
    pub planes: [Plane; 3],
    /// The buffer; longer than needed, as pool buffers are.
    pub pixels: Vec<u8>,
}

impl Picture {
    /// A picture whose pixels are yet to be written.
    ///
    /// # Errors
    /// [`ImageError::TooLarge`] when its memory is over the bound.
    pub fn new(
        layout: Layout,
        width: u32,
        height: u32,
        pool: &mut Pool,
    ) -> Result<Self, ImageError> {
        let mut planes = [Plane::default(); 3];
        let mut bytes = 0usize;
        for (plane, (width, height)) in planes.iter_mut().zip(layout.plane_sizes(width, height)) {
            // Only luma has sides that are not multiples already.
            let full = match layout {
                Layout::Yuv { h, v } if bytes == 0 => {
                    (width.next_multiple_of(h), height.next_multiple_of(v))
                }
                _ => (width, height),
            };
            *plane = Plane { start: bytes, full, x: 0, y: 0, width, height };
            let (width, height) = full;
            bytes = bytes.saturating_add(
                (width as usize).saturating_mul(height as usize).saturating_mul(layout.channels()),
            );
        }
        Ok(Self { layout, planes, pixels: pool.take(bytes)? })
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.planes[0].width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.planes[0].height
    }

    /// The planes in use.
    pub fn planes(&self) -> &[Plane] {
        match self.layout {
            Layout::Yuv { .. } => &self.planes,
            _ => &self.planes[..1],
        }
    }

    /// All bytes of a plane, crop or not.
    pub fn plane(&self, index: usize) -> &[u8] {
        let Plane { start, full: (width, height), .. } = self.planes[index];
        &self.pixels[start..start + width as usize * height as usize * self.layout.channels()]
    }

    /// All bytes of a plane, crop or not, for writing.
    pub fn plane_mut(&mut self, index: usize) -> &mut [u8] {
        let Plane { start, full: (width, height), .. } = self.planes[index];
        &mut self.pixels[start..start + width as usize * height as usize * self.layout.channels()]
    }

    /// The rows of a plane's view, top first.
    pub fn rows(&self, index: usize) -> impl Iterator<Item = &[u8]> {
        let plane = self.planes[index];
        let channels = self.layout.channels();
        let left = plane.x as usize * channels;
        self.plane(index)
            .chunks_exact((plane.full.0 as usize * channels).max(1))
            .skip(plane.y as usize)
            .take(plane.height as usize)
            .map(move |row| &row[left..left + plane.width as usize * channels])
    }

    /// Narrows the view; nothing moves. On planes the offsets must be multiples of the chroma
    /// sampling, which the plan sees to.
    pub fn crop(&mut self, x: u32, y: u32, width: u32, height: u32) {
        let (h, v) = match self.layout {
            Layout::Yuv { h, v } => (h, v),
            _ => (1, 1),
        };
        assert!(x.is_multiple_of(h) && y.is_multiple_of(v), "a crop between chroma samples");
        let sizes = self.layout.plane_sizes(width, height);
        for (index, (plane, size)) in self.planes.iter_mut().zip(sizes).enumerate() {
            let (h, v) = if index == 0 { (1, 1) } else { (h, v) };
            plane.x += x / h;
            plane.y += y / v;
            (plane.width, plane.height) = size;
        }
    }

    /// Repeats the last column and row of luma into what is to spare beyond them.
    pub fn pad(&mut self) {
        let Plane { full, width, height, .. } = self.planes[0];
        if full == (width, height) {
            return;
        }
        let (stride, width, height) = (full.0 as usize, width as usize, height as usize);
        let luma = self.plane_mut(0);
        for row in luma.chunks_exact_mut(stride) {
            let last = row[width - 1];
            row[width..].fill(last);
        }
        for y in height..full.1 as usize {
            luma.copy_within((height - 1) * stride..height * stride, y * stride);
        }
    }

    /// Carries out an orientation. A picture that is upright is given back as it is, so a crop
    /// still has its wide rows; any other comes out tight.
    ///
    /// # Errors
    /// [`ImageError::TooLarge`] when a second picture of this size is over the bound.
    pub fn oriented(self, orientation: Orientation, pool: &mut Pool) -> Result<Self, ImageError> {
        if orientation == Orientation::UPRIGHT {
            return Ok(self);
        }
        self.copied(orientation, pool)
    }

    /// A picture without gaps between its rows.
    ///
    /// # Errors
    /// [`ImageError::TooLarge`] when a second picture of this size is over the bound.
    pub fn tight(self, pool: &mut Pool) -> Result<Self, ImageError> {
        let gaps = |plane: &Plane| plane.full != (plane.width, plane.height);
        if self.planes().iter().any(gaps) {
            return self.copied(Orientation::UPRIGHT, pool);
        }
        Ok(self)
    }

    fn copied(self, orientation: Orientation, pool: &mut Pool) -> Result<Self, ImageError> {
        let (width, height) = orientation.size((self.width(), self.height()));
        let layout = match self.layout {
            Layout::Yuv { h, v } if orientation.transpose => Layout::Yuv { h: v, v: h },
            other => other,
        };
        let mut turned = Picture::new(layout, width, height, pool)?;
        assert!(turned.planes.iter().all(|plane| plane.full == (plane.width, plane.height)));
        for index in 0..self.planes().len() {
            match layout.channels() {
                1 => self.orient_plane::<1>(index, orientation, &mut turned),
                2 => self.orient_plane::<2>(index, orientation, &mut turned),
                3 => self.orient_plane::<3>(index, orientation, &mut turned),
                _ => self.orient_plane::<4>(index, orientation, &mut turned),
            }
        }
        pool.give(self.pixels);
        Ok(turned)
    }

    fn orient_plane<const N: usize>(
        &self,
        index: usize,
        orientation: Orientation,
        turned: &mut Picture,
    ) {
        let plane = self.planes[index];
        let stride = plane.full.0 as usize;
        let (from, _) = self.plane(index).as_chunks::<N>();
        let from = &from[plane.y as usize * stride + plane.x as usize..];
        let (to, _) = turned.plane_mut(index).as_chunks_mut::<N>();
        orient(orientation, from, stride, (plane.width as usize, plane.height as usize), to);
    }
}
