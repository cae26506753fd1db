"""Files of known ranges: what is read, and what a person is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from infer.errors import InputError
from infer.range_lists import read_known_ranges

WANTED = {
    "office": ("10.50.0.0/16", "2001:db8:5::/48"),
    "printer": ("192.0.2.7/32", "2001:db8::1/128"),
}

CSV = """\
# who is who
name, cidr ,owner
office,10.50.0.0/16,it
office,2001:db8:5::/48,"it, too"

printer,192.0.2.7,
printer,2001:db8::1,
"""
YAML = """\
# who is who
- name: office
  cidr: [10.50.0.0/16, "2001:db8:5::/48"]
- {name: printer, cidr: 192.0.2.7}
- {name: printer, cidr: "2001:db8::1"}
"""
JSON = """\
[{"name": "office", "cidr": ["10.50.0.0/16", "2001:db8:5::/48"]},
 {"name": "printer", "cidr": "192.0.2.7", "owner": "it"},
 {"name": "printer", "cidr": "2001:db8::1"}]
"""


@pytest.mark.parametrize("text", [CSV, YAML, JSON], ids=["CSV", "YAML", "JSON"])
def test_all_forms_say_the_same(tmp_path: Path, text: str) -> None:
    """A bare address is a range of one: /32 in IPv4, /128 in IPv6."""
    path = tmp_path / "ranges"
    path.write_text(text)

    assert dict(read_known_ranges(path).cidrs) == WANTED


def test_no_file_is_no_range() -> None:
    """As without the option."""
    assert not read_known_ranges(None).cidrs


def test_a_row_may_stand_twice(tmp_path: Path) -> None:
    """It says nothing new."""
    path = tmp_path / "ranges.csv"
    path.write_text("cidr,name\n10.0.0.0/8,office\n10.0.0.0/8,office\n")

    assert dict(read_known_ranges(path).cidrs) == {"office": ("10.0.0.0/8",)}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "ranges: no range in the file"),
        ("name,cidr\n", "ranges: no range in the file"),
        ("[]", "ranges: no range in the file"),
        ("office,10.0.0.0/8\n",
         "ranges:1: no header with the columns name and cidr ('office,10.0.0.0/8' found)"),
        ("name,cidr\noffice\n",
         "ranges:2: a row of 1 fields has no name and CIDR (['office'] found)"),
        ("name,cidr\n\n,10.0.0.0/8\n",
         "ranges:3: not a name of 1 to 100 printable characters ('' found)"),
        ("name,cidr\na\x1b[31mb,10.0.0.0/8\n",
         "ranges:2: not a name of 1 to 100 printable characters ('a\\x1b[31mb' found)"),
        ("name,cidr\noffice,10.0.0/8\n", "ranges:2: not a CIDR ('10.0.0/8' found)"),
        ("name,cidr\noffice,10.0.0.0/33\n", "ranges:2: not a CIDR ('10.0.0.0/33' found)"),
        ("name,cidr\noffice,\n", "ranges:2: not a CIDR ('' found)"),
        ("name,cidr\noffice,2001:db8::1/32\n",
         "ranges:2: the address has bits behind the prefix ('2001:db8::1/32' found)"),
        ("name,cidr\noffice,0.0.0.0/0\n", "ranges:2: this is every address ('0.0.0.0/0' found)"),
        ("name,cidr\noffice,10.0.0.0/8\nlab,10.0.0.0/8\n",
         "ranges:3: 10.0.0.0/8 is 'lab' here and 'office' in line 2"),
        ('name,cidr\n"office,10.0.0.0/8\n', "ranges:2: a row of 1 fields has no name and CIDR"),
        ("- name: office\n  cidr: 7\n", "ranges:1: [0].cidr: not a CIDR (7 found)"),
        ("- {name: a, cidr: 10.0.0.0/8}\n- {name: 5, cidr: 10.1.0.0/16}\n",
         "ranges:1: [1].name: not a name of 1 to 100 printable characters (5 found)"),
        ("- {name: a, cidr: 10.0.0.0/8}\n- {name: b, cidr: [10.1.0.0/16, 10.0.0.0/8]}\n",
         "ranges:1: [1]: 10.0.0.0/8 is 'b' here and 'a' in [0]"),
        ("- office\n", "ranges:1: [0]: not a mapping with name and cidr ('office' found)"),
        ('{"name": "office"}', "ranges:1: not a list of ranges ({'name': 'office'} found)"),
        ("- name: [\n", "ranges:2: not YAML"),
    ],
)  # fmt: skip
def test_a_bad_file_is_told_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    """File, line or index, and the value that was found; every error has a way out."""
    path = tmp_path / "ranges"
    path.write_text(text)

    with pytest.raises(InputError) as caught:
        read_known_ranges(path)

    assert str(caught.value).startswith(f"{tmp_path}/{says}")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    """By its name."""
    with pytest.raises(InputError, match=r"nowhere\.csv: cannot be read"):
        read_known_ranges(tmp_path / "nowhere.csv")
