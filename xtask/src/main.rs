//! `cargo xtask`: every habit of the house as one command.
#![forbid(unsafe_code)]

mod bench;
mod command;
mod golden;
mod kills;
mod machine;
mod notices;
mod options;
mod python;
mod setup;
mod skips;
mod stages;
mod tidy;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};

const HELP: &str = "\
cargo xtask COMMAND

  test [--stage NAME]   what continuous integration runs: sets up what the tests need, then formatting, clippy,
                        documentation, tests, the release build and tidy; --stage runs one of them; tests that skipped
                        are listed at the end
  tidy                  rules of the house that reading the tree can check
  bench                 lists the following, then runs `bench train`; all write to docs/benchmarks/<date>-<cpu>/, or to --out
                        DIR; other settings than the usual ones need --out, except model, input and batch: these get a
                        folder of their own beside the usual results, and precision, which gets files of its own
  bench train           a training step beside PyTorch and MXNet, in turns
      --rounds N (6) --steps K (2) --threads T (all) --batch-size B (256) --isa L (auto)
      --model NAME (resnet18-d2l)  or a network that torchvision has too, resnet50 say; MXNet has no part in these
      --input CxHxW (1x96x96; 3x224x224 of other networks)
      --precision P (highest)      high or medium: beside plusx at highest and the fastest peers in fp32 and in bf16, into
                                   files of their own (train-medium.md)
      --beside FILE                another build of plusx, instead of the other programs; needs --out
      --venv DIR | --python FILE   an environment that has torch, instead of one made under target/
      --mxnet-python FILE          one that has MXNet 1.9.1, likewise
  bench infer           inference beside ONNX Runtime, OpenVINO, MNN, ncnn and PyTorch; the same options
  bench decode          pictures from files to pixels beside Pillow and torchvision
      --rounds N (7) --seconds S (2) --python FILE (that of the tests)
  bench kernels         every convolution kernel on the shapes of the d2l network
      --filter TEXT (part of the name of a kernel or layer)
  bench scaling         how a training step grows with batch, image and threads, and a prediction for more cores
      --rounds N (3) --steps K (3)
  bench photos          ResNet-18 on photos from scratch, whole runs beside PyTorch: time, memory, accuracy
      --photos FOLDER              the photos that tools/bench_pictures.py tells of; needed, in the next two as well
      --seeds N (3) --epochs N (20) --side N (128)
      --work FOLDER                for pictures and runs (under target/)
      --venv DIR | --python FILE   an environment that has torch and torchvision
  bench loader          pictures a second of the loader beside torchvision's, and its memory
      --rounds N (3) and the others of `bench photos` but its three
  bench transfer        a classifier on a frozen backbone beside PyTorch; the options of `bench loader`
  bench logits          how far logits at high and medium are from fp32's, beside OpenVINO and PyTorch in bf16
      --images N (1000) --epochs N (5)
      --work FOLDER                for pictures and networks (under target/)
      --venv DIR | --python FILE   an environment that has torch, torchvision and openvino
  kills [--runs N]      kills N runs (50) of each kind at random moments, up to five times each, and compares their bytes with
                        those of runs undisturbed; the tests kill one of each
  notices               gathers the licence notices of what is inside the program, which `plusx licenses` prints
  golden                makes golden data again, in tests/ and crates/*/tests/ (needs PyTorch, OpenCV, MXNet: --venv or
                        --python, and --mxnet-python; else they are set up under target/)
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<()> {
    let root = root();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["test", rest @ ..] => stages::run(&root, rest),
        ["tidy"] => tidy::run(&root),
        ["bench"] => {
            let benches = HELP.lines().skip_while(|line| !line.starts_with("  bench "));
            benches.take_while(|line| !line.starts_with("  kills")).for_each(|line| println!("{line}"));
            bench::comparison::train(&root, &[])
        }
        ["bench", "train", rest @ ..] => bench::comparison::train(&root, rest),
        ["bench", "infer", rest @ ..] => bench::comparison::infer(&root, rest),
        ["bench", "scaling", rest @ ..] => bench::scaling::run(&root, rest),
        ["bench", "decode", rest @ ..] => bench::decode::run(&root, rest),
        ["bench", "kernels", rest @ ..] => bench::kernels::run(&root, rest),
        ["bench", "photos", rest @ ..] => bench::photographs::photos(&root, rest),
        ["bench", "loader", rest @ ..] => bench::photographs::loader(&root, rest),
        ["bench", "transfer", rest @ ..] => bench::photographs::transfer(&root, rest),
        ["bench", "logits", rest @ ..] => bench::logits::measure(&root, rest),
        ["kills", rest @ ..] => kills::run(&root, rest),
        ["notices"] => notices::write(&root),
        ["golden", rest @ ..] => golden::run(&root, rest),
        [] | ["help" | "-h" | "--help"] => {
            print!("{HELP}");
            Ok(())
        }
        other => bail!("no command `{}`; there are:\n\n{HELP}", other.join(" ")),
    }
}

/// The workspace: where cargo found this package when it started us, one folder up.
fn root() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let mut root = package.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    root.pop();
    root
}
