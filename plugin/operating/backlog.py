"""What waits in the ledger, as an operator counts it: deliveries by site and state, and rows that the log has not taken in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from sqlalchemy.engine import Connection

from plugin.delivery.states import OPEN, DeliveryState
from plugin.ledger import tables as t

WAITING = tuple(state for state in DeliveryState if state is not DeliveryState.DELIVERED)


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many deliveries stand in each state but `delivered`; when the oldest that is not given up came; unlogged rows."""

    depth: Mapping[tuple[str, DeliveryState], int] = field(default_factory=dict)
    oldest: Mapping[str, datetime] = field(default_factory=dict)
    unlogged: int = 0
    looked: Mapping[str, datetime] = field(default_factory=dict)  # when each searched site was last searched
    set_aside: Mapping[str, int] = field(default_factory=dict)  # found in the EHR, and not to be scored


def read_backlog(connection: Connection, sites: tuple[str, ...]) -> Backlog:
    """Count what waits at these sites."""
    rows = connection.execute(
        sa.select(
            t.delivery.c.site,
            t.delivery.c.state,
            sa.func.count(),
            sa.func.min(t.response.c.received, type_=t.Instant),
        )
        .join(t.response, t.response.c.id == t.delivery.c.response)
        .where(t.delivery.c.site.in_(sites), t.delivery.c.state.in_(WAITING))
        .group_by(t.delivery.c.site, t.delivery.c.state)
    )
    depth: dict[tuple[str, DeliveryState], int] = {}
    oldest: dict[str, datetime] = {}
    for site, state, many, first in rows:
        depth[site, DeliveryState(state)] = many
        if state in OPEN:
            oldest[site] = min(first, oldest.get(site, first))
    unlogged = connection.execute(sa.select(sa.func.count()).select_from(t.log_pending)).scalar_one()
    searched = connection.execute(
        sa.select(t.collecting.c.site, t.collecting.c.looked, t.collecting.c.since).where(
            t.collecting.c.site.in_(sites)
        )
    )
    looked = {site: last or since for site, last, since in searched}
    aside = connection.execute(
        sa.select(t.collected.c.site, sa.func.count())
        .where(t.collected.c.site.in_(looked), t.collected.c.state == "set-aside")
        .group_by(t.collected.c.site)
    )
    return Backlog(depth, oldest, unlogged, looked, {str(site): int(many) for site, many in aside})


def backlog_metrics(backlog: Backlog | None, sites: tuple[str, ...], now: datetime) -> tuple[Metric, ...]:
    """Write it as metrics; None says that the database did not answer, and then nothing is made up."""
    answers = GaugeMetricFamily(
        "rapport_database_up", "Whether the database answered this reading.", float(backlog is not None)
    )
    if backlog is None:
        return (answers,)
    depth = GaugeMetricFamily(
        "rapport_delivery_queue_depth",
        "Deliveries that are not in the record, by state.",
        labels=("site", "state"),
    )
    age = GaugeMetricFamily(
        "rapport_delivery_queue_oldest_seconds",
        "Age of the oldest response that is still to be delivered; 0 if there is none.",
        labels=("site",),
    )
    for site in sites:
        for state in WAITING:
            depth.add_metric((site, state), float(backlog.depth.get((site, state), 0)))
        oldest = backlog.oldest.get(site, now)
        age.add_metric((site,), max((now - oldest).total_seconds(), 0.0))
    unlogged = GaugeMetricFamily(
        "rapport_log_unlogged_rows",
        "Stored rows that the transparency log has not taken in.",
        float(backlog.unlogged),
    )
    return answers, depth, age, unlogged, *_searches(backlog, now)


def _searches(backlog: Backlog, now: datetime) -> tuple[Metric, ...]:
    age = GaugeMetricFamily(
        "rapport_collecting_age_seconds",
        "Since the EHR was last looked at for responses that it collected itself.",
        labels=("site",),
    )
    aside = GaugeMetricFamily(
        "rapport_collected_set_aside",
        "Responses in the EHR that cannot be scored and wait for a person.",
        labels=("site",),
    )
    for site, last in backlog.looked.items():
        age.add_metric((site,), max((now - last).total_seconds(), 0.0))
        aside.add_metric((site,), float(backlog.set_aside.get(site, 0)))
    return (age, aside) if backlog.looked else ()
