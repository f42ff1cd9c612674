"""A bar chart of recall by height as plain inline SVG: one bar a class, with its interval and its numbers. Pure."""

from __future__ import annotations

from html import escape
from typing import Any

_WIDTH, _ROW, _TOP = 380, 28, 8
_LABEL, _BAR, _LOWEST = 96, 170, 0.5
"""Bars start at a recall of one half: nobody has to tell 99 % from 98 % on a scale from nought. Less is an empty bar,
and the figure stands beside it."""


def recall_chart(name: str, classes: list[dict[str, Any]], wanted: float | None) -> str:
    """`classes` as in the report's "sizes"; `wanted` is the target, drawn as a line."""
    height = _TOP + _ROW * len(classes) + 24
    told = escape(f"Recall by height: {name}", quote=True)
    parts = [f'<svg viewBox="0 0 {_WIDTH} {height}" width="100%" role="img" aria-label="{told}">']
    bottom = _TOP + _ROW * len(classes)
    for mark in (0.5, 0.75, 1.0):
        x = _x(mark)
        parts.append(f'<line x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{bottom}" stroke="#dce2e8"/>'
                     f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{mark:.0%}</text>')
    for number, one in enumerate(classes):
        parts.append(_bar(one, _TOP + _ROW * number))
    if wanted is not None:
        x = _x(wanted)
        parts.append(f'<line x1="{x:.1f}" y1="{_TOP - 4}" x2="{x:.1f}" y2="{bottom}" stroke="#b3261e" '
                     f'stroke-dasharray="4 3"><title>target {wanted:.1%}</title></line>')
    parts.append("</svg>")
    return "".join(parts)


def _bar(one: dict[str, Any], top: float) -> str:
    middle = top + _ROW / 2
    label = f'<text x="{_LABEL - 8}" y="{middle + 4:.1f}" text-anchor="end">{escape(one["class"])}</text>'
    if not one["boxes"]:
        return label + f'<text x="{_LABEL + 6}" y="{middle + 4:.1f}" fill-opacity="0.55">none in the set</text>'
    value, least = one["value"], one["at_least_95"]
    end = _x(value)
    told = f'{value:.1%} of {one["boxes"]}'
    return (
        label
        + f'<rect x="{_LABEL}" y="{top + 6:.1f}" width="{end - _LABEL:.1f}" height="{_ROW - 12}" fill="#2f6f9f"/>'
        + f'<line x1="{_x(least):.1f}" y1="{middle:.1f}" x2="{end:.1f}" y2="{middle:.1f}" stroke="#9cc3de" '
        + f'stroke-width="3"><title>at least {least:.1%}</title></line>'
        + f'<text x="{_LABEL + _BAR + 12}" y="{middle + 4:.1f}">{told}</text>'
    )


def _x(recall: float) -> float:
    return _LABEL + _BAR * max(0.0, (recall - _LOWEST) / (1 - _LOWEST))
