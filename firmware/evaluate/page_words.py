"""The small words of the report page: numbers as people read them, verdicts as coloured words, tables. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

_PILLS = {
    "met": ("met", "&#10003; met"), "missed": ("missed", "&#10007; missed"), "incomplete": ("open", "incomplete"),
    "not measured": ("none", "not measured"),
}


def percent(value: float | None, digits: int = 2) -> str:
    """0.99871 -> "99.87 %". "100 %" means all and "0 %" means none: what is nearly so is shown as one step less."""
    if value is None:
        return "-"
    step = 10**-digits
    shown = round(value * 100, digits)
    if shown == 100 and value < 1:
        shown = 100 - step
    if shown == 0 and value > 0:
        shown = step
    return f"{shown:.{digits}f} %"


def counted(count: int, one: str, many: str = "") -> str:
    """(1, "frame") -> "1 frame", (2, "frame") -> "2 frames"."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def pill(verdict: str) -> str:
    style, text = _PILLS[verdict]
    return f'<span class="pill {style}">{text}</span>'


def table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: Collection[int] = ()) -> str:
    """`rows` hold HTML. The columns `numbers` are set flush right."""

    def cells(values: Sequence[str], tag: str) -> str:
        return "".join(
            f'<{tag} class="n">{value}</{tag}>' if number in numbers else f"<{tag}>{value}</{tag}>"
            for number, value in enumerate(values)
        )

    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows)
    return f"<table><thead><tr>{cells(head, 'th')}</tr></thead><tbody>{body}</tbody></table>"
