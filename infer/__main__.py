"""``python -m infer``: the same command as ``netinfer``."""

import sys

from infer.cli import main

if __name__ == "__main__":
    sys.exit(main())
