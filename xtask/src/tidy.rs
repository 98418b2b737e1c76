//! `cargo xtask tidy`: rules of the house that a machine can check by reading the tree.
//!
//! A rule is a row of [`RULES`]: a name, a sentence that says what is wanted, and a function from the tree to what it
//! found. Rules read text, not syntax: they are right often enough, and simple enough to be read.

mod arrows;
mod circles;
mod code;
mod documents;
mod finding;
mod layout;
mod paths;
mod source;
mod subjects;
#[cfg(test)]
mod tests;
mod tree;
mod types;

use std::path::Path;

use anyhow::{Result, bail};

use finding::Finding;
use tree::Tree;

/// One rule.
struct Rule {
    name: &'static str,
    wanted: &'static str,
    check: fn(&Tree) -> Vec<Finding>,
}

/// Every rule.
const RULES: &[Rule] = &[
    Rule {
        name: "short-files",
        wanted: "at most 400 lines before the tests: a longer file has two subjects",
        check: layout::short_files,
    },
    Rule {
        name: "opening",
        wanted: "a file opens by saying what it is for: `//!` in Rust, a docstring in Python",
        check: layout::opening,
    },
    Rule {
        name: "names",
        wanted: "files are called after their subject, never utils, base, common or misc",
        check: layout::names,
    },
    Rule { name: "python", wanted: "Python stands in tools/ only", check: layout::python },
    Rule {
        name: "leftovers",
        wanted: "no notes to self and no debugging in what is committed",
        check: code::leftovers,
    },
    Rule {
        name: "machine-paths",
        wanted: "no path of one machine: somebody's home or workplace",
        check: documents::machine_paths,
    },
    Rule {
        name: "target-feature",
        wanted: "#[target_feature] only under crates/kernels/src/simd/: one seam for each instruction set",
        check: code::target_feature,
    },
    Rule {
        name: "unsafe",
        wanted: "unsafe only in crates/kernels and in the engine's arena and threads; all other crates forbid it",
        check: code::unsafe_code,
    },
    Rule {
        name: "pure-kernels",
        wanted: "kernels never allocate, spawn, print or read the environment",
        check: code::pure_kernels,
    },
    Rule {
        name: "quiet",
        wanted: "libraries return values and errors; only the command line prints",
        check: code::quiet,
    },
    Rule {
        name: "environment",
        wanted: "options are handed down from the command line; nothing else reads environment variables",
        check: code::environment,
    },
    Rule {
        name: "output-sizes",
        wanted: "output sizes are computed in crates/model/src/shape.rs only",
        check: code::output_sizes,
    },
    Rule {
        name: "arrows",
        wanted: "crates depend on each other as ARCHITECTURE.md draws it, and only the command line uses anyhow",
        check: arrows::arrows,
    },
    Rule {
        name: "circles",
        wanted: "no file of a crate uses what leads back to it; a parent may declare and re-export its children",
        check: circles::circles,
    },
    Rule {
        name: "types",
        wanted: "no two types that are visible outside of their files have one name",
        check: types::types,
    },
    Rule {
        name: "dependencies",
        wanted: "docs/dependencies.md says of every dependency why it is there, and of no other",
        check: arrows::documented,
    },
    Rule {
        name: "operations",
        wanted: "docs/adding-an-op.md names the files that list every operation, at most eight",
        check: documents::operations,
    },
    Rule { name: "links", wanted: "links between documents lead somewhere", check: documents::links },
    Rule { name: "commands", wanted: "the README shows the two commands", check: documents::commands },
    Rule {
        name: "subjects",
        wanted: "the subject of a commit has at most 72 characters and no full stop",
        check: subjects::subjects,
    },
];

/// Reads the tree under `root` and prints what breaks a rule; an error if anything does.
pub(crate) fn run(root: &Path) -> Result<()> {
    let tree = Tree::read(root)?.with_subjects(subjects::read(root));
    let mut broken = 0;
    for rule in RULES {
        let findings = (rule.check)(&tree);
        if !findings.is_empty() {
            broken += 1;
            eprintln!("tidy: {}: {}", rule.name, rule.wanted);
        }
        for finding in findings {
            eprintln!("  {finding}");
        }
    }
    if broken > 0 {
        bail!("tidy: {broken} of {} rules are broken", RULES.len());
    }
    println!("tidy: {} files keep {} rules", tree.len(), RULES.len());
    Ok(())
}
