import Testing

/// All tests of shared tables, one at a time: some set what every table of the process sees.
@Suite(.serialized) enum SharedTableSuites {}
