//! Every rule can fail, and passes where it should.

use super::RULES;
use super::tree::Tree;

/// What a rule finds in a tree.
fn found(rule: &str, files: &[(&str, &str)]) -> Vec<String> {
    let rule = RULES.iter().find(|one| one.name == rule).unwrap_or_else(|| panic!("no rule {rule}"));
    (rule.check)(&Tree::of(files)).iter().map(ToString::to_string).collect()
}

const KERNEL: &str = "crates/kernels/src/a.rs";
const GRAPH: &str = "crates/model/src/graph.rs";
const TRAIN: &str = "crates/train/src/a.rs";
const MODEL_TOML: &str = "crates/model/Cargo.toml";

/// (rule, a file that breaks it, the line at fault; 0 for the whole file)
const BREAKS: &[(&str, (&str, &str), usize)] = &[
    ("opening", (TRAIN, "fn a() {}\n"), 1),
    ("opening", ("tools/a.py", "import os\n"), 1),
    ("names", ("crates/train/src/utils.rs", "//! A.\n"), 0),
    ("names", ("crates/train/src/common/a.rs", "//! A.\n"), 0),
    ("python", ("crates/train/a.py", "\"\"\"A.\"\"\"\n"), 0),
    ("leftovers", (TRAIN, concat!("//! A.\n// TO", "DO: more\n")), 2),
    ("leftovers", (TRAIN, "//! A.\nfn a() { dbg!(1); }\n"), 2),
    ("machine-paths", ("docs/a.md", concat!("see `/ho", "me/me/plusx`\n")), 1),
    ("target-feature", (KERNEL, "//! A.\n#[target_feature(enable = \"avx2\")]\nfn a() {}\n"), 2),
    ("unsafe", ("crates/engine/src/plan.rs", "//! A.\nfn a() { unsafe { b() } }\n"), 2),
    ("unsafe", ("crates/train/src/lib.rs", "//! A.\n"), 0),
    ("pure-kernels", (KERNEL, "//! A.\nfn a() -> Vec<f32> { vec![0.0; 4] }\n"), 2),
    ("pure-kernels", (KERNEL, "//! A.\nfn a() { std::thread::yield_now() }\n"), 2),
    ("quiet", (TRAIN, "//! A.\nfn a() { eprintln!(\"b\"); }\n"), 2),
    ("environment", (TRAIN, "//! A.\nfn a() { std::env::var(\"B\").ok(); }\n"), 2),
    ("output-sizes", (TRAIN, "//! A.\nlet oh = (h + 2 * p - k) / stride + 1;\n"), 2),
    ("arrows", (MODEL_TOML, "[dependencies]\nplusx-engine.workspace = true\n"), 2),
    ("arrows", (MODEL_TOML, "[dev-dependencies]\nplusx-engine = { path = \"../engine\" }\n"), 2),
    ("arrows", (MODEL_TOML, "[dependencies]\nanyhow = \"1\"\n"), 2),
    (
        "arrows",
        (MODEL_TOML, "[target.'cfg(unix)'.dependencies]\nx = { package = \"plusx-data\", path = \"\" }\n"),
        2,
    ),
    ("arrows", (MODEL_TOML, "[dependencies.plusx-kernels]\npath = \"../kernels\"\n"), 1),
    ("arrows", ("crates/new/Cargo.toml", "[package]\n"), 0),
    ("features", (MODEL_TOML, "[features]\nfast = []\n"), 2),
    ("links", ("docs/a.md", "see [b](b.md)\n"), 1),
    ("links", ("README.md", "<img src=\"docs/a.svg\">\n"), 1),
    ("commands", ("README.md", "cargo xtask test\n"), 0),
    ("operations", (GRAPH, "//! A.\npub enum Op {\n    Add,\n}\nfn a() { match op { Op::Add => 0 } }\n"), 0),
];

#[test]
fn every_rule_can_fail() {
    for (rule, (path, text), line) in BREAKS {
        let found = found(rule, &[(path, text)]);
        let expected = if *line == 0 { format!("{path}: ") } else { format!("{path}:{line}: ") };
        assert_eq!(found.len(), 1, "{rule} on {text:?}: {found:?}");
        assert!(found[0].starts_with(&expected), "{rule}: {found:?} does not start with {expected}");
    }
    let long = format!("//! A.\n{}", "fn a() {}\n".repeat(400));
    assert_eq!(found("short-files", &[(TRAIN, &long)]), [format!("{TRAIN}: 401 lines")]);
    let undocumented =
        [(MODEL_TOML, "[dependencies]\nfoo = \"1\"\n"), ("docs/dependencies.md", "| `bar` | why |\n")];
    assert_eq!(found("dependencies", &undocumented).len(), 2);
    assert_eq!(found("dependencies", &[]), ["docs/dependencies.md: is missing"]);
    let shown = |rule: &str| BREAKS.iter().any(|(name, ..)| *name == rule);
    for rule in RULES.iter().filter(|rule| !["short-files", "dependencies"].contains(&rule.name)) {
        assert!(shown(rule.name), "no case shows that {} can fail", rule.name);
    }
}

#[test]
fn the_document_on_operations_is_in_step() {
    let graph =
        "//! A.\npub enum Op {\n    /// y = x.\n    Input,\n    Conv {\n        Spec: u8,\n    },\n}\n";
    let lists = "//! A.\nfn a() { match op { Op::Input => 0, Op::Conv { .. } => 1 } }\n";
    let some = "//! A.\nfn a() { match op { Op::Input => 0, _ => 1 } } // Op::Conv\n";
    let names = |document: &str| {
        found(
            "operations",
            &[(GRAPH, graph), (KERNEL, lists), (TRAIN, some), ("docs/adding-an-op.md", document)],
        )
    };
    assert!(names("stops in `crates/kernels/src/a.rs`\n\n1. In `crates/train/src/a.rs`\n").is_empty());
    assert_eq!(names("Stops.\n\n1. In `crates/kernels/src/a.rs`\n").len(), 1);
    assert_eq!(names("`crates/kernels/src/a.rs` `crates/train/src/a.rs`\n\n1. A\n").len(), 1);
    let many: Vec<String> = (0..9).map(|index| format!("crates/model/src/a{index}.rs")).collect();
    let document = many.iter().map(|path| format!("`{path}` ")).collect::<String>();
    let mut tree = vec![(GRAPH, graph), ("docs/adding-an-op.md", document.as_str())];
    tree.extend(many.iter().map(|path| (path.as_str(), lists)));
    assert_eq!(
        found("operations", &tree),
        ["docs/adding-an-op.md: 9 files list every operation, more than 8"]
    );
}

#[test]
fn a_good_tree_passes() {
    let test_lines = format!(
        "//! A.\n#![forbid(unsafe_code)]\n// not unsafe, not vec!\n\n#[cfg(test)]\nmod tests {{\n{}}}\n",
        "    fn a() { println!(\"{:?}\", vec![0]); }\n".repeat(400)
    );
    let tree = [
        (
            "README.md",
            "```sh\ncargo run --release -- train\ncargo xtask test\n```\n[a](docs/a.md#b), [c](https://c.org)\n",
        ),
        ("docs/a.md", "back to the [README](../README.md)\n"),
        ("docs/dependencies.md", "| crate | why |\n|---|---|\n| `libc` | pages |\n"),
        ("crates/train/src/lib.rs", test_lines.as_str()),
        ("crates/kernels/src/a.rs", "//! A.\n// SAFETY: b\nfn a() { unsafe { b() } }\n"),
        ("crates/kernels/src/simd/a.rs", "//! A.\n#[target_feature(enable = \"fma\")]\nfn a() {}\n"),
        ("crates/engine/src/threads.rs", "//! A.\nfn a() { unsafe { b() } }\n"),
        (
            "crates/cli/src/main.rs",
            "//! A.\n#![forbid(unsafe_code)]\nfn a() { println!(\"a\"); std::env::var(\"B\"); }\n",
        ),
        ("crates/model/src/shape.rs", "//! A.\nlet oh = (h + 2 * p - k) / stride + 1;\n"),
        (
            "crates/engine/Cargo.toml",
            "[dependencies]\nplusx-model.workspace = true\nlibc = \"0.2\" # pages\n",
        ),
        ("crates/formats/Cargo.toml", "[dev-dependencies]\nplusx-engine.workspace = true\n"),
        ("crates/cli/Cargo.toml", "[features]\ngpu = []\nmpi = []\n"),
        ("tools/a.py", "\"\"\"A.\"\"\"\n"),
    ];
    for rule in RULES {
        let found = found(rule.name, &tree);
        assert!(found.is_empty(), "{}: {found:?}", rule.name);
    }
}
