//! What the host itself costs, beside the work.

use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::process::Host;

#[test]
#[ignore = "measures, and asserts nothing; run it with --release and --nocapture"]
fn hot_calls() {
    let mut host = Host::with("identity.onnx");
    for (what, floats) in [("4 B", 1), ("4 KiB", 1024), ("600 KiB", 3 * 224 * 224)] {
        let data = STANDARD.encode(vec![0_u8; floats * 4]);
        let input =
            json!({"x": {"$array": {"dtype": "float32", "shape": [1, floats], "data": data}}});
        let mut took: Vec<f64> = (0..2000)
            .map(|_| {
                let begin = Instant::now();
                assert!(host.call(vec![input.clone()])[0].is_ok());
                begin.elapsed().as_secs_f64() * 1e6
            })
            .collect();
        took.sort_by(f64::total_cmp);
        println!("{what}: p50 {:.0} µs, p99 {:.0} µs a call", took[1000], took[1980]);
    }
    let input = json!({"x": {"$array": {"dtype": "float32", "shape": [1, 1], "data": "AAAAAA=="}}});
    let begin = Instant::now();
    for _ in 0..200 {
        assert_eq!(host.call(vec![input.clone(); 64]).len(), 64);
    }
    let each = begin.elapsed().as_secs_f64() * 1e6 / (200.0 * 64.0);
    println!("64 items a call: {each:.1} µs an item");
}
