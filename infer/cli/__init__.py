"""The ``netinfer`` command: parse, call, print; it decides nothing.

``main`` is the one place where an error becomes text and an exit code: 0 done, 1 done with
findings that need a person, 2 bad input or usage.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Final

import typer
from typer.exceptions import TyperException
from typer.main import get_command

from infer import __version__
from infer.cli.generate import generate
from infer.errors import NetinferError
from infer.manifests import printable

BAD_INPUT: Final = 2
_INTERRUPTED: Final = 130  # 128 + SIGINT, as shells count

app = typer.Typer(
    name="netinfer",
    help="Observed network flow logs in, least-privilege Kubernetes NetworkPolicies out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(generate)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"netinfer {__version__}")
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
    try:
        return _run(sys.argv[1:] if argv is None else list(argv))
    except NetinferError as err:
        return _complain(str(err), err.hint)
    except TyperException as err:
        return _complain(_message(err), _usage_hint(err))
    except (KeyboardInterrupt, typer.Abort):
        sys.stderr.write("interrupted\n")
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away (`| head`); leave nothing to be flushed at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run(arguments: list[str]) -> int:
    code = get_command(app).main(args=arguments, prog_name="netinfer", standalone_mode=False)
    sys.stdout.flush()
    return code if isinstance(code, int) else 0


def _message(err: TyperException) -> str:
    found = getattr(err, "format_message", None)
    return str(found()) if callable(found) else str(err)


def _usage_hint(err: TyperException) -> str:
    context = getattr(err, "ctx", None)
    command = getattr(context, "command_path", "netinfer")
    return f"{command} --help tells what it takes"


def _complain(what: str, hint: str | None) -> int:
    """Two lines on stderr, each without anything that could steer a terminal."""
    sys.stderr.write(f"error: {printable(what)}\n")
    if hint:
        sys.stderr.write(f"  hint: {printable(hint)}\n")
    return BAD_INPUT
