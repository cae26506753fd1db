"""Kubernetes documents as text: YAML and JSON in, YAML and JSON out; the only home of yaml.

Loading follows what Kubernetes' own loader makes of a scalar rather than plain YAML 1.1, and
dumping quotes whatever any YAML loader could take for something else than text.
"""

from __future__ import annotations

import codecs
import gzip
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from infer.errors import InputError, Location

_GZIP: Final = b"\x1f\x8b"
_ALIASED_LIMIT: Final = 10_000_000  # values after aliases are written out: beyond is an attack
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),  # what `kubectl ... > file` writes in Windows PowerShell
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file, as plain values, with the line where it starts."""

    value: object
    at: Location


def read_documents(path: Path) -> tuple[Document, ...]:
    """The documents of a YAML or JSON file, gzip or not, in order; empty ones are left out.

    Raises:
        InputError: the file cannot be read, unpacked, decoded or parsed.
    """
    return load_documents(read_text(path), str(path))


def load_documents(text: str, source: str) -> tuple[Document, ...]:
    """The documents of a YAML stream or of one or more JSON texts, in order, without empty ones.

    Times, and numbers such as ``12:30``, stay text, as in Kubernetes; a key that stands twice in
    one mapping is refused, as by ``kubectl``.

    Args:
        text: the whole stream.
        source: what errors and locations call it.

    Raises:
        InputError: the text is not YAML or JSON, with the line at which reading failed.
    """
    load = _load_json if re.match(r"\s*(\[\s*)?\{\s*[\"}]", text) else _load_yaml
    try:
        return tuple(d for d in load(text, source) if d.value is not None)
    except RecursionError as err:
        raise InputError("the document is nested too deeply", at=Location(source)) from err


def read_text(path: Path) -> str:
    """The text of a file, gzip or not, in UTF-8 or as its byte order mark says.

    Raises:
        InputError: the file cannot be read, unpacked or decoded.
    """
    at = Location(str(path))
    try:
        raw = path.read_bytes()
        packed = raw.startswith(_GZIP)
        return _decode(gzip.decompress(raw) if packed else raw)
    except (EOFError, gzip.BadGzipFile, zlib.error) as err:
        hint = "the file seems to be cut off: fetch it again"
        raise InputError(f"not a whole gzip file ({err})", at=at, hint=hint) from err
    except UnicodeDecodeError as err:
        raise InputError(f"not UTF-8 text (byte {err.start}: {err.reason})", at=at) from err
    except OSError as err:
        raise InputError(f"cannot be read ({err.strerror or err})", at=at) from err


def _decode(raw: bytes) -> str:
    codec = next((codec for mark, codec in _MARKS if raw.startswith(mark)), "utf-8")
    return raw.decode(codec)


# ---- JSON --------------------------------------------------------------------------------------


def _load_json(text: str, source: str) -> Iterator[Document]:
    """JSON texts one after another, as ``kubectl`` and ``jq`` write them."""
    decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)
    position, line = _skip_space(text, 0), 1
    counted = 0
    while position < len(text):
        line, counted = line + text.count("\n", counted, position), position
        at = Location(source, line)
        try:
            value, end = decoder.raw_decode(text, position)
        except json.JSONDecodeError as err:
            raise InputError(f"not JSON ({err.msg})", at=Location(source, err.lineno)) from err
        except ValueError as err:
            raise InputError(str(err), at=at) from err
        yield Document(value, at)
        position = _skip_space(text, end)


def _skip_space(text: str, position: int) -> int:
    found = re.compile(r"\S").search(text, position)
    return found.start() if found else len(text)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        names = [key for key, _ in pairs]
        twice = next(key for key in names if names.count(key) > 1)
        raise ValueError(f"key {twice!r} stands twice in one mapping")
    return mapping


def _no_constant(text: str) -> object:
    raise ValueError(f"not JSON ({text} is no JSON number)")


# ---- YAML --------------------------------------------------------------------------------------


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The safe loader, with the scalars of Kubernetes and no repeated keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        """A mapping, or an error at the key that stands twice."""
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:merge" and isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    what = f"key {key.value!r} stands twice in one mapping"
                    raise yaml.constructor.ConstructorError(None, None, what, key.start_mark)
                seen.add(key.value)
        mapping: dict[object, object] = super().construct_mapping(node, deep=deep)
        return mapping


# Kubernetes keeps times as text, and its YAML has no base-60 numbers ("12:30").
_NOT_RESOLVED: Final = ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:int")
_INTEGER: Final = re.compile(r"[-+]?(0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]*|[1-9][0-9_]*)$")
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _NOT_RESOLVED]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", _INTEGER, list("-+0123456789"))


def _load_yaml(text: str, source: str) -> Iterator[Document]:
    try:
        loader = _Loader(text)
        while loader.check_node():
            node = loader.get_node()
            at = Location(source, node.start_mark.line + 1)
            value = loader.construct_document(node)
            if "*" in text and _size(value, {}, set()) > _ALIASED_LIMIT:
                raise InputError("aliases (*) make this document too large", at=at)
            yield Document(value, at)
    except yaml.MarkedYAMLError as err:
        line = err.problem_mark.line + 1 if err.problem_mark else None
        raise InputError(f"not YAML ({err.problem})", at=Location(source, line)) from err
    except (yaml.YAMLError, ValueError) as err:
        raise InputError(f"not YAML ({err})".split("\n")[0], at=Location(source)) from err


def _size(value: object, known: dict[int, int], open_: set[int]) -> int:
    """How many values there are once every alias is written out; a cycle has no size."""
    if not isinstance(value, dict | list):
        return 1
    if id(value) in open_:
        return _ALIASED_LIMIT + 1
    if id(value) not in known:
        open_.add(id(value))
        parts = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_size(part, known, open_) for part in parts)
        open_.remove(id(value))
    return known[id(value)]


# ---- writing -----------------------------------------------------------------------------------


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """The safe dumper, without aliases and with every doubtful text in quotes."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the signature is PyYAML's
        """A value that stands twice is written twice."""
        return True


# Letters first, so no number of any YAML version; or a CIDR, which has a slash.
_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9._/-]*|[0-9][0-9a-f.:]*/[0-9]{1,3}")
_WORDS: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


def _text_node(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """A text, in quotes if a YAML 1.1 or 1.2 loader could read anything else."""
    style = None if _is_plain(text) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text_node)


def _is_plain(text: str) -> bool:
    return _PLAIN.fullmatch(text) is not None and text.lower() not in _WORDS


def dump_manifests(
    manifests: Sequence[Mapping[str, object]], comments: Sequence[Sequence[str]] = ()
) -> str:
    """The manifests as one YAML stream in the given order, keys in the given order.

    Args:
        manifests: plain mappings, lists, texts, numbers and booleans.
        comments: for each manifest the lines to stand above it, one line each whatever they
            hold; none at all for no comments.

    Raises:
        ValueError: there are comments, but not for each manifest.
    """
    lines = comments or [()] * len(manifests)
    parts = [
        "".join(map(_comment, above)) + _dump(manifest)
        for manifest, above in zip(manifests, lines, strict=True)
    ]
    return "---\n".join(parts)


def _dump(manifest: Mapping[str, object]) -> str:
    """One document; what PyYAML would write, which takes several times as long."""
    plain = dict(manifest)
    try:
        return _block(plain, "") + "\n"
    except _UnusualError:
        text: str = yaml.dump(
            plain,
            Dumper=_Dumper,
            sort_keys=False,
            default_flow_style=False,
            allow_unicode=True,
            width=2**30,  # no line is ever broken: text diffs stay by field
        )
        return text


class _UnusualError(Exception):
    """A value whose spelling is PyYAML's business."""


_LONGEST_KEY: Final = 100  # PyYAML begins a longer one with a question mark
_QUOTABLE: Final = re.compile(r"[ !#-\[\]-~]*")


def _block(value: object, margin: str) -> str:
    """A value in block style; every line but the first begins with the margin."""
    if type(value) is dict and value:
        return f"\n{margin}".join(_entry(key, part, margin) for key, part in value.items())
    if type(value) is list and value:
        inner = margin + "  "
        return f"\n{margin}".join(f"- {_block(part, inner)}" for part in value)
    return _scalar(value)


def _entry(key: object, value: object, margin: str) -> str:
    name = _scalar(key)
    if type(key) is not str or len(name) > _LONGEST_KEY:
        raise _UnusualError
    if type(value) is dict and value:
        inner = margin + "  "
        return f"{name}:\n{inner}{_block(value, inner)}"
    if type(value) is list and value:
        return f"{name}:\n{margin}{_block(value, margin)}"
    return f"{name}: {_scalar(value)}"


def _scalar(value: object) -> str:
    """A text, a number, a truth value or something empty, on its line."""
    if type(value) is str:
        if _is_plain(value):
            return value
        if _QUOTABLE.fullmatch(value):
            return f'"{value}"'
    elif type(value) is bool:
        return "true" if value else "false"
    elif type(value) is int:
        return str(value)
    elif type(value) in {dict, list}:  # an empty one
        return "{}" if type(value) is dict else "[]"
    raise _UnusualError


def _comment(line: str) -> str:
    return f"# {printable(line)}\n" if line else "#\n"


def printable(text: str) -> str:
    r"""The text on one line: what could break a line or steer a terminal is written ``\uXXXX``.

    Label values and DNS names come from whoever runs a pod, and end up in comments and reports.
    """
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def dump_json(manifests: Iterable[Mapping[str, object]]) -> str:
    """The manifests as one ``List`` in JSON, indented by two, in the given order."""
    items = [dict(manifest) for manifest in manifests]
    whole = {"apiVersion": "v1", "kind": "List", "items": items}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"
