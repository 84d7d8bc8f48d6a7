"""The FHIR store: resources with all their versions, and the index they are found by."""

import sqlite3
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from sandbox_ehr.database import Database
from sandbox_ehr.errors import refuse
from sandbox_ehr.fhir.dates import to_instant, to_milliseconds
from sandbox_ehr.fhir.index import COMPARTMENT, Entry, read_entries, split_reference
from sandbox_ehr.fhir.json_text import JsonObject, children, decode, encode
from sandbox_ehr.fhir.parameters import FOLLOWS_TARGETS, PARAMETERS
from sandbox_ehr.fhir.query import Condition, of_one
from sandbox_ehr.settings import Clock


@dataclass(frozen=True, slots=True)
class Stored:
    """One version of a resource, as it is in the record: `body` is the JSON with id and meta, `updated` in ms."""

    type: str
    id: str
    version: int
    updated: int
    body: bytes

    @property
    def reference(self) -> str:
        """The relative reference, such as Observation/17."""
        return f"{self.type}/{self.id}"

    @property
    def etag(self) -> str:
        """The weak entity tag of this version."""
        return f'W/"{self.version}"'

    def read(self) -> JsonObject:
        """Decode the resource."""
        return decode(self.body)


class Store:
    """Reads and writes resources. Changes of several resources belong into one `database.transaction()`."""

    def __init__(self, database: Database, base: str, clock: Clock) -> None:
        self.database = database
        self.base = base
        self._clock = clock
        self.on_saved: Callable[[Stored], None] | None = None

    def create(self, resource: JsonObject, *, resource_id: str | None = None) -> Stored:
        """Add a new resource under an id of ours; what it says of its own id, version and time is replaced."""
        return self._save(resource, resource_id or str(uuid.uuid4()), 1)

    def update(self, resource: JsonObject, current: Stored) -> Stored:
        """Add the next version of a resource."""
        return self._save(resource, current.id, current.version + 1)

    def read(self, resource_type: str, resource_id: str) -> Stored | None:
        """Give the current version."""
        with self.database.transaction() as connection:
            row = connection.execute(
                "SELECT * FROM current WHERE type = ? AND id = ?", (resource_type, resource_id)
            ).fetchone()
        return _stored(row) if row else None

    def versions(self, resource_type: str, resource_id: str) -> tuple[Stored, ...]:
        """Give all versions, newest first."""
        with self.database.transaction() as connection:
            rows = connection.execute(
                "SELECT * FROM version WHERE type = ? AND id = ? ORDER BY version DESC",
                (resource_type, resource_id),
            ).fetchall()
        return tuple(_stored(row) for row in rows)

    def find(
        self, resource_type: str, condition: Condition, *, sort: Sequence[tuple[str, bool]] = ()
    ) -> tuple[str, ...]:
        """Give the ids of the resources that meet a condition, newest first or as sorted (name, descending)."""
        order, arguments = _order(resource_type, sort)
        sql = f"SELECT id FROM current WHERE type = ? AND {condition.sql} ORDER BY {order}"  # noqa: S608 -- compiled by us
        with self.database.transaction() as connection:
            rows = connection.execute(sql, (resource_type, *condition.arguments, *arguments)).fetchall()
        return tuple(row["id"] for row in rows)

    def meets(self, stored: Stored, condition: Condition) -> bool:
        """Whether the current version of this resource meets a condition."""
        sql = f"SELECT 1 FROM current WHERE type = ? AND id = ? AND {of_one(condition).sql}"  # noqa: S608 -- compiled by us
        with self.database.transaction() as connection:
            found = connection.execute(sql, (stored.type, stored.id, *condition.arguments)).fetchone()
        return found is not None

    def referenced(self, stored: Iterable[Stored], param: str) -> tuple[tuple[str, str], ...]:
        """Give (type, id) of what these resources refer to by a search parameter, each once."""
        found: dict[tuple[str, str], None] = {}
        with self.database.transaction() as connection:
            for each in stored:
                rows = connection.execute(
                    "SELECT system, value FROM entry WHERE type = ? AND id = ? AND param = ? AND system IS NOT NULL",
                    (each.type, each.id, param),
                )
                found.update({(row["system"], row["value"]): None for row in rows})
        return tuple(found)

    def check_references(self, resource: JsonObject) -> None:
        """FhirRefused 422 if the resource refers to something on this server that is not there."""
        for reference in _references(resource):
            split = split_reference(reference, self.base)
            if split and split[0] in PARAMETERS and self.read(*split) is None:
                text = f"The resource refers to {reference}, which does not exist here."
                raise refuse(422, "not-found", text, f"{resource['resourceType']}")
            if reference.startswith("urn:"):
                text = f"The reference {reference} is to no entry of this request."
                raise refuse(422, "not-found", text, f"{resource['resourceType']}")

    def _save(self, resource: JsonObject, resource_id: str, version: int) -> Stored:
        updated = to_milliseconds(self._clock())
        meta = resource.get("meta")
        kept = {key: value for key, value in resource.items() if key not in {"resourceType", "id", "meta"}}
        whole: JsonObject = {
            "resourceType": resource["resourceType"],
            "id": resource_id,
            "meta": {
                **(meta if isinstance(meta, dict) else {}),
                "versionId": str(version),
                "lastUpdated": to_instant(updated),
            },
            **kept,
        }
        stored = Stored(str(resource["resourceType"]), resource_id, version, updated, encode(whole))
        with self.database.transaction() as connection:
            self._write(connection, stored, read_entries(whole, self.base))
            if stored.type in FOLLOWS_TARGETS:
                self._follow_targets(connection, stored, whole)
            if self.on_saved is not None:
                self.on_saved(stored)
        return stored

    def _write(self, connection: sqlite3.Connection, stored: Stored, entries: list[Entry]) -> None:
        row = (stored.type, stored.id, stored.version, stored.updated, stored.body)
        connection.execute("INSERT INTO version VALUES (?, ?, ?, ?, ?)", row)
        connection.execute(
            "INSERT INTO current (type, id, version, updated, body) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (type, id) DO UPDATE SET version = excluded.version, updated = excluded.updated,"
            " body = excluded.body",
            row,
        )
        connection.execute("DELETE FROM entry WHERE type = ? AND id = ?", (stored.type, stored.id))
        connection.executemany(
            "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(stored.type, stored.id, e.param, e.system, e.value, e.low, e.high) for e in entries],
        )

    def _follow_targets(self, connection: sqlite3.Connection, stored: Stored, resource: JsonObject) -> None:
        """Put a Provenance or AuditEvent into the compartments of what it speaks of."""
        patients: set[str] = set()
        for reference in children(resource, *FOLLOWS_TARGETS[stored.type]):
            split = split_reference(str(reference), self.base)
            if split is None:
                continue
            rows = connection.execute(
                "SELECT value FROM entry WHERE type = ? AND id = ? AND param = ?", (*split, COMPARTMENT)
            )
            patients |= {row["value"] for row in rows}
        connection.executemany(
            "INSERT INTO entry (type, id, param, value) VALUES (?, ?, ?, ?)",
            [(stored.type, stored.id, COMPARTMENT, patient) for patient in sorted(patients)],
        )


def _stored(row: sqlite3.Row) -> Stored:
    return Stored(row["type"], row["id"], row["version"], row["updated"], row["body"])


def _references(value: object) -> list[str]:
    if isinstance(value, list):
        return [found for each in value for found in _references(each)]
    if not isinstance(value, dict):
        return []
    own = value.get("reference")
    inner = [found for each in value.values() for found in _references(each)]
    return [own, *inner] if isinstance(own, str) else inner


def _order(resource_type: str, sort: Sequence[tuple[str, bool]]) -> tuple[str, tuple[object, ...]]:
    parts, arguments = [], []
    for name, descending in sort:
        direction = "DESC" if descending else "ASC"
        if name == "_id":
            parts.append(f"id {direction}")
        elif name == "_lastUpdated":
            parts.append(f"updated {direction}, seq {direction}")
        else:
            column = "low" if PARAMETERS[resource_type][name].kind == "date" else "value"
            extreme = f"{'MAX' if descending else 'MIN'}({column})"
            parts.append(
                f"(SELECT {extreme} FROM entry WHERE type = current.type AND id = current.id AND param = ?)"  # noqa: S608 -- our own column names
                f" {direction} NULLS LAST"
            )
            arguments.append(name)
    return ", ".join([*parts, "updated DESC, seq DESC"]), tuple(arguments)
