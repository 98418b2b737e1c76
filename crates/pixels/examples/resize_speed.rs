//! Times the resize of evaluation, on one thread: `resize_speed SECONDS`. Prints a JSON object for each case and level: the
//! median of milliseconds for a made-up image of 500x375, set-up of the shape included. `reference` are the plain loops.
//! `tools/bench_resize.py` runs it beside Pillow.

use plusx_kernels::Level;
use plusx_pixels::resample::{Filter, Resample};
use plusx_pixels::resize::Cut;
use std::error::Error;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [seconds] = arguments.as_slice() else {
        return Err("usage: resize_speed SECONDS".into());
    };
    let seconds: f64 = seconds.parse()?;
    let levels = Level::ALL.into_iter().rev().filter(|level| level.supported()).map(Some).chain([None]);
    let levels: Vec<Option<Level>> = levels.collect();
    for c in [3, 1] {
        let from = [375, 500, c];
        let src: Vec<u8> =
            (0..(375 * 500 * c) as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let evaluated = Cut { from, to: [256, 341], corner: [16, 58], size: [224, 224] };
        for (name, cut) in [("plain", Cut::whole(from, [224, 224])), ("shorter side 256, cut", evaluated)] {
            for filter in [Filter::Bilinear, Filter::Bicubic] {
                let mut dst = vec![0; cut.dst_len()];
                for level in &levels {
                    let mut resample = Resample::at(*level, filter, cut);
                    let mut times = Vec::new();
                    let started = Instant::now();
                    while started.elapsed().as_secs_f64() < seconds {
                        let one = Instant::now();
                        resample.set(cut);
                        resample.run(&src, &mut dst);
                        times.push(one.elapsed().as_secs_f64() * 1e3);
                    }
                    times.sort_by(f64::total_cmp);
                    let level = level.map_or("reference", Level::name);
                    println!(
                        "{{\"channels\": {c}, \"case\": \"{name}\", \"filter\": \"{filter:?}\", \"level\": \"{level}\", \"ms\": {:.3}}}",
                        times[times.len() / 2]
                    );
                }
            }
        }
    }
    Ok(())
}
