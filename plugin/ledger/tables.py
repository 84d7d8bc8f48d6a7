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
_serial = BigInteger().with_variant(Integer(), "sqlite")


def _seal() -> Column[bytes]:
    """Give a table whose rows change while they are in use the column of their seals: plugin.ledger.rows."""
    return Column("seal", Bytes)


# Which step of plugin/ledger/migrations the database has reached; alembic's own table.
alembic_version = Table("alembic_version", metadata, Column("version_num", String(32), primary_key=True))

browser_session = Table(
    "browser_session",
    metadata,
    Column("handle", String(64), primary_key=True),  # digest of the cookie
    Column("created", Instant, nullable=False),
    Column("last_seen", Instant, nullable=False),
    Column("locked", Instant),
    Column("locked_for", String(36)),  # the invitation that the device was handed over with
    Column("pin", String(200)),  # scrypt
    Column("pin_attempts", Integer, nullable=False, default=0),
    _seal(),
)

pending_launch = Table(
    "pending_launch",
    metadata,
    Column("state", String(64), primary_key=True),  # digest
    Column("handle", String(64), nullable=False),
    Column("site", String(64), nullable=False),
    Column("created", Instant, nullable=False),
    Column("sealed_pending", Bytes, nullable=False),
    _seal(),
)

launch = Table(
    "launch",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("handle", String(64), nullable=False, index=True),
    Column("site", String(64), nullable=False),
    Column("patient", String(128)),
    Column("encounter", String(128)),
    Column("user", String(128)),
    Column("created", Instant, nullable=False),
    Column("expires", Instant, nullable=False),
    Column("ended", Instant),
    Column("role_codes", Text),  # codes of the user's PractitionerRole; patient is null where none was chosen
    Column("sealed_context", Bytes, nullable=False),
    _seal(),
    Index("ix_launch_site_user", "site", "user"),
)

invitation = Table(
    "invitation",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("secret", String(64), nullable=False, unique=True),  # digest
    Column("launch", ForeignKey("launch.id"), nullable=False, index=True),
    Column("site", String(64), nullable=False),
    Column("patient", String(128), nullable=False),
    Column("encounter", String(128)),
    Column("rater", String(16), nullable=False),
    Column("source", String(128), nullable=False),
    Column("author", String(128), nullable=False),
    Column("instrument", String(300), nullable=False),
    Column("language", String(16), nullable=False),
    Column("created", Instant, nullable=False),
    Column("expires", Instant, nullable=False),
    Column("state", String(16), nullable=False),  # InvitationState
    Column(
        "remote", Boolean, nullable=False, server_default=false()
    ),  # by link, not on the clinician's device
    Column("code_made", Instant),  # the code to be read out that counts; null: none does, or it was used
    Column("code_number", Integer, nullable=False, server_default="0"),
    Column("gate", String(16)),  # what a caregiver says before the form opens: plugin.access.gates
    Column("gate_answer", String(16)),
    Column("gate_answered", Instant),
    Column("opened", Instant),
    Column("draft_saved", Instant),
    Column("sealed_draft", Bytes),
    _seal(),
)

throttle = Table(
    "throttle",
    metadata,
    Column("key", String(64), primary_key=True),  # digest of what is tried and from where
    Column("since", Instant, nullable=False),
    Column("tries", Integer, nullable=False),
    _seal(),
    Index("ix_throttle_since", "since"),
)

response = Table(
    "response",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("site", String(64), nullable=False),
    Column("identifier", String(400), nullable=False),
    Column("patient", String(128), nullable=False),
    Column("encounter", String(128)),
    Column("rater", String(16), nullable=False),
    Column("source", String(128)),
    Column("instrument", String(300), nullable=False),
    Column("language", String(16)),
    Column("authored", Instant, nullable=False),
    Column("received", Instant, nullable=False),
    Column("launch", String(36)),
    Column("invitation", String(36)),
    Column("sealed_body", Bytes, nullable=False),  # the original bytes
    Column("body_digest", String(64), nullable=False),  # SHA-256 of the original bytes
    Column("sealed_results", Bytes, nullable=False),  # the Observations-to-be and their Provenance
    Column("key_hash", String(80), nullable=False),
    Column("software", String(32), nullable=False),
    Column(
        "collected", String(150)
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
    Column("id", String(36), primary_key=True),
    Column("response", ForeignKey("response.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("kind", String(20), nullable=False),  # RevisionKind
    Column("made", Instant, nullable=False),
    Column("made_by", String(200), nullable=False),
    Column("why", Text, nullable=False),
    Column("sealed_body", Bytes, nullable=False),
    Column("body_digest", String(64), nullable=False),
    Column("sealed_results", Bytes, nullable=False),
    Column("key_hash", String(80), nullable=False),
    Column("software", String(32), nullable=False),
    UniqueConstraint("response", "number", name="uq_revision_response_number"),
)

# Scores of kept answers by another version of their form, beside those of the version that was answered; never delivered.
rescoring = Table(
    "rescoring",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("response", ForeignKey("response.id"), nullable=False),
    Column("version", Integer, nullable=False),  # of the response: 0 the first, else its revision's number
    Column("instrument", String(300), nullable=False),  # canonical with version, the one that scored again
    Column("key_hash", String(80), nullable=False),
    Column("computed", Instant, nullable=False),
    Column("computed_by", String(200), nullable=False),
    Column("why", Text, nullable=False),
    Column("software", String(32), nullable=False),
    Column("sealed_results", Bytes, nullable=False),
    UniqueConstraint("response", "version", "key_hash", name="uq_rescoring_response_version_key"),
)

delivery = Table(
    "delivery",
    metadata,
    Column("response", ForeignKey("response.id"), primary_key=True),
    Column("site", String(64), nullable=False),
    Column("state", String(16), nullable=False),  # DeliveryState
    Column("due", Instant, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    # Begun in a row without an end that is understood.
    Column("failures", Integer, nullable=False, default=0, server_default="0"),
    Column("owner", String(64)),
    Column("detail", Text, nullable=False, default=""),
    Column("delivered", Instant),
    Column("locations", Text),
    # The version that the record is to hold; 0 is the first.
    Column("revision", Integer, nullable=False, default=0, server_default="0"),
    _seal(),
    Index("ix_delivery_site_state_due", "site", "state", "due"),
)

attempt = Table(
    "attempt",
    metadata,
    Column("id", _serial, primary_key=True, autoincrement=True),
    Column("response", ForeignKey("response.id"), nullable=False, index=True),
    Column("number", Integer),  # a gap: one that was begun and that no worker saw end
    Column("writer", String(100)),
    Column("started", Instant, nullable=False),
    Column("finished", Instant, nullable=False),
    Column("state", String(16), nullable=False),
    Column("status", Integer),  # the EHR's HTTP status
    Column("answer", Text),  # what it answered to each write, a line each: statuses and addresses
    Column("revision", Integer),  # the version that was sent; null: the first
    Column("detail", Text, nullable=False),
)

# What a clinician wrote for the record, as it was sent; how far it is stands beside it.
note = Table(
    "note",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("site", String(64), nullable=False),
    Column("patient", String(128), nullable=False),
    Column("encounter", String(128)),
    Column("launch", String(36), nullable=False),
    Column("author", String(128), nullable=False),
    Column("language", String(16), nullable=False),
    Column("written", Instant, nullable=False),
    Column("sealed_text", Bytes, nullable=False),
    Index("ix_note_site_patient", "site", "patient"),
)

note_delivery = Table(
    "note_delivery",
    metadata,
    Column("note", ForeignKey("note.id"), primary_key=True),
    Column("state", String(16), nullable=False),  # DeliveryState
    Column("due", Instant, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("detail", Text, nullable=False),
    Column("location", String(200)),
    _seal(),
    Index("ix_note_delivery_state_due", "state", "due"),
)

# One row a site that is searched for responses which the EHR collected itself.
collecting = Table(
    "collecting",
    metadata,
    Column("site", String(64), primary_key=True),
    Column("due", Instant, nullable=False),  # when to look again; a lease while somebody looks
    Column("owner", String(64)),
    Column("since", Instant, nullable=False),  # what stood in the EHR before is left alone
    Column("cursor", Instant, nullable=False),  # all that the EHR changed until then has been looked at
    Column("polled", Instant),
    Column("looked", Instant),  # when looking last ended well
    Column("failures", Integer, nullable=False, default=0, server_default="0"),
    Column("trouble", Text),  # why it last did not
    Column("way", String(16)),
    Column("subscription", String(150)),  # Subscription/id in the EHR
    Column("secret", String(64)),  # digest of what its notifications carry
    Column("ends", Instant),
    Column("handled", BigInteger, nullable=False, default=0, server_default="0"),  # events dealt with
    Column("heard", BigInteger, nullable=False, default=0, server_default="0"),  # events that we were told of
    Column("heard_at", Instant),
    _seal(),
)

# Responses to our forms that were found in an EHR, by their address there.
collected = Table(
    "collected",
    metadata,
    Column("site", String(64), primary_key=True),
    Column("reference", String(150), primary_key=True),
    Column("version", String(100), nullable=False),
    Column("state", String(16), nullable=False),  # Found
    Column("reason", Text, nullable=False),
    Column("response", String(36)),  # ours of it
    Column("seen", Instant, nullable=False),
    _seal(),
    Index("ix_collected_state", "site", "state"),
)

# Each site's schedule as it was last read from its EHR: used while the EHR does not answer.
plan_copy = Table(
    "plan_copy",
    metadata,
    Column("site", String(64), primary_key=True),
    Column("address", Text, nullable=False),  # as the settings name it
    Column("read", Instant, nullable=False),
    Column("content", Text, nullable=False),  # a PlanDefinition
    _seal(),
)

audit = Table(
    "audit",
    metadata,
    Column("id", _serial, primary_key=True, autoincrement=True),
    Column("event", String(36), nullable=False, unique=True),
    Column("recorded", Instant, nullable=False),
    Column("kind", String(40), nullable=False, index=True),
    Column("outcome", String(4), nullable=False),
    Column("site", String(64)),
    Column("patient", String(128), index=True),
    Column("sealed_resource", Bytes, nullable=False),
    Column("digest", String(64), nullable=False),  # SHA-256 of the AuditEvent
)

# Decisions on a site's own norms, in their order; the last one of a group counts. Figures are of groups, never of a person.
norm = Table(
    "norm",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("site", String(64), nullable=False),
    Column("instrument", String(300), nullable=False),
    Column("score", String(255), nullable=False),
    Column("rater", String(16), nullable=False),
    Column("age_band", String(16), nullable=False),
    Column("action", String(16), nullable=False),  # adopted, withdrawn
    Column("decided", Instant, nullable=False),
    Column("decided_by", String(200), nullable=False),
    Column("why", Text, nullable=False),
    Column("figures", Text, nullable=False),  # JSON of Figures
    Index("ix_norm_site", "site", "instrument"),
)

# Periodic reviews by auditors: which administrations were drawn, and what was said of each and of the whole.
review = Table(
    "review",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("site", String(64), nullable=False),
    Column("first_day", String(10), nullable=False),  # ISO 8601, UTC, of when they were received
    Column("last_day", String(10), nullable=False),
    Column("seed", String(64), nullable=False),
    Column("asked", Integer, nullable=False),
    Column("population", Integer, nullable=False),  # how many there were to draw from
    Column("population_digest", String(64), nullable=False),  # SHA-256 of their ids, sorted, one a line
    Column(
        "sample", Text, nullable=False
    ),  # ids of responses in the order in which they were drawn, one a line
    Column("why", Text, nullable=False),
    Column("drawn", Instant, nullable=False),
    Column("drawn_by", String(200), nullable=False),
    Index("ix_review_site_drawn", "site", "drawn"),
)

sign_off = Table(
    "sign_off",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("review", ForeignKey("review.id"), nullable=False, index=True),
    Column("response", String(36)),  # NULL: the review as a whole
    Column("verdict", String(16), nullable=False),  # Verdict of plugin.auditing.reviews
    Column("sealed_comment", Bytes, nullable=False),
    Column("signed", Instant, nullable=False),
    Column("signed_by", String(200), nullable=False),
)

# How the installation was configured from then on: digests by section, never what the settings say.
configuration = Table(
    "configuration",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("recorded", Instant, nullable=False),
    Column("software", String(32), nullable=False),
    Column("changed", Text, nullable=False),  # JSON list of the sections that differ from before
    Column("sections", Text, nullable=False),  # JSON: section -> keyed digest
    Index("ix_configuration_recorded", "recorded"),
)

# What was erased because the law asked for it. It accounts for leaves without rows; it does not name the patient.
erasure = Table(
    "erasure",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("site", String(64), nullable=False),
    Column("subject", String(64), nullable=False, index=True),  # keyed digest of site and patient
    Column("decided", Instant, nullable=False),
    Column("decided_by", String(200), nullable=False),
    Column("why", Text, nullable=False),
    Column("with_trail", Boolean, nullable=False),  # the patient's audit entries, too
    Column("counts", Text, nullable=False),  # JSON: table -> rows
    Column("places", Text, nullable=False),  # JSON list of the places in the log whose rows are gone
)

# The transparency log: what is to be logged, and the leaves in their order. A leaf's salt goes when its row is erased.
log_pending = Table(
    "log_pending",
    metadata,
    Column("row", String(64), primary_key=True),
    Column("kind", String(16), primary_key=True),  # name of the table
    Column("problem", String(200)),  # why it was set aside; NULL: it waits
)

log_leaf = Table(
    "log_leaf",
    metadata,
    Column("place", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(16), nullable=False),
    Column("row", String(64), nullable=False),
    Column("salt", Bytes),
    Column("entry", Bytes, nullable=False),  # what the log holds
    Column("erased", Instant),
    Index("ix_log_leaf_row", "kind", "row"),
)
