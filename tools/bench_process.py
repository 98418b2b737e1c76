"""Runs a program and tells what it took: wall time, processor time and memory, its children included. Linux only.

Memory is the proportional set size (PSS) of the process and all that descend from it, summed, once a second: a page that a
loader's workers share with their parent counts once. The largest sum is kept. Looking costs about a hundredth of a core. What is shorter than a second may be
missed, so the system's own figure for the process alone (`ru_maxrss`) is kept as well, and the larger of the two is told.
"""

import csv
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import threading
import time

INTERVAL = 1.0


def descendants(root):
    """The process and all below it, as far as they are still there."""
    found, tried = [root], 0
    while tried < len(found):
        for task in pathlib.Path(f"/proc/{found[tried]}/task").glob("*/children"):
            try:
                found += map(int, task.read_text().split())
            except OSError:
                continue
        tried += 1
    return found


def resident(root):
    """Bytes of the whole tree, shared pages in proportion."""
    total = 0
    for process in descendants(root):
        try:
            for line in pathlib.Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
        except OSError:
            continue
    return total


class Watch(threading.Thread):
    """Looks at the memory of a tree until told to stop."""

    def __init__(self, root):
        super().__init__(daemon=True)
        self.root, self.peak, self.over = root, 0, threading.Event()

    def run(self):
        while not self.over.wait(INTERVAL):
            self.peak = max(self.peak, resident(self.root))


def measure(command, environment=None, hear=None):
    """Runs `command`. `hear` gets each line of its standard output as it comes, and its process. What it took:

    wall, cpu: seconds; memory: bytes; lines: its standard output; load: processes that wanted a core in the minute before."""
    before = load()
    start = time.perf_counter()
    environment = {**os.environ, **(environment or {})}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    watch, said = Watch(process.pid), []
    watch.start()
    complaints = threading.Thread(target=lambda: said.append(process.stderr.read()), daemon=True)
    complaints.start()
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if hear:
            hear(lines[-1], process)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    watch.over.set()
    complaints.join()
    if process.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: status {process.returncode}\n{said[0][-2000:]}")
    memory = max(watch.peak, usage.ru_maxrss * 1024)
    return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "memory": memory, "lines": lines, "load": before}


def load():
    """Processes that ran or waited for a core, on average over the last minute."""
    return os.getloadavg()[0]


def objects(lines):
    """The JSON objects among lines."""
    return [json.loads(line) for line in lines if line.startswith("{")]


def spread(values, digits=1):
    """Median (least to most), for a table."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def machine(plusx):
    """What a result must be read beside, as lines of markdown."""
    found = json.loads(subprocess.run([plusx, "doctor", "--json"], check=True, capture_output=True, text=True).stdout)
    levels = ", ".join(reversed(found["isa_levels"]))
    return "\n".join(
        [
            f"- processor: {found['processor']}, {found['available_parallelism']} cores used, levels {levels}",
            f"- memory: {found['memory_bytes'] / 1e9:.0f} GB",
            f"- system: {platform.system()} {platform.release()}",
            f"- date: {time.strftime('%Y-%m-%d', time.gmtime())}",
        ]
    )


def load_line(loads):
    return f"- load before the turns (processes that wanted a core, on average over a minute): {spread(loads)}"


def write(out, name, table, text):
    """NAME.csv of rows that are dictionaries with the same keys, and NAME.md."""
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    with open(out / f"{name}.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, list(table[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: f"{value:.3f}" if isinstance(value, float) else value for key, value in row.items()} for row in table)
    (out / f"{name}.md").write_text(text)
    print(f"{text}\nwritten to {out}", flush=True)
