"""Every address of Rapport, asked by every kind of person: who is let in, who is not, and whether reading is in the trail.

The table in the documentation is made of this.

Write the table again: python -m tests.security.walking
"""

import asyncio
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import sqlalchemy as sa

from plugin.app import PARTS
from plugin.ledger import tables as t
from plugin.research_settings import Research
from plugin.roles import EVERYBODY, Role, RoleBook, Team
from tests.product.forms import ANSWERS
from tests.product.test_administering import sign_in
from tests.product.test_bad_input import app_token
from tests.product.world import World, run_world

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "permissions.md"
START, END = "<!-- every address -->", "<!-- end of every address -->"
STAFF = {
    Role.SUPERVISOR: "201",
    Role.AUDITOR: "205",
    Role.ADMINISTRATOR: "206",
    Role.RESEARCHER: "203",
}
SCOPES = tuple(
    f"system/{kind}.rs"
    for kind in (
        *("Patient", "Encounter", "Observation", "QuestionnaireResponse", "Provenance", "DocumentReference"),
        *("MedicationStatement", "MedicationRequest", "Consent"),
    )
)
BOOK = RoleBook(
    {f"Practitioner/{who}": frozenset({role}) for role, who in STAFF.items()},
    teams=(Team((f"Practitioner/{STAFF[Role.SUPERVISOR]}",), (EVERYBODY,)),),
)
ASKING = (
    "nobody",
    "respondent",
    "another patient's respondent",
    "clinician",
    "another patient's clinician",
    *(str(role) for role in STAFF),
    "app of the patient",
    "app of another patient",
)
NAME = "Jayden|Whitehorse"
A_FILE = "a file"
OF_MANY = {
    "exported",
    "research-exported",
    "review-viewed",
}  # one entry, which names the period or every response
BY_ITSELF = {"delivery", "note-delivery", "invitation-expired", "access-refused", "configuration-changed"}
PATIENT, INSTRUMENT = "jayden", "rapport-checkin-adolescent"  # old enough for a link
NOTE = "6f1d1b5e-0c0a-4b0e-9a51-3f6f3f8c0001"
STRANGERS = {
    "nobody",
    "another patient's respondent",
    "another patient's clinician",
    "administrator",
    "researcher",
    "app of another patient",
}
_DENIED = {401, 403, 404, 410}
_FORM = {
    "why": "A review of access",
    "first": "2026-01-01",
    "last": "2026-12-31",
    "text": "A note",
    "note": NOTE,
    "asked": "1",
    "which": "others",
    "despite": "yes",  # all of the walk is on one day
}
_LAST = re.compile(r"/(return|end|withdraw|retract|submit)$")  # these end what others need
_VERY_LAST = re.compile(r"/(sessions/end|sign-out)$")  # and these the sign-in of who asks


@dataclass
class Asking:
    """Somebody who asks: a browser with what it has, and headers of its own."""

    browser: httpx.AsyncClient
    headers: dict[str, str] = field(default_factory=dict)
    desk: str | None = None


@dataclass
class Scene:
    """A world in which Jayden has a launch, an invitation, a response; and everybody who may ask about her."""

    world: World
    asking: dict[str, Asking]
    launch: str
    invitation: str
    response: str
    patient: str
    review: str = "none-yet"

    def reads_patient(self, who: str, template: str, text: str) -> bool:
        """Tell whether an answer holds something about Jayden: a file, or by its address, or a name or an id in it."""
        if text == A_FILE:
            return True
        if template.startswith(("/launches/{launch}", "/sites/{site_id}/fhir/{kind}")):
            return who not in STRANGERS  # others are given what is theirs
        if "{response}" in template:
            return True
        own_id = self.patient.rpartition("/")[2]
        return bool(re.search(rf"{NAME}|Patient[/ ]{own_id}\b|{self.response}", text))

    def address(self, template: str, who: str) -> str:
        """Fill the template with what is Jayden's; a desk is one's own, else the administrator's."""
        own = self.asking[who].desk or self.asking[str(Role.ADMINISTRATOR)].desk or ""
        values = {
            "launch": self.launch,
            "note": NOTE,
            "review": self.review,
            "invitation": self.invitation,
            "response": self.response,
            "resource_id": self.response,
            "desk": own,
            "site_id": "sandbox",
            "service": "alliance-patient-view",
            "kind": "QuestionnaireResponse",
            "instrument": "rapport-checkin-child",
            "form": INSTRUMENT,
        }
        return re.sub(r"\{(\w+)(:\w+)?\}", lambda m: values.get(m[1], self.response), template)


def routes() -> list[tuple[str, str]]:
    """Give every (method, path) that is served; those that end something last."""
    found = {
        (method, route.path)
        for module in PARTS
        for route in module.router.routes
        for method in getattr(route, "methods", ())
        if method not in {"HEAD", "OPTIONS"}
    }
    return sorted(found, key=lambda each: (_turn(each[1]), each[1], each[0]))


def _turn(template: str) -> int:
    return 2 if _VERY_LAST.search(template) else int(bool(_LAST.search(template)))


async def open_scene(world: World) -> Scene:
    """Sign everybody in."""
    people = await world.people()
    asking = {"nobody": Asking(world.new_browser())}

    async def clinician(name: str, patient: str, practitioner: str | None = None) -> tuple[Asking, str]:
        browser = world.new_browser()
        page = await world.launch(patient, browser=browser, practitioner=practitioner)
        assert page.status_code == 200, page.text
        asking[name] = Asking(browser)
        return asking[name], str(page.url).rpartition("/")[2].partition("?")[0]

    async def respondent(name: str, patient: str) -> None:
        world.browser = world.new_browser()
        page = await world.launch(patient)
        form = INSTRUMENT if patient == PATIENT else "rapport-checkin-child"
        secret = await world.hand_over(page, f"Patient/{people[patient]}", form)
        asking[name] = Asking(world.new_browser(), {"X-Rapport-Invitation": secret})

    world.browser = world.new_browser()
    page = await world.launch(PATIENT)
    sent = await world.fill(await world.hand_over(page, f"Patient/{people[PATIENT]}", INSTRUMENT), ANSWERS)
    assert sent.status_code == 200, sent.text
    await respondent("respondent", PATIENT)
    await respondent("another patient's respondent", "mateo")
    one, launch = await clinician("clinician", PATIENT, "204")
    caregiver, *_ = await world.search("RelatedPerson", patient=people[PATIENT])
    link = {
        "csrf": world.rapport.state.rapport.ledger.vault.digest("csrf", launch),
        "respondent": f"RelatedPerson/{caregiver['id']}",
        "instrument": "rapport-checkin-caregiver",
        "language": "en",
        "way": "link",
    }
    made = await one.browser.post(f"/launches/{launch}/invitations", data=link)
    assert made.status_code == 303, made.text
    invitation = made.headers["location"].rpartition("/")[2].partition("?")[0].partition("#")[0]
    await clinician("another patient's clinician", "mateo", "202")
    for role, who in STAFF.items():
        browser, desk = await sign_in(world, who)
        asking[str(role)] = Asking(browser, desk=desk.url.path.rpartition("/")[2])
    for name, patient in (("app of the patient", PATIENT), ("app of another patient", "mateo")):
        token = await app_token(world, patient)
        asking[name] = Asking(world.new_browser(), {"Authorization": f"Bearer {token}"})
    ledger = world.rapport.state.rapport.ledger
    response = await ledger.read(lambda c: c.execute(sa.select(t.response.c.id)).scalars().first())
    return Scene(world, asking, launch, str(invitation), str(response), f"Patient/{people[PATIENT]}")


@dataclass
class Walked:
    """What was found: the statuses, and who read something about Jayden without an entry in the trail."""

    statuses: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict)
    untold: dict[str, set[str]] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)


async def ask(scene: Scene, who: str, method: str, template: str) -> tuple[int, str]:
    """Ask one address as one of them, with a CSRF token that fits: gives status and text.

    AssertionError if somebody who has nothing to do with Jayden reads the name.
    """
    one = scene.asking[who]
    address = scene.address(template, who)
    vault = scene.world.rapport.state.rapport.ledger.vault
    owner = address.split("/")[2] if address.startswith(("/launches/", "/desks/")) else ""
    data = {"csrf": vault.digest("csrf", owner), **_FORM} if owner else None
    body: dict[str, object] = {}
    headers = one.headers
    if method != "GET" and template.startswith("/fill"):
        body = {"json": {"answers": {}}}
    elif method != "GET" and "QuestionnaireResponse" in template:
        headers = {**headers, "Content-Type": "application/fhir+json"}
        body = {"content": b'{"resourceType":"QuestionnaireResponse"}'}
    elif method != "GET":
        body = {"data": data}
    if "X-Rapport-Invitation" in headers:
        one.browser.cookies.clear()  # a phone, on which nobody began to sign in
    if template.endswith(("/events", "/stream")):
        return await _first_status(one, address), ""
    answer = await one.browser.request(method, address, headers=headers, **body)  # type: ignore[arg-type] # one way of giving a body
    if who in STRANGERS:
        assert not re.search(NAME, answer.text), f"{who} reads the name at {method} {template}"
    is_file = answer.headers.get("content-disposition", "").startswith("attachment")
    return answer.status_code, A_FILE if is_file else answer.text


async def _first_status(one: Asking, address: str) -> int:
    """Ask a stream that does not end, for its status only."""

    async def first() -> int:
        async with one.browser.stream("GET", address, headers=one.headers) as answer:
            return answer.status_code

    try:
        return await asyncio.wait_for(first(), 5)
    except TimeoutError:
        return 200  # it began, and goes on


async def newest_review(world: World) -> str:
    """Give the review that was drawn on the way."""
    drawn = sa.select(t.review.c.id)
    return str(await world.rapport.state.rapport.ledger.read(lambda c: c.execute(drawn).scalars().first()))


async def entries_since(scene: Scene, last: int) -> tuple[int, set[str]]:
    """Give the place of the newest entry, and the kinds of those since a place that tell of what was done about Jayden."""
    query = sa.select(t.audit.c.id, t.audit.c.kind, t.audit.c.patient).where(t.audit.c.id > last)
    rows = await scene.world.rapport.state.rapport.ledger.read(lambda c: c.execute(query).all())
    about = {row.kind for row in rows if row.patient == scene.patient or row.kind in OF_MANY}
    return max((row.id for row in rows), default=last), about - BY_ITSELF


async def walk(scene: Scene, tell: Callable[[str], None] = lambda _: None) -> Walked:
    """Ask everything as everybody; the person whose it is asks last."""
    found = Walked()
    last = 0
    for method, template in routes():
        tell(f"{method} {template}")
        if "{review}" in template:
            scene.review = await newest_review(scene.world)
        statuses = {}
        for who in sorted(ASKING, key=lambda each: each in {"clinician", "respondent"}):
            last, _ = await entries_since(scene, last)
            statuses[who], text = await ask(scene, who, method, template)
            last, kinds = await entries_since(scene, last)
            if statuses[who] < 300 and scene.reads_patient(who, template, text):
                address = f"{method} {template}"
                found.told.add(address)
                if not kinds:
                    found.untold.setdefault(address, set()).add(who)
        found.statuses[method, template] = statuses
    return found


def lets_in(status: int) -> bool:
    """Tell whether a status means that somebody was let in; what is wrong with an empty form comes after that."""
    return status not in _DENIED and status < 500


def table(found: dict[tuple[str, str], dict[str, int]]) -> str:
    """Write what was found as the documentation shows it."""
    lines = [f"| address | {' | '.join(ASKING)} |", f"|---|{'---|' * len(ASKING)}"]
    for (method, template), statuses in sorted(found.items(), key=lambda each: (each[0][1], each[0][0])):
        marks = " | ".join("yes" if lets_in(statuses[who]) else "–" for who in ASKING)
        lines.append(f"| `{method} {template}` | {marks} |")
    return "\n".join(lines)


async def walk_a_world(folder: Path) -> Walked:
    """Start a world, walk it."""
    research = Research(folder / "research.salt")
    research.make_salt()
    async with run_world(
        folder, roles=BOOK, research=research, backend_scopes=SCOPES, auditors_see_answers=True
    ) as world:
        return await walk(await open_scene(world))


def main() -> None:
    """Write the table into the documentation."""
    with tempfile.TemporaryDirectory() as folder:
        text = table(asyncio.run(walk_a_world(Path(folder))).statuses)
    page = PAGE.read_text(encoding="utf-8")
    whole = f"{START}\n{text}\n{END}"
    PAGE.write_text(re.sub(f"{START}.*{END}", lambda _: whole, page, flags=re.S), encoding="utf-8")


if __name__ == "__main__":
    main()
