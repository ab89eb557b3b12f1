//! The loops of `plane` for x86 processors with AVX2 (all since about 2015), sample for sample
//! equal to the portable ones.
//!
//! Across: eight target samples at a time. Their source samples lie close together, so two loads
//! of 16 bytes (one for four targets each) hold them all; a byte shuffle picks each target's next
//! two, a multiply-add weighs them. Down: two rows are interleaved and weighed the same way.

use std::arch::x86_64::{
    __m128i, __m256i, _mm_loadu_si128, _mm_storeu_si128, _mm256_add_epi32, _mm256_castsi128_si256,
    _mm256_castsi256_si128, _mm256_inserti128_si256, _mm256_loadu_si256, _mm256_madd_epi16,
    _mm256_packs_epi32, _mm256_packus_epi16, _mm256_permute4x64_epi64, _mm256_set1_epi32,
    _mm256_shuffle_epi8, _mm256_srai_epi32, _mm256_unpackhi_epi16, _mm256_unpacklo_epi16,
};

use super::kernel::Kernel;
use super::plane::{ACROSS_SHIFT, DOWN_SHIFT, LOAD, STEP};

/// Target samples weighed together.
const GROUP: usize = 8;
/// A shuffle index that gives zero.
const ZERO: u8 = 0x80;

/// The first direction's kernel, as loads, shuffles and weights. That one exists means that the
/// processor has AVX2.
pub struct Shuffles {
    /// For each group, where its two loads begin.
    loads: Vec<[usize; 2]>,
    /// For each group, as many steps as there are pairs of taps.
    steps: Vec<Step>,
    pairs: usize,
    /// Samples a source row must have.
    width: usize,
}

#[derive(Clone)]
struct Step {
    shuffle: [u8; 32],
    weights: [i16; 16],
}

impl Shuffles {
    /// None when the processor lacks AVX2. (Or for a kernel that `plane::takes_across` refuses: the
    /// portable code does any.)
    pub fn new(kernel: &Kernel, width: usize) -> Option<Self> {
        if !is_x86_feature_detected!("avx2") || width < LOAD {
            return None;
        }
        let pairs = kernel.taps.div_ceil(2);
        let groups = kernel.starts.len().div_ceil(GROUP);
        let idle = Step { shuffle: [ZERO; 32], weights: [0; 16] };
        let mut found =
            Self { loads: vec![[0; 2]; groups], steps: vec![idle; groups * pairs], pairs, width };
        for (quad, starts) in kernel.starts.chunks(GROUP / 2).enumerate() {
            let (group, half) = (quad / 2, quad % 2);
            let load = (starts[0] as usize).min(width - LOAD);
            found.loads[group][half] = load;
            for (lane, &start) in starts.iter().enumerate() {
                for (tap, &weight) in kernel.run(quad * 4 + lane).iter().enumerate() {
                    let offset = start as usize + tap - load;
                    if weight == 0 {
                        continue;
                    }
                    if offset >= LOAD {
                        return None;
                    }
                    let step = &mut found.steps[group * pairs + tap / 2];
                    let at = half * 8 + lane * 2 + tap % 2;
                    step.shuffle[at * 2] = offset as u8;
                    step.weights[at] = weight;
                }
            }
        }
        Some(found)
    }

    /// Resamples one row. `to` is padded to a multiple of [`STEP`].
    pub fn across(&self, from: &[u8], to: &mut [i16]) {
        assert!(from.len() == self.width && to.len() >= self.loads.len() * GROUP);
        // SAFETY: that `self` exists says that the processor has AVX2.
        unsafe { self.across_avx2(from, to) }
    }

    #[target_feature(enable = "avx2")]
    fn across_avx2(&self, from: &[u8], to: &mut [i16]) {
        let rounding = _mm256_set1_epi32(1 << (ACROSS_SHIFT - 1));
        let groups = self.loads.iter().zip(self.steps.chunks_exact(self.pairs));
        for ((loads, steps), to) in groups.zip(to.as_chunks_mut::<GROUP>().0) {
            let low = load_16(&from[loads[0]..]);
            let high = load_16(&from[loads[1]..]);
            let samples = _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(low), high);
            let mut sums = rounding;
            for step in steps {
                let pairs = _mm256_shuffle_epi8(samples, load_bytes(&step.shuffle));
                let weighed = _mm256_madd_epi16(pairs, load_words(&step.weights));
                sums = _mm256_add_epi32(sums, weighed);
            }
            let sums = _mm256_srai_epi32::<{ ACROSS_SHIFT as i32 }>(sums);
            // Each half is packed for itself; bring the two results together.
            let packed = _mm256_packs_epi32(sums, sums);
            let packed = _mm256_permute4x64_epi64::<0b1000>(packed);
            store_words(to, _mm256_castsi256_si128(packed));
        }
    }
}

/// Sums rows with their weights. To be called only where [`Shuffles`] exist.
pub fn down<'a>(weights: &[i16], row: impl Fn(usize) -> &'a [i16], target: &mut [u8]) {
    assert!(is_x86_feature_detected!("avx2"));
    // SAFETY: just asked (the answer is kept in a static).
    unsafe { down_avx2(weights, row, target) }
}

#[target_feature(enable = "avx2")]
fn down_avx2<'a>(weights: &[i16], row: impl Fn(usize) -> &'a [i16], target: &mut [u8]) {
    let whole = target.len() / STEP;
    let (chunks, rest) = target.as_chunks_mut::<STEP>();
    match *weights {
        // Two taps are what enlarging by a triangle takes, and worth a loop without a loop inside.
        [one, other] => {
            let (above, below) = (row(0), row(1));
            let weight = pair(one, other);
            for (chunk, target) in chunks.iter_mut().enumerate() {
                store_bytes(target, weigh_two(above, below, chunk, weight));
            }
            if !rest.is_empty() {
                let mut last = [0; STEP];
                store_bytes(&mut last, weigh_two(above, below, whole, weight));
                rest.copy_from_slice(&last[..rest.len()]);
            }
        }
        _ => {
            for (chunk, target) in chunks.iter_mut().enumerate() {
                store_bytes(target, weigh_all(weights, &row, chunk));
            }
            if !rest.is_empty() {
                let mut last = [0; STEP];
                store_bytes(&mut last, weigh_all(weights, &row, whole));
                rest.copy_from_slice(&last[..rest.len()]);
            }
        }
    }
}

/// Two weights side by side, eight times.
#[target_feature(enable = "avx2")]
fn pair(one: i16, other: i16) -> __m256i {
    _mm256_set1_epi32(i32::from(other) << 16 | i32::from(one as u16))
}

#[target_feature(enable = "avx2")]
#[inline]
fn weigh_two(above: &[i16], below: &[i16], chunk: usize, weight: __m256i) -> __m256i {
    let rounding = _mm256_set1_epi32(1 << (DOWN_SHIFT - 1));
    let above = load_words_at(above, chunk);
    let below = load_words_at(below, chunk);
    let low = _mm256_madd_epi16(_mm256_unpacklo_epi16(above, below), weight);
    let high = _mm256_madd_epi16(_mm256_unpackhi_epi16(above, below), weight);
    narrow(_mm256_add_epi32(low, rounding), _mm256_add_epi32(high, rounding))
}

#[target_feature(enable = "avx2")]
#[inline]
fn weigh_all<'a>(weights: &[i16], row: &impl Fn(usize) -> &'a [i16], chunk: usize) -> __m256i {
    let rounding = _mm256_set1_epi32(1 << (DOWN_SHIFT - 1));
    let (mut low, mut high) = (rounding, rounding);
    for (index, two) in weights.chunks(2).enumerate() {
        let other = two.get(1).copied().unwrap_or(0);
        let weight = pair(two[0], other);
        let above = load_words_at(row(index * 2), chunk);
        // The odd last row is paired with itself, at weight zero.
        let below = load_words_at(row(index * 2 + two.len() - 1), chunk);
        low = _mm256_add_epi32(low, _mm256_madd_epi16(_mm256_unpacklo_epi16(above, below), weight));
        high =
            _mm256_add_epi32(high, _mm256_madd_epi16(_mm256_unpackhi_epi16(above, below), weight));
    }
    narrow(low, high)
}

/// Sixteen sums to sixteen bytes, in the lower half.
#[target_feature(enable = "avx2")]
#[inline]
fn narrow(low: __m256i, high: __m256i) -> __m256i {
    let low = _mm256_srai_epi32::<{ DOWN_SHIFT as i32 }>(low);
    let high = _mm256_srai_epi32::<{ DOWN_SHIFT as i32 }>(high);
    let words = _mm256_packs_epi32(low, high);
    _mm256_permute4x64_epi64::<0b1000>(_mm256_packus_epi16(words, words))
}

#[target_feature(enable = "avx2")]
#[inline]
fn load_16(from: &[u8]) -> __m128i {
    let bytes = &from[..LOAD];
    // SAFETY: the slice is as long as the load, which asks for no alignment.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
#[inline]
fn load_bytes(from: &[u8; 32]) -> __m256i {
    // SAFETY: the array is as long as the load, which asks for no alignment.
    unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
#[inline]
fn load_words(from: &[i16; STEP]) -> __m256i {
    // SAFETY: the array is as long as the load, which asks for no alignment.
    unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
#[inline]
fn load_words_at(row: &[i16], chunk: usize) -> __m256i {
    load_words(&row.as_chunks::<STEP>().0[chunk])
}

#[target_feature(enable = "avx2")]
#[inline]
fn store_words(to: &mut [i16; GROUP], words: __m128i) {
    // SAFETY: the array is as long as the store, which asks for no alignment.
    unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), words) }
}

#[target_feature(enable = "avx2")]
#[inline]
fn store_bytes(to: &mut [u8; STEP], bytes: __m256i) {
    // SAFETY: the array is as long as the store, which asks for no alignment.
    unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), _mm256_castsi256_si128(bytes)) }
}
