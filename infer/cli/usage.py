"""What the option parser says, in the words of every other error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from typer.exceptions import TyperException

from infer.errors import UsageError

_FLOWS: Final = "--flows"


def usage_error(err: TyperException, arguments: Sequence[str], program: str) -> UsageError:
    """The parser's error as ours: ``--direction: 'up' is not one of ...``, and where to look.

    Args:
        err: what the parser raised.
        arguments: what it was given.
        program: as what the command was called.
    """
    hint = f"{_command(err, arguments, program)} --help tells what it takes"
    return UsageError(_sentence(err, arguments), hint=hint)


def _sentence(err: TyperException, arguments: Sequence[str]) -> str:
    names: Sequence[str] = getattr(getattr(err, "param", None), "opts", ())
    if not err.message or not names:
        return _tidy(err.format_message())
    what = _tidy(err.message)
    found = repr(_value(names, arguments))
    where = " / ".join(names)
    return f"{where}: {what}" if found in what else f"{where}: {what} ({found} found)"


def _tidy(message: str) -> str:
    text = message.removeprefix("Value error, ").rstrip(".")
    return text[:1].lower() + text[1:]


def _value(names: Sequence[str], arguments: Sequence[str]) -> str:
    """What the option was given; empty where that cannot be told."""
    for argument, following in zip(arguments, (*arguments[1:], ""), strict=True):
        name, _, value = argument.partition("=")
        if name in names:
            return value or following
    return ""


def _command(err: TyperException, arguments: Sequence[str], program: str) -> str:
    """The command that was meant; the parser forgets it in some of its errors."""
    context = getattr(err, "ctx", None)
    path: str = getattr(context, "command_path", program)
    named = path == program and "generate" in arguments[:1]
    return f"{program} generate" if named else path


def several_flows(arguments: Sequence[str]) -> list[str]:
    """``--flows a b`` as ``--flows a --flows b``: the shell expands a glob to several words.

    Everything up to the next option is a flow log; ``-`` is standard input, no option.
    """
    spelt: list[str] = []
    inside = False
    for argument in arguments:
        if argument == _FLOWS:
            inside = True
        elif inside and (argument == "-" or not argument.startswith("-")):
            spelt += [_FLOWS, argument]
        else:
            inside = False
            spelt.append(argument)
    return spelt
