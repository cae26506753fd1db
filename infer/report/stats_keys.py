"""What each key of ``--stats`` holds; a document has these keys and no others."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

STATS_KEYS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "records": "flow records: `read` = `allowed` + `denied` + `unknown` + sum of `left_out` "
        "(by reason); beside them `malformed` and `other` lines",
        "weights": "the same sums, where an aggregated record counts for all that it stands for",
        "connections": "the same sums over distinct connections",
        "exposure": "(client workload, server workload, protocol, port): `possible` without "
        "policies, `allowed` under these, `over_granted` of it without being seen or explained, "
        "and `widening` by reason",
        "existing": "null without `--existing`, else how many `policies` stay, those `replaced` by "
        "name, the `exposure` of existing and suggested together, and the existing rules that have "
        "something `kept_open`: `rule`, (client, server, protocol, port) `between` workloads, "
        "whether also `outside`, and `examples`",
        "policies": "how many",
        "rules": "how many",
        "window": "`since` and `until` as absolute times or null, `first_seen` and `last_seen` of "
        "the records, and how many records lay `outside`",
        "namespaces": "those that get policies",
        "ranges": "`cidrs` of `pods`, `services` and `nodes`, and `from` where they are known: "
        "`flags`, `inventory`, `log` or nothing",
        "files": "for each: `name`, `format`, `records` by kind, the first `malformed` ones "
        "(`line`, `why`), and `remarks`",
        "left_out": "for each connection that no policy was made for: stable `id`, `connection`, "
        "`reason`, `records`, and how many `would_be_blocked`",
        "evidence": "for each rule: `rule`, its `grounds`, the known `ranges` in it, how many "
        "`unseen_addresses` the budget let in, how many `unseen_ports` are part of a range of "
        "dynamic ports, the `connections` behind it, `records`, "
        "`first_seen`, `last_seen`",
        "dynamic_ports": "for each range of which a server draws its ports: `server`, `ports`, how "
        "many of them were `seen`, and by how many `clients`",
        "edges": "for each connection: `client`, `server`, `protocol`, `port`, the `decision` of "
        "the replay or why it is `left_out`, and everything that was seen of it",
        "proposed_roles": "null without `--propose-roles`, else for each role that behaviour "
        "suggests: `name`, `namespace` if known, `addresses`, `pods`, `confidence` (0 to 1), what "
        "it `serves` and `calls`, and `records`",
        "warnings": "for each: stable `code`, `text`, the `names` it is about, and whether it is a "
        "`finding`",
    }
)
"""Top-level keys, in the order of the document."""
