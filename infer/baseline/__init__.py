"""Baselines: the edges of weeks of logs in one file, with what they were made of."""

from infer.baseline.cut import Expired, expire, newest_record, within
from infer.baseline.file import is_baseline, read_baseline, read_files, write_baseline
from infer.baseline.lock import one_writer
from infer.baseline.metadata import SCHEMA_VERSION

__all__ = [
    "SCHEMA_VERSION",
    "Expired",
    "expire",
    "is_baseline",
    "newest_record",
    "one_writer",
    "read_baseline",
    "read_files",
    "within",
    "write_baseline",
]
