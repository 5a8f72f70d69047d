"""Pages drawn from a seed: objects of every kind of value, and a Go program's pages, life after life."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from random import Random

RING = 256
CLOCK = 1_795_262_400_000_000_000  # nanoseconds since the epoch

TEXTS = (
    *("", "ok", "x" * 1_024, "é" * 1_025, "🦔" * 400, "Grüße", "\uffff", "\u2028\u2029", "\0", "\x7f", "\ufeff"),
    *('"\\/\b\f\n\r\t', '{"a":1}', "NaN", "+Inf and -Inf", 'say \\"NaN\\"', "1e400", "null", " ", "a.b", "</script>"),
)
KEYS = (
    *("a", "b", "c", "d", "count", "Alloc", "a.b", "b.c", "a.b.c", "c.d", "total_ns", "x-y", "Sub Level", "-", "0"),
    *(
        "",
        ".",
        " ",
        "a.",
        ".a",
        "a..b",
        "a. .b",
        "\t",
        'quote"',
        "back\\slash",
        "new\nline",
        "\0",
        "ünï",
        "🦔",
        "\u2028",
    ),
    *("_id", "_x", "@timestamp", "host", "host.name", "service", "labels.env", "event.action", "expvar", "expvar.a"),
    *("cmdline", "memstats", "NaN", "Inf", "x" * 300, "y" * 600, ".".join("z" * 30)),
)
INTEGERS = tuple(
    sign * (2**power + step)
    for power in (0, 1, 8, 31, 32, 53, 62, 63, 64, 69, 70, 1_023, 1_024)
    for step in (-1, 0, 1)
    for sign in (1, -1)
)
FLOATS = (
    *("0.0", "-0.0", "5e-324", "-5e-324", "2.2250738585072014e-308", "2.2250738585072011e-308", "1e-400", "0e999"),
    *("1.7976931348623157e308", "-1.7976931348623157E+308", "1.7976931348623159e308", "1e400", "-1e400", "1e22"),
    *("0.1", "1E5", "1e+2", "100.0", "9007199254740993.0", "0.30000000000000004", "123456789.123456789", "-1.5"),
    *("179769313486231580793e289", "1.00000000000000011102230246251565404236316680908203125", "7205759403792793.5"),
)
WORDS = ("true", "false", "null", "{}", "[]")


def spell_text(draw: Random, text: str) -> str:
    """A JSON string, in one of the ways in which it can be written."""
    match draw.randrange(4):
        case 0:
            return json.dumps(text)
        case 1 if len(text) < 50:
            units = text.encode("utf-16-be", "surrogatepass").hex()
            return '"' + "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4)) + '"'
        case 2:
            return json.dumps(text, ensure_ascii=False).replace("/", "\\/")
    return json.dumps(text, ensure_ascii=False)


def spell_number(draw: Random) -> str:
    match draw.randrange(8):
        case 0:
            return str(draw.choice(INTEGERS))
        case 1:
            return draw.choice(FLOATS)
        case 2:
            return str(draw.getrandbits(71) - 2**70)
        case 3:
            (number,) = struct.unpack("<d", draw.randbytes(8))
            return repr(number) if abs(number) < float("inf") else "1.5"
        case 4:
            return f"{draw.uniform(-1e6, 1e6):.{draw.randrange(25)}f}"
    return str(draw.randrange(-100, 10**6))


class Objects:
    """Random nested objects; few keys, so that names meet."""

    def __init__(self, draw: Random) -> None:
        self._draw = draw

    def page(self) -> str:
        match self._draw.randrange(2_000):
            case 0:
                return (
                    "{"
                    + ",".join(f'"n{number}":{number}' for number in range(self._draw.randrange(1_950, 2_100)))
                    + "}"
                )
            case 1:
                return '{"a":' * 20_000
            case 2 | 3 | 4 | 5:
                depth = self._draw.randrange(15, 60)
                return '{"a":' * depth + self._value(1) + "}" * depth
        return self._object(self._draw.choice((1, 2, 2, 3, 3, 4)))

    def _object(self, depth: int) -> str:
        return "{" + ",".join([self._member(depth) for _ in range(self._draw.randrange(1, 8))]) + "}"

    def _member(self, depth: int) -> str:
        gap = self._draw.choice(("", "", "", " ", "\n\t"))
        return f"{gap}{spell_text(self._draw, self._draw.choice(KEYS))}{gap}:{gap}{self._value(depth)}"

    def _value(self, depth: int) -> str:
        match self._draw.randrange(10):
            case 0 | 1 | 2 | 3:
                return spell_number(self._draw)
            case 4 | 5:
                return self._text()
            case 6:
                return self._draw.choice(WORDS)
            case 7:
                return self._array(depth)
        return self._object(depth - 1) if depth > 0 else spell_number(self._draw)

    def _text(self) -> str:
        if self._draw.random() < 0.7:
            return spell_text(self._draw, self._draw.choice(TEXTS))
        points = (self._draw.randrange(self._draw.choice((0x80, 0x800, 0xD800, 0x11_0000))) for _ in range(6))
        return spell_text(self._draw, "".join(chr(point) for point in points if not 0xD800 <= point < 0xE000))

    def _array(self, depth: int) -> str:
        length = self._draw.choice((0, 1, 2, 3, 8))
        match self._draw.randrange(12):
            case 0:
                items = [self._value(0) for _ in range(length)]
            case 1:
                items = [self._object(0) for _ in range(length)]
            case 2:
                items = [self._array(depth - 1) for _ in range(length)] if depth > 0 else []
            case 3 | 4 | 5:
                items = [self._text() for _ in range(length)]
            case 6 if self._draw.random() < 0.05:
                items = ["7"] * self._draw.randrange(1_020, 1_030)
            case _:
                items = [spell_number(self._draw) for _ in range(length)]
        return "[" + ",".join(items) + "]"


class GoProgram:
    """A program with Go's runtime: its pages are as expvar prints them, and it is started anew now and then."""

    def __init__(self, draw: Random) -> None:
        self._draw = draw
        self._clock = CLOCK
        self._start()

    def _start(self) -> None:
        self._collections = 0
        self._total = 0
        self._rings: tuple[list[str], list[str]] = (["0"] * RING, ["0"] * RING)

    def page(self) -> str:
        if self._draw.random() < 0.03:
            self._start()
        many = self._draw.random() < 0.02
        for _ in range(self._draw.randrange(200, 600) if many else self._draw.randrange(6)):
            self._collect()
        told = {"Alloc": self._draw.getrandbits(24), "TotalAlloc": self._total, "Mallocs": self._total // 64}
        told |= {"Frees": self._total // 100, "NumForcedGC": 0, "NextGC": self._draw.choice((4 << 20, 2**64 - 1))}
        told |= {"LastGC": self._clock, "PauseTotalNs": self._total, "NumGC": self._collections}
        durations, ends = map(",".join, self._rings)
        counters = ",".join(f'"{name}":{value}' for name, value in told.items())
        sizes = ",".join(f'{{"Size":{size},"Mallocs":{size * 7},"Frees":{size}}}' for size in (0, 8, 16, 24))
        share = self._draw.choice(("0.0031", "1.5e-05", "NaN"))
        memstats = f'{counters},"GCCPUFraction":{share},"PauseNs":[{durations}],"PauseEnd":[{ends}],"BySize":[{sizes}]'
        hits = self._draw.getrandbits(64)
        return f'{{\n"cmdline": ["/bin/app","-v"],\n"memstats": {{{memstats}}},\n"hits": {hits}\n}}\n'

    def _collect(self) -> None:
        place = self._collections % RING
        self._clock += self._draw.randrange(1_000, 10**9)
        duration = self._draw.randrange(1, 10**6)
        self._rings[0][place], self._rings[1][place] = str(duration), str(self._clock)
        self._collections += 1
        self._total += duration


def choose(draw: Random, pages: Sequence[bytes], objects: Objects, program: GoProgram) -> bytes:
    """The next page: mostly a random object, now and then a Go program's or one of those given."""
    fate = draw.random()
    if fate < 0.04:
        return draw.choice(pages)
    return (program.page() if fate < 0.14 else objects.page()).encode()
