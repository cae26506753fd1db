"""A seeded simulator of a Kubernetes cluster and its traffic, with the truth beside the logs.

It writes the shipped samples, the traffic of tests whose truth is known, and benchmark input.
"""

from .faults import dropped, one_off, port_scan
from .ground_truth import cluster_from_ground_truth, edges_from_ground_truth
from .hubble import HubbleOptions, hubble_records, write_hubble
from .inventory import inventory
from .layout import build_cluster, rolled_out
from .model import (
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
    World,
    WorkloadRef,
)
from .traffic import in_order, simulate

__all__ = [
    "ApiServer",
    "HubbleOptions",
    "Party",
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
    "World",
    "WorkloadRef",
    "build_cluster",
    "cluster_from_ground_truth",
    "dropped",
    "edges_from_ground_truth",
    "hubble_records",
    "in_order",
    "inventory",
    "one_off",
    "port_scan",
    "rolled_out",
    "simulate",
    "write_hubble",
]
