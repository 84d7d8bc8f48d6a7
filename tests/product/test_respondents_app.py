"""What a respondent's own app may send: what that person answered, and nothing in another's name."""

from typing import Any

import pytest

from tests.product.forms import response_of
from tests.product.naming import Naming
from tests.product.test_bad_input import app_token, post, problems
from tests.product.world import EHR, World

CAREGIVERS = "https://w3id.org/rapport-fhir/Questionnaire/rapport-checkin-caregiver|1.1.0"


async def _post_as(world: World, user: str, **changes: Any) -> tuple[int, str]:
    """Send the child's response with a token that the EHR says is this user's."""
    people = await world.people()
    token = await app_token(world)
    plain = world.hosts.apps["ehr.invalid"]
    world.hosts.apps["ehr.invalid"] = Naming(plain, user.format(amara=people["amara"]))  # type: ignore[assignment]  # any transport will do
    whole = response_of(people["amara"], **changes)
    answer = await post(
        world, {name: value for name, value in whole.items() if value is not None}, token=token
    )
    world.hosts.apps["ehr.invalid"] = plain
    return answer.status_code, "" if answer.is_success else problems(answer)


@pytest.mark.parametrize("user", [EHR + "/r4/Patient/{amara}", "Patient/{amara}"])
@pytest.mark.parametrize("changes", [{}, {"source": None}])
async def test_a_childs_app_sends_what_the_child_answered(
    world: World, user: str, changes: dict[str, Any]
) -> None:
    assert await _post_as(world, user, **changes) == (201, "")


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"source": {"reference": "Practitioner/202"}}, "QuestionnaireResponse.source"),
        ({"author": {"reference": "Practitioner/202"}}, "QuestionnaireResponse.author"),
        ({"questionnaire": CAREGIVERS, "item": None}, "QuestionnaireResponse.questionnaire"),
    ],
)
async def test_a_childs_app_sends_nothing_in_anothers_name(
    world: World, changes: dict[str, Any], place: str
) -> None:
    status, told = await _post_as(world, EHR + "/r4/Patient/{amara}", **changes)
    assert (status, place in told) == (422, True)


async def test_a_relatives_app_sends_nothing_in_the_childs_name(world: World) -> None:
    status, told = await _post_as(world, EHR + "/r4/RelatedPerson/1001-1")
    assert (status, "QuestionnaireResponse.source" in told) == (422, True)


async def test_a_patient_of_another_server_sends_nothing_in_the_childs_name(world: World) -> None:
    status, told = await _post_as(world, "https://elsewhere.invalid/r4/Patient/{amara}")
    assert (status, "QuestionnaireResponse.source" in told) == (422, True)


async def test_a_clinicians_app_sends_for_everybody(world: World) -> None:
    assert await _post_as(world, EHR + "/r4/Practitioner/202") == (201, "")


async def test_another_relatives_response_is_not_amended(world: World) -> None:
    known = {
        "questionnaire": CAREGIVERS,
        "identifier": {"system": "https://app.invalid", "value": "7"},
        "source": {"reference": "RelatedPerson/1001-1"},
        "item": None,
        "author": None,
    }
    assert await _post_as(world, EHR + "/r4/RelatedPerson/1001-1", **known) == (201, "")
    other = known | {"source": {"reference": "RelatedPerson/1001-2"}, "status": "amended", "language": "en"}
    status, told = await _post_as(world, EHR + "/r4/RelatedPerson/1001-2", **other)
    assert (status, "somebody else" in told) == (409, True)
    own = known | {"status": "amended", "language": "en"}
    assert await _post_as(world, EHR + "/r4/RelatedPerson/1001-1", **own) == (201, "")
