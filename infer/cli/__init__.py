"""The ``netinfer`` command: parse, call, print; it decides nothing.

``main`` is the one place where an error becomes text and an exit code: 0 done, 1 done with
findings that need a person, 2 bad input or usage.
"""

from __future__ import annotations

import atexit
import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final, TextIO

import typer
from typer.exceptions import TyperException
from typer.main import get_command

from infer import __version__
from infer.cli.baseline import app as baseline
from infer.cli.diff import diff
from infer.cli.evidence import evidence
from infer.cli.explain import explain
from infer.cli.formats import formats
from infer.cli.generate import generate
from infer.cli.inspect import inspect
from infer.cli.terminal import Interrupted, drop, ending_cleanly, print_data, print_message
from infer.cli.usage import several_flows, usage_error
from infer.cli.verify import verify
from infer.errors import NetinferError, OutputError

BAD_INPUT: Final = 2
_STOPPED: Final = 130
_PLUGIN: Final = "kubectl-netinfer"
"""What kubectl looks for on the PATH. Source: kubernetes.io "Extend kubectl with plugins"."""
_COMPLETION: Final = ("install_completion", "show_completion")

app = typer.Typer(
    name="netinfer",
    help="Observed network flow logs in, least-privilege Kubernetes NetworkPolicies out.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(generate)
app.command()(verify)
app.command()(diff)
app.command()(explain)
app.command()(evidence)
app.command()(inspect)
app.command()(formats)
app.add_typer(baseline, name="baseline")


def _print_version(asked: bool) -> None:
    if asked:
        print_data(f"netinfer {__version__}\n")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Observed network flow logs in, least-privilege Kubernetes NetworkPolicies out."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run netinfer; give the exit code.

    Args:
        argv: the arguments without the program's name; None: those of the process.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    if argv is None:
        atexit.register(gc.freeze)  # the end of the process need not search for garbage either
    plugin = argv is None and Path(sys.argv[0]).stem == _PLUGIN
    program = _PLUGIN.replace("-", " ") if plugin else "netinfer"
    with ending_cleanly() as signals, _without_collector():
        try:
            code = _run(arguments or ["--help"], program)
        except (Interrupted, NetinferError, TyperException, OSError, RuntimeError) as err:
            # Whatever a library made of the exception of the signal handler (DuckDB: RuntimeError).
            if signals:
                return _interrupted(signals[0])
            if isinstance(err, RuntimeError | Interrupted):
                raise
            return _complain(_as_ours(err, arguments, program))
        # What the parser makes of KeyboardInterrupt, which a query that was stopped raises.
        return _interrupted(signals[0]) if signals and code == _STOPPED else code


def _interrupted(number: int) -> int:
    print_message("interrupted\n")
    return 128 + number


@contextmanager
def _without_collector() -> Iterator[None]:
    """No search for cycles of garbage inside: a command makes many values and leaves none.

    It took a tenth of the time of a million records, and freed nothing.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _run(arguments: list[str], program: str) -> int:
    command = get_command(app)
    if program != "netinfer":  # a shell completes kubectl by other means
        command.params = [each for each in command.params if each.name not in _COMPLETION]
    code = command.main(args=several_flows(arguments), prog_name=program, standalone_mode=False)
    if sys.stdout is not None:
        _flush(sys.stdout)
    return code if isinstance(code, int) else 0


def _flush(stream: TextIO) -> None:
    try:
        stream.flush()
    except BrokenPipeError:
        drop(stream)


def _as_ours(
    err: NetinferError | TyperException | OSError, arguments: list[str], program: str
) -> NetinferError:
    match err:
        case NetinferError():
            return err
        case TyperException():
            return usage_error(err, arguments, program)
        case OSError():
            return _refused(err)


def _refused(err: OSError) -> NetinferError:
    """What the system refuses at a place that no other error covers, such as a full disk."""
    where = f"{err.filename}: " if err.filename else ""
    hint = "check permissions and free space, also of the temporary directory (TMPDIR)"
    return OutputError(f"{where}{err.strerror or err}", hint=hint)


def _complain(err: NetinferError) -> int:
    """Two lines on stderr, each without anything that could steer a terminal."""
    from infer.manifests import printable

    hint = f"  hint: {printable(err.hint)}\n" if err.hint else ""
    print_message(f"error: {printable(str(err))}\n{hint}")
    return BAD_INPUT
