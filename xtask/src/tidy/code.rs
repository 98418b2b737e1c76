//! Rules on Rust code: what may stand where.

use super::finding::Finding;
use super::source::{RustFile, has_word};
use super::tree::Tree;

/// Notes to self; written in two halves so that this file keeps the rule.
const NOTES: [&str; 4] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("HA", "CK")];

/// Macros of unfinished work.
const UNFINISHED: [&str; 3] = ["dbg!", "todo!", "unimplemented!"];

/// What allocates, spawns, prints or looks around.
const IMPURE: [&str; 15] = [
    "vec!",
    "Vec::new",
    "Vec::with_capacity",
    "to_vec(",
    "to_owned(",
    "collect()",
    "collect::<",
    "Box::new",
    "String::",
    "format!(",
    "std::thread",
    "std::env",
    "std::fs",
    "println!",
    "static mut",
];

/// Crates that are allowed to say `unsafe`.
const UNSAFE_ROOMS: [&str; 2] = ["kernels", "engine"];

/// Files of the engine that may; the test is an allocator that counts, which cannot be written without.
const UNSAFE_ENGINE: [&str; 3] =
    ["crates/engine/src/arena", "crates/engine/src/threads", "crates/engine/tests/allocations"];

/// Lines of product code, in files that `keep` accepts, that `broken` says something about.
fn lines(
    tree: &Tree,
    keep: impl Fn(&RustFile<'_>) -> bool,
    broken: impl Fn(&str) -> Option<String>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust().filter(|file| file.is_product() && keep(file)) {
        for (line, code) in file.product_lines() {
            findings.extend(broken(code).map(|what| Finding::new(file.path, line, what)));
        }
    }
    findings
}

fn first_of(code: &str, needles: &[&str]) -> Option<String> {
    needles.iter().find(|needle| code.contains(**needle)).map(|needle| (*needle).to_owned())
}

pub(super) fn leftovers(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.files().filter(|(path, _)| !path.ends_with(".md")) {
        for (index, line) in text.lines().enumerate() {
            let note = NOTES.iter().find(|note| has_word(line, note));
            findings.extend(note.map(|note| Finding::new(path, index + 1, *note)));
        }
    }
    for file in tree.rust() {
        for (index, line) in file.code.lines().enumerate() {
            findings.extend(first_of(line, &UNFINISHED).map(|what| Finding::new(file.path, index + 1, what)));
        }
    }
    findings
}

pub(super) fn target_feature(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust().filter(|file| !file.path.starts_with("crates/kernels/src/simd")) {
        for (index, line) in file.code.lines().enumerate() {
            if line.contains("#[target_feature") || line.contains("target_feature(enable") {
                findings.push(Finding::new(file.path, index + 1, "target_feature"));
            }
        }
    }
    findings
}

pub(super) fn unsafe_code(tree: &Tree) -> Vec<Finding> {
    let allowed = |path: &str| {
        path.starts_with("crates/kernels/") || UNSAFE_ENGINE.iter().any(|part| path.starts_with(part))
    };
    let mut findings = Vec::new();
    for file in tree.rust().filter(|file| !allowed(file.path)) {
        for (index, line) in file.code.lines().enumerate() {
            if has_word(line, "unsafe") {
                findings.push(Finding::new(file.path, index + 1, "unsafe"));
            }
        }
    }
    for file in tree.rust().filter(|file| is_crate_root(file.path)) {
        let room = file.room().unwrap_or_default();
        if !UNSAFE_ROOMS.contains(&room) && room != "xtask" && !file.code.contains("#![forbid(unsafe_code)]")
        {
            findings.push(Finding::new(file.path, 0, "lacks #![forbid(unsafe_code)]"));
        }
    }
    findings
}

/// `crates/x/src/lib.rs` or `crates/x/src/main.rs`.
fn is_crate_root(path: &str) -> bool {
    let mut parts = path.split('/').skip(2);
    path.starts_with("crates/")
        && parts.next() == Some("src")
        && matches!(parts.next(), Some("lib.rs" | "main.rs"))
        && parts.next().is_none()
}

pub(super) fn pure_kernels(tree: &Tree) -> Vec<Finding> {
    lines(tree, |file| file.room() == Some("kernels"), |code| first_of(code, &IMPURE))
}

pub(super) fn quiet(tree: &Tree) -> Vec<Finding> {
    let library =
        |file: &RustFile<'_>| !matches!(file.room(), Some("cli" | "xtask")) && !file.path.contains("/bin/");
    // `eprint!(` holds `print!(` too
    lines(tree, library, |code| first_of(code, &["print!(", "println!(", "io::stdout()", "io::stderr()"]))
}

pub(super) fn environment(tree: &Tree) -> Vec<Finding> {
    let other = |file: &RustFile<'_>| !matches!(file.room(), Some("cli" | "xtask"));
    lines(tree, other, |code| {
        first_of(code, &["env::var", "env::vars", "env::args", "env::current_dir", "env::home_dir"])
    })
}

pub(super) fn output_sizes(tree: &Tree) -> Vec<Finding> {
    let other =
        |file: &RustFile<'_>| file.path != "crates/model/src/shape.rs" && file.room() != Some("xtask");
    // (size + 2 padding - kernel) / stride + 1, under whatever names
    let formula = |code: &str| {
        let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
        let padded = code.contains("2*") && code.contains('-');
        let divided = ["/stride", "/self.stride", "/s+1"].iter().any(|part| code.contains(part));
        (padded && divided && code.contains("+1"))
            .then(|| "looks like the formula of an output size".to_owned())
    };
    lines(tree, other, formula)
}
