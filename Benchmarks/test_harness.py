"""`python3 -m unittest Benchmarks.test_harness`: the parts that need no server."""

import unittest

from . import machine, programs, report, store, writing
from .results import Figure, table


class ReadSizes(unittest.TestCase):
    def test_size_classes_are_those_of_the_index(self):
        expected = {1: 512, 512: 512, 513: 1024, 4096: 4096, 4097: 6144, 6145: 8192, 8193: 12288, 65_536: 65_536,
                    65_537: 98_304}
        self.assertEqual({size: store.size_class(size) for size in expected}, expected)

    def test_percents_add_up_and_keep_the_mean(self):
        for sizes in ({512: 1}, {512: 1, 4096: 2}, {1536: 331, 2048: 5, 2560: 977, 3072: 1010, 6144: 77}):
            percents = store.in_percent(sizes)
            self.assertEqual(sum(percents.values()), 100)
            self.assertAlmostEqual(store.mean_size(percents) / store.mean_size(sizes), 1, delta=0.005)


class Statistics(unittest.TestCase):
    def test_a_line_is_read_field_by_field(self):
        values = programs.parse_statistics(
            "polls/s 12, in flight 3 reads 0 writes, syscalls/request 0.25, batch p50 4 p99 9, cpu 43%, "
            "latency us p50 100 p99 200 p99.9 300")
        self.assertEqual(values, {
            "polls/s": 12, "in flight reads": 3, "in flight writes": 0, "syscalls/request": 0.25, "batch p50": 4,
            "batch p99": 9, "cpu": 43, "latency us p50": 100, "latency us p99": 200, "latency us p99.9": 300,
        })


    def test_costs_per_write_leave_out_the_outer_lines(self):
        def line(puts, flushes, writes):
            return {"puts/s": puts, "flushes/s": flushes, "writes/s": writes, "log KB/s": puts, "records/write": 25}

        costs = writing.per_write([line(1, 9, 9), line(0, 0, 0), line(100, 5, 4), line(300, 15, 12), line(7, 7, 7)])
        self.assertEqual(costs, {
            "flushes_per_write": 0.05, "log_writes_per_write": 0.04, "log_bytes_per_write": 1000,
            "records_per_commit": 25,
        })

    def test_disk_counters_are_subtracted_one_by_one(self):
        self.assertEqual(
            machine.DiskCounters(5, 50, 7, 70, 3) - machine.DiskCounters(1, 10, 2, 20, 1),
            machine.DiskCounters(4, 40, 5, 50, 2))


class Page(unittest.TestCase):
    def test_a_section_goes_into_its_place_and_nothing_else_changes(self):
        text = "a\n<!-- measured: x-y -->\nold\n<!-- end of x-y -->\nb\n<!-- measured: z -->\n<!-- end of z -->\n"
        expected = text.replace("\nold\n", "\n\nnew\n\n")
        self.assertEqual(report.placed(text, {"x-y": "new"}), expected)
        self.assertEqual(report.placed(expected, {"x-y": "new"}), expected)


class Figures(unittest.TestCase):
    def test_a_ratio_is_taken_pair_by_pair(self):
        figure = Figure.ratio("a over b", [(1, 2), (30, 40), (9, 10)], ">= 0.8")
        self.assertEqual((figure.value, figure.low, figure.high, figure.is_met), (0.75, 0.5, 0.9, False))

    def test_a_table_has_a_row_for_each_figure(self):
        lines = table([Figure("x", 1234.4, "us", goal="<= 2000"), Figure("y", None)]).splitlines()
        self.assertEqual(len(lines), 4)
        self.assertIn("1,234 us", lines[2])
        self.assertIn("(met)", lines[2])


if __name__ == "__main__":
    unittest.main()
