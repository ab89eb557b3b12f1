//! The weights of a resize in one direction: which source samples make up each target sample.

use crate::operation::Filter;

/// Weights are fractions of this: 14 bits, so that a weight of one still fits 16 bits with a sign.
pub const ONE: i32 = 1 << 14;

/// For each target sample a run of source samples and their weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// First source sample of each run. Never decreases.
    pub starts: Vec<u32>,
    /// Samples in the longest run.
    pub taps: usize,
    /// `taps` weights for each target sample; the sum is [`ONE`] and shorter runs end in zeros.
    pub weights: Vec<i16>,
}

impl Kernel {
    /// Weights that resample `length` samples from `start` on, out of `whole`, to `target`
    /// samples. The filter widens with the shrink factor, and samples beyond the edge do not
    /// count: the same rules, and so the same picture up to rounding, as Pillow's
    /// (`precompute_coeffs` in `Resample.c`) and fast_image_resize's.
    ///
    /// None for [`Filter::Nearest`], which has no weights.
    pub fn new(whole: u32, start: f64, length: f64, target: u32, filter: Filter) -> Option<Self> {
        let (radius, shape): (f64, fn(f64) -> f64) = match filter {
            Filter::Nearest => return None,
            Filter::Bilinear => (1.0, triangle),
            Filter::CatmullRom => (2.0, catmull_rom),
            Filter::Lanczos3 => (3.0, lanczos3),
        };
        let scale = length / f64::from(target);
        let shrink = scale.max(1.0);
        let reach = radius * shrink;
        let room = (reach * 2.0).ceil() as usize + 1;
        let mut kernel = Self { starts: Vec::new(), taps: room, weights: Vec::new() };
        let mut run = Vec::with_capacity(room);
        for index in 0..target {
            let centre = start + (f64::from(index) + 0.5) * scale;
            // Samples whose middle is nearer than the reach; at least one.
            let first = ((centre - reach + 0.5).floor().max(0.0) as u32).min(whole - 1);
            let end = ((centre + reach - 0.5).ceil() as u32).clamp(first + 1, whole);
            run.clear();
            run.extend((first..end).map(|at| shape((f64::from(at) + 0.5 - centre) / shrink)));
            run.truncate(room);
            kernel.starts.push(first);
            push_fixed(&mut kernel.weights, &run, room);
        }
        kernel.trim();
        Some(kernel)
    }

    /// The weights of one target sample.
    pub fn run(&self, target: usize) -> &[i16] {
        &self.weights[target * self.taps..][..self.taps]
    }

    /// Drops columns of weights that are zero for every target sample.
    fn trim(&mut self) {
        let length = |run: &[i16]| run.iter().rposition(|&weight| weight != 0).map_or(1, |i| i + 1);
        let taps = self.weights.chunks_exact(self.taps).map(length).max().unwrap_or(1);
        let kept = self.weights.chunks_exact(self.taps).flat_map(|run| &run[..taps]);
        self.weights = kept.copied().collect();
        self.taps = taps;
    }
}

/// Appends `run`, scaled so that its sum is exactly [`ONE`], padded with zeros to `room`. What
/// rounding leaves over goes to the largest weight, where it shows least.
fn push_fixed(weights: &mut Vec<i16>, run: &[f64], room: usize) {
    let sum: f64 = run.iter().sum();
    let begin = weights.len();
    let scaled = |weight: &f64| (weight / sum * f64::from(ONE)).round() as i16;
    if sum.abs() > f64::EPSILON {
        weights.extend(run.iter().map(scaled));
    } else {
        weights.push(ONE as i16);
    }
    let rest = ONE - weights[begin..].iter().map(|&weight| i32::from(weight)).sum::<i32>();
    if let Some(largest) = weights[begin..].iter_mut().max() {
        *largest = (i32::from(*largest) + rest) as i16;
    }
    weights.resize(begin + room, 0);
}

fn triangle(x: f64) -> f64 {
    (1.0 - x.abs()).max(0.0)
}

/// Cubic convolution with a = -0.5 (R. Keys 1981), which is the Catmull-Rom spline.
fn catmull_rom(x: f64) -> f64 {
    let x = x.abs();
    if x < 1.0 {
        (1.5 * x - 2.5) * x * x + 1.0
    } else if x < 2.0 {
        ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    } else {
        0.0
    }
}

fn lanczos3(x: f64) -> f64 {
    let sinc = |x: f64| {
        let x = x * std::f64::consts::PI;
        if x == 0.0 { 1.0 } else { x.sin() / x }
    };
    if x.abs() < 3.0 { sinc(x) * sinc(x / 3.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILTERS: [Filter; 3] = [Filter::Bilinear, Filter::CatmullRom, Filter::Lanczos3];

    #[test]
    fn every_run_sums_to_one_and_lies_inside() {
        for filter in FILTERS {
            for (whole, target) in [(1, 1), (1, 9), (9, 1), (7, 5), (375, 512), (1000, 3)] {
                let kernel = Kernel::new(whole, 0.0, f64::from(whole), target, filter).unwrap();
                assert!(kernel.starts.is_sorted());
                for (index, &start) in kernel.starts.iter().enumerate() {
                    let run = kernel.run(index);
                    assert_eq!(run.iter().map(|&w| i32::from(w)).sum::<i32>(), ONE);
                    let used = run.iter().rposition(|&w| w != 0).unwrap();
                    assert!(start as usize + used < whole as usize);
                }
            }
        }
    }

    #[test]
    fn bilinear_enlarging_has_two_taps() {
        assert_eq!(Kernel::new(375, 0.0, 375.0, 512, Filter::Bilinear).unwrap().taps, 2);
    }
}
