"""The marks of a plot, one a rater: they differ by outline, so that a plot reads in greyscale. Pure."""

from collections.abc import Iterable, Mapping

_MARK = 5.0  # half the height of a mark, px
SMALL = 3.6  # the same of the mark that says whose an arrow is
SHAPES = ("circle", "square", "triangle", "diamond", "inverted", "wide")
_Outlines = Mapping[str, tuple[float, float, str]]


def shape_at(shape: str, x: float, y: float, *, small: bool = False) -> str:
    """Draw a mark around a place."""
    dx, dy, rest = (_SMALL_OUTLINES if small else _OUTLINES)[shape]
    return f"M{x + dx:.1f} {y + dy:.1f}{rest}"


def samples_of(looks: Iterable[int]) -> tuple[str, ...]:
    """Draw the marks of some looks as a legend shows those without a value: below the axis, 16 px wide; each shape once."""
    return tuple(shape_at(each, 8, 10, small=True) for each in dict.fromkeys(SHAPES[look] for look in looks))


def _outlines(r: float) -> _Outlines:
    """Give where the pen is put down from the middle of each mark, and how it goes on; the rest are diamonds."""
    diamond = (0, -r - 1, f"l{r + 1} {r + 1}l{-r - 1} {r + 1}l{-r - 1} {-r - 1}z")
    return {
        **dict.fromkeys(SHAPES, diamond),
        "circle": (-r, 0, f"a{r} {r} 0 1 0 {2 * r} 0a{r} {r} 0 1 0 {-2 * r} 0z"),
        "square": (0.5 - r, 0.5 - r, f"h{2 * r - 1}v{2 * r - 1}h{1 - 2 * r}z"),
        "triangle": (0, -r - 1, f"l{r + 1} {2 * r + 1}h{-2 * r - 2}z"),
        "inverted": (0, r + 1, f"l{r + 1} {-2 * r - 1}h{-2 * r - 2}z"),
        "wide": (-r - 1, -r / 2, f"h{2 * r + 2}v{r}h{-2 * r - 2}z"),
    }


_OUTLINES = _outlines(_MARK)
_SMALL_OUTLINES = _outlines(SMALL)
