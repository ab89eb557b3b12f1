//! Resampling: single planes by our own loops where those are faster, all else by the
//! `fast_image_resize` crate.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod kernel;
mod packed;
mod plane;

use fast_image_resize::pixels::{U8, U8x2, U8x3, U8x4};
use fast_image_resize::{PixelTrait, Resizer};

use crate::error::ImageError;
use crate::operation::Filter;
use crate::orientation::Window;
use crate::picture::{Layout, Picture, Plane};
use crate::pool::Pool;

use self::kernel::Kernel;
use self::plane::{PlanePlan, Rows};

/// Plans kept: the images of a folder share a few sizes, and each size has two (luma and chroma).
const KEEP_PLANS: usize = 8;

/// What resampling needs beside pixels, reused from image to image.
#[derive(Default)]
pub struct Scratch {
    resizer: Resizer,
    rows: Rows,
    /// The latest plans, the last one used at the end.
    plans: Vec<(PlaneTask, PlanePlan)>,
}

/// All that a plan for a plane depends on.
#[derive(Clone, Copy, PartialEq)]
struct PlaneTask {
    from: (u32, u32),
    window: Window,
    to: (u32, u32),
    filter: Filter,
}

/// Resamples `window` of `from` to `size`. Planes come out as 4:2:0, whatever they were: that is
/// what the encoder writes, and the chroma is resampled anyway.
///
/// # Errors
/// [`ImageError::TooLarge`] when source, result and scratch together are over the memory bound.
pub fn resize(
    from: Picture,
    window: Window,
    size: (u32, u32),
    filter: Filter,
    scratch: &mut Scratch,
    pool: &mut Pool,
) -> Result<Picture, ImageError> {
    let (layout, h, v) = match from.layout {
        Layout::Yuv { h, v } => (Layout::Yuv { h: 2, v: 2 }, f64::from(h), f64::from(v)),
        packed => (packed, 1.0, 1.0),
    };
    let mut to = Picture::new(layout, size.0, size.1, pool)?;
    let chroma = window.divided(h, v);
    let windows = [window, chroma, chroma];
    let resizer = &mut scratch.resizer;
    let from = match layout.channels() {
        1 => {
            resize_planes(&from, &mut to, windows, filter, scratch, pool)?;
            from
        }
        2 => resize_alpha::<U8x2>(from, &mut to, window, filter, resizer, pool)?,
        3 => {
            resize_packed::<U8x3>(&from, &mut to, 0, window, filter, resizer, pool)?;
            from
        }
        _ => resize_alpha::<U8x4>(from, &mut to, window, filter, resizer, pool)?,
    };
    pool.give(from.pixels);
    Ok(to)
}

/// Gives the source back, premultiplied.
fn resize_alpha<P: PixelTrait>(
    from: Picture,
    to: &mut Picture,
    window: Window,
    filter: Filter,
    resizer: &mut Resizer,
    pool: &mut Pool,
) -> Result<Picture, ImageError> {
    if filter == Filter::Nearest {
        resize_packed::<P>(&from, to, 0, window, filter, resizer, pool)?;
        return Ok(from);
    }
    let from = packed::premultiplied::<P>(from, pool)?;
    resize_packed::<P>(&from, to, 0, window, filter, resizer, pool)?;
    packed::divide_alpha::<P>(to)?;
    Ok(from)
}

fn resize_packed<P: PixelTrait>(
    from: &Picture,
    to: &mut Picture,
    index: usize,
    window: Window,
    filter: Filter,
    resizer: &mut Resizer,
    pool: &mut Pool,
) -> Result<(), ImageError> {
    let source = (from.plane(index), from.planes[index]);
    let window = inside(window, from.planes[index]);
    let plane = to.planes[index];
    let target = (to.plane_mut(index), plane);
    packed::resize_plane::<P>(source, target, window, filter, resizer, pool)
}

/// Resamples the planes of a gray picture or of luma and chroma, each with its window.
fn resize_planes(
    from: &Picture,
    to: &mut Picture,
    windows: [Window; 3],
    filter: Filter,
    scratch: &mut Scratch,
    pool: &mut Pool,
) -> Result<(), ImageError> {
    for (index, window) in windows.into_iter().enumerate().take(from.planes().len()) {
        let (plane, target) = (from.planes[index], to.planes[index]);
        let task = PlaneTask {
            from: (plane.width, plane.height),
            window: inside(window, plane),
            to: (target.width, target.height),
            filter,
        };
        if scratch.prepare(task) {
            let stride = plane.full.0 as usize;
            let first = plane.y as usize * stride + plane.x as usize;
            let length = (plane.height as usize - 1) * stride + plane.width as usize;
            let source = &from.plane(index)[first..first + length];
            let layout = (stride, plane.width as usize);
            scratch.run(source, layout, to.plane_mut(index), target.full.0 as usize);
        } else {
            let resizer = &mut scratch.resizer;
            resize_packed::<U8>(from, to, index, window, filter, resizer, pool)?;
        }
    }
    to.pad();
    Ok(())
}

impl Scratch {
    /// Puts the plan for a task at the end of the list; false where the other resizer is to do it.
    /// Which of the two does it depends on the sizes alone, never on the machine: the results
    /// differ in the last bit.
    fn prepare(&mut self, task: PlaneTask) -> bool {
        let plan = match self.plans.iter().position(|(known, _)| *known == task) {
            Some(index) => Some(self.plans.remove(index)),
            None => PlanePlan::for_task(task).map(|plan| (task, plan)),
        };
        let found = plan.is_some();
        self.plans.extend(plan);
        if self.plans.len() > KEEP_PLANS {
            self.plans.remove(0);
        }
        found
    }

    fn run(
        &mut self,
        source: &[u8],
        layout: (usize, usize),
        target: &mut [u8],
        target_stride: usize,
    ) {
        if let Some((_, plan)) = self.plans.last() {
            plan.run(source, layout, target, target_stride, &mut self.rows);
        }
    }
}

impl PlanePlan {
    /// The plan for our own loops, if the task is one for them.
    fn for_task(task: PlaneTask) -> Option<Self> {
        let PlaneTask { from, window, to, filter } = task;
        let across = Kernel::new(from.0, window.x, window.width, to.0, filter)?;
        if !plane::takes_across(&across, from.0) {
            return None;
        }
        let down = Kernel::new(from.1, window.y, window.height, to.1, filter)?;
        plane::takes_down(&down).then(|| Self::new(across, down, from.0 as usize))
    }
}

/// A window within its plane: turning and dividing it may have rounded it over the edge.
fn inside(window: Window, plane: Plane) -> Window {
    let (x, y) = (window.x.max(0.0), window.y.max(0.0));
    let width = window.width.min(f64::from(plane.width) - x);
    let height = window.height.min(f64::from(plane.height) - y);
    Window { x, y, width, height }
}
