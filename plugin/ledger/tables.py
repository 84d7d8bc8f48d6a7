"""The tables of the ledger. Columns named `sealed_*` hold values encrypted by the vault."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
)
from sqlalchemy.engine import Dialect

_MICRO = 1_000_000
_FIRST, _LAST = datetime(2, 1, 1, tzinfo=UTC), datetime(9998, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)


class Instant(TypeDecorator[datetime]):
    """A moment in UTC, stored as microseconds since 1970: the same on every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002 -- SQLAlchemy's signature
        """Give the database microseconds; ValueError without a time zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("An instant needs a time zone")
        return round(value.timestamp() * _MICRO)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 -- SQLAlchemy's signature
        """Give the program a moment in UTC; one that `is_no_moment` for what is none or lies beyond: somebody else wrote that."""
        if value is None:
            return None
        if not isinstance(value, int | float):
            return _FIRST
        try:
            return min(max(datetime.fromtimestamp(value / _MICRO, UTC), _FIRST), _LAST)
        except (ValueError, OverflowError, OSError):
            return _FIRST if value < 0 else _LAST


class Words(String):
    """Text; bytes that stand in its place, which SQLite lets somebody else write, are written out: never what Rapport wrote."""

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:  # noqa: ARG002 -- SQLAlchemy's signature
        """Give the program text, so that one altered row does not keep it from the others."""
        return _text if dialect.name == "sqlite" else None


class LongWords(Words, Text):
    """The same without a bound."""


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return repr(value)


class Whole(Integer):
    """A whole number; -1, which Rapport never writes, for a value of another kind, which SQLite lets somebody else write."""

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:  # noqa: ARG002 -- SQLAlchemy's signature
        """Give the program a number, so that one altered row does not keep it from the others."""
        return _whole if dialect.name == "sqlite" else None


class BigWhole(Whole, BigInteger):
    """The same in eight bytes."""


def _whole(value: Any) -> int | None:
    return value if value is None or isinstance(value, int) else -1


class Bytes(LargeBinary):
    """Bytes; none for a value of another kind, which SQLite lets somebody else write: as a sealed value it does not open."""

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], bytes | None]:  # noqa: ARG002 -- SQLAlchemy's signature
        """Give the program the bytes that are stored, so that one altered row does not keep it from the others."""

        def process(value: Any) -> bytes | None:
            if value is None:
                return None
            return bytes(value) if isinstance(value, bytes | bytearray | memoryview) else b""

        return process


def is_no_moment(moment: datetime) -> bool:
    """Tell whether it stands for a value that is no moment, or none that Rapport wrote."""
    return moment in (_FIRST, _LAST)


metadata = MetaData()
# Autoincrement on SQLite needs the exact type INTEGER.
_serial = BigWhole().with_variant(Whole(), "sqlite")


def _seal() -> Column[bytes]:
    """Give a table whose rows change while they are in use the column of their seals: plugin.ledger.rows."""
    return Column("seal", Bytes)


# Which step of plugin/ledger/migrations the database has reached; alembic's own table.
alembic_version = Table("alembic_version", metadata, Column("version_num", Words(32), primary_key=True))

browser_session = Table(
    "browser_session",
    metadata,
    Column("handle", Words(64), primary_key=True),  # digest of the cookie
    Column("created", Instant, nullable=False),
    Column("last_seen", Instant, nullable=False),
    Column("handing", Instant),  # since when a hand-over is being saved; null: none is
    Column("locked", Instant),
    Column("locked_for", Words(36)),  # the invitation that the device was handed over with
    Column("pin", Words(200)),  # scrypt
    Column("pin_attempts", Whole, nullable=False, default=0),
    _seal(),
)

pending_launch = Table(
    "pending_launch",
    metadata,
    Column("state", Words(64), primary_key=True),  # digest
    Column("handle", Words(64), nullable=False),
    Column("site", Words(64), nullable=False),
    Column("created", Instant, nullable=False),
    Column("sealed_pending", Bytes, nullable=False),
    _seal(),
)

launch = Table(
    "launch",
    metadata,
    Column("id", Words(36), primary_key=True),
    Column("handle", Words(64), nullable=False, index=True),
    Column("site", Words(64), nullable=False),
    Column("patient", Words(128)),
    Column("encounter", Words(128)),
    Column("user", Words(128)),
    Column("created", Instant, nullable=False),
    Column("expires", Instant, nullable=False),
    Column("ended", Instant),
    # Codes of the user's PractitionerRole; patient is null where none was chosen.
    Column("role_codes", LongWords),
    Column("sealed_context", Bytes, nullable=False),
    Column("sealed_note", Bytes),  # the note that is being written; null: none is
    Column("note_kept", Instant, index=True),
    _seal(),
    Index("ix_launch_site_user", "site", "user"),
    Index("ix_launch_site_patient", "site", "patient"),
)

invitation = Table(
    "invitation",
    metadata,
    Column("id", Words(36), primary_key=True),
    Column("secret", Words(64), nullable=False, unique=True),  # digest
    Column("launch", ForeignKey("launch.id"), nullable=False, index=True),
    Column("site", Words(64), nullable=False),
    Column("patient", Words(128), nullable=False),
    Column("encounter", Words(128)),
    Column("rater", Words(16), nullable=False),
    Column("source", Words(128), nullable=False),
    Column("author", Words(128), nullable=False),
    Column("instrument", Words(300), nullable=False),
    Column("language", Words(16), nullable=False),
    Column("created", Instant, nullable=False),
    Column("expires", Instant, nullable=False),
    Column("state", Words(16), nullable=False),  # InvitationState
    Column(
        "remote", Boolean, nullable=False, server_default=false()
    ),  # by link, not on the clinician's device
    Column("code_made", Instant),  # the code to be read out that counts; null: none does, or it was used
    Column("code_number", Whole, nullable=False, server_default="0"),
    Column(
        "answered_on", Words(10)
    ),  # the day that a form is about which is entered later; null: the moment it is sent
    Column("gate", Words(16)),  # what a caregiver says before the form opens: plugin.access.gates
    Column("gate_answer", Words(16)),
    Column("gate_answered", Instant),
    Column("opened", Instant),
    Column("draft_saved", Instant),
    Column("sealed_draft", Bytes),
    _seal(),
)

throttle = Table(
    "throttle",
    metadata,
    Column("key", Words(64), primary_key=True),  # digest of what is tried and from where
    Column("since", Instant, nullable=False),
    Column("tries", Whole, nullable=False),
    _seal(),
    Index("ix_throttle_since", "since"),
)

response = Table(
    "response",
    metadata,
    Column("id", Words(36), primary_key=True),
    Column("site", Words(64), nullable=False),
    Column("identifier", Words(400), nullable=False),
    Column("patient", Words(128), nullable=False),
    Column("encounter", Words(128)),
    Column("rater", Words(16), nullable=False),
    Column("source", Words(128)),
    Column("instrument", Words(300), nullable=False),
    Column("language", Words(16)),
    Column("authored", Instant, nullable=False),
    Column("received", Instant, nullable=False),
    Column("launch", Words(36)),
    Column("invitation", Words(36)),
    Column("sealed_body", Bytes, nullable=False),  # the original bytes
    Column("body_digest", Words(64), nullable=False),  # SHA-256 of the original bytes
    Column("sealed_results", Bytes, nullable=False),  # the Observations-to-be and their Provenance
    Column("key_hash", Words(80), nullable=False),
    Column("software", Words(32), nullable=False),
    Column(
        "collected", Words(150)
    ),  # where it stands in the EHR that collected it itself; null: Rapport writes it
    UniqueConstraint("site", "identifier", name="uq_response_site_identifier"),
    Index("ix_response_site_patient_received", "site", "patient", "received", "id"),
    Index("ix_response_site_received", "site", "received", "id"),
    Index("ix_response_site_instrument", "site", "instrument", "received", "id"),
    Index("ix_response_launch", "launch"),
)

# Later versions of a response; the first is the response's own row, which never changes.
revision = Table(
    "revision",
    metadata,
    Column("id", Words(36), primary_key=True),
    Column("response", ForeignKey("response.id"), nullable=False),
    Column("number", Whole, nullable=False),
    Column("kind", Words(20), nullable=False),  # RevisionKind
    Column("made", Instant, nullable=False),
    Column("made_by", Words(200), nullable=False),
    Column("why", LongWords, nullable=False),
    Column("sealed_body", Bytes, nullable=False),
    Column("body_digest", Words(64), nullable=False),
    Column("sealed_results", Bytes, nullable=False),
    Column("key_hash", Words(80), nullable=False),
    Column("software", Words(32), nullable=False),
    UniqueConstraint("response", "number", name="uq_revision_response_number"),
)

# Scores of kept answers by another version of their form, beside those of the version that was answered; never delivered.
rescoring = Table(
    "rescoring",
    metadata,
    Column("id", Words(36), primary_key=True),
    Column("response", ForeignKey("response.id"), nullable=False),
    Column("version", Whole, nullable=False),  # of the response: 0 the first, else its revision's number
    Column("instrument", Words(300), nullable=False),  # canonical with version, the one that scored again
    Column("key_hash", Words(80), nullable=False),
    Column("computed", Instant, nullable=False),
    Column("computed_by", Words(200), nullable=False),
    Column("why", LongWords, nullable=False),
    Column("software", Words(32), nullable=False),
    Column("sealed_results", Bytes, nullable=False),
    UniqueConstraint("response", "version", "key_hash", name="uq_rescoring_response_version_key"),
)

delivery = Table(
    "delivery",
    metadata,
    Column("response", ForeignKey("response.id"), primary_key=True),
    Column("site", Words(64), nullable=False),
    Column("state", Words(16), nullable=False),  # DeliveryState
    Column("due", Instant, nullable=False),
    Column("attempts", Whole, nullable=False, default=0),
    # Begun in a row without an end that is understood.
    Column("failures", Whole, nullable=False, default=0, server_default="0"),
    Column("owner", Words(64)),
    Column("detail", LongWords, nullable=False, default=""),
    Column("delivered", Instant),
    Column("locations", LongWords),
    # The version that the record is to hold; 0 is the first.
    Column("revision", Whole, nullable=False, default=0, server_default="0"),
    _seal(),
    Index("ix_delivery_site_state_due", "site", "state", "due"),
)

attempt = Table(
    "attempt",
    metadata,
    Column("id", _serial, primary_key=True, autoincrement=True),
    Column("response", ForeignKey("response.id"), nullable=False, index=True),
    Column("number", Whole),  # a gap: one that was begun and that no worker saw end
    Column("writer", Words(100)),
    Column("started", Instant, nullable=False),
    Column("finished", Instant, nullable=False),
    Column("state", Words(16), nullable=False),
    Column("status", Whole),  # the EHR's HTTP status
    Column("answer", LongWords),  # what it answered to each write, a line each: statuses and addresses
    Column("revision", Whole),  # the version that was sent; null: the first
    Column("detail", LongWords, nullable=False),
)

# What a clinician wrote for the record, as it was sent; how far it is stands beside it.
note = Table(
    "note",
    metadata,
    Column("id", Words(36), primary_key=True),
    Column("site", Words(64), nullable=False),
    Column("patient", Words(128), nullable=False),
    Column("encounter", Words(128)),
    Column("launch", Words(36), nullable=False),
    Column("author", Words(128), nullable=False),
    Column("language", Words(16), nullable=False),
    Column("written", Instant, nullable=False),
    Column("sealed_text", Bytes, nullable=False),
    Index("ix_note_site_patient", "site", "patient"),
)

note_delivery = Table(
    "note_delivery",
    metadata,
    Column("note", ForeignKey("note.id"), primary_key=True),
    Column("state", Words(16), nullable=False),  # DeliveryState
    Column("due", Instant, nullable=False),
    Column("attempts", Whole, nullable=False),
    Column("detail", LongWords, nullable=False),
    Column("location", Words(200)),
    _seal(),
    Index("ix_note_delivery_state_due", "state", "due"),
)

# One row a site that is searched for responses which the EHR collected itself.
collecting = Table(
    "collecting",
    metadata,
    Column("site", Words(64), primary_key=True),
    Column("due", Instant, nullable=False),  # when to look again; a lease while somebody looks
    Column("owner", Words(64)),
    Column("since", Instant, nullable=False),  # what stood in the EHR before is left alone
    Column("cursor", Instant, nullable=False),  # all that the EHR changed until then has been looked at
    Column("polled", Instant),
    Column("looked", Instant),  # when looking last ended well
    Column("failures", Whole, nullable=False, default=0, server_default="0"),
    Column("trouble", LongWords),  # why it last did not
    Column("way", Words(16)),
    Column("subscription", Words(150)),  # Subscription/id in the EHR
    Column("secret", Words(64)),  # digest of what its notifications carry
    Column("ends", Instant),
    Column("handled", BigWhole, nullable=False, default=0, server_default="0"),  # events dealt with
    Column("heard", BigWhole, nullable=False, default=0, server_default="0"),  # events that we were told of
    Column("heard_at", Instant),
    _seal(),
)

# Responses to our forms that were found in an EHR, by their address there.
collected = Table(
    "collected",
    metadata,
    Column("site", Words(64), primary_key=True),
    Column("reference", Words(150), primary_key=True),
    Column("version", Words(100), nullable=False),
    Column("state", Words(16), nullable=False),  # Found
    Column("reason", LongWords, nullable=False),
    Column("response", Words(36)),  # ours of it
    Column("seen", Instant, nullable=False),
    _seal(),
    Index("ix_collected_state", "site", "state"),
)

# Each site's schedule as it was last read from its EHR: used while the EHR does not answer.
plan_copy = Table(
    "plan_copy",
    metadata,
    Column("site", Words(64), primary_key=True),
    Column("address", LongWords, nullable=False),  # as the settings name it
    Column("read", Instant, nullable=False),
    Column("content", LongWords, nullable=False),  # a PlanDefinition
    _seal(),
)

audit = Table(
    "audit",
    metadata,
    Column("id", _serial, primary_key=True, autoincrement=True),
    Column("event", Words(36), nullable=False, unique=True),
    Column("recorded", Instant, nullable=False),
    Column("kind", Words(40), nullable=False, index=True),
    Column("outcome", Words(4), nullable=False),
    Column("site", Words(64)),
    Column("patient", Words(128), index=True),
    Column("sealed_resource", Bytes, nullable=False),
    Column("digest", Words(64), nullable=False),  # SHA-256 of the AuditEvent
)

# Decisions on a site's own norms, in their order; the last one of a group counts. Figures are of groups, never of a person.
norm = Table(
    "norm",
    metadata,
    Column("id", Words(36), primary_key=True),
    Column("site", Words(64), nullable=False),
    Column("instrument", Words(300), nullable=False),
    Column("score", Words(255), nullable=False),
    Column("rater", Words(16), nullable=False),
    Column("age_band", Words(16), nullable=False),
    Column("action", Words(16), nullable=False),  # adopted, withdrawn
    Column("decided", Instant, nullable=False),
    Column("decided_by", Words(200), nullable=False),
    Column("why", LongWords, nullable=False),
    Column("figures", LongWords, nullable=False),  # JSON of Figures
    Index("ix_norm_site", "site", "instrument"),
)

# Periodic reviews by auditors: which administrations were drawn, and what was said of each and of the whole.
review = Table(
    "review",
    metadata,
    Column("id", Words(36), primary_key=True),
    Column("site", Words(64), nullable=False),
    Column("first_day", Words(10), nullable=False),  # ISO 8601, UTC, of when they were received
    Column("last_day", Words(10), nullable=False),
    Column("seed", Words(64), nullable=False),
    Column("asked", Whole, nullable=False),
    Column("population", Whole, nullable=False),  # how many there were to draw from
    Column("population_digest", Words(64), nullable=False),  # SHA-256 of their ids, sorted, one a line
    Column(
        "sample", LongWords, nullable=False
    ),  # ids of responses in the order in which they were drawn, one a line
    Column("why", LongWords, nullable=False),
    Column("drawn", Instant, nullable=False),
    Column("drawn_by", Words(200), nullable=False),
    Index("ix_review_site_drawn", "site", "drawn"),
)

sign_off = Table(
    "sign_off",
    metadata,
    Column("id", Words(36), primary_key=True),
    Column("review", ForeignKey("review.id"), nullable=False, index=True),
    Column("response", Words(36)),  # NULL: the review as a whole
    Column("verdict", Words(16), nullable=False),  # Verdict of plugin.auditing.reviews
    Column("sealed_comment", Bytes, nullable=False),
    Column("signed", Instant, nullable=False),
    Column("signed_by", Words(200), nullable=False),
)

# How the installation was configured from then on: digests by section, never what the settings say.
configuration = Table(
    "configuration",
    metadata,
    Column("id", Words(36), primary_key=True),
    Column("recorded", Instant, nullable=False),
    Column("software", Words(32), nullable=False),
    Column("changed", LongWords, nullable=False),  # JSON list of the sections that differ from before
    Column("sections", LongWords, nullable=False),  # JSON: section -> keyed digest
    Index("ix_configuration_recorded", "recorded"),
)

# What was erased because the law asked for it. It accounts for leaves without rows; it does not name the patient.
erasure = Table(
    "erasure",
    metadata,
    Column("id", Words(36), primary_key=True),
    Column("site", Words(64), nullable=False),
    Column("subject", Words(64), nullable=False, index=True),  # keyed digest of site and patient
    Column("decided", Instant, nullable=False),
    Column("decided_by", Words(200), nullable=False),
    Column("why", LongWords, nullable=False),
    Column("with_trail", Boolean, nullable=False),  # the patient's audit entries, too
    Column("counts", LongWords, nullable=False),  # JSON: table -> rows
    Column("places", LongWords, nullable=False),  # JSON list of the places in the log whose rows are gone
)

# The transparency log: what is to be logged, and the leaves in their order. A leaf's salt goes when its row is erased.
log_pending = Table(
    "log_pending",
    metadata,
    Column("row", Words(64), primary_key=True),
    Column("kind", Words(16), primary_key=True),  # name of the table
    Column("problem", Words(200)),  # why it was set aside; NULL: it waits
)

log_leaf = Table(
    "log_leaf",
    metadata,
    Column("place", BigWhole, primary_key=True, autoincrement=False),
    Column("kind", Words(16), nullable=False),
    Column("row", Words(64), nullable=False),
    Column("salt", Bytes),
    Column("entry", Bytes, nullable=False),  # what the log holds
    Column("erased", Instant),
    Index("ix_log_leaf_row", "kind", "row"),
)
