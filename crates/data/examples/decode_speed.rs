//! Times the decoding of a folder of pictures, on one thread: `decode_speed FOLDER SECONDS`. Prints a JSON object with the
//! microseconds for a file, the median over passes through the folder. `cargo xtask bench decode` runs it beside other
//! programs' decoders.

use plusx_data::picture;
use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, seconds] = arguments.as_slice() else {
        return Err("usage: decode_speed FOLDER SECONDS".into());
    };
    let seconds: f64 = seconds.parse()?;
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    paths.sort();
    let mut passes = Vec::new();
    // the first pass warms files and tables up
    let mut started: Option<Instant> = None;
    while started.is_none_or(|started| started.elapsed().as_secs_f64() < seconds) {
        let pass = Instant::now();
        for path in &paths {
            picture::open(path)?;
        }
        if started.is_some() {
            passes.push(pass.elapsed().as_secs_f64() * 1e6 / paths.len() as f64);
        }
        started.get_or_insert_with(Instant::now);
    }
    passes.sort_by(f64::total_cmp);
    println!("{{\"us\": {:.2}}}", passes[passes.len() / 2]);
    Ok(())
}
