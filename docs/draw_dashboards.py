"""Draws the shipped dashboards from data that expvastic shipped: ``python docs/draw_dashboards.py [FOLDER]``.

It starts a real Elasticsearch and real Go programs, as the tests do, and runs expvastic for a minute and a half. In
that time a program is restarted, one of its values is refused and Elasticsearch is away for a while. Then every panel's
aggregation is run, and what comes back is plotted at the panel's place: nothing of a picture is made up.
It takes ``pip install -e .[dev,docs]``.
"""

from __future__ import annotations

import random
import re
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "tests"), str(HERE.parent / "src")]

import matplotlib as mpl  # noqa: E402

mpl.use("agg")
from matplotlib import pyplot  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator  # noqa: E402

from expvastic.dashboards.panels import CHARTS, Dashboard, DataView, Panel, Unit  # noqa: E402
from expvastic.dashboards.parse import parse_objects  # noqa: E402
from expvastic.dashboards.source import shipped_objects  # noqa: E402
from go_app import GoApp, build  # noqa: E402
from node_jars import PRODUCTS, find_parts  # noqa: E402
from panel_queries import Drawn, drawn, search_body  # noqa: E402
from program import Program  # noqa: E402
from real_nodes import Node  # noqa: E402
from shipping import INDEX, silent_port  # noqa: E402

SECONDS = 3  # between points
# A part of a user's own, which takes a text for a number.
UNSUITED = {"template": {"mappings": {"properties": {"expvar.greeting": {"type": "long"}}}}}
COLUMN, ROW = 0.32, 0.27  # inches
COLOURS = ("#16c5c0", "#a6559b", "#3185fc", "#f66d64", "#61a2ff", "#d6a32e", "#6f7bbf", "#ee72a6", "#5aa64f", "#8a6f45")
INK, FAINT, PAPER = "#343741", "#98a2b3", "#f4f6fa"

CONFIGURATION = """
readers:
  shop: {{type: expvar, endpoint: "{shop}", interval: 500ms, backoff: 1000, exclude: [greeting]}}
  billing: {{type: expvar, endpoint: "{billing}", interval: 500ms, backoff: 1000}}
  legacy: {{type: expvar, endpoint: "127.0.0.1:{closed}", interval: 2s, backoff: 1000}}
  expvastic: {{type: self, interval: 1s, reader_interval: 1s}}
recorders:
  search: {{type: elasticsearch, endpoint: "{node}", index_name: metrics-expvastic-default, batch: {{wait: 500ms}}}}
  archive: {{type: file, path: samples.ndjson}}
routes:
  main: {{readers: [shop, billing, legacy, expvastic], recorders: [search, archive]}}
"""


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "dashboards"
    find_parts(PRODUCTS["es9"])
    node, shop, billing = Node("es9"), GoApp(build()), GoApp(build())
    try:
        node.start()
        shop.start()
        billing.start()
        ship(node, shop, billing)
        view, dashboards = parse_objects(shipped_objects())
        for dashboard in dashboards:
            path = folder / f"{dashboard.id.removeprefix('expvastic-')}.png"
            draw(dashboard, lambda panel: show(node, panel, view), path)
            print(path)
    finally:
        node.close()
        shop.close()
        billing.close()


def ship(node: Node, shop: GoApp, billing: GoApp) -> None:
    """A minute and a half in the life of two programs, and of what watches them."""
    node.call("PUT", f"/_component_template/expvastic-{INDEX}@custom", UNSUITED)
    with silent_port() as closed, tempfile.TemporaryDirectory() as home:
        text = CONFIGURATION.format(shop=shop.url, billing=billing.url, closed=closed, node=node.url)
        with Program(Path(home), text) as program:
            program.wait_for("started")
            stop = threading.Event()
            load = threading.Thread(target=make_load, args=(stop, shop, billing))
            load.start()
            for pause, act in (
                (35, billing.kill),
                (2, billing.start),
                (15, node.stop),
                (8, node.start),
                (30, stop.set),
            ):
                time.sleep(pause)
                act()
            load.join()
            assert program.stop() == 0
    node.call("POST", f"/{INDEX}/_refresh")


def make_load(stop: threading.Event, shop: GoApp, billing: GoApp) -> None:
    """Garbage for the collectors, more of it and less."""
    dice = random.Random(7)  # noqa: S311
    began = time.monotonic()
    while not stop.wait(0.25):
        wave = 1 + (time.monotonic() - began) % 30 / 10
        for app, most in ((shop, 4), (billing, 2)):
            try:
                app.gc(dice.randint(0, int(most * wave)))
            except OSError:
                continue  # it is being restarted


def show(node: Node, panel: Panel, view: DataView) -> Drawn:
    body = search_body(panel, view, seconds=SECONDS)
    return drawn(panel, node.call("POST", f"/{INDEX}/_search", body), seconds=SECONDS)


def draw(dashboard: Dashboard, ask: Callable[[Panel], Drawn], path: Path) -> None:
    """One picture of a dashboard, each panel at its place."""
    rows = max(panel.grid.y + panel.grid.h for panel in dashboard.panels)
    width, height = 48 * COLUMN, rows * ROW + 0.6
    pyplot.rcParams.update({"font.family": "DejaVu Sans", "font.size": 7.5, "text.color": INK})
    figure = pyplot.figure(figsize=(width, height), facecolor=PAPER)
    figure.text(0.12 / width, 1 - 0.36 / height, dashboard.title, fontsize=15, weight="bold")
    for panel in dashboard.panels:
        grid = panel.grid
        left, top = grid.x * COLUMN + 0.08, 0.6 + grid.y * ROW
        card = (left / width, 1 - (top + grid.h * ROW - 0.1) / height)
        size = ((grid.w * COLUMN - 0.16) / width, (grid.h * ROW - 0.1) / height)
        back = figure.add_axes((*card, *size), facecolor="white", xticks=[], yticks=[])
        for edge in back.spines.values():
            edge.set_edgecolor("#d3dae6")
        back.set_title(panel.title, loc="left", fontsize=8.5, weight="bold", y=1.0, pad=-13, x=0.01)
        DRAWING.get(panel.form, draw_chart)(back, panel, ask)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100, facecolor=PAPER, metadata={"Software": None})
    pyplot.close(figure)


def draw_chart(back: Axes, panel: Panel, ask: Callable[[Panel], Drawn]) -> None:
    lines = ask(panel).lines
    labels = {series.id: series.label for series in panel.series}
    split = len({value for value, _ in lines}) > 1 or panel.split is not None
    columns = 4 if panel.grid.w >= 24 else 2
    legend = 0.42 * -(-len(lines) // columns) / panel.grid.h * 2
    left = 3.6 / panel.grid.w if panel.grid.w < 24 else 0.1
    axes = back.inset_axes((left, legend + 0.12, 0.97 - left, 0.74 - legend))
    bottoms: dict[datetime, float] = {}
    for place, ((value, series), points) in enumerate(lines.items()):
        name = labels[series] if not split else value if len(panel.series) == 1 else f"{value} – {labels[series]}"
        times, values = [time for time, _ in points], [value for _, value in points]
        colour = COLOURS[place % len(COLOURS)]
        if panel.form == "bar_stacked":
            below = [bottoms.get(time, 0.0) for time in times]
            axes.bar(times, values, width=SECONDS / 86400 * 0.8, bottom=below, color=colour, label=name)  # type: ignore[arg-type]
            bottoms.update({time: low + more for time, low, more in zip(times, below, values, strict=True)})
        else:
            axes.plot(times, values, color=colour, label=name, linewidth=1.2, solid_capstyle="round")  # type: ignore[arg-type]
    unit, rate = panel.series[0].unit, panel.series[0].per_second
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: spell(value, unit, rate)))
    top = max((value for points in lines.values() for _, value in points), default=0)
    axes.set_ylim(0, axes.get_ylim()[1] if top else 1)
    axes.yaxis.set_major_locator(MultipleLocator(byte_step(top)) if unit == "bytes" and top else MaxNLocator(4))
    axes.xaxis.set_major_locator(mpl.dates.AutoDateLocator(maxticks=5))
    axes.xaxis.set_major_formatter(mpl.dates.DateFormatter("%H:%M:%S"))
    axes.tick_params(colors=FAINT, labelsize=6.5, length=2)
    axes.grid(visible=True, axis="y", color="#e9edf3", linewidth=0.6)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color("#d3dae6")
    if lines:
        options = {"ncol": columns, "frameon": False, "fontsize": 6.3, "handlelength": 1.0, "columnspacing": 1.0}
        back.legend(*axes.get_legend_handles_labels(), loc="lower left", bbox_to_anchor=(0.0, -0.01), **options)  # type: ignore[arg-type]


def draw_table(back: Axes, panel: Panel, ask: Callable[[Panel], Drawn]) -> None:
    rows = ask(panel).rows
    head = [panel.split.label if panel.split else "", *(series.label for series in panel.series)]
    cells = [
        [name, *(spell(row[series.id], series.unit) for series in panel.series)] for name, row in sorted(rows.items())
    ]
    lengths = [max(6, *(len(line[place]) for line in [head, *cells])) for place in range(len(head))]
    lengths = [min(length, 44) for length in lengths]
    cut = [[shorten(cell, room) for cell, room in zip(line, lengths, strict=True)] for line in cells]
    widths = [length / sum(lengths) for length in lengths]
    high = min(0.8, 1.6 * (len(cells) + 1) / panel.grid.h)
    table = back.table(
        cut, colLabels=head, colWidths=widths, cellLoc="left", loc="upper left", bbox=[0.01, 0.86 - high, 0.98, high]
    )
    table.auto_set_font_size(False)
    table.set_fontsize(7.5)
    for (line, place), cell in table.get_celld().items():
        cell.set_edgecolor("#e9edf3")
        cell.PAD = 0.006 / widths[place]  # of the cell's width
        cell.get_text().set_horizontalalignment("left")
        cell.get_text().set_weight("bold" if line == 0 else "normal")


def draw_metric(back: Axes, panel: Panel, ask: Callable[[Panel], Drawn]) -> None:
    for row in ask(panel).rows.values():
        series = panel.series[0]
        back.text(0.5, 0.4, spell(row[series.id], series.unit), fontsize=22, ha="center", va="center", weight="bold")


def draw_text(back: Axes, panel: Panel, _: Callable[[Panel], Drawn]) -> None:
    plain = re.sub(r"\*\*|`|\*(?=\w)|(?<=\w)\*", "", panel.text)
    text = "\n".join(textwrap.wrap(plain, int(panel.grid.w * COLUMN * 15)))
    back.text(0.01, 0.5, text, fontsize=8.5, va="center", linespacing=1.5)


DRAWING: dict[str, Callable[[Axes, Panel, Callable[[Panel], Drawn]], None]] = {
    **dict.fromkeys(CHARTS, draw_chart),
    "table": draw_table,
    "metric": draw_metric,
    "text": draw_text,
}


def byte_step(top: float) -> int:
    """A power of two, of which at most five go into the largest number."""
    step = 1
    while top / step > 5:
        step *= 2
    return step


def shorten(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 1] + "…"


def spell(value: Any, unit: Unit, rate: bool = False) -> str:
    """A number as Kibana would format it, roughly."""
    per = "/s" if rate and unit != "fraction" else ""
    if value is None:
        return "-"
    match unit:
        case "bytes":
            return scaled(value, 1024, ("B", "KB", "MB", "GB", "TB")) + per
        case "ns":
            return scaled(value, 1000, ("ns", "µs", "ms", "s")) + per
        case "fraction":
            return f"{value * 100:.3g}%"
        case "seconds":
            return f"{value:g} s"
        case "date":
            return str(value)[:19].replace("T", " ")
        case "number":
            return f"{value:,.6g}" + per
    return str(value)


def scaled(value: float, step: int, units: tuple[str, ...]) -> str:
    for unit in units[:-1]:
        if abs(value) < step:
            return f"{value:.4g} {unit}"
        value /= step
    return f"{value:.4g} {units[-1]}"


if __name__ == "__main__":
    main()
