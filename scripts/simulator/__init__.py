"""A seeded simulator of a Kubernetes cluster and its traffic, with the truth beside the logs.

It writes the shipped samples, the traffic of tests whose truth is known, and benchmark input.
"""

from simulator.aws import FIELDS_V2, FIELDS_V5, write_aws
from simulator.bulk import bulk_hubble, bulk_parquet
from simulator.bulk_vpc import bulk_inventory, bulk_vpc, bulk_vpc_text
from simulator.estate import estate
from simulator.faults import dropped, one_off, port_scan
from simulator.ground_truth import (
    cluster_from_ground_truth,
    dns_service,
    dns_workload,
    edges_from_ground_truth,
)
from simulator.hubble import HubbleOptions, hubble_records, write_hubble
from simulator.inventory import inventory
from simulator.layout import build_cluster, rolled_out, service_address
from simulator.lifetimes import as_of, handed_over
from simulator.model import (
    ApiServer,
    Party,
    SimCluster,
    SimConnection,
    SimEdge,
    SimNode,
    SimPeer,
    SimPod,
    SimPort,
    SimService,
    SimServicePort,
    SimVip,
    SimWorkload,
    WorkloadRef,
    World,
)
from simulator.recording import WHOLE, Recording, Segment, segments
from simulator.sample import sample_cluster, sample_day, sample_edges
from simulator.table import TableRow, table_rows, write_table
from simulator.traffic import in_order, simulate
from simulator.truth import TrueConnection, true_connections, write_truth
from simulator.tuples import write_tuples

__all__ = [
    "FIELDS_V2",
    "FIELDS_V5",
    "WHOLE",
    "ApiServer",
    "HubbleOptions",
    "Party",
    "Recording",
    "Segment",
    "SimCluster",
    "SimConnection",
    "SimEdge",
    "SimNode",
    "SimPeer",
    "SimPod",
    "SimPort",
    "SimService",
    "SimServicePort",
    "SimVip",
    "SimWorkload",
    "TableRow",
    "TrueConnection",
    "WorkloadRef",
    "World",
    "as_of",
    "build_cluster",
    "bulk_hubble",
    "bulk_inventory",
    "bulk_parquet",
    "bulk_vpc",
    "bulk_vpc_text",
    "cluster_from_ground_truth",
    "dns_service",
    "dns_workload",
    "dropped",
    "edges_from_ground_truth",
    "estate",
    "handed_over",
    "hubble_records",
    "in_order",
    "inventory",
    "one_off",
    "port_scan",
    "rolled_out",
    "sample_cluster",
    "sample_day",
    "sample_edges",
    "segments",
    "service_address",
    "simulate",
    "table_rows",
    "true_connections",
    "write_aws",
    "write_hubble",
    "write_table",
    "write_truth",
    "write_tuples",
]
