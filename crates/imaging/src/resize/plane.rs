//! Our own resampling of single planes of 8 bits, the hot loop of most work: luma, and the chroma
//! of a JPEG that stays in planes.
//!
//! Interleaved pixels go through fast_image_resize, whose kernels for them are as good as can be;
//! its kernel for one channel took a third of a small photo's time. Here rows are first resampled
//! across, each source row once, into 16 bits with [`FRACTION`] fractional bits; then the few rows
//! under a target row are summed. The arithmetic is whole numbers and written down once below, in
//! portable form; `avx2` does the very same, so every machine gives the same bytes.

use super::kernel::Kernel;

#[cfg(target_arch = "x86_64")]
use super::avx2;

/// Fractional bits between the two directions. Six leave room for what a sharp filter overshoots.
pub const FRACTION: u32 = 6;
/// Bits to drop after the first direction: weights have 14.
pub const ACROSS_SHIFT: u32 = 14 - FRACTION;
/// Bits to drop after the second direction.
pub const DOWN_SHIFT: u32 = 14 + FRACTION;
/// Rows between the directions are padded to a multiple of this many samples.
pub const STEP: usize = 16;

/// Source samples that one load of the fast code gives, and thus the most that four neighbouring
/// target samples may reach over.
pub const LOAD: usize = 16;

/// Most rows under one target row, which bounds the rows kept between the directions.
const MAX_ROWS: usize = 64;

/// Whether a kernel across is one for these loops: it shrinks by no more than about three, and a
/// row fills a load.
pub fn takes_across(across: &Kernel, width: u32) -> bool {
    let reach = |starts: &[u32]| (starts[starts.len() - 1] - starts[0]) as usize + across.taps;
    width as usize >= LOAD && across.starts.chunks(4).all(|four| reach(four) <= LOAD)
}

/// Whether a kernel down is one for these loops.
pub fn takes_down(down: &Kernel) -> bool {
    down.taps <= MAX_ROWS
}

/// How to resample a plane of one size to another; the same for both planes of chroma.
pub struct PlanePlan {
    across: Kernel,
    down: Kernel,
    #[cfg(target_arch = "x86_64")]
    shuffles: Option<avx2::Shuffles>,
}

/// Rows that wait for the second direction: a ring, reused from plane to plane.
#[derive(Default)]
pub struct Rows(Vec<i16>);

impl PlanePlan {
    /// Prepares a pair of kernels. `width` is the source's view.
    pub fn new(across: Kernel, down: Kernel, width: usize) -> Self {
        #[cfg(target_arch = "x86_64")]
        let shuffles = avx2::Shuffles::new(&across, width);
        #[cfg(not(target_arch = "x86_64"))]
        let _ = width;
        Self {
            across,
            down,
            #[cfg(target_arch = "x86_64")]
            shuffles,
        }
    }

    /// Samples of a padded row between the directions.
    fn stride(&self) -> usize {
        self.across.starts.len().next_multiple_of(STEP)
    }

    /// Resamples `source`, a plane's view as `stride` samples a row from its first sample on,
    /// `width` of them the picture's, into the rows of `target`, `target_stride` samples apart.
    pub fn run(
        &self,
        source: &[u8],
        (source_stride, width): (usize, usize),
        target: &mut [u8],
        target_stride: usize,
        rows: &mut Rows,
    ) {
        let stride = self.stride();
        // A power of two, so that finding a row's place takes no division.
        let ring = self.down.taps.next_power_of_two();
        // Stale samples in the padding are summed but never kept.
        if rows.0.len() < ring * stride {
            rows.0 = vec![0; ring * stride];
        }
        let mut done = 0;
        let wide = self.across.starts.len();
        let last = source.len().saturating_sub(width) / source_stride;
        for y in 0..self.down.starts.len() {
            let target = &mut target[y * target_stride..][..wide];
            let start = self.down.starts[y] as usize;
            let end = (start + self.down.taps).min(last + 1);
            for row in done.max(start)..end {
                let from = &source[row * source_stride..][..width];
                self.across(from, &mut rows.0[(row & (ring - 1)) * stride..][..stride]);
            }
            done = done.max(end);
            self.down(y, &rows.0, (ring, stride), last, target);
        }
    }

    fn across(&self, from: &[u8], to: &mut [i16]) {
        #[cfg(target_arch = "x86_64")]
        if let Some(shuffles) = &self.shuffles {
            return shuffles.across(from, to);
        }
        across(&self.across, from, to);
    }

    fn down(
        &self,
        y: usize,
        rows: &[i16],
        (ring, stride): (usize, usize),
        last: usize,
        target: &mut [u8],
    ) {
        let start = self.down.starts[y] as usize;
        // A run that is cut by the lower edge ends in zero weights: any row will do for those.
        let row = |tap: usize| &rows[((start + tap).min(last) & (ring - 1)) * stride..][..stride];
        let weights = self.down.run(y);
        #[cfg(target_arch = "x86_64")]
        if self.shuffles.is_some() {
            return avx2::down(weights, row, target);
        }
        down(weights, row, target);
    }
}

/// Sums samples of a row; the portable form.
fn across(kernel: &Kernel, from: &[u8], to: &mut [i16]) {
    for (index, (&start, to)) in kernel.starts.iter().zip(to).enumerate() {
        let samples = &from[start as usize..];
        let sum: i32 = kernel
            .run(index)
            .iter()
            .zip(samples)
            .map(|(&weight, &sample)| i32::from(weight) * i32::from(sample))
            .sum();
        let rounded = (sum + (1 << (ACROSS_SHIFT - 1))) >> ACROSS_SHIFT;
        *to = rounded.clamp(i16::MIN.into(), i16::MAX.into()) as i16;
    }
}

/// Sums rows; the portable form.
fn down<'a>(weights: &[i16], row: impl Fn(usize) -> &'a [i16], target: &mut [u8]) {
    let mut sums = [0i32; STEP];
    for (chunk, target) in target.chunks_mut(STEP).enumerate() {
        sums.fill(1 << (DOWN_SHIFT - 1));
        for (tap, &weight) in weights.iter().enumerate() {
            for (sum, &sample) in sums.iter_mut().zip(&row(tap)[chunk * STEP..][..STEP]) {
                *sum += i32::from(weight) * i32::from(sample);
            }
        }
        for (target, sum) in target.iter_mut().zip(sums) {
            *target = (sum >> DOWN_SHIFT).clamp(0, 255) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::Filter;

    fn noise(length: usize) -> Vec<u8> {
        let mut state = 9u32;
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..length).map(next).collect()
    }

    fn plan(from: (u32, u32), to: (u32, u32), filter: Filter) -> PlanePlan {
        let kernel = |from, to| Kernel::new(from, 0.0, f64::from(from), to, filter).unwrap();
        PlanePlan::new(kernel(from.0, to.0), kernel(from.1, to.1), from.0 as usize)
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn simd_and_portable_code_give_the_same_bytes() {
        let filters = [Filter::Bilinear, Filter::CatmullRom, Filter::Lanczos3];
        let sizes = [(1, 1), (17, 9), (33, 40), (64, 64), (100, 75), (131, 3), (250, 188)];
        for filter in filters {
            for from in sizes {
                for to in sizes {
                    let source = noise((from.0 * from.1) as usize);
                    let mut fast = vec![0; (to.0 * to.1) as usize];
                    let mut slow = fast.clone();
                    let layout = (from.0 as usize, from.0 as usize);
                    let mut plan = plan(from, to, filter);
                    plan.run(
                        &source,
                        layout,
                        &mut fast,
                        to.0 as usize,
                        &mut Rows(vec![7; 1 << 16]),
                    );
                    plan.shuffles = None;
                    plan.run(&source, layout, &mut slow, to.0 as usize, &mut Rows::default());
                    assert_eq!(fast, slow, "{from:?} to {to:?} by {filter:?}");
                }
            }
        }
    }

    #[test]
    fn a_flat_plane_stays_flat() {
        for value in [0, 1, 127, 254, 255] {
            for filter in [Filter::Bilinear, Filter::Lanczos3] {
                let mut target = vec![9; 77 * 50];
                let source = vec![value; 40 * 30];
                let plan = plan((40, 30), (77, 50), filter);
                plan.run(&source, (40, 40), &mut target, 77, &mut Rows::default());
                assert!(target.iter().all(|&sample| sample == value));
            }
        }
    }
}
