from __future__ import annotations

import os
from pathlib import Path

import pytest

from infer.errors import OutputError
from infer.files import (
    HEADER,
    delete_stale,
    kustomization,
    policy_path,
    write_policies,
    write_text,
)
from infer.manifests import read_documents

CART = ("shop", "cart")
WEB = ("shop", "web")
DENY = ("shop", "default-deny")


def _tree(directory: Path) -> dict[str, str]:
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return {path.relative_to(directory).as_posix(): path.read_text() for path in files}


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every write reaches the disk only to find it full."""

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)


# ---- write_text --------------------------------------------------------------------------------


def test_write_text_replaces(tmp_path: Path) -> None:
    """The file has the new text, and nothing else is left beside it."""
    path = tmp_path / "stats.json"
    path.write_text("old")

    write_text(path, "new\n")

    assert _tree(tmp_path) == {"stats.json": "new\n"}


@pytest.mark.usefixtures("full_disk")
def test_write_text_on_a_full_disk(tmp_path: Path) -> None:
    """A full disk leaves the old file and no half a new one."""
    path = tmp_path / "stats.json"
    path.write_text("old")

    with pytest.raises(OutputError, match=r"stats\.json cannot be written \(No space left") as err:
        write_text(path, "new")

    assert err.value.hint
    assert _tree(tmp_path) == {"stats.json": "old"}


def test_write_text_without_a_directory(tmp_path: Path) -> None:
    """A path in a directory that is not there is an OutputError."""
    with pytest.raises(OutputError, match="No such file"):
        write_text(tmp_path / "none" / "stats.json", "new")


def test_write_text_through_a_link(tmp_path: Path) -> None:
    """A symbolic link stays, and the file behind it has the new text."""
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_text("old")
    link.symlink_to(real)

    write_text(link, "new")

    assert link.is_symlink()
    assert real.read_text() == "new"


def test_write_text_to_a_device() -> None:
    """What is no regular file is written to and never replaced."""
    write_text(Path(os.devnull), "new")

    assert not Path(os.devnull).is_file()


# ---- write_policies ----------------------------------------------------------------------------


def test_a_new_directory(tmp_path: Path) -> None:
    """One file a policy, marked as ours, and a kustomization that lists them."""
    told = write_policies(tmp_path / "out", {CART: "a: 1\n", DENY: "b: 1\n"})

    tree = _tree(tmp_path / "out")
    assert list(tree) == ["kustomization.yaml", "shop/cart.yaml", "shop/zz.default-deny.yaml"]
    assert tree["shop/cart.yaml"] == f"{HEADER}a: 1\n"
    assert [tmp_path / "out" / name for name in tree] == list(told.written)
    assert (told.unchanged, told.stale, told.foreign) == ((), (), ())


def test_the_same_again(tmp_path: Path) -> None:
    """A second run with the same policies touches no file."""
    first = write_policies(tmp_path, {CART: "a: 1\n"})
    second = write_policies(tmp_path, {CART: "a: 1\n"})

    assert second.written == ()
    assert first.written == second.unchanged


def test_stale_files(tmp_path: Path) -> None:
    """A policy no longer suggested leaves the kustomization at once, its file only on demand."""
    write_policies(tmp_path, {CART: "a: 1\n", ("bank", "web"): "b: 1\n"})
    told = write_policies(tmp_path, {CART: "a: 1\n"})

    assert told.stale == (tmp_path / "bank" / "web.yaml",)
    assert told.stale[0].exists()
    assert "bank" not in (tmp_path / "kustomization.yaml").read_text()
    assert told.stale == delete_stale(told.stale)
    assert not (tmp_path / "bank").exists()
    assert list(_tree(tmp_path)) == ["kustomization.yaml", "shop/cart.yaml"]


def test_foreign_files_stay(tmp_path: Path) -> None:
    """Files of others beside ours are neither changed nor called stale nor deleted."""
    theirs = tmp_path / "shop" / "theirs.yaml"
    theirs.parent.mkdir()
    theirs.write_text("a: 1\n")

    told = write_policies(tmp_path, {CART: "a: 1\n"})

    assert told.stale == ()
    assert delete_stale([theirs]) == ()
    assert theirs.read_text() == "a: 1\n"


def test_a_foreign_file_in_the_way(tmp_path: Path) -> None:
    """A file that is not ours is never overwritten, and nothing at all is written."""
    theirs = tmp_path / "shop" / "web.yaml"
    theirs.parent.mkdir()
    theirs.write_text("a: 1\n")

    with pytest.raises(OutputError, match=r"shop/web\.yaml stands in the way"):
        write_policies(tmp_path, {CART: "a: 1\n", WEB: "a: 2\n"})

    assert _tree(tmp_path) == {"shop/web.yaml": "a: 1\n"}


@pytest.mark.parametrize("name", ["kustomization.yaml", "kustomization.yml", "Kustomization"])
def test_a_foreign_kustomization(tmp_path: Path, name: str) -> None:
    """Somebody's own kustomization, under any of its names, is kept, reported, and kept alone."""
    (tmp_path / name).write_text("resources: []\n")

    told = write_policies(tmp_path, {CART: "a: 1\n"})

    assert told.foreign == (tmp_path / name,)
    assert [name, "shop/cart.yaml"] == list(_tree(tmp_path))
    assert (tmp_path / name).read_text() == "resources: []\n"


@pytest.mark.usefixtures("full_disk")
def test_policies_on_a_full_disk(tmp_path: Path) -> None:
    """A full disk leaves the directory as it was."""
    with pytest.raises(OutputError, match="No space left"):
        write_policies(tmp_path, {CART: "a: 1\n", ("bank", "web"): "a: 1\n"})

    assert list(tmp_path.iterdir()) == []


def test_links_are_not_followed(tmp_path: Path) -> None:
    """A namespace that is a link to elsewhere is refused: nothing is written outside."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "shop").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(OutputError, match="symbolic link"):
        write_policies(tmp_path / "out", {CART: "a: 1\n"})

    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_linked_file_is_not_ours(tmp_path: Path) -> None:
    """A link is nobody's policy file, even to a file that netinfer wrote."""
    write_policies(tmp_path / "other", {CART: "a: 1\n"})
    link = tmp_path / "out" / "shop" / "cart.yaml"
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "other" / "shop" / "cart.yaml")

    with pytest.raises(OutputError, match="stands in the way"):
        write_policies(tmp_path / "out", {CART: "a: 2\n"})
    assert delete_stale([link]) == ()
    assert link.is_symlink()


@pytest.mark.parametrize("name", ["..", "../x", "/etc", "a/b", "a\0b", "", "A", "a" * 64, "a\n"])
@pytest.mark.parametrize("place", [0, 1])
def test_names_are_no_paths(name: str, place: int) -> None:
    """Names from logs cannot lead out of the directory."""
    pair = ("shop", name) if place else (name, "cart")

    with pytest.raises(OutputError, match="cannot name a file"):
        policy_path(*pair)


# ---- kustomization -----------------------------------------------------------------------------


def test_allows_come_first(tmp_path: Path) -> None:
    """In every namespace the default-deny is applied last, whatever the others are called."""
    names = [DENY, ("bank", "default-deny"), ("shop", "zzz"), ("shop", "a"), ("bank", "x")]
    (tmp_path / "k.yaml").write_text(kustomization(policy_path(*name) for name in names))

    (document,) = read_documents(tmp_path / "k.yaml")

    assert document.value == {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "sortOptions": {"order": "fifo"},
        "resources": [
            "bank/x.yaml",
            "bank/zz.default-deny.yaml",
            "shop/a.yaml",
            "shop/zzz.yaml",
            "shop/zz.default-deny.yaml",
        ],
    }
