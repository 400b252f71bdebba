"""Tests of what the platform that hosts the repository reads: workflows, and templates of issues and pull requests.

They are run by that platform only, so these tests check what a mistake would break without a message.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from releasing.edits import pythons_of

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").iterdir())
FORMS = ["bug.yml", "feature.yml"]


def read(*names: str) -> Any:
    return yaml.safe_load((ROOT / ".github").joinpath(*names).read_text(encoding="utf-8"))


def steps_of(job: dict[str, Any]) -> list[dict[str, Any]]:
    return list(job.get("steps", []))


def commands_of(name: str) -> list[str]:
    jobs = read("workflows", name)["jobs"].values()
    return [line.strip() for job in jobs for step in steps_of(job) for line in step.get("run", "").splitlines()]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_and_jobs_have_limits(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)

    # A tag of an action can be moved, a commit cannot. The version behind it is for readers, and for updates.
    used = [line.split("uses:", 1)[1].strip() for line in text.splitlines() if "uses:" in line]
    for name in used:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+|\./\.github/workflows/ci\.yml", name)
    assert {} == workflow["permissions"]
    assert workflow["concurrency"]["group"]
    for job in workflow["jobs"].values():
        assert "uses" in job or 0 < job["timeout-minutes"] <= 90
        assert job["permissions"]
        for step in steps_of(job):
            # Text from outside, such as the name of a branch, must not become part of a program.
            assert "${{" not in step.get("run", "")
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


def test_the_checks_are_those_of_ci_run() -> None:
    assert [".ci/run"] == commands_of("ci.yml")
    workflow = read("workflows", "ci.yml")
    # YAML 1.1 reads the key `on` as True.
    assert {"push", "pull_request", "workflow_call"} == set(workflow[True])
    pairs = workflow["jobs"]["run"]["strategy"]["matrix"]["include"]
    assert pythons_of((ROOT / "pyproject.toml").read_text(encoding="utf-8")) == sorted(
        (version for pair in pairs for version in pair.values()), key=lambda version: int(version.split(".")[1])
    )


def test_a_tag_is_checked_and_built_before_it_is_published() -> None:
    workflow = read("workflows", "release.yml")
    jobs = workflow["jobs"]

    assert {"push": {"tags": ["v*"]}} == workflow[True]
    assert "./.github/workflows/ci.yml" == jobs["ci"]["uses"]
    assert ["ci", "build", "publish"] == [jobs[name]["needs"] for name in ("build", "publish", "announce")]
    assert "scripts/release dist" in commands_of("release.yml")
    (setup,) = [step for step in steps_of(jobs["build"]) if "setup-python" in step.get("uses", "")]
    classified = pythons_of((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert classified == setup["with"]["python-version"].split()


def test_only_the_job_that_publishes_can_sign_in_elsewhere() -> None:
    jobs = read("workflows", "release.yml")["jobs"]

    assert {
        "ci": {"contents": "read"},
        "build": {"contents": "read"},
        "publish": {"attestations": "write", "id-token": "write"},
        "announce": {"contents": "write"},
    } == {name: job["permissions"] for name, job in jobs.items()}
    assert {"publish": "release"} == {name: job["environment"] for name, job in jobs.items() if "environment" in job}
    # Code of this repository, and what it installs, must not run where it could sign in.
    assert not [step for step in steps_of(jobs["publish"]) if "checkout" in step.get("uses", "")]
    assert [
        "sha256sum --check --strict SHA256SUMS",
        'echo "path=$(echo packages/*.base.cdx.json)" >>"$GITHUB_OUTPUT"',
        "uv publish --trusted-publishing always packages/*.tar.gz packages/*.whl",
    ] == [step["run"] for step in steps_of(jobs["publish"]) if "run" in step]


@pytest.mark.parametrize("name", FORMS)
def test_issue_forms_have_what_the_platform_requires(name: str) -> None:
    form = read("ISSUE_TEMPLATE", name)

    assert {"name", "description", "labels", "body"} == set(form)
    kinds = [item["type"] for item in form["body"]]
    assert set(kinds) <= {"checkboxes", "dropdown", "input", "markdown", "textarea"}
    assert set(kinds) - {"markdown"}
    fields = [item for item in form["body"] if item["type"] != "markdown"]
    identifiers = [item["id"] for item in fields]
    labels = [item["attributes"]["label"] for item in fields]
    assert len(set(identifiers)) == len(set(labels)) == len(fields)
    for item in form["body"]:
        assert set(item) <= {"type", "id", "attributes", "validations"}
        assert item.get("validations", {}).keys() <= {"required"}
        if item["type"] == "markdown":
            assert {"value"} == set(item["attributes"])
        for identifier in identifiers:
            assert re.fullmatch(r"[A-Za-z0-9_-]+", identifier)
        if item["type"] == "dropdown":
            options = item["attributes"]["options"]
            # Unquoted, True and None would not be texts, which the platform refuses.
            assert all(isinstance(option, str) for option in options)
            assert len(set(options)) == len(options)
            assert "none" not in [option.lower() for option in options]
        if item["type"] == "checkboxes":
            assert all({"label", "required"} == set(option) for option in item["attributes"]["options"])


def test_a_bug_report_asks_for_what_is_needed_and_for_no_secret() -> None:
    fields = {item.get("id"): item for item in read("ISSUE_TEMPLATE", "bug.yml")["body"]}

    for name in ("versions", "where", "code", "happened", "maybe-submitted"):
        assert fields[name]["validations"] == {"required": True}
    for word in ("runpod.__version__", "platform.python_version()", "httpx.__version__"):
        assert word in fields["versions"]["attributes"]["description"]
    assert fields["secrets"]["attributes"]["options"][0]["required"] is True
    assert "error.maybe_submitted" == fields["maybe-submitted"]["attributes"]["label"]


def test_the_program_of_the_bug_report_runs(capsys: pytest.CaptureFixture[str]) -> None:
    description = read("ISSUE_TEMPLATE", "bug.yml")["body"][1]["attributes"]["description"]
    match = re.search(r'python -c "(.*)"', description)
    assert match is not None

    exec(match[1], {})

    assert re.match(r"runpod-sdk \d\S* \| Python 3\.\d+\.\S+ \| httpx \d\S* \| \S", capsys.readouterr().out)


def test_issues_without_a_form_are_not_offered() -> None:
    assert {"blank_issues_enabled": False} == read("ISSUE_TEMPLATE", "config.yml")
    assert [*FORMS, "config.yml"] == sorted(
        (path.name for path in (ROOT / ".github" / "ISSUE_TEMPLATE").iterdir()), key=[*FORMS, "config.yml"].index
    )


def test_updates_of_actions() -> None:
    (update,) = read("dependabot.yml")["updates"]

    assert ("github-actions", "/") == (update["package-ecosystem"], update["directory"])


def test_files_that_texts_name_exist() -> None:
    texts = [ROOT / "CODE_OF_CONDUCT.md", *(path for path in (ROOT / ".github").rglob("*") if path.is_file())]
    named = {
        name
        for path in texts
        for name in re.findall(
            r"(?<![\w/.])(?:scripts/\w+|\.ci/\w+|[A-Z]{3,}(?:_[A-Z]+)*\.md)", path.read_text(encoding="utf-8")
        )
    }

    assert {"scripts/release", ".ci/run", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"} <= named
    made_by_a_job = {"NOTES.md"}
    assert [] == [name for name in sorted(named - made_by_a_job) if not list(ROOT.glob(f"{name}*"))]


def test_no_package_index_is_named() -> None:
    names = ["py" + "pi", "python" + "hosted", "npm" + "js"]
    files = [path for folder in (".github", ".ci", "scripts") for path in (ROOT / folder).rglob("*") if path.is_file()]
    files += [ROOT / name for name in ("pyproject.toml", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "CHANGELOG.md")]

    for path in files:
        if path.suffix != ".pyc":
            text = path.read_text(encoding="utf-8").lower()
            assert [] == [name for name in names if name in text], path
