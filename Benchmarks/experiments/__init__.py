"""The experiments by name. Each takes the settings, prints what it does, and returns
its figures and the samples that they come from; its docstring is its description."""

from .backups import backup
from .batch_size import batching
from .commits import commits
from .compaction import compaction, compaction_disk
from .connections import limits
from .durable import durable
from .generation import generate
from .heap import allocations
from .latency import halfload, qd1
from .mixed_loads import read_while_write
from .processors import cpu, threads
from .reads import misses
from .redis_protocol import redis_disk, redis_latency, redis_memory, redis_overwrites, redis_protocol, redis_scan
from .restarts import restart
from .shared_table import shared_table
from .startup import start
from .sync_modes import sync_modes
from .throughput import iops
from .write_latency import write_latency

READS = (iops, qd1, misses, threads, batching, halfload, start, cpu, allocations, limits, generate)
WRITES = (durable, write_latency, commits, read_while_write, sync_modes, restart, compaction, compaction_disk, backup)
TABLES = (shared_table,)
REDIS = (redis_protocol, redis_overwrites, redis_disk, redis_scan, redis_latency, redis_memory)


def _name(function):
    return function.__name__.replace("_", "-")


EXPERIMENTS = {_name(function): function for function in (*READS, *WRITES, *TABLES, *REDIS)}
GROUPS = {
    "all": list(EXPERIMENTS), "reads": [_name(function) for function in READS],
    "writes": [_name(function) for function in WRITES],
    "tables": [_name(function) for function in TABLES],
    "redis": [_name(function) for function in REDIS],
}
# How long runs are that have no goal in seconds: writes make stores grow.
SECONDS = {name: 2 if name in GROUPS["writes"] + GROUPS["redis"] else 20 for name in EXPERIMENTS}
