"""Whose reading of the API counts where implementations are known to differ."""

from __future__ import annotations

from enum import StrEnum


class Profile(StrEnum):
    """A network plugin, or the text of the API.

    ``SPEC``: the text. ``CILIUM``: an ipBlock never matches a pod, matches a node only by
    configuration, and ``endPort`` counts since version 1.16 only. ``CALICO``, ``AWS``: as the
    text. All but ``SPEC``: whether a pod may always reach its own node is the plugin's choice.

    Source: https://docs.cilium.io/en/stable/network/kubernetes/policy/ (known missing features;
        ``policy-cidr-match-mode``); https://github.com/cilium/cilium/issues/28684 (endPort).
    """

    SPEC = "spec"
    CILIUM = "cilium"
    CALICO = "calico"
    AWS = "aws"

    @property
    def block_matches_pods(self) -> bool:
        """True if an ipBlock covers the addresses of pods."""
        return self is not Profile.CILIUM

    @property
    def block_matches_nodes(self) -> bool:
        """True if an ipBlock surely covers the addresses of nodes."""
        return self is not Profile.CILIUM

    @property
    def end_port_counts(self) -> bool:
        """True if every version honours ``endPort``."""
        return self is not Profile.CILIUM

    @property
    def own_node_is_reachable(self) -> bool:
        """True if a pod surely reaches the node that it runs on."""
        return self is Profile.SPEC
