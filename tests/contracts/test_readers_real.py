from __future__ import annotations

from pathlib import Path

import pytest

from contracts.reading import format_of, kinds, malformed_of, rows_of

HUBBLE = {
    "hubble-otel__basic-sample-400-icmpv4-flows.json": {"flow": 18},
    "hubble-otel__basic-sample-400-l7-redirected-flows.json": {"flow": 400},
    "hubble-otel__basic-sample-400-tcp-flows.json": {"flow": 400},
    "hubble-otel__basic-sample-400-udp-flows.json": {"flow": 400},
    "hubble-otel__kind-bookinfo-all.jsonl": {"flow": 1161},
    "variants-real.jsonl": {"flow": 9},
    "variants-synthetic.jsonl": {"flow": 5, "lost_events": 2, "other": 2},
}
AWS = {
    "eks-drewpy__2024-12-20_vpcflowlogs.cwl.txt": {"flow": 10994, "skipdata": 63},
    "variants/athena-export-underscores.csv": {"flow": 500},
    "variants/aws-logs-get-log-events.json": {"flow": 50},
    "variants/cloudwatch-subscription-envelope.json": {"flow": 50},
    "variants/concatenated-repeated-headers.log": {"flow": 60},
    "variants/custom-order-v5-header.SYNTHETIC.log": {"flow": 200},
    "variants/s3-text-v2-header.log.gz": {"flow": 3000},
}
# Other formats: a file's format and what is in it.
OTHERS = {
    "antrea/flowlogger-test-lines.csv": ("antrea", {"flow": 2}),
    "azure/azure-docs__nsg-flow-log-v1-v2.json": ("azure", {"flow": 6}),
    "azure/azure-docs__vnet-flow-log-v4.json": ("azure", {"flow": 6}),
    "calico/enterprise-flows.log.docs-sample.jsonl": ("calico", {"flow": 2}),
    "netobserv/flp__benchmarks_log-lines.json": ("netobserv", {"flow": 100}),
    "netobserv/netobserv-console__flat__flow_records.jsonl": ("netobserv", {"flow": 50}),
    "netobserv/netobserv-console__loki__flow_metrics_resource.json": ("netobserv", {"other": 65}),
    "netobserv/netobserv-console__loki__flow_records.json": ("netobserv", {"flow": 50}),
    "calico/whisker-flows.SYNTHETIC-from-schema.json": ("calico", {"flow": 1}),
    "gcp/professional-services__gke-intranode.json": ("gcp_vpc", {"flow": 1}),
    "gcp/professional-services__gke-node.json": ("gcp_vpc", {"flow": 1}),
}


@pytest.mark.parametrize("name", sorted(HUBBLE))
def test_real_hubble_flows_are_all_read(name: str, samples: Path) -> None:
    """Every line of a capture is a row of its kind, none malformed."""
    path = samples / "hubble" / name

    assert format_of(path) == "hubble"
    assert kinds(rows_of(path, "hubble")) == HUBBLE[name]


@pytest.mark.parametrize("name", sorted(AWS))
def test_real_vpc_flow_logs_are_all_read(name: str, samples: Path) -> None:
    """Every record of a capture is a row of its kind, none malformed, whatever carries it."""
    path = samples / "aws" / name

    assert format_of(path) == "aws_vpc"
    assert kinds(rows_of(path, "aws_vpc")) == AWS[name]


@pytest.mark.parametrize("name", sorted(OTHERS))
def test_samples_of_other_formats_are_all_read(name: str, samples: Path) -> None:
    """Every record is a row of its kind, none malformed, and one format alone knows the file."""
    path, (format_, expected) = samples / name, OTHERS[name]

    assert format_of(path) == format_
    assert kinds(rows_of(path, format_)) == expected
    assert malformed_of(path, format_) == []


def test_parquet_in_hive_directories_says_what_the_text_says(samples: Path) -> None:
    """The same capture as Parquet gives the same rows."""
    (parquet,) = (samples / "aws" / "variants" / "hive").rglob("*.parquet")
    text = samples / "aws" / "eks-drewpy__2024-12-20_vpcflowlogs.cwl.txt"

    assert format_of(parquet) == "aws_vpc"
    assert rows_of(parquet, "aws_vpc") == rows_of(text, "aws_vpc")


def test_real_replies_and_silence_are_told_apart(samples: Path) -> None:
    """Of the real TCP capture 132 records are replies, and 50 do not say."""
    rows = rows_of(samples / "hubble" / "hubble-otel__basic-sample-400-tcp-flows.json", "hubble")
    said = [row.get("is_reply") for row in rows]

    assert (said.count(True), said.count(None)) == (132, 50)


def test_nothing_of_a_real_capture_is_malformed(samples: Path) -> None:
    """The slow way, record by record, agrees with the scan."""
    path = samples / "hubble" / "hubble-otel__kind-bookinfo-all.jsonl"

    assert malformed_of(path, "hubble") == []
