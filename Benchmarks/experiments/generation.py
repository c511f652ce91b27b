"""Generating a store against writing a file."""

from .. import programs, store as stores
from ..results import Figure


def generate(settings):
    """mk_data's bytes per second over fio's sequential O_DIRECT write of as many."""
    path = settings.directory / "generated"
    plain = settings.directory / "plain-file"
    pairs, samples = [], []
    try:
        for number in range(settings.pairs):
            store, seconds = stores.generate(path, settings.keys, 1024, 4096)
            byte_count = store.datafile.stat().st_size
            fio_seconds = programs.fio_sequential_write(plain, byte_count)
            pairs.append((byte_count / seconds / 1e6, byte_count / fio_seconds / 1e6))
            samples.append({"bytes": byte_count, "seconds": seconds, "fio_seconds": fio_seconds})
            print(f"pair {number + 1}: mk_data {pairs[-1][0]:,.0f} MB/s, fio {pairs[-1][1]:,.0f} MB/s", flush=True)
            # fio's next file is to be allocated anew, as mk_data's is.
            plain.unlink()
    finally:
        plain.unlink(missing_ok=True)
        stores.remove(path)
    return [Figure.ratio(
        f"mk_data over fio, {byte_count / 1e9:.1f} GB", pairs, ">= 0.7", sides=("mk_data", "fio"), unit=" MB/s")], samples
