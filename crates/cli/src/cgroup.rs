//! Limits of the control groups this process is in (Linux; elsewhere there are none).
//!
//! A group limits everything below it. So what counts is the smallest limit on the way from the process's own group up to the
//! root. Version 2 has one tree of groups. Version 1 has one for each controller. Both may be mounted at once.
//!
//! A container may see its own group as the root, while `/proc/self/cgroup` names the host's path. Of a path that is not there
//! only the root is left, which is then the right one.

use std::fs;
use std::path::{Component, Path, PathBuf};

/// Where systems mount the trees.
const MOUNT: &str = "/sys/fs/cgroup";

/// Version 1 writes "no limit" as a number near 2^63.
const UNLIMITED: u64 = 1 << 60;

/// Processor time this process may use, in cores; `None` without a limit.
pub(crate) fn cores() -> Option<f64> {
    smallest_cores(Path::new(MOUNT), &membership())
}

/// Memory this process may use, in bytes; `None` without a limit.
pub(crate) fn memory() -> Option<u64> {
    smallest_memory(Path::new(MOUNT), &membership())
}

/// Memory this process can still get before a limit is reached, in bytes; `None` without a limit.
pub(crate) fn memory_left() -> Option<u64> {
    smallest_memory_left(Path::new(MOUNT), &membership())
}

/// The groups of this process, a line for each tree.
fn membership() -> String {
    // without it the roots are all that can be looked at
    fs::read_to_string("/proc/self/cgroup").unwrap_or_else(|_| "0::/\n1:cpu:/\n2:memory:/\n".into())
}

fn smallest_cores(mount: &Path, membership: &str) -> Option<f64> {
    folders(mount, membership, "cpu").iter().filter_map(|folder| cores_of(folder)).reduce(f64::min)
}

fn smallest_memory(mount: &Path, membership: &str) -> Option<u64> {
    folders(mount, membership, "memory").iter().filter_map(|folder| memory_of(folder)).min()
}

fn smallest_memory_left(mount: &Path, membership: &str) -> Option<u64> {
    folders(mount, membership, "memory").iter().filter_map(|folder| memory_left_of(folder)).min()
}

/// The folder of each group that `controller` may limit this process through.
fn folders(mount: &Path, membership: &str, controller: &str) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for line in membership.lines() {
        // "4:cpu,cpuacct:/user.slice" (version 1) or "0::/user.slice" (version 2)
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let trees = if controllers.is_empty() {
            [mount.to_path_buf(), mount.join("unified")]
        } else if controllers.split(',').any(|name| name == controller) {
            // the folder is called after all controllers of the tree; links with single names are a custom
            [mount.join(controllers), mount.join(controller)]
        } else {
            continue;
        };
        let inside = |part: &Component<'_>| matches!(part, Component::Normal(_));
        let group: PathBuf = Path::new(path).components().filter(inside).collect();
        folders.extend(trees.iter().flat_map(|tree| group.ancestors().map(|group| tree.join(group))));
    }
    folders
}

/// The quota of one group, in cores.
fn cores_of(folder: &Path) -> Option<f64> {
    let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
    // "max" and -1 stand for no limit
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|&value| value > 0.0);
    let (quota, period) = match read("cpu.max") {
        Some(text) => text.trim().split_once(' ').map(|(quota, period)| (quota.into(), period.into()))?,
        None => (read("cpu.cfs_quota_us")?, read("cpu.cfs_period_us")?),
    };
    Some(number(&quota)? / number(&period)?)
}

/// The limit of one group, in bytes.
fn memory_of(folder: &Path) -> Option<u64> {
    let limit = ["memory.max", "memory.limit_in_bytes"]
        .into_iter()
        .find_map(|name| fs::read_to_string(folder.join(name)).ok())?;
    limit.trim().parse().ok().filter(|&limit| limit < UNLIMITED)
}

/// What is left of one group's limit, in bytes. What the group holds of files is given back before the limit hurts.
fn memory_left_of(folder: &Path) -> Option<u64> {
    let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
    let number = |name: &str| read(name)?.trim().parse::<u64>().ok();
    // beyond "high" a group is slowed down until it gives memory back
    let limit = [memory_of(folder), number("memory.high")].into_iter().flatten().min()?;
    let used = ["memory.current", "memory.usage_in_bytes"].into_iter().find_map(number).unwrap_or(0);
    let stat = read("memory.stat").unwrap_or_default();
    let cached = |name: &str| {
        let value = stat.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
        value.unwrap_or(0)
    };
    // version 1 counts a group alone and, with "total", what is below it too
    let files =
        |prefix: &str| ["inactive_file ", "active_file "].map(|name| cached(&format!("{prefix}{name}")));
    let files: u64 =
        if stat.contains("total_inactive_file") { files("total_") } else { files("") }.iter().sum();
    Some(limit.saturating_sub(used.saturating_sub(files)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A made-up mount with these files.
    fn mount(files: &[(&str, &str)]) -> tempfile::TempDir {
        let mount = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = mount.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        mount
    }

    #[test]
    fn version_2_takes_the_smallest_on_the_way_up() {
        let mount = mount(&[
            ("user.slice/cpu.max", "150000 100000\n"),
            ("user.slice/memory.max", "3000000000\n"),
            ("user.slice/a.scope/cpu.max", "max 100000\n"),
            ("user.slice/a.scope/memory.max", "2000000000\n"),
            ("user.slice/b.scope/memory.max", "1000\n"),
        ]);
        let membership = "0::/user.slice/a.scope\n";
        assert_eq!(smallest_cores(mount.path(), membership), Some(1.5));
        assert_eq!(smallest_memory(mount.path(), membership), Some(2_000_000_000));
    }

    #[test]
    fn version_1_has_a_tree_for_each_controller() {
        let mount = mount(&[
            ("cpu,cpuacct/cpu.cfs_quota_us", "-1\n"),
            ("cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
            ("cpu,cpuacct/jobs/cpu.cfs_quota_us", "50000\n"),
            ("cpu,cpuacct/jobs/cpu.cfs_period_us", "100000\n"),
            ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory/jobs/memory.limit_in_bytes", "4000000000\n"),
            ("memory/jobs/one/memory.limit_in_bytes", "9223372036854771712\n"),
        ]);
        let membership = "12:name=systemd:/jobs\n4:memory:/jobs/one\n2:cpu,cpuacct:/jobs/one\n0::/\n";
        assert_eq!(smallest_cores(mount.path(), membership), Some(0.5));
        assert_eq!(smallest_memory(mount.path(), membership), Some(4_000_000_000));
    }

    #[test]
    fn a_container_sees_its_own_group_as_the_root() {
        let mount = mount(&[("memory.max", "5000\n"), ("cpu.max", "200000 100000\n")]);
        for membership in ["0::/\n", "0::/docker/0123/a\n", "0::/../outside\n"] {
            assert_eq!(smallest_memory(mount.path(), membership), Some(5000), "{membership}");
            assert_eq!(smallest_cores(mount.path(), membership), Some(2.0), "{membership}");
        }
    }

    #[test]
    fn no_limit_is_none() {
        let mount = mount(&[("a/memory.max", "max\n"), ("a/cpu.max", "max 100000\n")]);
        for membership in ["0::/a\n", "0::/nowhere\n", "", "nonsense"] {
            assert_eq!(smallest_cores(mount.path(), membership), None, "{membership}");
            assert_eq!(smallest_memory(mount.path(), membership), None, "{membership}");
        }
    }

    #[test]
    fn what_is_left_counts_what_is_used_and_not_what_files_hold() {
        let mount = mount(&[
            ("a/memory.max", "1000000\n"),
            ("a/memory.current", "700000\n"),
            ("a/memory.stat", "anon 300000\ninactive_file 250000\nactive_file 50000\n"),
            ("a/b/memory.max", "max\n"),
            ("a/b/memory.current", "600000\n"),
            ("c/memory.max", "max\n"),
            ("c/memory.high", "5000\n"),
            ("d/memory.max", "100\n"),
            ("d/memory.current", "900\n"),
            ("e/memory.max", "100\n"),
            ("memory/f/memory.limit_in_bytes", "8000\n"),
            ("memory/f/memory.usage_in_bytes", "5000\n"),
            ("memory/f/memory.stat", "inactive_file 1\ntotal_inactive_file 1000\ntotal_active_file 500\n"),
        ]);
        for (membership, left) in [
            ("0::/a/b\n", Some(600_000)),
            ("0::/a\n", Some(600_000)),
            ("0::/c\n", Some(5000)),
            ("0::/d\n", Some(0)),
            ("0::/e\n", Some(100)),
            ("7:memory:/f\n", Some(4500)),
            ("0::/nowhere\n", None),
        ] {
            assert_eq!(smallest_memory_left(mount.path(), membership), left, "{membership}");
        }
    }
}
