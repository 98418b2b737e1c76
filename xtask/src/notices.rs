//! `cargo xtask notices`: the licence notices that travel with the program, gathered from the sources of what is inside.
//!
//! Crates that may be taken under the Apache License 2.0 are taken under it: its text is printed anyway, as ours. Of all
//! others, and of NOTICE files, the whole text goes into `crates/cli/notices/crates.txt`. Fonts have a file of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::command::{capture, cargo};

/// Where the notices lie, for `include_str!` of the command line.
const FOLDER: &str = "crates/cli/notices";

/// The program, and the platform whose crates are looked at: on any machine the same.
const PROGRAM: &str = "plusx-cli";
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// A crate that brings something along besides code, and the notice for it.
const FONTS: (&str, &str) = ("kuva", "assets/fonts/LICENSE");

/// Columns of a list of names.
const WIDTH: usize = 100;

/// A crate inside the program.
struct Crate {
    name: String,
    license: String,
    folder: PathBuf,
}

/// Writes the files.
pub(crate) fn write(root: &Path) -> Result<()> {
    fs::create_dir_all(root.join(FOLDER)).with_context(|| format!("cannot make {FOLDER}"))?;
    for (name, text) in texts(root)? {
        let path = root.join(FOLDER).join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        println!("{FOLDER}/{name}");
    }
    Ok(())
}

/// Fails if the files are not what `cargo xtask notices` would write: another crate has come into the program.
pub(crate) fn check(root: &Path) -> Result<()> {
    for (name, text) in texts(root)? {
        let found = fs::read_to_string(root.join(FOLDER).join(name)).unwrap_or_default();
        if found != text {
            bail!("{FOLDER}/{name} is not up to date: `cargo xtask notices` writes it");
        }
    }
    Ok(())
}

/// The files: name and text.
fn texts(root: &Path) -> Result<Vec<(&'static str, String)>> {
    let arguments = ["metadata", "--format-version", "1", "--locked", "--filter-platform", PLATFORM];
    let metadata: Value = serde_json::from_str(&capture(cargo(root).args(arguments))?)?;
    let crates = inside(&metadata)?;
    let (name, notice) = FONTS;
    let fonts = crates.iter().find(|one| one.name == name).with_context(|| format!("{name} is gone"))?;
    Ok(vec![("fonts.txt", read(&fonts.folder.join(notice))?), ("crates.txt", of_crates(&crates)?)])
}

/// Every crate of others that code of the program comes from, by name.
fn inside(metadata: &Value) -> Result<Vec<Crate>> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let by_id = |list: Vec<Value>| -> BTreeMap<String, Value> {
        list.into_iter().map(|one| (text(&one["id"]), one)).collect()
    };
    let packages = by_id(list(&metadata["packages"]));
    let nodes = by_id(list(&metadata["resolve"]["nodes"]));
    let program = packages.iter().find(|(_, package)| package["name"] == PROGRAM);
    let mut waiting = vec![program.with_context(|| format!("no package {PROGRAM}"))?.0.clone()];
    let mut seen = BTreeSet::new();
    let mut crates = Vec::new();
    while let Some(id) = waiting.pop() {
        let package = packages.get(&id).with_context(|| format!("no package {id}"))?;
        let kinds = list(&package["targets"]).into_iter().flat_map(|target| list(&target["kind"]));
        // macros run in the compiler; only what they write is inside
        if kinds.into_iter().any(|kind| kind == "proc-macro") || !seen.insert(id.clone()) {
            continue;
        }
        let dependencies = list(&nodes.get(&id).with_context(|| format!("no node {id}"))?["deps"]);
        // a kind of null is an ordinary dependency, neither for builds nor for tests
        let ordinary = |one: &Value| list(&one["dep_kinds"]).iter().any(|kind| kind["kind"].is_null());
        waiting.extend(dependencies.iter().filter(|one| ordinary(one)).map(|one| text(&one["pkg"])));
        if !package["source"].is_null() {
            let manifest = PathBuf::from(text(&package["manifest_path"]));
            crates.push(Crate {
                name: text(&package["name"]),
                license: text(&package["license"]),
                folder: manifest.parent().map(Path::to_path_buf).unwrap_or_default(),
            });
        }
    }
    // of a crate in two versions both texts count
    crates.sort_by(|a, b| (&a.name, &a.folder).cmp(&(&b.name, &b.folder)));
    Ok(crates)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Whether the licence can be the Apache License 2.0 and nothing else.
fn may_be_apache(license: &str) -> bool {
    !license.contains(" AND ") && license.split([' ', '/']).any(|word| word == "Apache-2.0")
}

fn of_crates(crates: &[Crate]) -> Result<String> {
    let apache: BTreeSet<&str> =
        crates.iter().filter(|one| may_be_apache(&one.license)).map(|one| one.name.as_str()).collect();
    let mut out = "Under the Apache License 2.0: Rust's standard library, and the crates".to_owned();
    let mut column = WIDTH;
    for name in apache {
        let fits = column + 1 + name.len() <= WIDTH;
        let before = if fits { ' ' } else { '\n' };
        column = if fits { column + 1 } else { 0 } + name.len();
        // writing to a string cannot fail
        let _ = write!(out, "{before}{name}");
    }
    out.push('\n');
    let mut said = BTreeSet::new();
    for one in crates {
        let notices: Vec<PathBuf> = files(&one.folder, |name| {
            let license = ["LICENSE", "LICENCE", "COPYING"].iter().any(|start| name.starts_with(start));
            name.starts_with("NOTICE") || (license && !may_be_apache(&one.license))
        })?;
        if notices.is_empty() && !may_be_apache(&one.license) {
            bail!("{} ({}) has no licence file in {}", one.name, one.license, one.folder.display());
        }
        for path in notices {
            let notice = read(&path)?;
            if said.insert((one.name.clone(), notice.clone())) {
                let _ = write!(out, "\n-- {} ({})\n\n{notice}", one.name, one.license);
            }
        }
    }
    Ok(out)
}

/// Files of a folder whose names, in capitals, are wanted; in order.
fn files(folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.is_file() && wanted(&name(path)));
    paths.sort();
    Ok(paths)
}

/// A text with one end of line, and no blanks before it.
fn read(path: &Path) -> Result<String> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let lines: Vec<&str> = text.trim_matches('\n').lines().map(str::trim_end).collect();
    Ok(lines.join("\n").trim().to_owned() + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn apache_must_be_a_choice() {
        for license in ["MIT OR Apache-2.0", "Apache-2.0/MIT", "Apache-2.0", "Zlib OR Apache-2.0 OR MIT"] {
            assert!(may_be_apache(license), "{license}");
        }
        for license in ["MIT", "Apache-2.0 AND ISC", ""] {
            assert!(!may_be_apache(license), "{license}");
        }
    }

    #[test]
    fn only_what_is_inside_counts() {
        let package = |name: &str, kind: &str| {
            let source = if name == PROGRAM { Value::Null } else { json!("registry") };
            json!({ "id": name, "name": name, "license": "MIT", "source": source,
                    "manifest_path": format!("/{name}/Cargo.toml"), "targets": [{ "kind": [kind] }] })
        };
        let to = |name: &str, kind: Value| json!({ "pkg": name, "dep_kinds": [{ "kind": kind }] });
        let metadata = json!({
            "packages": [package(PROGRAM, "bin"), package("a", "lib"), package("b", "lib"),
                         package("derive", "proc-macro"), package("test", "lib")],
            "resolve": { "nodes": [
                { "id": PROGRAM, "deps": [to("a", Value::Null), to("derive", Value::Null), to("test", json!("dev"))] },
                { "id": "a", "deps": [to("b", Value::Null)] },
                { "id": "b", "deps": [to("a", Value::Null)] },
                { "id": "derive", "deps": [] },
                { "id": "test", "deps": [] },
            ] },
        });
        let names: Vec<String> = inside(&metadata).unwrap().into_iter().map(|one| one.name).collect();
        assert_eq!(names, ["a", "b"]);
    }
}
