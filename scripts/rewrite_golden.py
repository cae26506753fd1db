"""Rewrites the expected output of golden cases; names as arguments choose some of them."""

from __future__ import annotations

import argparse

from golden.cases import Case, golden_cases


def rewrite(case: Case) -> list[str]:
    """Writes what the command gives now; the names of the files that changed."""
    case.expected.mkdir(exist_ok=True)
    changed = []
    for name, text in case.run().items():
        path = case.expected / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(f"{case.name}/expected/{name}")
    return changed


def main() -> None:
    """Rewrites and tells what changed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", nargs="*", help="names of cases; all without")
    wanted = set(parser.parse_args().case)
    for case in golden_cases():
        if not wanted or case.name in wanted:
            for name in rewrite(case):
                print(f"changed {name}")


if __name__ == "__main__":
    main()
