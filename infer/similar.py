"""Unlabelled endpoints -> roles: those that serve and call the same on the same ports; heuristic.

The only home of scikit-learn. What an endpoint does is the set of (calls or serves, role of the
other side, port). The distance of two endpoints is the weighted Jaccard distance of their sets,
``1 - w(A and B) / w(A or B)``, where something that few do weighs more than what everybody does:
``ln((1 + endpoints) / endpoints that do it)``. Average-linkage clustering joins what is nearer than
a threshold. The roles found are put in the place of the endpoints and it begins anew, since
copies of a client that call different copies of a server are alike only when those are one. The
first thresholds are wide, so that a log which shows few of all pairs gets there too; all others
are ``NEAR``. Of endpoints that do exactly the same it cannot tell that they are two workloads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    Ints: TypeAlias = NDArray[np.int64]
    Floats: TypeAlias = NDArray[np.float64]
    Sets: TypeAlias = csr_array

NEAR: Final = 0.5
"""Mean distance below which two groups of endpoints are one; chosen with ``bench_roles``."""

_WIDE: Final = (0.8, 0.8)  # the thresholds of the first rounds; two, for clients of what joined
_ROUNDS: Final = 20  # roles settle in two to five
_BATCH: Final = 512  # rows of the distance matrix that are in memory at once


@dataclass(frozen=True, slots=True, order=True)
class Call:
    """Who called whom on which port, such as ``5432/TCP``; ends are any names."""

    client: str
    server: str
    port: str


@dataclass(frozen=True, slots=True, order=True)
class Alike:
    """Endpoints that behave alike.

    Attributes:
        members: sorted.
        confidence: how much nearer the members are to each other than to the nearest other
            role: mean distance to that role minus mean distance among themselves, 0 to 1.
    """

    members: tuple[str, ...]
    confidence: float


def find_alike(unknown: Mapping[str, str], calls: Iterable[Call]) -> tuple[Alike, ...]:
    """Groups of the unknown ends by what they do; those that do nothing are in none.

    Equal calls in any order give equal groups.

    Args:
        unknown: the ends to group, each with what it must have in common with the others of its
            group (a namespace, or nothing).
        calls: between any ends; those that are not unknown count as what they are called.

    Returns:
        Sorted by the first member; every unknown end that occurs in a call is in exactly one.
    """
    scene = _Calls.of(unknown, calls)
    if not scene.names:
        return ()
    roles = scene.apart()
    for threshold in _WIDE:
        roles = _clustered(scene.sets(roles), scene.strata, threshold)
    seen: set[bytes] = set()
    for _ in range(_ROUNDS):
        roles = _clustered(scene.sets(roles), scene.strata, NEAR)
        if roles.tobytes() in seen:
            break
        seen.add(roles.tobytes())
    return tuple(sorted(_groups(scene, scene.sets(roles), roles)))


# ---- who does what -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Calls:
    """Calls as numbers: unknown ends come first, in the order of their names.

    ``mutual`` are the (end, port) of unknown ends that call somebody on a port on which that one
    calls them too: members of a cluster, which count as their own neighbours, since otherwise
    each of them would be the one whom all others but itself call.
    """

    names: tuple[str, ...]
    strata: Ints
    ends: int
    ports: int
    client: Ints
    server: Ints
    port: Ints
    mutual: tuple[Ints, Ints]

    @classmethod
    def of(cls, unknown: Mapping[str, str], calls: Iterable[Call]) -> _Calls:
        """The distinct calls that an unknown end takes part in."""
        import numpy as np

        rows = sorted({c for c in calls if c.client in unknown or c.server in unknown})
        met = {end for row in rows for end in (row.client, row.server)}
        names = tuple(sorted(met & unknown.keys()))
        numbers = {name: n for n, name in enumerate((*names, *sorted(met - unknown.keys())))}
        ports = {port: n for n, port in enumerate(sorted({row.port for row in rows}))}
        strata = {stratum: n for n, stratum in enumerate(sorted({unknown[n] for n in names}))}
        known = set(rows)
        mutual = sorted(
            {(numbers[row.client], ports[row.port]) for row in rows
             if Call(row.server, row.client, row.port) in known and row.client in unknown}
        )  # fmt: skip
        return cls(
            names=names,
            strata=np.array([strata[unknown[name]] for name in names], dtype=np.int64),
            ends=len(numbers),
            ports=len(ports),
            client=np.array([numbers[row.client] for row in rows], dtype=np.int64),
            server=np.array([numbers[row.server] for row in rows], dtype=np.int64),
            port=np.array([ports[row.port] for row in rows], dtype=np.int64),
            mutual=(
                np.array([end for end, _ in mutual], dtype=np.int64),
                np.array([port for _, port in mutual], dtype=np.int64),
            ),
        )

    def apart(self) -> Ints:
        """Every unknown end as a role of its own; a role is called by its first member."""
        import numpy as np

        return np.arange(len(self.names))

    def sets(self, roles: Ints) -> Sets:
        """What each unknown end does, one column a (direction, role of the other side, port)."""
        import numpy as np
        from scipy.sparse import csr_array

        count = len(self.names)
        role = np.concatenate([roles, np.arange(count, self.ends)])
        calling, serving = self.client < count, self.server < count
        end, port = self.mutual
        rows = np.concatenate([self.client[calling], self.server[serving], end, end])
        codes = np.concatenate([
            self._code(0, role[self.server[calling]], self.port[calling]),
            self._code(1, role[self.client[serving]], self.port[serving]),
            self._code(0, role[end], port),
            self._code(1, role[end], port),
        ])  # fmt: skip
        deeds, columns = np.unique(codes, return_inverse=True)
        found = csr_array((np.ones(len(rows)), (rows, columns)), shape=(count, len(deeds)))
        found.sum_duplicates()
        found.data[:] = 1.0
        return found

    def _code(self, direction: int, roles: Ints, ports: Ints) -> Ints:
        return (direction * self.ends + roles) * self.ports + ports


# ---- how near ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Distances:
    """Weighted Jaccard distances of sets, by the batch; 1 across strata."""

    weighted: Sets
    plain: Sets
    sizes: Floats
    strata: Ints

    @classmethod
    def of(cls, sets: Sets, strata: Ints) -> _Distances:
        import numpy as np

        count = sets.shape[0]
        weights = np.log((1 + count) / sets.sum(axis=0))
        weighted = sets.multiply(weights[np.newaxis, :]).tocsr()
        return cls(weighted, sets, np.asarray(weighted.sum(axis=1)).ravel(), strata)

    def between(self, rows: Ints, columns: Ints) -> Floats:
        """The distances of some from some others."""
        import numpy as np

        shared = (self.weighted[rows] @ self.plain[columns].T).toarray()
        either = self.sizes[rows][:, None] + self.sizes[columns][None, :] - shared
        distances = 1.0 - shared / either
        distances[self.strata[rows][:, None] != self.strata[columns][None, :]] = 1.0
        near: Floats = np.clip(distances, 0.0, 1.0)
        return near

    def batches(self) -> Iterator[tuple[Ints, Floats]]:
        """Row numbers with their distances from all."""
        import numpy as np

        everybody = np.arange(len(self.sizes))
        for start in range(0, len(self.sizes), _BATCH):
            rows = everybody[start : start + _BATCH]
            yield rows, self.between(rows, everybody)


def _clustered(sets: Sets, strata: Ints, threshold: float) -> Ints:
    """The role of each row: the number of its first member.

    Average linkage joins nothing across parts that no distance below the threshold connects, so
    each part is clustered alone: exact, and never a square of all endpoints in memory.
    """
    import numpy as np
    from sklearn.cluster import AgglomerativeClustering

    distances = _Distances.of(sets, strata)
    roles = np.arange(len(strata))
    for part in _parts(distances, threshold):
        model = AgglomerativeClustering(
            n_clusters=None, distance_threshold=threshold, metric="precomputed", linkage="average"
        )
        labels = model.fit_predict(distances.between(part, part))
        for label in range(model.n_clusters_):
            members = part[labels == label]
            roles[members] = members[0]
    return roles


def _parts(distances: _Distances, threshold: float) -> Iterator[Ints]:
    """Rows that are connected by distances below the threshold, where there are two at least."""
    import numpy as np
    from scipy.sparse import csr_array, vstack
    from scipy.sparse.csgraph import connected_components

    near = [csr_array(found < threshold) for _, found in distances.batches()]
    count, part = connected_components(vstack(near), directed=False)
    order = np.argsort(part, kind="stable")
    for members in np.split(order, np.cumsum(np.bincount(part, minlength=count))[:-1]):
        if len(members) > 1:
            yield members


# ---- how sure ----------------------------------------------------------------------------------


def _groups(scene: _Calls, sets: Sets, roles: Ints) -> Iterator[Alike]:
    import numpy as np

    margins = _margins(_Distances.of(sets, scene.strata), roles)
    for role in np.unique(roles):
        members = np.flatnonzero(roles == role)
        confidence = float(np.clip(margins[members].mean(), 0.0, 1.0))
        yield Alike(tuple(scene.names[n] for n in members), confidence)


def _margins(distances: _Distances, roles: Ints) -> Floats:
    """For each row the mean distance to the nearest other role, less that to its own others."""
    import numpy as np
    from scipy.sparse import csr_array

    named, number = np.unique(roles, return_inverse=True)
    sizes = np.bincount(number)
    member = csr_array((np.ones(len(roles)), (np.arange(len(roles)), number)))
    margins = np.empty(len(roles))
    for rows, found in distances.batches():
        sums = found @ member
        own = number[rows]
        inside = sums[np.arange(len(rows)), own] / np.maximum(sizes[own] - 1, 1)
        means = sums / sizes
        means[np.arange(len(rows)), own] = 1.0
        margins[rows] = (means.min(axis=1) if len(named) > 1 else 1.0) - inside
    return margins
