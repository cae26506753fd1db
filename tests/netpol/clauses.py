"""Every clause of the API text as a policy, with traffic that it allows and traffic that it denies.

Policies are in namespace ``shop``; one traffic a line, ``source > destination protocol port``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Clause:
    """One clause: its name, the specs of the policies, and what follows."""

    name: str
    specs: str
    allowed: str = ""
    denied: str = ""


CLAUSES = (
    Clause(
        "By default, a pod is non-isolated for egress and for ingress",
        "[]",
        allowed="other/web > shop/db TCP 80",
    ),
    Clause(
        "Isolated only by a policy that selects the pod",
        "[{podSelector: {matchLabels: {app: web}}}]",
        allowed="other/web > shop/db TCP 80",
        denied="other/web > shop/web TCP 80",
    ),
    Clause(
        "A policy selects pods of its own namespace only",
        "[{podSelector: {matchLabels: {app: web}}}]",
        allowed="shop/db > other/web TCP 80",
    ),
    Clause(
        "An empty podSelector selects all pods in the namespace",
        "[{podSelector: {}}]",
        denied="""
            other/web > shop/web TCP 80
            other/web > shop/db TCP 80
            other/web > shop/bare TCP 80
        """,
    ),
    Clause(
        "An absent podSelector defaults to an empty selector",
        "[{policyTypes: [Ingress]}]",
        denied="other/web > shop/bare TCP 80",
    ),
    Clause(
        "policyTypes default: ingress always, egress not without egress rules",
        "[{podSelector: {}}]",
        allowed="shop/web > other/web TCP 80",
        denied="other/web > shop/web TCP 80",
    ),
    Clause(
        "policyTypes default: egress too if there are egress rules",
        "[{podSelector: {}, egress: [{ports: [{port: 53}]}]}]",
        allowed="shop/web > other/web TCP 53",
        denied="""
            shop/web > other/web TCP 80
            other/web > shop/web TCP 80
        """,
    ),
    Clause(
        "policyTypes default: an empty egress list is no egress rules",
        "[{podSelector: {}, egress: []}]",
        allowed="shop/web > other/web TCP 80",
    ),
    Clause(
        "policyTypes default: an empty list of types is no list",
        "[{podSelector: {}, policyTypes: []}]",
        denied="other/web > shop/web TCP 80",
    ),
    Clause(
        "policyTypes: [Egress] alone leaves ingress alone",
        "[{podSelector: {}, policyTypes: [Egress]}]",
        allowed="other/web > shop/web TCP 80",
        denied="shop/web > other/web TCP 80",
    ),
    Clause(
        "Rules of a direction that policyTypes leaves out have no effect",
        "[{podSelector: {}, policyTypes: [Ingress], egress: [{ports: [{port: 53}]}]}]",
        allowed="shop/web > other/web TCP 80",
    ),
    Clause(
        "An empty ingress list denies all",
        "[{podSelector: {}, ingress: []}]",
        denied="shop/db > shop/web TCP 80",
    ),
    Clause(
        "An ingress list with one empty rule allows all",
        "[{podSelector: {}, ingress: [{}]}]",
        allowed="""
            other/web > shop/web TCP 1
            192.0.2.1 > shop/web SCTP 65535
        """,
    ),
    Clause(
        "An empty from matches all sources",
        "[{podSelector: {}, ingress: [{from: [], ports: [{port: 80}]}]}]",
        allowed="192.0.2.1 > shop/web TCP 80",
        denied="192.0.2.1 > shop/web TCP 81",
    ),
    Clause(
        "An absent from matches all sources",
        "[{podSelector: {}, ingress: [{ports: [{port: 80}]}]}]",
        allowed="""
            192.0.2.1 > shop/web TCP 80
            other/web > shop/web TCP 80
        """,
    ),
    Clause(
        "An empty ports matches all ports",
        "[{podSelector: {}, ingress: [{from: [{podSelector: {}}], ports: []}]}]",
        allowed="shop/db > shop/web UDP 9",
        denied="other/web > shop/web UDP 9",
    ),
    Clause(
        "Traffic must match both ports and from",
        "[{podSelector: {}, ingress: [{from: [{podSelector: {}}], ports: [{port: 80}]}]}]",
        allowed="shop/db > shop/web TCP 80",
        denied="""
            shop/db > shop/web TCP 81
            other/web > shop/web TCP 80
        """,
    ),
    Clause(
        "podSelector alone selects pods in the policy's own namespace",
        "[{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}]",
        allowed="shop/web > shop/db TCP 80",
        denied="""
            other/web > shop/db TCP 80
            shop/bare > shop/db TCP 80
        """,
    ),
    Clause(
        "namespaceSelector alone selects all pods of the namespaces",
        "[{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: b}}}]}]}]",
        allowed="other/web > shop/db TCP 80",
        denied="shop/web > shop/db TCP 80",
    ),
    Clause(
        "An empty namespaceSelector selects all namespaces, but nobody outside",
        "[{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}]",
        allowed="""
            other/web > shop/db TCP 80
            shop/bare > shop/db TCP 80
        """,
        denied="192.0.2.1 > shop/db TCP 80",
    ),
    Clause(
        "An empty podSelector peer selects all pods of the own namespace",
        "[{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}]",
        allowed="shop/bare > shop/db TCP 80",
        denied="""
            other/web > shop/db TCP 80
            192.0.2.1 > shop/db TCP 80
        """,
    ),
    Clause(
        "Both selectors in one peer are ANDed",
        """[{podSelector: {}, ingress: [{from: [
            {namespaceSelector: {matchLabels: {team: a}}, podSelector: {matchLabels: {app: web}}}
        ]}]}]""",
        allowed="shop/web > shop/db TCP 80",
        denied="""
            other/web > shop/db TCP 80
            shop/bare > shop/db TCP 80
        """,
    ),
    Clause(
        "Two peers are ORed",
        """[{podSelector: {}, ingress: [{from: [
            {namespaceSelector: {matchLabels: {team: b}}}, {podSelector: {matchLabels: {app: web}}}
        ]}]}]""",
        allowed="""
            other/web > shop/db TCP 80
            shop/web > shop/db TCP 80
        """,
        denied="shop/bare > shop/db TCP 80",
    ),
    Clause(
        "Every namespace has the label kubernetes.io/metadata.name",
        """[{podSelector: {}, ingress: [{from: [
            {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: other}}}
        ]}]}]""",
        allowed="other/web > shop/db TCP 80",
        denied="shop/web > shop/db TCP 80",
    ),
    Clause(
        "In matches a listed value",
        """[{podSelector: {}, ingress: [{from: [{podSelector: {matchExpressions: [
            {key: app, operator: In, values: [web, api]}]}}]}]}]""",
        allowed="shop/web > shop/db TCP 80",
        denied="shop/bare > shop/db TCP 80",
    ),
    Clause(
        "NotIn matches a missing key",
        """[{podSelector: {}, ingress: [{from: [{podSelector: {matchExpressions: [
            {key: app, operator: NotIn, values: [web]}]}}]}]}]""",
        allowed="shop/bare > shop/db TCP 80",
        denied="shop/web > shop/db TCP 80",
    ),
    Clause(
        "Exists and DoesNotExist look at the key only",
        """[{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {
            matchExpressions: [{key: app, operator: DoesNotExist}]}}]}]},
            {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {
            matchExpressions: [{key: app, operator: Exists}]}}]}]}]""",
        allowed="""
            shop/bare > shop/db TCP 80
            shop/db > shop/web TCP 80
        """,
        denied="""
            shop/web > shop/db TCP 80
            shop/bare > shop/web TCP 80
        """,
    ),
    Clause(
        "An empty label value needs the key",
        "[{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: ''}}}]}]}]",
        denied="shop/bare > shop/db TCP 80",
    ),
    Clause(
        "matchLabels and several matchExpressions are ANDed",
        """[{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: db},
            matchExpressions: [{key: tier, operator: Exists},
                               {key: tier, operator: NotIn, values: [front]}]}}]}]}]""",
        allowed="shop/db > shop/web TCP 80",
        denied="shop/web > shop/bare TCP 80",
    ),
    Clause(
        "ipBlock covers an outside address, except cuts out",
        """[{podSelector: {}, ingress: [{from: [
            {ipBlock: {cidr: 192.0.2.0/24, except: [192.0.2.128/25]}}]}]}]""",
        allowed="192.0.2.1 > shop/web TCP 80",
        denied="""
            192.0.2.200 > shop/web TCP 80
            198.51.100.1 > shop/web TCP 80
        """,
    ),
    Clause(
        "What one block excepts another may allow",
        """[{podSelector: {}, ingress: [{from: [
            {ipBlock: {cidr: 192.0.2.0/24, except: [192.0.2.128/25]}},
            {ipBlock: {cidr: 192.0.2.200/32}}]}]}]""",
        allowed="192.0.2.200 > shop/web TCP 80",
        denied="192.0.2.201 > shop/web TCP 80",
    ),
    Clause(
        "ipBlock of IPv4 covers no IPv6 address, and the other way round",
        """[{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}],
            egress: [{to: [{ipBlock: {cidr: '::/0'}}]}]}]""",
        allowed="""
            192.0.2.1 > shop/web TCP 80
            shop/web > 2001:db8::1 TCP 80
        """,
        denied="""
            2001:db8::1 > shop/web TCP 80
            shop/web > 192.0.2.1 TCP 80
        """,
    ),
    Clause(
        "ipBlock covers a pod's own address",
        "[{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.1.0/24}}]}]}]",
        allowed="other/web > shop/web TCP 80",
        denied="shop/db > shop/web TCP 80",
    ),
    Clause(
        "A non-canonical block counts without its host bits",
        "[{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 192.0.2.77/24}}]}]}]",
        allowed="192.0.2.1 > shop/web TCP 80",
    ),
    Clause(
        "protocol defaults to TCP",
        "[{podSelector: {}, ingress: [{ports: [{port: 80}]}]}]",
        allowed="other/web > shop/web TCP 80",
        denied="""
            other/web > shop/web UDP 80
            other/web > shop/web SCTP 80
        """,
    ),
    Clause(
        "A protocol without a port is all ports of the protocol, and of no other",
        "[{podSelector: {}, ingress: [{ports: [{protocol: UDP}]}]}]",
        allowed="""
            other/web > shop/web UDP 1
            other/web > shop/web UDP 65535
        """,
        denied="other/web > shop/web TCP 80",
    ),
    Clause(
        "An empty ports item is all TCP ports",
        "[{podSelector: {}, ingress: [{ports: [{}]}]}]",
        allowed="other/web > shop/web TCP 9",
        denied="other/web > shop/web UDP 9",
    ),
    Clause(
        "SCTP is a protocol of its own",
        "[{podSelector: {}, ingress: [{ports: [{protocol: SCTP, port: 80}]}]}]",
        allowed="other/web > shop/web SCTP 80",
        denied="other/web > shop/web TCP 80",
    ),
    Clause(
        "Several ports are ORed",
        "[{podSelector: {}, ingress: [{ports: [{port: 80}, {protocol: UDP, port: 53}]}]}]",
        allowed="""
            other/web > shop/web TCP 80
            other/web > shop/web UDP 53
        """,
        denied="""
            other/web > shop/web TCP 53
            other/web > shop/web UDP 80
        """,
    ),
    Clause(
        "endPort is inclusive",
        "[{podSelector: {}, ingress: [{ports: [{port: 80, endPort: 82}]}]}]",
        allowed="""
            other/web > shop/web TCP 80
            other/web > shop/web TCP 82
        """,
        denied="""
            other/web > shop/web TCP 79
            other/web > shop/web TCP 83
        """,
    ),
    Clause(
        "A named port is resolved on each destination pod: ingress",
        "[{podSelector: {}, ingress: [{ports: [{port: http}]}]}]",
        allowed="""
            other/web > shop/web TCP 80
            other/web > shop/db TCP 8080
        """,
        denied="""
            other/web > shop/web TCP 8080
            other/web > shop/db TCP 80
            other/web > shop/bare TCP 80
        """,
    ),
    Clause(
        "A named port is resolved on each destination pod: egress",
        "[{podSelector: {}, egress: [{ports: [{port: http}]}], ingress: [{}]}]",
        allowed="""
            shop/bare > shop/web TCP 80
            shop/web > shop/db TCP 8080
        """,
        denied="""
            shop/web > shop/db TCP 80
            shop/web > 192.0.2.1 TCP 80
        """,
    ),
    Clause(
        "A named port is one of its protocol",
        "[{podSelector: {}, ingress: [{ports: [{port: http, protocol: UDP}]}]}]",
        denied="""
            other/web > shop/web TCP 80
            other/web > shop/web UDP 80
        """,
    ),
    Clause(
        "Policies are additive",
        """[{podSelector: {}, ingress: [{ports: [{port: 80}]}]},
            {podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: 81}]}]}]""",
        allowed="""
            other/web > shop/web TCP 80
            other/web > shop/web TCP 81
        """,
        denied="other/web > shop/db TCP 81",
    ),
    Clause(
        "Both the egress policy at the source and the ingress policy at the destination must allow",
        """[{podSelector: {matchLabels: {app: web}}, egress: [{ports: [{port: 80}]}]},
            {podSelector: {matchLabels: {app: db}}, ingress: [{ports: [{port: 81}]}]}]""",
        denied="""
            shop/web > shop/db TCP 80
            shop/web > shop/db TCP 81
        """,
    ),
    Clause(
        "Replies to an allowed connection are allowed: nothing is needed the other way round",
        "[{podSelector: {matchLabels: {app: db}}, ingress: [{}], egress: [], "
        "policyTypes: [Ingress, Egress]}]",
        allowed="shop/web > shop/db TCP 80",
        denied="shop/db > shop/web TCP 40000",
    ),
    Clause(
        "A pod cannot block access to itself",
        "[{podSelector: {}, policyTypes: [Ingress, Egress]}]",
        allowed="shop/web > shop/web TCP 80",
        denied="shop/web > shop/db TCP 80",
    ),
    Clause(
        "Traffic to and from the node where a pod is running is always allowed",
        "[{podSelector: {}, policyTypes: [Ingress, Egress]}]",
        allowed="""
            own-node > shop/web TCP 80
            shop/web > own-node TCP 10250
        """,
        denied="""
            node > shop/web TCP 80
            shop/web > node TCP 10250
        """,
    ),
    Clause(
        "A hostNetwork pod is its node: no podSelector matches it, an ipBlock does",
        """[{podSelector: {matchLabels: {app: web}}, ingress: [{from: [
                {namespaceSelector: {}}, {podSelector: {}}]}]},
            {podSelector: {matchLabels: {app: db}}, ingress: [{from: [
                {ipBlock: {cidr: 10.9.0.0/24}}]}]}]""",
        allowed="shop/host > shop/db TCP 80",
        denied="shop/host > shop/web TCP 80",
    ),
    Clause(
        "No policy selects a hostNetwork pod",
        "[{podSelector: {}, policyTypes: [Ingress, Egress]}]",
        allowed="other/web > shop/host TCP 80",
        denied="other/web > shop/web TCP 80",
    ),
)
