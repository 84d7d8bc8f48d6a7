"""What Rapport counts and times, for Prometheus: by site and outcome only, never by person, form or address."""

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from plugin import __version__

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# Seconds. A submit takes milliseconds; a delivery as long as the EHR takes, at most the client's minute.
_SUBMIT_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_DELIVERY_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """The counts of one process, in a registry of its own; names and units are in docs/reference/metrics.md."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.submit = Histogram(
            "rapport_submit_duration_seconds",
            "From a response's arrival until it is durable: read, checked, scored and committed.",
            ("site",),
            registry=self.registry,
            buckets=_SUBMIT_BUCKETS,
        )
        self.delivery = Histogram(
            "rapport_delivery_duration_seconds",
            "One attempt to write a response into the record.",
            ("site",),
            registry=self.registry,
            buckets=_DELIVERY_BUCKETS,
        )
        self.attempts = Counter(
            "rapport_delivery_attempts_total",
            "Attempts to deliver, by the state that each led to.",
            ("site", "outcome"),
            registry=self.registry,
        )
        self.collected = Counter(
            "rapport_collected_responses_total",
            "Responses that were found in the EHR, by what became of each.",
            ("site", "outcome"),
            registry=self.registry,
        )
        self.looks = Counter(
            "rapport_collecting_looks_total",
            "Looks for responses that the EHR collected, by the way, or failed.",
            ("site", "way"),
            registry=self.registry,
        )
        self.answers = Counter(
            "rapport_http_answers_total",
            "Answers to HTTP requests, by class of status (2xx, 3xx, 4xx, 5xx).",
            ("status",),
            registry=self.registry,
        )
        self.erased = Counter(
            "rapport_retention_removed_total",
            "Rows that went by the site's retention, by table.",
            ("site", "table"),
            registry=self.registry,
        )
        build = Gauge(
            "rapport_build_info", "The software that runs; always 1.", ("version",), registry=self.registry
        )
        build.labels(__version__).set(1)

    def exposition(self, more: Iterable[Metric] = ()) -> bytes:
        """Write everything in Prometheus' text format, with `more` that was read just now."""
        once = CollectorRegistry()
        once.register(_Read(tuple(more)))
        return generate_latest(self.registry) + generate_latest(once)


class _Read(Collector):
    def __init__(self, read: tuple[Metric, ...]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        yield from self._read
