"""Files that appear whole or not at all, and the policy directory, where only our files change.

A policy directory is ``<namespace>/<policy>.yaml`` with one ``kustomization.yaml`` above. A file
is ours if it starts with ``HEADER``; every other file is left as it is.
"""

from __future__ import annotations

import fcntl
import glob
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from infer.errors import OutputError
from infer.name import DEFAULT_DENY, is_valid_name

HEADER: Final = "# Written by netinfer; the next run with this directory replaces this file.\n"
_MARK: Final = b"# Written by netinfer"
_ELSEWHERE: Final = "choose another output directory, or move it away"
_KUSTOMIZATION: Final = "kustomization.yaml"
# "unable to find one of 'kustomization.yaml', 'kustomization.yml' or 'Kustomization'"; more than
# one of them in a directory is an error.
_KUSTOMIZATIONS: Final = (_KUSTOMIZATION, "kustomization.yml", "Kustomization")
# `kubectl apply -R` walks by name; no policy's name has a dot, so no other file has this one.
_LAST: Final = f"zz.{DEFAULT_DENY}.yaml"


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a policy directory; all sorted, all paths below it.

    Attributes:
        written: files that are new or have new content.
        unchanged: files that were there with this very content.
        stale: files of an earlier run that are no longer suggested; still there.
        foreign: somebody else's kustomization files; where there is one, none of ours was
            written.
    """

    written: tuple[Path, ...]
    unchanged: tuple[Path, ...]
    stale: tuple[Path, ...]
    foreign: tuple[Path, ...]


def write_text(path: Path, text: str) -> None:
    """Write the file whole, or leave what was there; through symbolic links.

    What is no regular file (a terminal, a pipe, ``/dev/null``) is written to as it is.

    Raises:
        OutputError: it cannot be written; nothing is left behind.
    """
    with _told(path):
        if path.exists() and not path.is_file():
            path.write_text(text, encoding="utf-8")
            return
        target = path.resolve()
        aside = _write_aside(target, text)
        _swap(aside, target)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A place to write a file to that then becomes ``path``, safely on disk; or nothing happens.

    Files that a run left there which was killed go away; those that somebody writes stay.

    Raises:
        OutputError: it cannot be written; nothing is left behind.
    """
    target = path.resolve()
    with _told(path):
        for left in target.parent.glob(f".{glob.escape(target.name[:200])}.*.tmp"):
            _unlink_abandoned(left)
        aside = _aside(target)
        with aside.open("xb") as mine:
            fcntl.flock(mine, fcntl.LOCK_EX)
            try:
                yield aside
                _sync(aside)
                _swap(aside, target)
                _sync(target.parent)
            finally:
                aside.unlink(missing_ok=True)


def _unlink_abandoned(aside: Path) -> None:
    """Delete a file that was written aside, unless whoever did holds it still."""
    with suppress(BlockingIOError, FileNotFoundError), aside.open("rb") as left:
        fcntl.flock(left, fcntl.LOCK_EX | fcntl.LOCK_NB)
        aside.unlink(missing_ok=True)


def policy_path(namespace: str, name: str) -> Path:
    """Where a policy stands in a policy directory: ``shop/cart.yaml``.

    The default-deny is ``zz.default-deny.yaml``, behind its neighbours (but for names that start
    with ``zz``; the kustomization's order holds for every name).

    Raises:
        OutputError: one of the two is no RFC 1123 label, and so could name any path.
    """
    for text in (namespace, name):
        if not is_valid_name(text):
            hint = "names come from logs and inventory: look there for what made this one"
            raise OutputError(f"{text!r} cannot name a file of a policy directory", hint=hint)
    return Path(namespace) / (_LAST if name == DEFAULT_DENY else f"{name}.yaml")


def write_policies(directory: Path, policies: Mapping[tuple[str, str], str]) -> Written:
    """Write each policy's file, then the kustomization that lists them; nothing is deleted.

    Nothing appears under its name before every file has been written aside, so that a full disk
    or a foreign file leaves the directory as it was.

    Args:
        directory: the policy directory; made if it is not there.
        policies: manifest text by (namespace, name).

    Raises:
        OutputError: a file that is not ours stands in the way, a name is no RFC 1123 label, or a
            file cannot be written.
    """
    texts = {policy_path(*name): HEADER + text for name, text in sorted(policies.items())}
    foreign = tuple(path for path in _kustomizations(directory) if not _is_ours(path))
    if not foreign:  # the last to be put in its place: it never lists a file that is not there
        texts[Path(_KUSTOMIZATION)] = kustomization(texts)
    targets = {directory / path: text for path, text in texts.items()}
    for path in targets:
        _refuse_foreign(directory, path)
    changed = {path: text for path, text in targets.items() if not _holds(path, text)}
    _write_all(changed)
    stale = tuple(path for path in _our_policies(directory) if path not in targets)
    unchanged = tuple(path for path in targets if path not in changed)
    return Written(tuple(sorted(changed)), tuple(sorted(unchanged)), stale, foreign)


def delete_stale(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Delete files of an earlier run, and their directories where these are then empty.

    Returns:
        What was deleted; a file that is gone or no longer ours is not.

    Raises:
        OutputError: a file cannot be deleted.
    """
    deleted = tuple(path for path in paths if _is_ours(path))
    for path in deleted:
        with _told(path):
            path.unlink()
            if not any(path.parent.iterdir()):
                path.parent.rmdir()
    return deleted


def kustomization(paths: Iterable[Path]) -> str:
    """The kustomization that applies the files with each namespace's default-deny last; exact.

    ``sortOptions`` keep that order: by default kustomize sorts what it builds by name.
    """
    listed = "".join(f"- {path.as_posix()}\n" for path in sorted(paths, key=_apply_order))
    resources = f"resources:\n{listed}" if listed else "resources: []\n"
    return (
        f"{HEADER}apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
        f"sortOptions:\n  order: fifo\n{resources}"
    )


def _apply_order(path: Path) -> tuple[str, bool, str]:
    return (path.parent.as_posix(), path.name == _LAST, path.name)


# ---- whose file --------------------------------------------------------------------------------


def _kustomizations(directory: Path) -> list[Path]:
    return [p for p in (directory / name for name in _KUSTOMIZATIONS) if _stands(p)]


def _our_policies(directory: Path) -> list[Path]:
    return sorted(path for path in directory.glob("*/*.yaml") if _is_ours(path))


def _stands(path: Path) -> bool:
    """True if there is anything of that name, even a link to nowhere."""
    return os.path.lexists(path)


def _is_ours(path: Path) -> bool:
    if path.is_symlink() or path.parent.is_symlink() or not path.is_file():
        return False
    with _told(path), path.open("rb") as file:
        return file.read(len(_MARK)) == _MARK


def _refuse_foreign(directory: Path, path: Path) -> None:
    if path.parent != directory and path.parent.is_symlink():
        raise OutputError(f"{path.parent} is a symbolic link", hint=_ELSEWHERE)
    if _stands(path) and not _is_ours(path):
        raise OutputError(f"{path} stands in the way and is not netinfer's", hint=_ELSEWHERE)


def _holds(path: Path, text: str) -> bool:
    """True if the file has this very content."""
    with _told(path):
        return path.is_file() and path.read_bytes() == text.encode()


# ---- whole or not ------------------------------------------------------------------------------


def _write_all(texts: Mapping[Path, str]) -> None:
    """Write all files aside, and only then put each in its place."""
    asides: dict[Path, Path] = {}
    parents = sorted({path.parent for path in texts}, reverse=True)
    made = [parent for parent in parents if not parent.exists()]
    try:
        for path, text in texts.items():
            with _told(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                asides[path] = _write_aside(path, text)
        for path in texts:
            with _told(path):
                _swap(asides.pop(path), path)
    finally:
        for aside in asides.values():
            aside.unlink(missing_ok=True)
        for parent in made:
            if parent.is_dir() and not any(parent.iterdir()):
                parent.rmdir()


def _write_aside(target: Path, text: str) -> Path:
    """A new file beside the target with the text, safely on disk; none if that fails."""
    aside = _aside(target)
    try:
        with aside.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        raise
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    return aside


def _aside(target: Path) -> Path:
    return target.with_name(f".{target.name[:200]}.{os.getpid()}.tmp")


def _sync(path: Path) -> None:
    """Have a file, or the names in a directory, safely on disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _swap(aside: Path, target: Path) -> None:
    try:
        aside.replace(target)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what the system refuses into an OutputError that names the file."""
    try:
        yield
    except UnicodeEncodeError as err:
        raise OutputError(f"{path} cannot be written (not Unicode text: {err.reason})") from err
    except OSError as err:
        hint = "check the path, its permissions and the free space"
        raise OutputError(f"{path} cannot be written ({err.strerror or err})", hint=hint) from err
