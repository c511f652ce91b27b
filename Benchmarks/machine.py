"""What is measured on, and the kernel's counters: disk, threads, memory."""

import os
import platform
import subprocess
from dataclasses import astuple, dataclass
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def read_text(path):
    """The content of a small file, or "" where there is none."""
    try:
        return Path(path).read_text()
    except OSError:
        return ""


# --- The block device


@dataclass
class DiskCounters:
    """What a block device completed since boot."""

    reads: int
    read_bytes: int
    writes: int = 0
    write_bytes: int = 0
    # 0 on kernels before 5.5, which do not count them.
    flushes: int = 0

    def __sub__(self, before):
        return DiskCounters(*(now - then for now, then in zip(astuple(self), astuple(before))))


class BlockDevice:
    """The device under a directory, or none: overlay and network file systems have
    no device number that /proc/diskstats knows."""

    def __init__(self, directory):
        number = os.stat(directory).st_dev
        self._numbers = [str(os.major(number)), str(os.minor(number))]
        line = self._line()
        self.name = line[2] if line else None

    def _line(self):
        for line in read_text("/proc/diskstats").splitlines():
            fields = line.split()
            if fields[:2] == self._numbers:
                return fields
        return None

    def counters(self):
        """What the device did so far, or None without a device."""
        fields = self._line()
        if not fields:
            return None
        # Sectors are 512 bytes here, whatever the device's own are.
        reads, read_sectors, writes, write_sectors = (int(fields[place]) for place in (3, 5, 7, 9))
        flushes = int(fields[18]) if len(fields) > 18 else 0
        return DiskCounters(reads, read_sectors * 512, writes, write_sectors * 512, flushes)

    def description(self):
        if not self.name:
            return "unknown block device"
        # A partition has no queue of its own: its disk is the directory above.
        block = Path(f"/sys/class/block/{self.name}").resolve()
        if not (block / "queue").exists():
            block = block.parent
        model = read_text(block / "device/model").strip()
        scheduler = read_text(block / "queue/scheduler").strip()
        return f"{self.name} {model}".strip() + (f", scheduler {scheduler}" if scheduler else "")


# --- Threads


def cpu_seconds(pid):
    """CPU seconds of a process's threads so far; those that have ended do not count."""
    return sum(thread_cpu_nanoseconds(pid).values()) / 1e9


def thread_cpu_nanoseconds(pid):
    """CPU time by thread name; threads of one name are added up."""
    totals = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        name = read_text(task / "comm").strip()
        schedstat = read_text(task / "schedstat").split()
        if name and schedstat:
            totals[name] = totals.get(name, 0) + int(schedstat[0])
    return totals


def process_cpu_seconds(pid):
    """(user, system) CPU seconds of a process so far."""
    # The name in parentheses may hold spaces: count from behind it.
    fields = read_text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return int(fields[11]) / TICKS_PER_SECOND, int(fields[12]) / TICKS_PER_SECOND


def memory_bytes(pid):
    """Resident bytes of a process: all of it, and by kind."""
    kinds = {}
    for line in read_text(f"/proc/{pid}/status").splitlines():
        name, _, value = line.partition(":")
        if name in ("VmHWM", "VmRSS", "RssAnon", "RssFile", "RssShmem"):
            kinds[name] = int(value.split()[0]) * 1024
    return kinds


# --- Descriptions


def _output(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def describe(directory):
    """Everything that a figure depends on besides the program."""
    cpu = next((l.partition(":")[2].strip() for l in read_text("/proc/cpuinfo").splitlines() if "model name" in l), "?")
    memory = int(read_text("/proc/meminfo").split()[1]) * 1024
    changes = _output("git", "status", "--porcelain")
    return {
        "processor": cpu,
        "processors": len(os.sched_getaffinity(0)),
        "memory_bytes": memory,
        "kernel": platform.release(),
        "file_system": _output("df", "--output=fstype", str(directory)).rpartition("\n")[2],
        "disk": BlockDevice(directory).description(),
        "fio": _output("fio", "--version"),
        "commit": _output("git", "rev-parse", "--short", "HEAD") + ("+" if changes else ""),
    }


def describe_in_words(machine):
    return (
        f"{machine['processors']} x {machine['processor']}, {machine['memory_bytes'] / 2**30:.0f} GiB, "
        f"Linux {machine['kernel']}, {machine['file_system']} on {machine['disk']}, {machine['fio']}, "
        f"commit {machine['commit']}"
    )
