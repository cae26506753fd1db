"""The image is made of what is there."""

from __future__ import annotations

from cli.conftest import ROOT
from examples.conftest import EXAMPLES


def test_the_image_is_made_of_what_is_there() -> None:
    """It copies what exists and is not ignored, installs a known extra, and runs without root."""
    text = (EXAMPLES / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line[:1].isalpha()]
    said = {word: [rest for name, rest in lines if name == word] for word, _ in lines}
    copied = {p for rest in said["COPY"] if "--from" not in rest for p in rest.split()[:-1]}
    kept = (EXAMPLES / "Dockerfile.dockerignore").read_text().splitlines()

    assert all((ROOT / path).exists() for path in copied)
    assert copied == {line[1:] for line in kept if line.startswith("!")}
    assert said["USER"] == ["65532:65532"]
    assert said["ENTRYPOINT"] == ['["netinfer"]']
    (install,) = said["RUN"]
    assert "--constraint requirements.lock" in install
    assert '".[cluster]"' in install
