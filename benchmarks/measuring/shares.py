"""Which part of the work the samples of a profiler belong to. Pure.

A sample is a stack, outermost frame first, and how often it was seen: ``frame;frame;frame 12``, as py-spy writes them
with ``--format raw``. It belongs to the part of its innermost frame that a rule knows; what the kernel does for any of
them is told apart, and what no rule knows is the event loop's.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

KERNEL, LOOP = "kernel: sockets and files", "event loop and everything else"
_SYSTEM_CALL = re.compile(
    r"(__)?(read|readv|write|writev|pwrite(64|v)?|send|sendto|sendmsg|recv|recvfrom|recvmsg|connect|close|fdatasync|"
    r"epoll_p?wait|epoll_ctl)(64)? \(libc"
)
_WAITING = re.compile(r"PyThread_acquire_lock|lock_acquire|Condition\.wait")
_RULES = [
    (part, re.compile(pattern))
    for part, pattern in (
        ("decoding the page", r"expvastic/pages/(strict|decode)\.py"),
        ("shape and meaning", r"expvastic/pages/|expvastic/interpreter\.py"),
        ("document", r"expvastic/(document|datatypes)\.py"),
        ("HTTP framing", r"expvastic/clients/"),
        ("offer and buffer", r"offer \(expvastic/|expvastic/(handover|buffer)\.py|expvastic/(buffers|state)/"),
        ("bulk", r"expvastic/recorders/|\((elasticsearch|elastic_transport|httpx|httpcore|isal|h11)/"),
        ("delivery and ledger", r"expvastic/(delivery|batches)\.py|expvastic/outcomes/"),
        ("engine and pacing", r"expvastic/(engine|pacing|slots|reader)\.py|expvastic/readers/"),
    )
]
PARTS = (KERNEL, *(part for part, _ in _RULES), LOOP)


def by_part(lines: Iterable[str]) -> Counter[str]:
    """Samples of each part; those of threads that wait for others are left out."""
    counts: Counter[str] = Counter()
    for line in lines:
        stack, _, count = line.rstrip().rpartition(" ")
        if stack and not _WAITING.search(stack):
            counts[part_of(stack.split(";"))] += int(count)
    return counts


def part_of(frames: list[str]) -> str:
    """The part of one stack."""
    if _SYSTEM_CALL.match(frames[-1]):
        return KERNEL
    for frame in reversed(frames):
        for part, rule in _RULES:
            if rule.search(frame):
                return part
    return LOOP
