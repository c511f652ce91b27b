"""The experiments by name. Each takes the settings, prints what it does, and returns
its figures and the samples that they come from; its docstring is its description."""

from .batch_size import batching
from .connections import limits
from .generation import generate
from .heap import allocations
from .latency import halfload, qd1
from .processors import cpu, threads
from .reads import misses
from .startup import start
from .throughput import iops

EXPERIMENTS = {
    function.__name__: function
    for function in (
        iops, qd1, misses, threads, batching, halfload, start, cpu, allocations, limits, generate,
    )
}
