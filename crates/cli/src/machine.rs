//! What the machine is, as far as the system tells: cores and memory. Linux tells most. Elsewhere the answers are
//! `None`.

use crate::cgroup;
use std::collections::BTreeSet;
use std::fs;

/// Physical cores (hyper-threads of one core counted once).
pub(crate) fn physical_cores() -> Option<usize> {
    let folder = fs::read_dir("/sys/devices/system/cpu").ok()?;
    let siblings = folder
        .flatten()
        .filter_map(|entry| fs::read_to_string(entry.path().join("topology/thread_siblings_list")).ok());
    Some(siblings.collect::<BTreeSet<_>>().len()).filter(|&count| count > 0)
}

/// Memory of the machine, in bytes.
pub(crate) struct MachineMemory {
    /// All there is.
    pub(crate) total: u64,
    /// What is free for programs.
    pub(crate) available: u64,
}

/// Memory of the machine.
pub(crate) fn memory() -> Option<MachineMemory> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    Some(MachineMemory { total: kilobytes(&text, "MemTotal")?, available: kilobytes(&text, "MemAvailable")? })
}

/// The most memory this process ever held, in bytes.
pub(crate) fn peak_memory() -> Option<u64> {
    kilobytes(&fs::read_to_string("/proc/self/status").ok()?, "VmHWM")
}

/// Memory that this process can still get.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Room {
    /// Bytes.
    pub(crate) bytes: u64,
    /// What sets this bound, after "bytes": `are free here`.
    pub(crate) bound: &'static str,
}

/// The smallest bound on the memory that this process can still get: what is free, what its control group may use, what
/// its limits leave. `None` where the system tells none. `threads` are about to be started.
pub(crate) fn room(threads: usize) -> Option<Room> {
    // of every thread, two that load and one that listens among them, the stack and 64 MB of addresses that the C library
    // keeps for it: room on paper, not memory
    let addresses = (threads as u64 + 3).saturating_mul(66 << 20);
    let of = |bytes: Option<u64>, bound| Some(Room { bytes: bytes?, bound });
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let left = |limit, used| Some(limit_of(&limits, limit)?.saturating_sub(kilobytes(&status, used)?));
    let rooms = [
        of(memory().map(|memory| memory.available), "are free here"),
        of(cgroup::memory_left(), "are left of the control group's limit"),
        of(
            left("Max address space", "VmSize").map(|left| left.saturating_sub(addresses)),
            "are left of the limit on address space (ulimit -v)",
        ),
        of(left("Max data size", "VmData"), "are left of the limit on data (ulimit -d)"),
    ];
    rooms.into_iter().flatten().min_by_key(|room| room.bytes)
}

/// The soft limit called `name`, in bytes.
fn limit_of(limits: &str, name: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Whether the kernel backs large buffers with huge pages: `always`, `madvise` or `never`.
pub(crate) fn huge_pages() -> Option<String> {
    let text = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").ok()?;
    let (_, rest) = text.split_once('[')?;
    Some(rest.split_once(']')?.0.to_string())
}

fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim())
    })
}

fn kilobytes(text: &str, name: &str) -> Option<u64> {
    Some(field(text, name)?.strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_name() {
        let text = "MemTotal:       100 kB\nMemFree:  7 kB\n";
        assert_eq!(kilobytes(text, "MemTotal"), Some(102_400));
        assert_eq!(kilobytes(text, "MemAvailable"), None);
    }

    #[test]
    fn limits_are_found_by_name() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max data size             unlimited            unlimited            bytes     \n\
                    Max address space         4096000              unlimited            bytes     \n";
        assert_eq!(limit_of(text, "Max address space"), Some(4_096_000));
        assert_eq!(limit_of(text, "Max data size"), None);
        assert_eq!(limit_of(text, "Max stack size"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn linux_tells() {
        assert!(peak_memory().is_some_and(|bytes| bytes > 0));
        assert!(memory().is_some_and(|memory| memory.total >= memory.available));
        assert!(room(2).is_some_and(|room| room.bytes > 0));
    }
}
