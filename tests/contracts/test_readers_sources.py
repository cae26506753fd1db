from __future__ import annotations

import gzip
import os
import threading
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.reading import format_of, malformed_of, rows_of, source_of
from infer.errors import FormatUnknown, InputError
from infer.readers import formats, sniff_format
from infer.schema import FLOW
from infer.sources import Compression, Source, find_sources, head


def names(*arguments: str, stdin: bytes = b"") -> list[str]:
    """The names of the sources that are found."""
    with find_sources(arguments, BytesIO(stdin)) as found:
        return [source.name for source in found]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of logs and of what lies beside them, and the working directory."""
    for name in ("b.log", "a.log", "sub/c.jsonl", ".hidden.log", ".git/x.log", "_SUCCESS"):
        path = tmp_path / "logs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    (tmp_path / "logs" / "README.md").write_text("x")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_directory_is_read_whole_and_in_order(tree: Path) -> None:
    """Recursive and sorted, without what is hidden and what is no log."""
    assert (tree / "logs").is_dir()
    assert names("logs") == ["logs/a.log", "logs/b.log", "logs/sub/c.jsonl"]


@pytest.mark.usefixtures("tree")
def test_globs_that_the_shell_left_alone() -> None:
    """`*` stays in a directory, `**` crosses them; a file that is named is always read."""
    assert names("logs/*.log") == ["logs/a.log", "logs/b.log"]
    assert names("logs/**/*.jsonl") == ["logs/sub/c.jsonl"]
    assert names("logs/README.md") == ["logs/README.md"]


def test_a_file_is_read_once(tree: Path) -> None:
    """Named twice, by a directory and through a link: one source."""
    (tree / "link.log").symlink_to(tree / "logs" / "a.log")

    assert names("logs/a.log", "logs", "link.log").count("logs/a.log") == 1
    assert len(names("logs/a.log", "logs", "link.log")) == 3


@pytest.mark.usefixtures("tree")
@pytest.mark.parametrize(
    ("argument", "what"),
    [("nothing.log", "no such file"), ("*.nothing", "matches no file"), ("empty", "no flow log")],
)
def test_nothing_found_is_an_error(argument: str, what: str) -> None:
    """What is not there is named, with a way out."""
    Path("empty").mkdir()

    with pytest.raises(InputError, match=what) as raised:
        names(argument)

    assert raised.value.hint


def test_standard_input_is_spooled_and_removed() -> None:
    """It can be read any number of times, and leaves nothing behind."""
    with find_sources(["-", "-"], BytesIO(gzip.compress(b"abc"))) as found:
        path = found[0].path
        assert [head(source) for source in found] == [b"abc", b""]

    assert not path.exists()


def test_a_pipe_is_spooled(tmp_path: Path) -> None:
    """What a shell's `<(...)` gives can be read once only."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(b"abc",))
    writer.start()

    with find_sources([str(pipe)], BytesIO()) as (found,):
        writer.join()
        assert (head(found), head(found)) == (b"abc", b"abc")


def test_packing_is_told_by_content(tmp_path: Path) -> None:
    """The name says nothing; packings that are not read are refused by name."""
    (tmp_path / "plain.gz").write_bytes(b"abc")
    (tmp_path / "x.zip").write_bytes(b"PK\x03\x04....")

    assert source_of(tmp_path / "plain.gz").compression is Compression.NONE
    with pytest.raises(InputError, match="zip"):
        source_of(tmp_path / "x.zip")


def test_an_unknown_file_shows_how_it_starts(tmp_path: Path) -> None:
    """The first line is shown short and without control characters."""
    (tmp_path / "x").write_text("\x1b[31mNAME  READY\n" + "y" * 1000)

    with pytest.raises(FormatUnknown) as raised:
        format_of(tmp_path / "x")

    assert "NAME  READY" in str(raised.value)
    assert "\x1b" not in str(raised.value)
    assert "hubble" in str(raised.value.hint)


FRAGMENTS = st.sampled_from(
    [
        *(b'{"flow":{"verdict":"FORWARDED"}}', b'{"flow":', b"[", b"]", b"{", b"}", b"null"),
        *(b"srcaddr dstaddr srcport dstport\n", b"1.1.1.1 2.2.2.2 1 2", b"-", b'"', b"\x00"),
        *(b"src_ip,dst_ip,dst_port\n", b"1.1.1.1,2.2.2.2,80\n", b'{"log":"', b'{"events":['),
        *(b'{"src_ip":"1","dst_ip":"2","dst_port":3}', b"\\", b"\r", b"\n", b"\xef\xbb\xbf"),
        *(b"\x01", b"\xff", b",", b"PAR1"),
    ]
)


@given(st.lists(FRAGMENTS, max_size=12).map(b"".join) | st.binary(max_size=60))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_content_is_a_crash(tmp_path: Path, content: bytes) -> None:
    """Any bytes give rows or an input error, by any reader; what is malformed is located."""
    path = tmp_path / "x"
    path.write_bytes(content)
    for name in formats():
        try:
            rows = rows_of(path, name)
            named = malformed_of(path, name)
        except InputError:
            continue
        assert len(named) == sum(row["kind"] == "malformed" for row in rows)
        assert all(set(row) <= set(FLOW) for row in rows)
    try:
        sniff_format(Source("x", path), formats())
    except InputError:
        return
