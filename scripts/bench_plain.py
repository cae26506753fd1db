"""What ``scripts/bench`` times beside netinfer: the bare aggregation, in DuckDB or in pandas.

Both group the records as netinfer must, with their count and their first and last time, and do
nothing else: no check of a value, no label, no policy. Arguments: ``ENGINE KIND PATH``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import bench_plain_hubble as hubble
import bench_plain_vpc as vpc

KINDS = {"hubble": hubble.JSON, "flows": hubble.PARQUET, "vpc": vpc.PARQUET, "vpc-text": vpc.TEXT}


def main() -> None:
    """Aggregate the file with the engine and as the kind that the arguments name."""
    engine, kind, path = sys.argv[1], KINDS[sys.argv[2]], Path(sys.argv[3])
    groups = kind.by_duckdb(path) if engine == "duckdb" else kind.by_pandas(path)
    print(f"{groups:,} groups")


if __name__ == "__main__":
    main()
