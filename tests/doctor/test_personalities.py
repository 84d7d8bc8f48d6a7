"""The doctor at every kind of EHR: what works, what will be written, what to ask, and a section that can be used."""

import re
from pathlib import Path
from typing import Any

import pytest

from plugin.doctor import Level, Verdict
from plugin.doctor.examination import EXIT_STATUS, as_text
from plugin.doctor.examine import Registration
from plugin.doctor.vendors import load_vendors
from plugin.plan import PlanInEhr
from plugin.settings import read_settings
from plugin.writing import Writing
from sandbox_ehr import RegisteredClient
from sandbox_ehr.personalities import personality_ids
from smart_launch import ClientSecret, Site
from tests.doctor.ehrs import BASE, examined

SECRETS = {"RAPPORT_SECRET_KEY": "zsYyCBUpvES04nh7pj8RekiJ2lkwnsbbQ8OqE2x8dqc"}
TABLE = {
    "full": (Verdict.WRITES, ["response", "observations"]),
    "epic": (Verdict.WRITES, ["document"]),
    "oracle": (Verdict.WRITES, ["document"]),
    "athena": (Verdict.WRITES, ["response"]),
    "meditech": (Verdict.WRITES, ["response"]),
    "eclinicalworks": (Verdict.WRITES, ["response"]),
    "veradigm": (Verdict.WRITES, ["response", "observations"]),
    "read-only": (Verdict.READS, []),
}
PAGE = Path("docs/how-to/check-an-ehr.md").read_text(encoding="utf-8")
PUBLISHED = ("full", "epic", "oracle", "meditech")


def test_the_table_covers_every_personality() -> None:
    assert set(TABLE) == set(personality_ids())


@pytest.mark.parametrize(("personality", "expected"), TABLE.items())
async def test_what_will_be_written(personality: str, expected: tuple[Verdict, list[str]]) -> None:
    found = await examined(personality)
    assert (found.verdict, [each.kind.value for each in found.planned if each.used]) == expected
    assert found.questions


async def test_what_must_be_there_first_is_told_with_what_will_be_written() -> None:
    told = as_text(await examined("eclinicalworks"))
    assert "yes   QuestionnaireResponse: once the practice has Rapport's questionnaires" in told


@pytest.mark.parametrize("personality", personality_ids())
async def test_the_printed_section_is_a_configuration(tmp_path: Path, personality: str) -> None:
    section = (await examined(personality)).section.replace('"private_key_jwt"', '"public"')
    file = tmp_path / "rapport.toml"
    server = '[server]\nbase_url = "https://rapport.invalid"\ndatabase = "sqlite:///r.sqlite3"\n\n'
    file.write_text(server + section, encoding="utf-8")
    settings = read_settings(file, SECRETS)
    (site,) = settings.sites.values()
    assert site.base == f"{BASE}/r4"


@pytest.mark.parametrize(
    ("personality", "proposed"),
    [
        (
            "full",
            [
                "QuestionnaireResponse.crus",
                "Observation.crus",
                "DocumentReference.crus",
                "Provenance.c",
                "Subscription.crd",
            ],
        ),
        ("meditech", ["QuestionnaireResponse.crus"]),
        ("athena", ["QuestionnaireResponse.crs"]),
    ],
)
async def test_scopes_are_proposed_for_what_the_ehr_takes_corrections_and_subscriptions_too(
    personality: str, proposed: list[str]
) -> None:
    section = (await examined(personality)).section
    assert re.findall(r'"system/([A-Za-z]+[.][a-z]+)"', section) == proposed


async def test_what_cannot_be_found_by_identifier_is_told() -> None:
    told = [each.text for each in (await examined("meditech")).findings if each.level is Level.LOOK]
    assert any("found by patient and day" in each for each in told)


@pytest.mark.parametrize("personality", PUBLISHED)
async def test_the_documentation_shows_what_is_printed(personality: str) -> None:
    printed = as_text(await examined(personality))
    assert printed.replace("ehr.invalid", "ehr.example.org").replace("ehr-invalid", "ehr-example-org") in PAGE


def registered(**changes: Any) -> Site:
    """Rapport as the sandbox EHR has it registered."""
    usual = {
        "id": "sandbox",
        "name": "Sandbox",
        "fhir_base": f"{BASE}/r4",
        "client_id": "rapport",
        "authentication": ClientSecret("s3cret"),
        "redirect_uri": "",
        "scopes": (),
        "allow_private_addresses": True,
    }
    return Site(**{**usual, **changes})


async def test_a_site_that_is_set_up_shows_its_scopes_and_no_section() -> None:
    scopes = ("system/QuestionnaireResponse.crs",)
    client = RegisteredClient(client_id="rapport", name="R", kind="symmetric", secret="s3cret", scopes=scopes)
    site = registered(
        redirect_uri="https://rapport.invalid/callback", backend_scopes=(*scopes, "system/Observation.crs")
    )
    found = await examined("full", (client,), registration=Registration(site, Writing()))
    assert found.scopes == ("create, read, search QuestionnaireResponse that the system may reach",)
    assert [each.used for each in found.planned] == [True, False]
    assert found.planned[1].reason == "the granted scopes do not allow to create Observation."
    assert found.section == ""


async def test_a_token_of_its_own_for_a_secret_is_told_as_outside_of_the_standard() -> None:
    scopes = ("system/Observation.crs",)
    client = RegisteredClient(client_id="rapport", name="R", kind="symmetric", secret="s3cret", scopes=scopes)
    site = registered(redirect_uri="https://rapport.invalid/callback", backend_scopes=scopes)
    found = await examined("full", (client,), registration=Registration(site, Writing()))
    (told,) = [each for each in found.findings if "for a secret" in each.text]
    assert "private_key_jwt" in told.remedy


async def test_a_token_that_is_refused_is_told_with_a_remedy() -> None:
    site = registered(
        client_id="stranger",
        authentication=ClientSecret("wrong"),
        backend_scopes=("system/Observation.crs",),
    )
    found = await examined("full", registration=Registration(site, Writing()))
    (refused,) = [each for each in found.findings if "no token of its own" in each.text]
    assert refused.remedy
    assert found.scopes is None


def test_every_vendor_names_its_source_and_its_page_exists() -> None:
    for vendor in load_vendors():
        assert vendor.source.startswith("docs/reference/ehrs.md, ")
        assert vendor.page is None or Path(vendor.page).is_file()


def test_every_verdict_has_an_exit_status_of_its_own() -> None:
    assert len({EXIT_STATUS[each] for each in Verdict} - {2}) == len(Verdict)


@pytest.mark.parametrize(
    ("personality", "said"),
    [
        ("full", "PlanDefinition/17 is read with the token of a launch."),
        ("epic", "PlanDefinition/17 is the site's schedule, and PlanDefinition is not declared to be read."),
    ],
)
async def test_a_schedule_in_the_ehr_is_told_with_how_it_is_read(personality: str, said: str) -> None:
    registration = Registration(registered(), Writing(), schedule=PlanInEhr.parse("PlanDefinition/17"))
    found = await examined(personality, registration=registration)
    (schedule,) = [each for each in found.findings if each.topic == "Schedule"]
    assert schedule.text == said
    assert schedule.remedy
