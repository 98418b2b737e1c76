//! Who only infers depends on few crates, and on none that speaks to a network.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Crates in all, ours among them.
const MOST: usize = 15;

/// Clients, and what only clients need: should one of these ever appear, something is wrong before it is counted.
const CLIENTS: [&str; 12] = [
    "ureq",
    "reqwest",
    "hyper",
    "curl",
    "isahc",
    "attohttpc",
    "rustls",
    "native-tls",
    "openssl",
    "socket2",
    "mio",
    "tokio",
];

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Every crate that `plusx-infer` needs on Linux, itself and macros included, but neither for tests nor for build scripts.
fn needed() -> BTreeSet<String> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--format-version", "1", "--locked", "--offline"]);
    cargo.args(["--filter-platform", "x86_64-unknown-linux-gnu"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = cargo.output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let name = |id: &Value| {
        let package =
            list(&metadata["packages"]).iter().find(|package| package["id"] == *id).expect("a package");
        package["name"].as_str().expect("a name").to_owned()
    };
    let nodes = list(&metadata["resolve"]["nodes"]);
    let root = nodes.iter().find(|node| name(&node["id"]) == "plusx-infer").expect("this crate");
    let mut waiting = vec![root];
    let mut names = BTreeSet::new();
    while let Some(node) = waiting.pop() {
        if !names.insert(name(&node["id"])) {
            continue;
        }
        // a kind of null is an ordinary dependency
        let ordinary = |one: &&Value| list(&one["dep_kinds"]).iter().any(|kind| kind["kind"].is_null());
        for dependency in list(&node["deps"]).iter().filter(ordinary) {
            waiting.extend(nodes.iter().filter(|node| node["id"] == dependency["pkg"]));
        }
    }
    names
}

#[test]
fn few_crates_and_no_network_client() {
    let names = needed();
    assert!(names.contains("plusx-engine") && names.contains("libc"), "{names:?}");
    assert!(names.len() <= MOST, "{} crates, at most {MOST} are promised: {names:?}", names.len());
    assert!(CLIENTS.iter().all(|client| !names.contains(*client)), "{names:?}");
}

/// Nor do our own crates among them open a connection themselves.
#[test]
fn our_own_crates_open_no_connection() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut seen = 0;
    for room in needed().iter().filter_map(|name| name.strip_prefix("plusx-")) {
        let mut folders = vec![crates.join(room).join("src")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let text = std::fs::read_to_string(&path).expect("a text file");
                    assert!(!text.contains("std::net") && !text.contains("TcpStream"), "{}", path.display());
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 50, "{seen} files");
}
