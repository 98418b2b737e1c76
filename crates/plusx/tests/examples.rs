//! The examples, run as a reader runs them.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// `cargo run` of an example, in the profile these tests were built in.
fn run_example(name: &str) -> Output {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["run", "--quiet", "--package", "plusx", "--example", name]);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("cargo runs");
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

/// The same file as a package of its own, in a folder that no workspace knows.
#[test]
fn own_block_works_from_outside_the_workspace() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace");
    let source = root.join("examples/own-block");
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
    assert_own_block(&String::from_utf8_lossy(&output.stdout));
}
