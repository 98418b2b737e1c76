//! The examples, run as a reader runs them.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// `cargo run` of an example, in the profile these tests were built in.
fn run_example(name: &str) -> Output {
    run_example_in(Path::new(env!("CARGO_MANIFEST_DIR")), name)
}

/// The same in a folder where it may leave files.
fn run_example_in(folder: &Path, name: &str) -> Output {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["run", "--quiet", "--example", name, "--manifest-path"]);
    cargo.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"));
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let output = cargo.current_dir(folder).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

#[test]
fn chapter_prints_what_the_chapter_prints() {
    let output = run_example("chapter");
    assert_eq!(String::from_utf8_lossy(&output.stdout), include_str!("expected/chapter.txt"));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cargo run --release -- train"));
}

/// What the example prints: the trace, falling losses, pictures told apart.
fn assert_own_block(stdout: &str) {
    let shapes = [
        "conv0        (32, 8, 8, 8)",
        "waist0       (32, 8, 8, 8)",
        "conv2        (32, 24, 4, 4)",
        "waist1       (32, 24, 4, 4)",
        "pool0        (32, 24, 1, 1)",
        "dense0       (32, 2)",
    ];
    let lines: Vec<_> = stdout.lines().collect();
    assert_eq!(lines[..shapes.len()], shapes, "{stdout}");
    let losses: Vec<f32> =
        lines.iter().filter_map(|line| line.split_once(", loss ")?.1.parse().ok()).collect();
    assert_eq!(losses.len(), 3, "{stdout}");
    assert!(losses[2] < losses[0], "{stdout}");
    let right: u32 = lines.last().and_then(|line| line.split(' ').next()?.parse().ok()).expect("a count");
    assert!(right > 180, "{stdout}");
}

#[test]
fn own_block_traces_runs_and_learns() {
    assert_own_block(&String::from_utf8_lossy(&run_example("own_block").stdout));
}

/// What the examples of single blocks print and write: falling losses, weights, and a network that reads back.
fn assert_block(folder: &Path, file: &str, kinds: &[&str], stdout: &str) {
    let losses: Vec<f32> =
        stdout.lines().filter_map(|line| line.split_once(", loss ")?.1.parse().ok()).collect();
    assert_eq!(losses.len(), 20, "{stdout}");
    assert!(losses[19] < losses[0] - 0.02, "{stdout}");
    let [weights, network] = ["safetensors", "onnx"].map(|kind| folder.join(format!("{file}.{kind}")));
    let weights = plusx::formats::safetensors::read(&weights).expect("weights");
    let network = plusx::formats::onnx::read(&network).expect("a network");
    assert_eq!(weights.meta.classes, ["even", "odd"]);
    for kind in kinds {
        assert!(network.graph.nodes.iter().any(|node| node.op.kind() == *kind), "{kind}\n{}", network.graph);
    }
}

#[test]
fn squeeze_excite_learns_and_is_exported() {
    let place = tempfile::tempdir().expect("a folder for temporary files");
    let output = run_example_in(place.path(), "squeeze_excite");
    assert_block(place.path(), "squeeze", &["sigmoid", "multiply"], &String::from_utf8_lossy(&output.stdout));
}

#[test]
fn dense_block_learns_and_is_exported() {
    let place = tempfile::tempdir().expect("a folder for temporary files");
    let output = run_example_in(place.path(), "dense_block");
    assert_block(place.path(), "dense", &["concat"], &String::from_utf8_lossy(&output.stdout));
}

/// A block of one's own needs few lines: everything but comments and empty ones.
#[test]
fn single_blocks_fit_in_25_lines() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    for name in ["squeeze-excite", "dense-block"] {
        let text = fs::read_to_string(root.join(name).join("src/main.rs")).expect("the example");
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with("//"));
        assert!(lines.count() <= 25, "{name}");
    }
}

#[test]
fn steps_are_told_and_cancelled() {
    let output = run_example("steps");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<_> = stdout.lines().collect();
    assert!(lines[0].starts_with("step 1, loss "), "{stdout}");
    let [cancelled, right] = lines[lines.len() - 2..] else { panic!("{stdout}") };
    assert_eq!(cancelled, format!("cancelled after {} steps: true", lines.len() - 2));
    let right: u32 = right.split(' ').next().and_then(|count| count.parse().ok()).expect("a count");
    assert!(right > 180, "{stdout}");
}

/// What the READMEs show of the example stands in it, line for line.
#[test]
fn the_readmes_show_the_example() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = |name: &str| fs::read_to_string(root.join(name)).expect("a text file");
    let example = text("examples/own-block/src/main.rs");
    for readme in ["README.md", "README.zh.md"] {
        let readme = text(readme);
        let shown = readme.split("```rust\n").nth(1).and_then(|rest| rest.split("```").next());
        let shown = shown.expect("a block of Rust");
        assert!(example.contains(shown), "not in the example:\n{shown}");
    }
}

/// The same files as packages of their own, in folders that no workspace knows.
#[test]
fn examples_work_from_outside_the_workspace() {
    let (_, stdout) = run_outside("own-block");
    assert_own_block(&stdout);
    let (place, stdout) = run_outside("squeeze-excite");
    assert_block(place.path(), "squeeze", &["sigmoid", "multiply"], &stdout);
    let (place, stdout) = run_outside("dense-block");
    assert_block(place.path(), "dense", &["concat"], &stdout);
}

/// The folder of an example's package outside the workspace, and what it printed.
fn run_outside(name: &str) -> (tempfile::TempDir, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace");
    let source = root.join("examples").join(name);
    let place = tempfile::tempdir().expect("a folder for temporary files");
    fs::create_dir(place.path().join("src")).expect("a folder");
    fs::copy(source.join("src/main.rs"), place.path().join("src/main.rs")).expect("the example");
    // the versions that were fetched for the workspace: nothing has to be fetched again
    fs::copy(root.join("Cargo.lock"), place.path().join("Cargo.lock")).expect("the lock file");
    let manifest = fs::read_to_string(source.join("Cargo.toml")).expect("the manifest");
    let facade = root.join("crates/plusx");
    let manifest = manifest.replace("../../crates/plusx", &facade.to_string_lossy().replace('\\', "/"));
    fs::write(place.path().join("Cargo.toml"), manifest).expect("a manifest");

    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["run", "--quiet", "--offline", "--target-dir"]).arg(env!("CARGO_TARGET_TMPDIR"));
    let output = cargo.current_dir(place.path()).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    (place, stdout)
}
