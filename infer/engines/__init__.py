"""Engines: readers and ``reduce`` over many files, merged; one file an engine."""
