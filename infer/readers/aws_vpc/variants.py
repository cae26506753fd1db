"""What the fields of a VPC flow log make of it: their version, and what their absence costs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from infer.schema import Advice
from infer.stitch import LOG_FORMAT

# Source: AWS "Flow log records", "Available fields": the version in which each field came. The
# fields of version 6 are those of transit gateways, which are another log.
_SINCE: Final[Mapping[int, str]] = {
    3: "vpcid subnetid instanceid tcpflags type pktsrcaddr pktdstaddr",
    4: "region azid sublocationtype sublocationid",
    5: "pktsrcawsservice pktdstawsservice flowdirection trafficpath",
    7: "ecsclusterarn ecsclustername ecscontainerinstancearn ecscontainerinstanceid"
    " ecscontainerid ecssecondcontainerid ecsservicename ecstaskdefinitionarn ecstaskarn"
    " ecstaskid",
    8: "rejectreason",
    9: "resourceid",
    10: "encryptionstatus",
    11: "instancetag instancetag2 interfacetag interfacetag2 asgtag asgtag2 interfacetype"
    " nexthopinterfaceid nexthopsubnetid nexthopazid nexthopvpcid nexthopinterfacetype",
}
_OLDEST: Final = 2

# Source: AWS CLI "ec2 create-flow-logs": a flow log cannot be changed, a second one can be added.
_CREATE: Final = (
    "aws ec2 create-flow-logs --resource-type VPC --resource-ids VPC_ID --traffic-type ALL"
    " --log-destination-type s3 --log-destination arn:aws:s3:::BUCKET/PREFIX/"
    f" --max-aggregation-interval 60 --log-format '{LOG_FORMAT}'"
)


def fields_version(names: Collection[str]) -> str:
    """``version 5 fields``: the newest version that any field is of, by plain names; exact."""
    newest = max((v for v, of in _SINCE.items() if set(of.split()) & set(names)), default=_OLDEST)
    return f"version {newest} fields"


def missing_fields(names: Collection[str]) -> tuple[Advice, ...]:
    """What the absence of fields costs, the dearest first; exact."""
    have = set(names)
    checks = (
        (
            not have >= {"pktsrcaddr", "pktdstaddr"},
            "aws-pkt-addresses",
            "no pkt-srcaddr and pkt-dstaddr: on EKS a pod shows by its node's address only",
        ),
        (
            "tcpflags" not in have,
            "aws-tcp-flags",
            "no tcp-flags: who opened a connection and who answered is told by port numbers",
        ),
        (
            "action" not in have,
            "aws-action",
            "no action: rejected traffic cannot be told from accepted",
        ),
        (
            not have >= {"start", "end"},
            "aws-times",
            "no start and end: whose address it was then, scans and the window cannot be told",
        ),
    )
    return tuple(Advice(code, text, _CREATE) for is_so, code, text in checks if is_so)
