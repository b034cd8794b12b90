"""Charts of what `bridle bench ... --json` prints: bars with their figures beside them, Bridle's in colour.

Panels of one chart stand below each other, each with a unit of its own. Labels are laid out before the axes are given
their ends, so that the longest bar leaves room for its label.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from bridle.errors import UsageError

OWN, OTHER, INK, FAINT = "#1f6f78", "#b9bec4", "#2b2f33", "#7a8087"
WIDTH, DPI = 8.0, 150
LEAST = 0.1
"""Microseconds that a logarithmic axis shows at least."""
_BESIDE: dict[str, Any] = {"textcoords": "offset points", "va": "center", "color": INK}
WAYS = {
    "unconstrained": "free text",
    "constrained": "under the grammar",
    "drafts": "under the grammar, with drafts",
}


@dataclass(frozen=True)
class Bar:
    """One figure."""

    name: str
    value: float
    label: str
    own: bool
    """Bridle's."""


@dataclass(frozen=True)
class Panel:
    """Bars of one unit, from the top."""

    title: str
    unit: str
    bars: Sequence[Bar]


def check(path: Path) -> None:
    """Make sure that a chart can be drawn there, before what it shows is measured.

    Raises:
        UsageError: matplotlib is not installed, or the file cannot be written.
    """
    _import("matplotlib")
    there = path if path.exists() else path.parent
    if path.is_dir() or not path.parent.is_dir() or not os.access(there, os.W_OK):
        raise UsageError(f"no chart can be written to {path}", hint="name a file in a folder that is there")


def plot_decode(result: Mapping[str, Any], path: Path) -> None:
    """Draw what `bridle bench decode --json` printed, as PNG.

    Raises:
        UsageError: matplotlib is not installed.
    """
    peers = [peer for peer in result.get("peers", []) if not peer["problem"]]
    by_time = sorted(peers, key=lambda peer: peer["seconds_per_step"])
    peer_bars = [Bar(it["name"], it["seconds_per_step"], _peer_label(it), _is_own(it["name"])) for it in by_time]
    way_bars = [_way(key, name, result[key]) for key, name in WAYS.items() if key in result]
    batch_bars = [
        Bar(_count(it["size"], "call"), it["tokens_per_second"], f"{it['tokens_per_second']:.0f} tokens/s", True)
        for it in sorted(result.get("batches", []), key=lambda it: it["size"])
    ]
    panels = [
        Panel("One tool call, by engine", "seconds for a step, less is better", peer_bars),
        Panel("Ways of writing", "milliseconds for a token, less is better", way_bars),
        Panel("Calls at once", "tokens per second, of all together", batch_bars),
    ]
    problems = [peer["name"] for peer in result.get("peers", []) if peer["problem"]]
    note = f"No figures: {'; '.join(problems)}." if problems else ""
    _draw([panel for panel in panels if panel.bars], f"{result['model']}, medians of {result['repeat']}", note, path)


def plot_agents(result: Mapping[str, Any], path: Path) -> None:
    """Draw what `bridle bench agents --json` printed, as PNG. A load may have the `name` of another engine.

    Raises:
        UsageError: matplotlib is not installed.
    """
    loads = sorted(result["loads"], key=lambda it: it["agents"])
    engines = {load.get("name", "bridle") for load in loads}

    def bars(key: str, label: Callable[[Mapping[str, Any]], str], scale: float = 1) -> list[Bar]:
        found: list[Bar] = []
        for load in loads:
            engine, agents = load.get("name", "bridle"), _count(round(load["agents"]), "agent")
            name = f"{agents}, {engine}" if len(engines) > 1 else agents
            found.append(Bar(name, scale * load[key], label(load), _is_own(engine)))
        return found

    def step(load: Mapping[str, Any]) -> str:
        text = f"{load['step_p50']:.2f} s · p95 {load['step_p95']:.2f} · first token {load['first_token_p50']:.2f}"
        return text + _share_whole(load.get("whole", 1))

    panels = [
        Panel("A step, from asking to its value", "seconds, median", bars("step_p50", step)),
        Panel(
            "Writing, of all together",
            "tokens per second",
            bars("tokens_per_second", lambda load: f"{load['tokens_per_second']:.0f} tokens/s"),
        ),
        Panel(
            "Prompts",
            "% of their tokens that were not read again",
            bars("reused_share", lambda load: f"{load['reused_share']:.1%}", 100),
        ),
    ]
    steps = round(loads[0]["steps"] / loads[0]["agents"])
    _draw(panels, f"{result['model']}, agents at once, {_count(steps, 'step')} each", "", path)


def plot_mask(result: Mapping[str, Any], path: Path) -> None:
    """Draw `timings` (by engine `p50`, `p99`, `p999` and `max`, in microseconds) on a logarithmic axis, as PNG.

    Raises:
        UsageError: matplotlib is not installed.
    """
    found: Mapping[str, Mapping[str, float]] = {name: it for name, it in result["timings"].items() if it}
    names = sorted(found, key=lambda name: found[name]["p50"])
    compared = any(_is_own(name) for name in names)
    title = f"Masks of {result['schemas']:,} schemas" if "schemas" in result else "Masks"
    figure = _figure(0.32 * len(names) + 1.1, title)
    axes = figure.subplots()
    for place, name in enumerate(names):
        colour = OWN if _is_own(name) or not compared else FAINT
        _range(axes, place, {key: max(value, LEAST) for key, value in found[name].items()}, colour)
    _dress(axes, names, "time (logarithmic axis); dots: median and most, strokes: p99 and p99.9")
    values = [max(value, LEAST) for it in found.values() for value in it.values()]
    room = (max(values) / min(values)) ** 0.16
    axes.set_xscale("log")
    axes.set_xlim(min(values) / room, max(values) * room)
    axes.xaxis.set_major_formatter(_time)
    axes.minorticks_off()
    figure.savefig(path, dpi=DPI, format="png")


def _range(axes: Any, place: int, it: Mapping[str, float], colour: str) -> None:
    """From median to most."""
    axes.plot([it["p50"], it["max"]], [place, place], "-o", color=colour, linewidth=1.5, markersize=5)
    axes.plot([it["p99"], it["p999"]], [place, place], "|", color=colour, markersize=10, markeredgewidth=1.5)
    for value, side, align in ((it["p50"], -7, "right"), (it["max"], 7, "left")):
        axes.annotate(_time(value), (value, place), (side, 0), **_BESIDE, ha=align)


def _draw(panels: Sequence[Panel], title: str, note: str, path: Path) -> None:
    sizes = [len(panel.bars) for panel in panels]
    figure = _figure(0.27 * sum(sizes) + 0.95 * len(panels) + 0.4 + 0.2 * bool(note), title)
    figure.get_layout_engine().set(hspace=0.0, h_pad=0.11)
    column = figure.subplots(len(panels), 1, squeeze=False, gridspec_kw={"height_ratios": sizes})[:, 0]
    texts = [_bars(axes, panel) for axes, panel in zip(column, panels, strict=True)]
    if note:
        figure.supxlabel(note, x=0.01, ha="left", fontsize=8, color=FAINT)
    figure.draw_without_rendering()  # how wide labels are is known once they have been laid out
    for axes, panel, labels in zip(column, panels, texts, strict=True):
        room = [1 - (label.get_window_extent().width + 16) / axes.bbox.width for label in labels]
        axes.set_xlim(0, max(bar.value / max(it, 0.2) for bar, it in zip(panel.bars, room, strict=True)) or 1)
        axes.set_xticks([tick for tick in axes.get_xticks() if tick <= max(bar.value for bar in panel.bars)])
    figure.savefig(path, dpi=DPI, format="png")


def _bars(axes: Any, panel: Panel) -> list[Any]:
    """Draw a panel; returns its labels."""
    values = [bar.value for bar in panel.bars]
    axes.barh(range(len(values)), values, height=0.68, color=[OWN if bar.own else OTHER for bar in panel.bars])
    axes.set_title(panel.title, loc="left", fontsize=10, color=INK)
    _dress(axes, [bar.name for bar in panel.bars], panel.unit)
    labels = [axes.annotate(bar.label, (bar.value, place), (5, 0), **_BESIDE) for place, bar in enumerate(panel.bars)]
    for label in labels:
        label.set_in_layout(False)
    return labels


def _dress(axes: Any, names: Sequence[str], unit: str) -> None:
    axes.set_yticks(range(len(names)), names, color=INK)
    for tick, name in zip(axes.get_yticklabels(), names, strict=True):
        tick.set_fontweight("bold" if _is_own(name) else "normal")
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel(unit, color=FAINT, loc="left")
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", colors=FAINT)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(OTHER)


def _figure(height: float, title: str) -> Any:
    """An empty figure with a title.

    Raises:
        UsageError: matplotlib is not installed.
    """
    matplotlib, figures = _import("matplotlib"), _import("matplotlib.figure")
    matplotlib.rcParams["font.size"] = 9
    figure = figures.Figure(figsize=(WIDTH, height), layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold", color=INK)
    return figure


def _import(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        raise UsageError("charts need matplotlib", hint="pip install 'bridle[bench]'") from None


def _way(key: str, name: str, speed: Mapping[str, float]) -> Bar:
    label = f"{speed['ms_per_token']:.1f} ms · {speed['tokens_per_second']:.0f} tokens/s"
    return Bar(name, speed["ms_per_token"], label, key != "unconstrained")


def _peer_label(peer: Mapping[str, Any]) -> str:
    parts = [f"{peer['seconds_per_step']:.2f} s"]
    parts += [] if peer["name"] == "bridle" else [f"{peer['ratio']:.2f}×"]
    parts += [f"{peer['ms_per_token']:.1f} ms/token"]
    return " · ".join(parts) + _share_whole(peer["whole"])


def _share_whole(share: float) -> str:
    return "" if share == 1 else f" · {share:.0%} whole"


def _is_own(name: str) -> bool:
    return name.partition(",")[0] == "bridle"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _time(microseconds: float, _: object = None) -> str:
    for unit, size in (("s", 1e6), ("ms", 1e3)):
        if microseconds >= size:
            return f"{microseconds / size:.3g} {unit}"
    return f"{microseconds:.3g} µs"
