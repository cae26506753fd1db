"""Policy files, directories and dumps -> NetworkPolicies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Final

from infer.errors import InputError, Location
from infer.manifests import Document, load_documents, read_documents
from infer.netpol import Parsed, merge_parsed, parse_policies, parse_policies_leniently

_SUFFIXES: Final = frozenset({".yaml", ".yml", ".json"})
_NOT_POLICIES: Final = frozenset({"kustomization.yaml", "kustomization.yml"})
_STDIN: Final = "-"


def read_policies(arguments: Iterable[str], stdin: IO[bytes]) -> Parsed:
    """The policies of all files, in order; those that an API server would refuse are errors.

    Args:
        arguments: files, directories (read recursively, without hidden ones) or ``-``; what
            ``kubectl get netpol -A -o yaml`` prints is a file too.
        stdin: for ``-``.

    Raises:
        PolicyError: an API server would refuse a policy, with the path of the field.
        InputError: a file cannot be read, or none of them holds a policy.
    """
    return _read(arguments, stdin, parse_policies)


def read_policies_leniently(arguments: Iterable[str], stdin: IO[bytes]) -> Parsed:
    """As ``read_policies``, but what an API server would refuse is a warning."""
    return _read(arguments, stdin, parse_policies_leniently)


_Parse = Callable[[Iterable[object], Location], Parsed]


def _read(arguments: Iterable[str], stdin: IO[bytes], parse: _Parse) -> Parsed:
    asked = tuple(arguments)
    documents = tuple(_documents(asked, stdin))
    parts = [parse([document.value], document.at) for document in documents]
    whole = Location(asked[0] if len(asked) == 1 else "policies")
    merged = merge_parsed(parts, whole)
    if not (merged.policies or merged.warnings or any(map(_is_list, documents))):
        hint = "give NetworkPolicy manifests, a directory of them, or kubectl get netpol -A -o yaml"
        raise InputError(f"no NetworkPolicy among {len(documents)} documents", at=whole, hint=hint)
    return merged


def _is_list(document: Document) -> bool:
    """Whether a document is a list, which may hold nothing: a cluster without policies."""
    return isinstance(document.value, dict) and str(document.value.get("kind", "")).endswith("List")


def _documents(arguments: Iterable[str], stdin: IO[bytes]) -> Iterator[Document]:
    for argument in arguments:
        if argument == _STDIN:
            yield from load_documents(stdin.read().decode("utf-8", "replace"), "standard input")
            continue
        for path in _files(Path(argument)):
            yield from read_documents(path)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = (p for p in path.rglob("*") if p.is_file() and p.suffix in _SUFFIXES)
    # A mounted ConfigMap holds each file once more in a hidden directory.
    shown = (p for p in found if not any(part[0] == "." for part in p.relative_to(path).parts))
    return sorted(p for p in shown if p.name not in _NOT_POLICIES)
