"""``/metrics``: a snapshot in Prometheus' text format, version 0.0.4.

Every family is a row of a table: its name, what it means, and how its samples are read from the snapshot. Names follow
Prometheus' rules: base units, ``_total`` for what only grows, labels for what users named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal, NamedTuple, TypeVar

from ..telemetry import DeliveryStatistics, ReaderStatistics, Snapshot, WorkerStatistics

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_T = TypeVar("_T")
_Labels = tuple[tuple[str, str], ...]
_Sample = tuple[_Labels, float]
_Type = Literal["counter", "gauge"]

_STATES = ("starting", "running", "draining")
_READER_STATES = ("starting", "reading", "failing")
_WORKER_STATES = ("starting", "running", "draining", "missing")
_RECORDER_STATES = ("starting", "closed", "failing", "dropped", "probation", "held")


class _Family(NamedTuple):
    name: str
    type: _Type
    help: str
    samples: Callable[[Snapshot], Iterable[_Sample]]


def prometheus(snapshot: Snapshot) -> str:
    """The page."""
    return "".join(line for family in _FAMILIES for line in _lines(family, snapshot))


def _lines(family: _Family, snapshot: Snapshot) -> Iterator[str]:
    """A family without samples is left out."""
    name = f"expvastic_{family.name}"
    for number, (labels, value) in enumerate(family.samples(snapshot)):
        if number == 0:
            yield f"# HELP {name} {family.help}\n# TYPE {name} {family.type}\n"
        spelled = ",".join(f'{label}="{_escape(text)}"' for label, text in labels)
        yield f"{name}{{{spelled}}} {value}\n" if spelled else f"{name} {value}\n"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


# -- how samples are read --


def _process(read: Callable[[Snapshot], float]) -> Callable[[Snapshot], Iterator[_Sample]]:
    def samples(snapshot: Snapshot) -> Iterator[_Sample]:
        yield (), read(snapshot)

    return samples


def _reader(read: Callable[[ReaderStatistics], float]) -> Callable[[Snapshot], Iterator[_Sample]]:
    return lambda snapshot: _each("reader", snapshot.readers, read)


def _recorder(read: Callable[[DeliveryStatistics], float]) -> Callable[[Snapshot], Iterator[_Sample]]:
    return lambda snapshot: _each("recorder", snapshot.recorders, read)


def _reader_by(
    label: str, read: Callable[[ReaderStatistics], Mapping[str, int]]
) -> Callable[[Snapshot], Iterator[_Sample]]:
    return lambda snapshot: _each_by("reader", snapshot.readers, label, read)


def _recorder_by(
    label: str, read: Callable[[DeliveryStatistics], Mapping[str, int]]
) -> Callable[[Snapshot], Iterator[_Sample]]:
    return lambda snapshot: _each_by("recorder", snapshot.recorders, label, read)


def _each(kind: str, things: Mapping[str, _T], read: Callable[[_T], float]) -> Iterator[_Sample]:
    for name, thing in things.items():
        yield ((kind, name),), read(thing)


def _each_by(
    kind: str, things: Mapping[str, _T], label: str, read: Callable[[_T], Mapping[str, int]]
) -> Iterator[_Sample]:
    for name, thing in things.items():
        for text, count in read(thing).items():
            yield ((kind, name), (label, text)), count


def _one_of(states: tuple[str, ...], state: str) -> dict[str, int]:
    """One for the state that it is, zero for the others, so that each has its series from the beginning."""
    return {each: int(each == state) for each in (*states, *({state} - {*states}))}


def _build(snapshot: Snapshot) -> Iterator[_Sample]:
    yield (("version", snapshot.version), ("agent_id", snapshot.agent_id), ("host", snapshot.host)), 1


def _worker(read: Callable[[WorkerStatistics], float]) -> Callable[[Snapshot], Iterator[_Sample]]:
    return lambda snapshot: _each("worker", {str(each.number): each for each in snapshot.workers}, read)


def _worker_info(snapshot: Snapshot) -> Iterator[_Sample]:
    for worker in snapshot.workers:
        if worker.snapshot:
            yield (("worker", str(worker.number)), ("agent_id", worker.snapshot.agent_id)), 1


def _worker_states(snapshot: Snapshot) -> Iterator[_Sample]:
    for worker in snapshot.workers:
        for state, value in _one_of(_WORKER_STATES, worker.state).items():
            yield (("worker", str(worker.number)), ("state", state)), value


def _state(snapshot: Snapshot) -> Iterator[_Sample]:
    for state, value in _one_of(_STATES, snapshot.state).items():
        yield (("state", state),), value


def _reader_info(snapshot: Snapshot) -> Iterator[_Sample]:
    for name, reader in snapshot.readers.items():
        worker = () if reader.worker is None else (("worker", str(reader.worker)),)
        yield (("reader", name), ("type", reader.type), ("target", reader.target), *worker), 1


def _recorder_info(snapshot: Snapshot) -> Iterator[_Sample]:
    for name, recorder in snapshot.recorders.items():
        yield (("recorder", name), ("type", recorder.type), ("destination", recorder.destination)), 1


# -- the families --

_FAMILIES = (
    _Family("build_info", "gauge", "This process.", _build),
    _Family("state", "gauge", "1 for the state that the process is in.", _state),
    _Family("start_time_seconds", "gauge", "When it started.", _process(lambda it: it.started)),
    _Family("process_cpu_seconds_total", "counter", "CPU time used.", _process(lambda it: it.process.cpu)),
    _Family("process_resident_memory_bytes", "gauge", "Resident memory.", _process(lambda it: it.process.memory)),
    _Family("process_threads", "gauge", "Threads.", _process(lambda it: it.process.threads)),
    _Family("process_tasks", "gauge", "Tasks of the event loop.", _process(lambda it: it.process.tasks)),
    # workers, where there are several
    _Family("worker_info", "gauge", "One of the processes that share the readers.", _worker_info),
    _Family("worker_state", "gauge", "1 for the state that it is in.", _worker_states),
    _Family("worker_restarts_total", "counter", "Times it was started again.", _worker(lambda it: it.restarts)),
    _Family(
        "worker_cpu_seconds_total",
        "counter",
        "CPU time used by it.",
        _worker(lambda it: it.snapshot.process.cpu if it.snapshot else 0),
    ),
    _Family(
        "worker_resident_memory_bytes",
        "gauge",
        "Its resident memory.",
        _worker(lambda it: it.snapshot.process.memory if it.snapshot else 0),
    ),
    # readers
    _Family("reader_info", "gauge", "What is read.", _reader_info),
    _Family(
        "reader_state",
        "gauge",
        "1 for the state that it is in.",
        _reader_by("state", lambda it: _one_of(_READER_STATES, it.state)),
    ),
    _Family("reader_interval_seconds", "gauge", "Time between polls.", _reader(lambda it: it.interval)),
    _Family("reader_polls_total", "counter", "Polls started.", _reader(lambda it: it.polls)),
    _Family("reader_readings_total", "counter", "Polls that brought a page.", _reader(lambda it: it.readings)),
    _Family("reader_failures_total", "counter", "Polls that failed.", _reader_by("reason", lambda it: it.failures)),
    _Family("reader_missed_total", "counter", "Ticks whose poll never started.", _reader(lambda it: it.missed)),
    _Family("reader_containers_total", "counter", "Containers made of pages.", _reader(lambda it: it.containers)),
    _Family("reader_values_total", "counter", "Values shipped.", _reader_by("kind", lambda it: it.values)),
    _Family("reader_left_out_total", "counter", "Values left out.", _reader_by("reason", lambda it: it.left_out)),
    _Family("reader_clock_steps_total", "counter", "Steps back of the clock.", _reader(lambda it: it.clock_steps)),
    _Family(
        "reader_restarts_total", "counter", "Restarts of the target that were seen.", _reader(lambda it: it.restarts)
    ),
    _Family(
        "reader_last_success_timestamp_seconds",
        "gauge",
        "When a page last came; 0 for never.",
        _reader(lambda it: it.last_success),
    ),
    _Family(
        "reader_last_poll_duration_seconds",
        "gauge",
        "Time that the last page took.",
        _reader(lambda it: it.last_duration),
    ),
    # recorders: offered = recorded + refused + shed + waiting + out
    _Family("recorder_info", "gauge", "What is written to.", _recorder_info),
    _Family(
        "recorder_state",
        "gauge",
        "1 for the state that it is in.",
        _recorder_by("state", lambda it: _one_of(_RECORDER_STATES, it.state)),
    ),
    _Family("recorder_offered_total", "counter", "Containers offered.", _recorder(lambda it: it.offered)),
    _Family("recorder_recorded_total", "counter", "Containers recorded.", _recorder(lambda it: it.recorded)),
    _Family("recorder_refused_total", "counter", "Containers refused.", _recorder_by("reason", lambda it: it.refused)),
    _Family("recorder_shed_total", "counter", "Containers given up.", _recorder_by("reason", lambda it: it.shed)),
    _Family("recorder_waiting", "gauge", "Containers in the buffer.", _recorder(lambda it: it.waiting)),
    _Family("recorder_out", "gauge", "Containers being delivered.", _recorder(lambda it: it.out)),
    _Family("recorder_buffer_bytes", "gauge", "Bytes held by the buffer.", _recorder(lambda it: it.weight)),
    _Family(
        "recorder_enqueued_total", "counter", "Containers that the buffer took in.", _recorder(lambda it: it.enqueued)
    ),
    _Family(
        "recorder_consumed_total",
        "counter",
        "Containers that the buffer was relieved of.",
        _recorder(lambda it: it.consumed),
    ),
    _Family(
        "recorder_buffer_errors_total",
        "counter",
        "Troubles of the buffer.",
        _recorder_by("type", lambda it: it.buffer_errors),
    ),
    _Family("recorder_lanes", "gauge", "Batches that may be under way at once.", _recorder(lambda it: it.lanes)),
    _Family(
        "recorder_duplicates_total",
        "counter",
        "Recorded, and found written by an earlier try.",
        _recorder(lambda it: it.duplicates),
    ),
    _Family(
        "recorder_conflicts_total",
        "counter",
        "Recorded, and found there at the first try.",
        _recorder(lambda it: it.conflicts),
    ),
    _Family(
        "recorder_shared_total",
        "counter",
        "Recorded by another recorder of the same destination.",
        _recorder(lambda it: it.shared),
    ),
    _Family(
        "recorder_failure_store_total",
        "counter",
        "Recorded in the destination's failure store.",
        _recorder(lambda it: it.failure_store),
    ),
    _Family(
        "recorder_salvaged_total",
        "counter",
        "Recorded without the values that were refused.",
        _recorder(lambda it: it.salvaged),
    ),
    _Family("recorder_replayed_total", "counter", "Offered again from quarantine.", _recorder(lambda it: it.replayed)),
    _Family("recorder_quarantined", "gauge", "Documents in quarantine.", _recorder(lambda it: it.quarantined)),
    _Family("recorder_retried_total", "counter", "Containers tried again.", _recorder(lambda it: it.retried)),
    _Family(
        "recorder_blocked_total",
        "counter",
        "Containers held up by their destination.",
        _recorder(lambda it: it.blocked),
    ),
    _Family("recorder_batches_total", "counter", "Batches answered.", _recorder(lambda it: it.batches)),
    _Family(
        "recorder_failures_total",
        "counter",
        "Batches and attempts at contact that failed.",
        _recorder(lambda it: it.failures),
    ),
    _Family("recorder_drops_total", "counter", "Times it was dropped.", _recorder(lambda it: it.drops)),
    _Family(
        "recorder_last_success_timestamp_seconds",
        "gauge",
        "When a batch was last answered; 0 for never.",
        _recorder(lambda it: it.last_success),
    ),
)
