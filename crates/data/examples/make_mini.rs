//! Cuts the embedded sample `fashion-mnist-mini` from the full Fashion-MNIST and writes it where the crate embeds it:
//! `cargo run -p plusx-data --example make_mini [FOLDER WITH THE FULL SET]`.
//!
//! The full set is checked against its official hashes first.

use flate2::Compression;
use flate2::write::GzEncoder;
use plusx_data::{FindOptions, InMemory, fashion, idx::Idx, load, locate};
use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let options =
        FindOptions { data_dir: std::env::args_os().nth(1).map(Into::into), ..FindOptions::default() };
    let full = load(fashion::NAME, &options)?;
    fashion::verify(&locate(fashion::NAME, &options).ok_or("the set has gone")?)?;

    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/fashion-mnist-mini");
    for (prefix, split, count) in [("train", &full.train, 600), ("t10k", &full.val, 100)] {
        let InMemory { images, labels, shape } = fashion::first_of_each_class(&**split, count)?;
        let dims = vec![labels.len(), shape.h, shape.w];
        write(&folder.join(format!("{prefix}-images-idx3-ubyte.gz")), Idx { dims, values: images })?;
        let labels = labels.into_iter().map(u8::try_from).collect::<Result<Vec<_>, _>>()?;
        let dims = vec![labels.len()];
        write(&folder.join(format!("{prefix}-labels-idx1-ubyte.gz")), Idx { dims, values: labels })?;
    }
    Ok(())
}

fn write(path: &Path, idx: Idx) -> Result<(), Box<dyn Error>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&idx.encode().ok_or("too many images for the format")?)?;
    let bytes = encoder.finish()?;
    println!("{} {} bytes", path.display(), bytes.len());
    Ok(fs::write(path, bytes)?)
}
