"""The book of faults: what is to go wrong, on which requests, how many times. No I/O."""

import itertools
import random
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from sandbox_ehr.personalities import personality_ids

Clock = Callable[[], datetime]


class FaultKind(StrEnum):
    """What can go wrong."""

    LATENCY = "latency"  # the answer comes `seconds` late
    THROTTLED = "throttled"  # 429 with Retry-After
    FAILED = "failed"  # 500, nothing done
    FAILED_AFTER_COMMIT = "failed-after-commit"  # 500, and done all the same
    UNAVAILABLE = "unavailable"  # 503, with Retry-After if given
    RESET_BEFORE_COMMIT = "reset-before-commit"  # the connection breaks, nothing done
    RESET_AFTER_COMMIT = "reset-after-commit"  # done, and the connection breaks instead of an answer
    HALF_SENT = "half-sent"  # done, and half of the answer arrives
    TOKEN_EXPIRED = "token-expired"  # noqa: S105 -- 401; the token of this request is over, a refresh works
    TOKEN_REVOKED = "token-revoked"  # noqa: S105 -- 401; everything that the user once allowed is taken back
    FORBIDDEN = "forbidden"  # 403 with an empty body
    LOGIN_PAGE = "login-page"  # 200 with a page of HTML, nothing done: a proxy that wants somebody to sign in
    BARE = "bare"  # done, and the answer has neither a Location nor a body
    REDIRECTED = "redirected"  # 307 to another server, nothing done
    HUGE_OUTCOME = "huge-outcome"  # 422 with an OperationOutcome of 26 megabytes
    TALKATIVE_OUTCOME = "talkative-outcome"  # 422 that repeats what was sent, the token among it
    NOTIFICATION_LOST = "notification-lost"  # an event of a Subscription happens, and nobody is told
    SUBSCRIPTION_ENDED = "subscription-ended"  # a Subscription is switched off, and nobody is told
    CAPABILITY = "capability"  # the server becomes another `personality`, until the fault is removed
    CLOCK_SKEW = "clock-skew"  # the server's clock is `seconds` ahead (or behind), until the fault is removed


STANDING = frozenset({FaultKind.CAPABILITY, FaultKind.CLOCK_SKEW})
"""Faults that hold for every request while they stand: they have no route, count or probability."""

OF_SUBSCRIPTIONS = frozenset({FaultKind.NOTIFICATION_LOST, FaultKind.SUBSCRIPTION_ENDED})
"""Faults that befall what the server sends of itself: they have a count or probability, and no route."""

WORDS: dict[FaultKind, str] = {
    FaultKind.LATENCY: "The answer comes late",
    FaultKind.THROTTLED: "429 Too Many Requests, with Retry-After",
    FaultKind.FAILED: "500, nothing done",
    FaultKind.FAILED_AFTER_COMMIT: "500, and done all the same",
    FaultKind.UNAVAILABLE: "503 Service Unavailable",
    FaultKind.RESET_BEFORE_COMMIT: "The connection breaks, nothing done",
    FaultKind.RESET_AFTER_COMMIT: "The connection breaks, and it is done",
    FaultKind.HALF_SENT: "Half of the answer arrives",
    FaultKind.TOKEN_EXPIRED: "The access token is over",
    FaultKind.TOKEN_REVOKED: "The user's permission is taken back",
    FaultKind.FORBIDDEN: "403 with an empty body",
    FaultKind.LOGIN_PAGE: "200 with a page of HTML, nothing done",
    FaultKind.BARE: "Done, and the answer does not say where",
    FaultKind.REDIRECTED: "307 to another server",
    FaultKind.HUGE_OUTCOME: "422 with 26 megabytes of OperationOutcome",
    FaultKind.TALKATIVE_OUTCOME: "422 that repeats what was sent, and the token",
    FaultKind.NOTIFICATION_LOST: "A notification is not sent",
    FaultKind.SUBSCRIPTION_ENDED: "A Subscription is switched off without a word",
    FaultKind.CAPABILITY: "The server changes what it can do",
    FaultKind.CLOCK_SKEW: "The server's clock is wrong",
}


class FaultSpec(BaseModel):
    """One fault as it is asked for. `method` and `path` (a pattern with `*`) choose the requests; `count` None: always."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: FaultKind
    method: Annotated[str, Field(pattern=r"^(\*|[A-Z]+)$")] = "*"
    path: Annotated[str, Field(pattern=r"^[/*]")] = "/r4*"
    count: Annotated[int, Field(ge=1)] | None = None
    probability: Annotated[float, Field(ge=0, le=1)] = 1.0
    seconds: Annotated[float, Field(ge=-10 * 365 * 86_400, le=10 * 365 * 86_400)] = 1.0
    retry_after: Annotated[int, Field(ge=0)] | None = None
    personality: str | None = None

    @field_validator("personality")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None and value not in personality_ids():
            raise ValueError(
                f"there is no personality {value!r}: choose one of {', '.join(personality_ids())}"
            )
        return value

    def model_post_init(self, _: object, /) -> None:
        """Refuse what the kind cannot do."""
        if self.kind is FaultKind.CAPABILITY and self.personality is None:
            raise ValueError("a capability fault names the personality that the server turns into")
        if self.kind is FaultKind.LATENCY and not 0 <= self.seconds <= 600:
            raise ValueError("a latency is between 0 and 600 seconds")

    def concerns(self, method: str, path: str) -> bool:
        """Whether a request is one of those that this fault may befall."""
        return (
            self.kind not in STANDING | OF_SUBSCRIPTIONS
            and self.method in {"*", method}
            and fnmatchcase(path, self.path)
        )


@dataclass(slots=True)
class Fault:
    """A fault in the book, and how often it has happened."""

    id: str
    spec: FaultSpec
    hits: int = field(default=0)

    @property
    def is_spent(self) -> bool:
        """Whether it has happened as often as it was to."""
        return self.spec.count is not None and self.hits >= self.spec.count

    def to_json(self) -> dict[str, object]:
        """Write it for the control address."""
        return {"id": self.id, **self.spec.model_dump(mode="json"), "hits": self.hits, "spent": self.is_spent}


class FaultBook:
    """The faults there are, in the order in which they were entered. Safe between threads."""

    def __init__(
        self, specs: Iterable[FaultSpec] = (), *, chance: Callable[[], float] = random.random
    ) -> None:
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._chance = chance
        self._faults: dict[str, Fault] = {}
        for spec in specs:
            self.add(spec)

    def add(self, spec: FaultSpec) -> Fault:
        """Enter a fault."""
        with self._lock:
            fault = Fault(str(next(self._ids)), spec)
            self._faults[fault.id] = fault
            return fault

    def remove(self, fault_id: str) -> bool:
        """Take a fault out; False if there is none of this id."""
        with self._lock:
            return self._faults.pop(fault_id, None) is not None

    def clear(self) -> None:
        """Take all of them out."""
        with self._lock:
            self._faults.clear()

    def all(self) -> tuple[Fault, ...]:
        """Give them."""
        with self._lock:
            return tuple(self._faults.values())

    def take(self, method: str, path: str) -> tuple[FaultSpec, ...]:
        """Give what befalls a request, and count it: every latency, and the first of the other kinds."""
        taken: list[FaultSpec] = []
        with self._lock:
            for fault in self._faults.values():
                ends_it = fault.spec.kind is not FaultKind.LATENCY
                if fault.is_spent or not fault.spec.concerns(method, path):
                    continue
                if self._chance() >= fault.spec.probability:
                    continue
                fault.hits += 1
                taken.append(fault.spec)
                if ends_it:
                    break
        return tuple(taken)

    def take_event(self, kind: FaultKind) -> bool:
        """Tell whether a fault of this kind befalls what is sent just now, and count it."""
        with self._lock:
            for fault in self._faults.values():
                if fault.spec.kind is kind and not fault.is_spent and self._chance() < fault.spec.probability:
                    fault.hits += 1
                    return True
        return False

    def personality(self) -> str | None:
        """Name the personality that the server has turned into, if it has."""
        changed = [each.spec.personality for each in self.all() if each.spec.kind is FaultKind.CAPABILITY]
        return changed[-1] if changed else None

    def skewed(self, clock: Clock) -> Clock:
        """Give a clock that is wrong by what the book says."""

        def skewed_clock() -> datetime:
            skews = [each.spec.seconds for each in self.all() if each.spec.kind is FaultKind.CLOCK_SKEW]
            return clock() + timedelta(seconds=sum(skews))

        return skewed_clock
