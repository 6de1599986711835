"""Draw ``results/figures.json`` and ``results/growth.json`` as PNG and SVG; needs matplotlib.

python benchmarks/plots.py
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import matplotlib as mpl

mpl.use("Agg")

from growth import CURVES
from harness import HERE
from matplotlib import pyplot as plt

RESULTS = HERE / "results"


def save(figure: Any, name: str) -> None:
    """Write both formats."""
    figure.tight_layout()
    for kind in ("png", "svg"):
        figure.savefig(
            RESULTS / f"{name}.{kind}", dpi=110, metadata={"Date": None} if kind == "svg" else None, bbox_inches="tight"
        )
    plt.close(figure)


def ratios() -> None:
    """Draw each ratio beside its budget."""
    answers = json.loads((RESULTS / "figures.json").read_text("utf-8"))["answers"]
    rows = [(answer["question"], ratio) for answer in answers.values() for ratio in answer["ratios"]]
    figure, axes = plt.subplots(figsize=(9, 0.42 * len(rows) + 1))
    names = [f"{question}\n{ratio['case']} / {ratio['against']}" for question, ratio in rows]
    axes.barh(names, [ratio["ratio"] for _, ratio in rows], color="#4878a8", height=0.6)
    budgets = [(at, ratio["budget"]) for at, (_, ratio) in enumerate(rows) if ratio["budget"]]
    axes.scatter([budget for _, budget in budgets], [at for at, _ in budgets], marker="|", s=260, color="#c04030")
    axes.set_xscale("log")
    axes.invert_yaxis()
    axes.tick_params(labelsize=7)
    axes.set_xlabel("times the yardstick of the same run; the bar is the budget")
    save(figure, "ratios")


def spreads() -> None:
    """Draw every figure of every round."""
    answers = json.loads((RESULTS / "figures.json").read_text("utf-8"))["answers"]
    columns = 3
    lines = -(-len(answers) // columns)
    figure, grid = plt.subplots(lines, columns, figsize=(5 * columns, 2.2 * lines))
    for axes in grid.flat:
        axes.set_visible(False)
    for axes, answer in zip(grid.flat, answers.values(), strict=False):
        axes.set_visible(True)
        names = list(answer["figures"])
        for at, name in enumerate(names):
            figures = answer["figures"][name]
            axes.barh(at, statistics.median(figures), color="#4878a8", height=0.5)
            axes.scatter(figures, [at] * len(figures), s=8, color="#202020", zorder=3)
        axes.set_yticks(range(len(names)), names, fontsize=7)
        axes.set_title(answer["question"], fontsize=8)
        axes.set_xlabel(answer["unit"], fontsize=7)
        axes.tick_params(axis="x", labelsize=7)
    save(figure, "figures")


def growth() -> None:
    """Draw the curves."""
    curves = json.loads((RESULTS / "growth.json").read_text("utf-8"))["curves"]
    figure, grid = plt.subplots(2, 4, figsize=(18, 7.5))
    for axes, (key, points) in zip(grid.flat, curves.items(), strict=False):
        curve = CURVES[key]
        axes.plot([x for x, _ in points], [y for _, y in points], marker="o", color="#4878a8")
        axes.set_xscale("log")
        axes.set_ylim(bottom=0)
        axes.set_xlabel(curve.x)
        axes.set_ylabel(curve.y)
        axes.set_title(f"wanted: {curve.wanted}", fontsize=9)
    save(figure, "growth")


if __name__ == "__main__":
    ratios()
    spreads()
    growth()
