"""The nightly job: valid, confined, and its commands run night after night."""

from __future__ import annotations

import re
from pathlib import Path

import kubernetes_validate

from examples.conftest import Thing, at, at_list, documents, shell, things
from infer.inventory.cluster import _LISTS


def containers() -> list[Thing]:
    """Those of the nightly job, in the order in which they run."""
    (job,) = (each for each in documents("cronjob.yaml") if each["kind"] == "CronJob")
    pod = at(job, "spec.jobTemplate.spec.template.spec")
    return [*things(pod, "initContainers"), *things(pod, "containers")]


def test_the_manifests_are_valid() -> None:
    """Each object is what the API takes, unknown fields refused."""
    for document in documents("cronjob.yaml"):
        kubernetes_validate.validate(document, "1.31", strict=True)


def test_the_job_is_confined() -> None:
    """No root, no write below /, no capability; what is written to is mounted."""
    (job,) = (each for each in documents("cronjob.yaml") if each["kind"] == "CronJob")
    assert at(job, "spec.jobTemplate.spec.template.spec.securityContext.runAsNonRoot") is True
    for container in containers():
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        mounted = {mount["mountPath"] for mount in things(container, "volumeMounts")}
        assert mounted == {"/tmp", "/policies", "/var/lib/netinfer"}  # noqa: S108 - a mount


def test_the_job_may_list_what_an_inventory_is_made_of() -> None:
    """Every list that --from-cluster asks for, and nothing else; no other verb."""
    (role,) = (each for each in documents("cronjob.yaml") if each["kind"] == "ClusterRole")
    rules = things(role, "rules")
    asked = {
        (parts[1] if parts[0] == "apis" else "", parts[-1])
        for places in _LISTS.values()
        for parts in (place.split("/") for place in places)
    }

    allowed = {
        (group, resource)
        for rule in rules
        for group in at_list(rule, "apiGroups")
        for resource in at_list(rule, "resources")
    }

    assert allowed == asked
    assert all(rule["verbs"] == ["list"] for rule in rules)


def test_the_nights_of_the_job(estate: Path, programs: Path) -> None:
    """The first finds no difference, the second the new caller, the third has no logs at all.

    A job that was stopped after a step is run again from the start.
    """
    mount_as_config_map(estate / "made", estate / "policies")
    (estate / "state").mkdir()
    said = {}
    for day in ("day1", "day2", "day3"):
        scripts = [script_of(container, estate, day) for container in containers()]
        for script in (scripts[0], *scripts):
            said[day] = shell(script, programs, estate)

    assert "cron" not in said["day1"]
    assert "shop/cron" in said["day2"]
    assert said["day3"] == said["day2"]


def test_the_workflow_reads_what_the_job_keeps(estate: Path, programs: Path) -> None:
    """The copy of the baseline has one address in both examples."""
    (publish,) = (c for c in containers() if c["name"] == "publish")
    shell(script_of(publish, estate, "day1"), programs, estate)
    (workflow,) = documents("github-actions.yaml")

    *_, kept, copy = (estate / "aws.txt").read_text().split()

    assert Path(kept).name == "baseline.parquet"
    assert copy == at(workflow, "jobs.diff.env.FLOWS")


def script_of(container: Thing, estate: Path, day: str) -> str:
    """What a container runs, with the places of the estate instead of the cluster's."""
    assert container["command"] == ["sh", "-c"]
    (script,) = at_list(container, "args")
    script = re.sub(r'"s3://[^"]*"', f"'{estate}/{day}*.jsonl'", str(script))
    script = script.replace("/var/lib/netinfer", f"{estate}/state")
    return script.replace("/policies", f"{estate}/policies").replace("--from-cluster", "")


def mount_as_config_map(made: Path, place: Path) -> None:
    """The policies as a mounted ConfigMap shows them: links to a hidden directory."""
    hidden = place / "..2026_03_02_02_30_00.1"
    hidden.mkdir(parents=True)
    files = sorted(made.rglob("*/*.yaml"))
    (hidden / "policies.yaml").write_text("---\n".join(path.read_text() for path in files))
    (place / "..data").symlink_to(hidden.name)
    (place / "policies.yaml").symlink_to("..data/policies.yaml")
