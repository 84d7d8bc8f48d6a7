"""Publishing over the network into a FHIR server that is not ours: Medplum's router and repository."""

import subprocess
from collections.abc import Callable, Iterator

import httpx
import pytest

from plugin.packaging.publish import publish
from tests.judges.node import folder, why_not
from tests.packaging.built import built

TYPES = (
    "Questionnaire",
    "CodeSystem",
    "ValueSet",
    "StructureDefinition",
    "ObservationDefinition",
    "PlanDefinition",
    "ImplementationGuide",
)


@pytest.fixture
def start() -> Iterator[Callable[[bool], str]]:
    if (reason := why_not()) is not None:
        pytest.skip(reason)
    running: list[subprocess.Popen[str]] = []

    def run(update_creates: bool) -> str:
        command = ["node", str(folder() / "serve.mjs"), str(update_creates).lower(), *TYPES]
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        printed = running[-1].stdout
        assert printed is not None
        return printed.readline().strip()

    yield run
    for each in running:
        each.kill()
        each.communicate()


@pytest.mark.parametrize("update_creates", [True, False])
def test_a_second_run_finds_everything_and_writes_nothing(
    start: Callable[[bool], str], update_creates: bool
) -> None:
    address = start(update_creates)
    resources = built().resources
    with httpx.Client() as http:
        first, second = (list(publish(resources, address, http)) for _ in range(2))
        served = http.get(f"{address}/Questionnaire", params={"_count": "100"}).json()
    without_url = {name for name, tree in resources.items() if "url" not in tree}
    outcomes = {
        each.outcome for each in first if f"{each.reference.replace('/', '-')}.json" not in without_url
    }
    assert outcomes == {"created"}
    assert "created" not in {each.outcome for each in second}
    assert "updated" not in {each.outcome for each in second}
    assert len(served["entry"]) == sum(tree["resourceType"] == "Questionnaire" for tree in resources.values())


def test_what_was_altered_there_is_put_right(start: Callable[[bool], str]) -> None:
    address = start(True)
    resources = built().resources
    with httpx.Client() as http:
        list(publish(resources, address, http))
        there = http.get(f"{address}/Questionnaire/rapport-checkin-child").json()
        http.put(f"{address}/Questionnaire/rapport-checkin-child", json={**there, "title": "Altered"})
        again = {each.reference: each.outcome for each in publish(resources, address, http)}
        mended = http.get(f"{address}/Questionnaire/rapport-checkin-child").json()
    assert [name for name, outcome in again.items() if outcome != "unchanged"] == [
        "Questionnaire/rapport-checkin-child"
    ]
    assert mended["title"] == resources["Questionnaire-rapport-checkin-child.json"]["title"]
