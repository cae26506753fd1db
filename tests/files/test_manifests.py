from __future__ import annotations

import codecs
import gzip
import json
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from infer.errors import InputError
from infer.manifests import dump_json, dump_manifests, load_documents, printable, read_documents

DOUBTFUL = [
    "true",
    "on",
    "y",
    "No",
    "null",
    "~",
    "1e3",
    "0x1",
    "0o17",
    "017",
    "1_000",
    "12:30",
    ".5",
    "+1",
    ".inf",
    "2026-01-31",
    "2026-01-31T09:30:00Z",
    "",
    " a",
    "a ",
    "a: b",
    "a #b",
    "- a",
    "*a",
    "&a",
    "!a",
    "%a",
    "@a",
    "`a",
    "{a}",
    "a\nb",
    "a\u2028b",
    "\u0085",
    "\ufeff",
    "\x1b[31m",
    "::/0",
    "2001:db8::/32",
    "10.0.0.0/8",
    "10.0.0.1",
    "=",
    "<<",
]


def _load(text: str) -> list[object]:
    return [document.value for document in load_documents(text, "f")]


# ---- loading -----------------------------------------------------------------------------------


def test_documents_know_their_lines() -> None:
    """Each document tells the line where it starts; empty ones are left out."""
    told = load_documents("# top\na: 1\n---\n---\n# note\nb: 2\n", "f.yaml")

    assert [(d.value, str(d.at)) for d in told] == [({"a": 1}, "f.yaml:2"), ({"b": 2}, "f.yaml:6")]


def test_json_texts() -> None:
    """JSON comes as one text, as several after each other, or as an array, with their lines."""
    told = load_documents('{"a": 1}\n\n{"b": [2]}{}\n', "f")

    assert [(d.value, d.at.line) for d in told] == [({"a": 1}, 1), ({"b": [2]}, 3), ({}, 3)]
    assert _load('[{"a": 1}]') == [[{"a": 1}]]


def test_flow_style_yaml_is_yaml() -> None:
    """A brace does not make JSON."""
    assert _load("{a: 1, b: [x]}") == [{"a": 1, "b": ["x"]}]


def test_scalars_are_those_of_kubernetes() -> None:
    """Times and ``12:30`` stay text, numbers and booleans do not."""
    text = "[2026-01-31, 2026-01-31T09:30:00Z, 12:30, 80, -1, 0x10, 010, 1.5, yes, null]"

    expected = ["2026-01-31", "2026-01-31T09:30:00Z", "12:30", 80, -1, 16, 8, 1.5, True, None]
    assert _load(text) == [expected]


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings(tmp_path: Path, codec: str) -> None:
    """PowerShell writes UTF-16 with a mark, some editors UTF-8 with one."""
    (tmp_path / "f").write_bytes('{"a": "\u00e9"}'.encode(codec))

    assert [d.value for d in read_documents(tmp_path / "f")] == [{"a": "\u00e9"}]


def test_gzip(tmp_path: Path) -> None:
    """A packed file is read as what it holds, whatever its name."""
    (tmp_path / "f").write_bytes(gzip.compress(b"a: 1\n", mtime=0))

    assert [d.value for d in read_documents(tmp_path / "f")] == [{"a": 1}]


ALIASES = "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{b}: &{b} [{','.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: [\n", r"f:3: not YAML"),
        ("a: 1\nb:\n  c: 1\n  c: 2\n", r"f:4: not YAML \(key 'c' stands twice"),
        ('{"a": 1,\n "b": }', r"f:2: not JSON \(Expecting value"),
        ('{"a": {"b": 1, "b": 2}}', r"f:1: key 'b' stands twice"),
        ('{"a": NaN}', r"f:1: not JSON \(NaN"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("[" * 100_000, "maximum nesting depth"),
        ("a: !!python/object/apply:os.system [x]\n", "not YAML"),
        ("a: \0", "not YAML"),
        ("a: 0b_\n", "f: not YAML"),
        ("a: &a [*a]\n", "aliases"),
        (ALIASES, "aliases"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    """Broken and hostile text is an InputError with its line, never a traceback or a wait."""
    with pytest.raises(InputError, match=message):
        load_documents(text, "f")


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (gzip.compress(b"a: 1\n" * 99, mtime=0)[:-9], "not a whole gzip file"),
        (b"\x1f\x8bnot gzip", "not a whole gzip file"),
        (b"a: \xff\n", "not UTF-8 text"),
        (codecs.BOM_UTF16_LE + b"a", "not UTF-8 text"),
    ],
)
def test_files_that_are_refused(tmp_path: Path, raw: bytes, message: str) -> None:
    """A file that cannot be unpacked or decoded is named."""
    (tmp_path / "f").write_bytes(raw)

    with pytest.raises(InputError, match=message) as err:
        read_documents(tmp_path / "f")
    assert str(tmp_path / "f") in str(err.value)


def test_a_missing_file(tmp_path: Path) -> None:
    """A file that is not there is an InputError with the system's reason."""
    with pytest.raises(InputError, match="No such file"):
        read_documents(tmp_path / "f")


# ---- dumping -----------------------------------------------------------------------------------


@pytest.mark.parametrize("text", DOUBTFUL)
def test_doubtful_texts_stay_texts(text: str) -> None:
    """Text that some YAML loader takes for another thing is text again, as key and as value."""
    manifest = {text: text, "list": [text]}
    dumped = dump_manifests([manifest])

    assert _load(dumped) == [manifest]
    assert yaml.safe_load(dumped) == manifest


# What go-yaml (v2 and v3) or a YAML 1.2 core loader takes for a number, boolean, null or time.
NOT_TEXT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?|[-+]?0[xob][0-9a-fA-F_]+"
    r"|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
    r"|~|null|Null|NULL|y|Y|n|N|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF"
    r"|true|True|TRUE|false|False|FALSE|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*"
)


@given(st.one_of(st.from_regex(NOT_TEXT, fullmatch=True), st.from_regex(r"[-\w.]{1,9}")))
def test_unquoted_texts_are_texts_to_every_loader(text: str) -> None:
    """No plain scalar is what another loader takes for a number, a boolean, a null or a time."""
    dumped = dump_manifests([{"a": text}]).removeprefix("a: ").removesuffix("\n")

    assert dumped.startswith('"') or not NOT_TEXT.fullmatch(dumped)


values: st.SearchStrategy[object] = st.recursive(
    st.one_of(st.booleans(), st.integers(-9999, 9999), st.text(), st.sampled_from(DOUBTFUL)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.text(min_size=1, max_size=5), inner, max_size=3),
    ),
    max_leaves=8,
)
manifests = st.lists(st.dictionaries(st.text(max_size=5), values, min_size=1, max_size=3))


@given(manifests)
def test_what_is_dumped_is_loaded(given_manifests: list[dict[str, object]]) -> None:
    """YAML and JSON text give back the same values, in their order."""
    assert _load(dump_manifests(given_manifests)) == given_manifests
    assert json.loads(dump_json(given_manifests))["items"] == given_manifests


SPELT = st.text(max_size=6) | st.sampled_from(
    ["a", "a-b/c", "80", "yes", "10.0.0.0/8", " a ", "# a", "'", '"', "\\", "- a", "a: b", "", "é",
     "\t", "k" * 99, "k" * 130, "v" * 300]
)  # fmt: skip
VALUES = st.recursive(
    SPELT | st.integers() | st.booleans() | st.none(),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(SPELT, part, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(SPELT.filter(lambda key: key != "z"), VALUES, min_size=1, max_size=3))
def test_usual_values_are_written_as_pyyaml_writes_them(manifest: dict[str, object]) -> None:
    """A value of a kind that only PyYAML writes changes no line of the others."""
    assert dump_manifests([manifest]) + "z: 0.5\n" == dump_manifests([{**manifest, "z": 0.5}])


def test_layout() -> None:
    """Keys keep their order, lists are not indented, long texts are not broken, nothing aliased."""
    peers = [{"cidr": "10.0.0.0/8"}]
    manifest = {"z": "web", "a": {"to": peers, "from": peers, "none": []}, "text": "word " * 40}

    assert dump_manifests([manifest, {"b": 1}]) == (
        "z: web\na:\n  to:\n  - cidr: 10.0.0.0/8\n  from:\n  - cidr: 10.0.0.0/8\n  none: []\n"
        f'text: "{"word " * 40}"\n---\nb: 1\n'
    )


def test_comments_stay_comments() -> None:
    """A comment with line breaks and control characters is one harmless comment line."""
    dumped = dump_manifests([{"a": 1}, {"b": 2}], [["x\nkind: Evil", "\x1b[2J\u2028\u0085"], []])

    assert dumped == ("# x\\u000akind: Evil\n# \\u001b[2J\\u2028\\u0085\na: 1\n---\nb: 2\n")


@given(st.text())
def test_printable_is_one_line(text: str) -> None:
    """Whatever the text, it cannot break a line or steer a terminal."""
    shown = printable(text)

    assert len(shown.splitlines()) <= 1
    assert shown.isprintable()


def test_comments_for_each_manifest() -> None:
    """Comments for some manifests only are a mistake, not a guess."""
    with pytest.raises(ValueError, match="zip"):
        dump_manifests([{"a": 1}, {"b": 2}], [["x"]])
