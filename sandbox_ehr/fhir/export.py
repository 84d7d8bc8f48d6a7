"""Bulk Data export: kick-off, status, manifest and files, for the whole record, all patients or a group.

https://hl7.org/fhir/uv/bulkdata/STU2/export.html. What a job writes is what the token may read at the kick-off. Jobs
live as long as the process.
"""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from sandbox_ehr.errors import FhirRefused, refuse
from sandbox_ehr.fhir.access import Access
from sandbox_ehr.fhir.exchange import FhirAnswer, FhirRequest
from sandbox_ehr.fhir.json_text import JsonObject, children, encode
from sandbox_ehr.fhir.parameters import FOLLOWS_TARGETS, PATIENT_LINK, TYPES
from sandbox_ehr.fhir.query import Condition, both, compile_condition, either, in_compartment
from sandbox_ehr.fhir.store import Store
from sandbox_ehr.personalities import Personality
from sandbox_ehr.settings import Clock

_FORMATS = {"application/fhir+ndjson", "application/ndjson", "ndjson"}
_PARAMETERS = {"_outputFormat", "_since", "_type"}
_LINES_A_FILE = 500
_RETRY_AFTER = 1  # seconds
_OF_PATIENTS = ("Patient", *PATIENT_LINK, *FOLLOWS_TARGETS)


@dataclass(slots=True)
class _Job:
    """One export: `waited` once its client has asked how far it is."""

    client_id: str
    request: str
    at: datetime
    files: list[tuple[str, bytes, int]] = field(default_factory=list)  # type, content, number of resources
    waited: bool = False


def is_export(path: str) -> bool:
    """Tell whether an address below the base begins an export."""
    match path.split("/"):
        case ["$export"] | ["Patient", "$export"] | ["Group", _, "$export"]:
            return True
    return False


class Exports:
    """The exports of one sandbox."""

    def __init__(self, store: Store, clock: Clock, personality: Callable[[], Personality]) -> None:
        self._store = store
        self._clock = clock
        self._personality = personality
        self._jobs: dict[str, _Job] = {}

    def begin(self, request: FhirRequest) -> FhirAnswer:
        """Start an export at `$export`, `Patient/$export` or `Group/ID/$export`; answers where to ask for it."""
        self._check_offered(request)
        wanted = self._read_wishes(request)
        job = _Job(request.access.client_id, f"{self._store.base}/{request.path}", self._clock())
        for name, condition in wanted:
            job.files += self._write(name, condition)
        identity = str(uuid.uuid4())
        self._jobs[identity] = job
        return FhirAnswer(202, {"Content-Location": f"{self._store.base}/$export-status/{identity}"})

    def status(self, identity: str, access: Access) -> FhirAnswer:
        """Say how far an export is; when it is complete, its manifest."""
        job = self._find(identity, access)
        if not job.waited:
            job.waited = True
            return FhirAnswer(202, {"Retry-After": str(_RETRY_AFTER), "X-Progress": "in progress"})
        output = [
            {"type": name, "url": f"{self._store.base}/$export-file/{identity}/{place}", "count": count}
            for place, (name, _, count) in enumerate(job.files)
        ]
        manifest: JsonObject = {
            "transactionTime": job.at.isoformat(timespec="milliseconds"),
            "request": job.request,
            "requiresAccessToken": True,
            "output": output,
            "error": [],
        }
        return FhirAnswer(200, {}, encode(manifest))

    def cancel(self, identity: str, access: Access) -> FhirAnswer:
        """Forget an export and its files."""
        self._find(identity, access)
        del self._jobs[identity]
        return FhirAnswer(202)

    def file(self, identity: str, place: str, access: Access) -> FhirAnswer:
        """Give one file of a complete export."""
        job = self._find(identity, access)
        if not place.isdecimal() or int(place) >= len(job.files):
            raise refuse(404, "not-found", "The export has no such file.")
        return FhirAnswer(200, {"Content-Type": "application/fhir+ndjson"}, job.files[int(place)][1])

    def _check_offered(self, request: FhirRequest) -> None:
        level = request.path.split("/")[0]
        offered = {"$export": "system", "Patient": "patient", "Group": "group"}[level]
        if offered not in self._personality().bulk:
            raise refuse(404, "not-supported", f"This server offers no {offered} level export.")
        if "respond-async" not in request.headers.get("prefer", ""):
            text = "An export is asynchronous: send the header Prefer: respond-async."
            raise refuse(400, "required", text)
        if not any(scope.level == "system" for scope in request.access.scopes):
            raise refuse(403, "forbidden", "An export needs system scopes.")

    def _read_wishes(self, request: FhirRequest) -> list[tuple[str, Condition]]:
        asked = dict(request.parameters)
        for name in asked.keys() - _PARAMETERS:
            raise refuse(
                400, "not-supported", f"This server does not know the parameter {name} of an export."
            )
        if asked.get("_outputFormat", "ndjson") not in _FORMATS:
            raise refuse(400, "not-supported", "Exports are written as application/fhir+ndjson only.")
        members = self._members(request)
        level = TYPES if request.path == "$export" else _OF_PATIENTS
        types = asked["_type"].split(",") if asked.get("_type") else None
        for name in types or ():
            if name not in level or name not in self._personality().interactions:
                raise refuse(400, "not-supported", f"This server does not export {name} at this level.")
        wanted = []
        for name in types or level:
            conditions = [self._allowed(request.access, name, asked=types is not None)]
            if members is not None:
                conditions.append(_of_members(name, members))
            if "_since" in asked:
                since = f"gt{asked['_since']}"
                conditions.append(compile_condition(name, "_lastUpdated", since, self._store.base))
            wanted.append((name, both(*conditions)))
        return wanted

    def _allowed(self, access: Access, name: str, *, asked: bool) -> Condition:
        try:
            return access.condition(name, "r", self._store.base)
        except FhirRefused:
            if asked:
                raise
            return Condition("0")  # what was not asked for by name is left out

    def _members(self, request: FhirRequest) -> tuple[str, ...] | None:
        """Give the ids of the patients of the group; None for all."""
        if request.path == "$export":
            return None
        if request.path == "Patient/$export":
            return self._store.find("Patient", Condition("1"))
        group = self._store.read("Group", request.path.split("/")[1])
        if group is None:
            raise refuse(404, "not-found", "There is no such Group.")
        references = (str(each) for each in children(group.read(), "member", "entity", "reference"))
        return tuple(each.removeprefix("Patient/") for each in references if each.startswith("Patient/"))

    def _write(self, name: str, condition: Condition) -> Iterator[tuple[str, bytes, int]]:
        ids = self._store.find(name, condition, sort=(("_id", False),))
        for begin in range(0, len(ids), _LINES_A_FILE):
            found = [self._store.read(name, each) for each in ids[begin : begin + _LINES_A_FILE]]
            lines = [encode(each.read()) + b"\n" for each in found if each is not None]
            yield name, b"".join(lines), len(lines)

    def _find(self, identity: str, access: Access) -> _Job:
        job = self._jobs.get(identity)
        if job is None or job.client_id != access.client_id:
            raise refuse(404, "not-found", "There is no such export; it may have been deleted.")
        return job


def _of_members(name: str, members: tuple[str, ...]) -> Condition:
    if not members:
        return Condition("0")
    if name == "Patient":
        return Condition(f"id IN ({', '.join('?' * len(members))})", members)
    return either(*(in_compartment(name, each) for each in members))
