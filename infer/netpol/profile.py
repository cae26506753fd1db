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

    @property
    def ports_in_a_rule(self) -> int | None:
        """How many entries the ports of one rule may have; None for any number.

        Source: https://github.com/cilium/cilium/pull/1406: "limit the number of L4 ports to 40" in
            a ``PortRule``. Cilium itself makes a ``PortRule`` of each port of a NetworkPolicy; the
            limit meets whoever turns a rule into that of a CiliumNetworkPolicy.
        """
        return 40 if self is Profile.CILIUM else None

    @property
    def ports_to_a_peer(self) -> int | None:
        """How many ports and ranges all rules together may name for one peer; None for any number.

        Source: https://docs.aws.amazon.com/eks/latest/userguide/cni-network-policy.html,
            "Considerations": at most 24 combinations of port and protocol for an address range over
            all policies, and selectors become address ranges.
        """
        return 24 if self is Profile.AWS else None

    @property
    def egress_names_differ(self) -> bool:
        """True if an egress rule may name a port that pods give different numbers.

        Source: https://github.com/cilium/cilium/pull/12567: "For egress the policy rule using the
            conflicting port is now ignored"; other rules resolve a name on each pod by itself.
        """
        return self is not Profile.CILIUM
