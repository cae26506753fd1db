"""Pods that come and go while a log is kept: addresses that pass on, a cluster at one moment."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from simulator.model import SimCluster, SimPod, WorkloadRef


def handed_over(
    cluster: SimCluster,
    giver: WorkloadRef,
    taker: WorkloadRef,
    at: datetime,
    pause: timedelta = timedelta(minutes=5),
) -> SimCluster:
    """The cluster with the address of the giver's first pod passing to the taker's first pod.

    The giver's pod completes ``at`` that time; the taker's starts after the pause, on its node.
    """
    first, second = cluster.pods_of(giver)[0], cluster.pods_of(taker)[0]

    def moved(pod: SimPod) -> SimPod:
        if pod == first:
            return replace(pod, end=at)
        if pod == second:
            return replace(pod, ip=first.ip, node=first.node, start=at + pause)
        return pod

    return replace(cluster, pods=tuple(map(moved, cluster.pods)))


def as_of(cluster: SimCluster, time: datetime) -> SimCluster:
    """The cluster as it looked at a moment, without pods that had ended or not yet begun."""
    alive = (pod for pod in cluster.pods if pod.start <= time and not (pod.end and pod.end <= time))
    return replace(cluster, pods=tuple(replace(pod, end=None) for pod in alive))
