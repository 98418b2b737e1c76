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
    (
        "types",
        (
            TRAIN,
            "//! A.\npub struct Apple;\nmod b {\n    pub(super) unsafe trait Apple<T> {}\n}\nenum Apple {}\n",
        ),
        4,
    ),
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
    assert_eq!(found("short-files", &[("crates/train/src/options/table.rs", &long)]), [""; 0]);
    let undocumented =
        [(MODEL_TOML, "[dependencies]\nfoo = \"1\"\n"), ("docs/dependencies.md", "| `bar` | why |\n")];
    assert_eq!(found("dependencies", &undocumented).len(), 2);
    assert_eq!(found("dependencies", &[]), ["docs/dependencies.md: is missing"]);
    let shown = |rule: &str| BREAKS.iter().any(|(name, ..)| *name == rule);
    let elsewhere = ["short-files", "dependencies", "circles", "subjects"];
    for rule in RULES.iter().filter(|rule| !elsewhere.contains(&rule.name)) {
        assert!(shown(rule.name), "no case shows that {} can fail", rule.name);
    }
}

/// Circles in a crate of these files.
fn circles(files: &[(&str, &str)]) -> Vec<String> {
    let paths: Vec<String> = files.iter().map(|(name, _)| format!("crates/new/src/{name}.rs")).collect();
    let files: Vec<_> = paths.iter().zip(files).map(|(path, (_, text))| (path.as_str(), *text)).collect();
    found("circles", &files).iter().map(|found| found.replace("crates/new/src/", "")).collect()
}

#[test]
fn circles_are_found_however_a_path_is_written() {
    let b = "//! B.\npub(crate) struct B;\nfn b() { crate::a::a(crate::a::A) }\n";
    for a in [
        "//! A.\nuse crate::b::B;\npub(crate) struct A;\npub(crate) fn a() -> B {}\n",
        "//! A.\nfn a() -> super::b::B {}\npub(crate) struct A;\n",
        "//! A.\nuse super::b;\npub(crate) fn a() -> b::B {}\n",
        "//! A.\nuse crate::{\n    b::{self as c, B},\n    d,\n};\npub(crate) fn a() {}\n",
        "//! A.\nmod c {\n    fn c() -> super::super::b::B {}\n}\npub(crate) fn a() {}\n",
        // through what others hand on
        "//! A.\nuse crate::B;\npub(crate) fn a() {}\n",
        "//! A.\nuse crate::d;\npub(crate) fn a() -> d::B {}\n",
    ] {
        let lib = "//! L.\nmod a;\nmod b;\nmod d;\npub use b::B;\n";
        let found = circles(&[("lib", lib), ("a", a), ("b", b), ("d", "//! D.\npub use crate::b::B;\n")]);
        assert_eq!(found.len(), 1, "{a}: {found:?}");
        assert!(found[0].starts_with("a.rs:") && found[0].ends_with(": a.rs -> b.rs -> a.rs"), "{found:?}");
    }
    let long = ["//! A.\nuse crate::b::B;\npub struct A;\n", "//! B.\nuse crate::c::C;\npub struct B;\n"];
    let c = "//! C.\nuse crate::a::A;\npub struct C;\n";
    assert_eq!(
        circles(&[("main", "//! M.\nmod a;\nmod b;\nmod c;\n"), ("a", long[0]), ("b", long[1]), ("c", c)]),
        ["a.rs:2: a.rs -> b.rs -> c.rs -> a.rs"]
    );
}

#[test]
fn a_parent_may_hand_on_its_children_but_not_use_those_that_use_it() {
    let child = ("a/b", "//! B.\nuse super::A;\npub struct B(A);\n");
    let parent = |text: &str| circles(&[("lib", "//! L.\nmod a;\n"), ("a/mod", text), child]);
    assert!(parent("//! A.\nmod b;\npub use b::B;\npub use b::*;\npub struct A;\n").is_empty());
    assert!(
        parent("//! A.\nmod b;\npub struct A;\n\n#[cfg(test)]\nmod tests {\n    use super::b::B;\n}\n")
            .is_empty()
    );
    assert!(
        parent("//! A.\nmod b;\n#[cfg(test)]\nuse b::B;\npub struct A;\npub(in crate::a::b) fn f() {}\n")
            .is_empty()
    );
    for uses in [
        "//! A.\nmod b;\npub use b::B;\npub struct A;\nfn a() -> B {}\n",
        "//! A.\nmod b;\nuse b::B;\npub struct A;\n",
        "//! A.\nmod b;\npub struct A;\nfn a() -> b::B {}\n",
    ] {
        assert_eq!(parent(uses).len(), 1, "{uses}");
    }
}

#[test]
fn types_of_one_name_are_found_across_crates() {
    let types = |a: &str, b: &str| found("types", &[(MODEL_TOML, ""), (KERNEL, a), (TRAIN, b)]);
    let apple = "//! A.\npub(crate) struct Apple<'a>(&'a str);\n";
    assert_eq!(
        types(apple, "//! B.\npub enum Apple {\n}\n"),
        [format!("{TRAIN}:2: `Apple` is also in {KERNEL}:2")]
    );
    for other in [
        "struct Apple;\n",
        "impl Fruit for B {\n    type Apple = u8;\n}\n",
        "pub struct Apples;\npub fn apple() -> Apple {}\n",
        "#[cfg(test)]\nmod tests {\n    pub struct Apple;\n}\n",
    ] {
        assert!(types(apple, &format!("//! B.\n{other}")).is_empty(), "{other}");
    }
}

#[test]
fn subjects_are_short_and_no_sentences() {
    let rule = RULES.iter().find(|rule| rule.name == "subjects").unwrap();
    let said = |subjects: &str| {
        let tree = Tree::of(&[]).with_subjects(subjects.to_owned());
        (rule.check)(&tree).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert!(said("").is_empty());
    let long = format!("Say {}", "é".repeat(68));
    assert!(said(&format!("abc1234 Give the pooling kernels one folder\nabc1235 {long}\n")).is_empty());
    assert_eq!(
        said(&format!("1 {long}x\n2 Mend this.\n3 more\n")),
        [
            format!("commit 1: 73 characters: {long}x"),
            "commit 2: a full stop: Mend this.".to_owned(),
            "commit 3: says too little: more".to_owned()
        ]
    );
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
        ("tools/a.py", "\"\"\"A.\"\"\"\n"),
    ];
    for rule in RULES {
        let found = found(rule.name, &tree);
        assert!(found.is_empty(), "{}: {found:?}", rule.name);
    }
}
