//! Pixel buffers that outlive one image, and the bound on how much of them one image may hold.

use crate::error::ImageError;

/// A buffer larger than this is given back to the system after its image, so that one giant does
/// not hold memory for ever.
const KEEP_BYTES: usize = 64 << 20;
/// Buffers kept between images: what a picture, its successor and the encoder need at once.
const KEEP_BUFFERS: usize = 3;

/// Buffers for one worker thread.
///
/// A buffer may be longer than asked for and holds whatever an earlier image left in it: whoever
/// takes one writes every byte that is later read.
#[derive(Debug, Default)]
pub struct Pool {
    free: Vec<Vec<u8>>,
    /// Bytes out at the moment, and the most that may be.
    held: u64,
    bound: u64,
}

impl Pool {
    /// Begins an image that may hold this many bytes.
    pub fn begin(&mut self, bound: u64) {
        self.held = 0;
        self.bound = bound;
    }

    /// Ends an image: forgets its account and lets go of giants.
    pub fn end(&mut self) {
        self.held = 0;
        self.free.retain(|buffer| buffer.len() <= KEEP_BYTES);
    }

    /// A buffer of at least `bytes` bytes.
    ///
    /// # Errors
    /// [`ImageError::TooLarge`] when the image would hold more than its bound.
    pub fn take(&mut self, bytes: usize) -> Result<Vec<u8>, ImageError> {
        self.check(bytes)?;
        let buffer = match self.fitting(bytes) {
            Some(index) => self.free.swap_remove(index),
            None => {
                self.free.pop();
                vec![0; bytes]
            }
        };
        self.held += buffer.len() as u64;
        Ok(buffer)
    }

    /// Bytes that may still be held.
    pub fn room(&self) -> u64 {
        self.bound.saturating_sub(self.held)
    }

    /// Whether `bytes` more may be held, by a codec or a filter that allocates for itself.
    ///
    /// # Errors
    /// [`ImageError::TooLarge`] when not.
    pub fn check(&self, bytes: usize) -> Result<(), ImageError> {
        let needed = self.held.saturating_add(bytes as u64);
        if needed > self.bound {
            return Err(ImageError::TooLarge {
                what: format!("the memory needed, {needed} bytes,"),
                bound: format!("{} bytes for one image", self.bound),
            });
        }
        Ok(())
    }

    /// Takes a buffer back.
    pub fn give(&mut self, buffer: Vec<u8>) {
        self.held = self.held.saturating_sub(buffer.len() as u64);
        if self.free.len() < KEEP_BUFFERS {
            self.free.push(buffer);
        }
    }

    /// The smallest free buffer that is large enough, unless it would break the account.
    fn fitting(&self, bytes: usize) -> Option<usize> {
        let room = self.room();
        (0..self.free.len())
            .filter(|&i| self.free[i].len() >= bytes && self.free[i].len() as u64 <= room)
            .min_by_key(|&i| self.free[i].len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_back_and_the_bound_holds() {
        let mut pool = Pool::default();
        pool.begin(100);
        let large = pool.take(60).unwrap();
        assert_eq!(pool.take(41).unwrap_err().code(), "image_too_large");
        let small = pool.take(40).unwrap();
        pool.give(large);
        pool.give(small);
        assert_eq!(pool.take(30).unwrap().len(), 40);
    }

    #[test]
    fn giants_are_let_go() {
        let mut pool = Pool::default();
        pool.begin(u64::MAX);
        let giant = pool.take(KEEP_BYTES + 1).unwrap();
        pool.give(giant);
        pool.end();
        assert!(pool.free.is_empty());
    }
}
