"""One style for every picture of figures: curves of training, what an index holds, dials, systems side by side.

Pictures hold no date and no version, so that the same figures give the same picture, and appear whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raggesture.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#2f6db2", "#b45a1a", "#3c8d5a", "#8b5aa8", "#777777")
"""In the order in which they are used; the first two are told apart by everybody."""
_STYLE = {
    **{"axes.grid": True, "axes.axisbelow": True, "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 10, "axes.titleweight": "bold"},
    **{"axes.labelsize": 9, "xtick.labelsize": 8, "ytick.labelsize": 8, "legend.fontsize": 8, "legend.frameon": False},
    **{"grid.alpha": 0.25, "lines.linewidth": 1.4, "lines.markersize": 4, "font.size": 9},
}
_DPI = 120


@contextmanager
def drawn(path: Path, width_in: float, height_in: float) -> Iterator[Figure]:
    """A figure to draw into; on leaving without a fault it is the PNG ``path``.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    try:
        from cycler import cycler
        from matplotlib import rc_context
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as fault:
        raise ConfigError(f"{path}: matplotlib is not installed; expected it to draw - pip install -c constraints.txt matplotlib") from fault
    style: Any = {**_STYLE, "axes.prop_cycle": cycler(color=COLOURS)}
    with rc_context(style):
        figure = Figure(figsize=(width_in, height_in), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure
        work = path.with_name(f".{path.name}.tmp.png")
        try:
            figure.savefig(work, dpi=_DPI, metadata={"Software": None}, format="png")
            work.replace(path)
        finally:
            work.unlink(missing_ok=True)


def bars(axes: Axes, title: str, counts: tuple[tuple[str, int], ...], most: int = 20) -> None:
    """Counts as horizontal bars, the largest on top; beyond ``most`` the rest are one bar."""
    shown = list(counts[:most])
    if rest := counts[most:]:
        shown.append((f"{len(rest)} more", sum(count for _, count in rest)))
    names = [name if len(name) <= 28 else f"{name[:27]}…" for name, _ in shown]
    axes.barh(range(len(shown)), [count for _, count in shown], color=COLOURS[0])
    axes.set_yticks(range(len(shown)), names)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_title(f"{title} ({len(counts)})")
