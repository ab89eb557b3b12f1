//! The same input and recipe give the same bytes: in a fresh workspace, a used one, any thread.

mod support;

use gristmill_imaging::{
    Crop, Filter, Fit, Format, Limits, Operation, Recipe, Size, Threshold, Workspace, process,
};
use support::{Jpeg, jpeg, photo, png, with_orientation};

fn work() -> Vec<(Vec<u8>, Recipe)> {
    let inputs = [
        jpeg(&photo(500, 375)),
        with_orientation(&jpeg(&photo(333, 251)), 6),
        Jpeg { progressive: true, ..Jpeg::default() }.encode(&photo(1201, 903)),
        png(photo(640, 480)),
        jpeg(&photo(31, 17)),
    ];
    let crop = Operation::Crop(Crop { width: 15, height: 16, x: 1, y: 1 });
    let contain =
        Operation::Resize { width: 211, height: 97, fit: Fit::Contain, filter: Filter::Lanczos3 };
    let resize = Operation::resize(Size { width: 255, height: 255 });
    let otsu = Operation::Threshold(Threshold::Otsu);
    let lists = [vec![resize], vec![crop, contain], vec![resize, otsu], vec![], vec![contain]];
    let mut work = Vec::new();
    for input in &inputs {
        for operations in &lists {
            for format in [Some(Format::Jpeg), Some(Format::Png)] {
                let operations = operations.clone();
                work.push((input.clone(), Recipe { operations, format, ..Recipe::default() }));
            }
        }
    }
    work
}

#[test]
fn a_workspace_has_no_memory_and_threads_agree() {
    let work = work();
    let limits = Limits::default();
    let fresh: Vec<_> = work
        .iter()
        .map(|(input, recipe)| process(&mut Workspace::new(), input, recipe, &limits).unwrap())
        .collect();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (work, fresh, limits) = (&work, &fresh, &limits);
            scope.spawn(move || {
                let mut workspace = Workspace::new();
                for step in 0..work.len() * 2 {
                    // Each thread in an order of its own, with failures between.
                    let index = (step * (2 * thread + 3) + thread) % work.len();
                    let (input, recipe) = &work[index];
                    let broken = &input[..input.len() / 3];
                    let _ = process(&mut workspace, broken, recipe, limits);
                    let done = process(&mut workspace, input, recipe, limits).unwrap();
                    assert!(done == fresh[index], "{recipe:?} differs");
                }
            });
        }
    });
}
