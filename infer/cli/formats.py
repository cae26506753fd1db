"""``netinfer formats``: which flow logs are read."""

from __future__ import annotations

import sys

from infer.cli.explain import Form, FormOption
from infer.cli.terminal import look_of, print_data


def formats(output: FormOption = Form.TEXT) -> int:
    """List the flow-log formats that are read, and how to get such a log.

    Exit code: 0.
    """
    from infer.readers import formats as known
    from infer.report.formats import FormatRow, formats_json, formats_text

    rows = [FormatRow(f.name, f.summary, f.example) for f in known().values()]
    match output:
        case Form.TEXT:
            print_data(formats_text(rows, look_of(sys.stdout)))
        case Form.JSON:
            print_data(formats_json(rows))
    return 0
