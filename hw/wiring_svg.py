"""Draws a board's wiring as SVG: the header with its pins named, and a circuit for each wire. Pure.

A circuit ends in a tag with its pin's number instead of a line across the page; black on white, readable in print.
"""

from __future__ import annotations

from html import escape

from hw.board_definition import BoardDefinition
from hw.header40 import POWER, pin_name
from hw.wiring import InputWire, OutputWire, inputs, outputs, pins, rows

WIDTH, TOP, PITCH = 1240, 110, 30
HEADER_X, CIRCUIT_X, ROW_H = 250, 530, 158
_STYLE = (
    "text{font:14px 'DejaVu Sans',Arial,sans-serif;fill:#111}.b{font-weight:bold}.h{font-size:22px;font-weight:bold}"
    ".s{font-size:12px;fill:#333}.w{fill:none;stroke:#111;stroke-width:1.6}.p{fill:#fff;stroke:#111;stroke-width:1.6}"
    ".d{fill:none;stroke:#555;stroke-width:1.2;stroke-dasharray:6 4}.u{fill:#ffd54a}.g{fill:#d9d9d9}.f{fill:#111}"
)
_PIN_FILL = {"GND": "#c9c9c9", "3.3 V": "#f6b3a6", "5 V": "#f6b3a6"}


def drawing(definition: BoardDefinition) -> str:
    """The whole drawing, as an SVG document."""
    ins, outs = inputs(definition), outputs(definition)
    parts: list[str] = []
    for number, wire in enumerate(ins):
        parts += _input(wire, TOP + 30 + number * ROW_H)
    for number, out in enumerate(outs):
        parts += _output(out, TOP + 30 + (len(ins) + number) * ROW_H)
    bottom = TOP + 30 + (len(ins) + len(outs)) * ROW_H
    if definition.board.carrier != "none":
        parts += _header(definition)
        bottom = max(bottom, TOP + 20 * PITCH + 60)
    others = [row for row in rows(definition) if not row[0][0].isdigit()]
    for number, (where, what, note) in enumerate(others):
        parts.append(_text(40, bottom + 26 + number * 24, f"{where}: {what} ({note})"))
    bottom += 40 + len(others) * 24
    head = [_text(40, 46, definition.board.title, "h")]
    if ins or outs:
        head += [
            _text(40, 74, "Right of an opto-isolator's dashed line is the unit's potential; the cable side of it has"
                          " a supply of its own (5 V, isolated).", "s"),
            _text(CIRCUIT_X, TOP + 8, "Interface board: a circuit for each pin", "b"),
        ]
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{bottom}"'
            f' viewBox="0 0 {WIDTH} {bottom}" role="img" aria-label="{escape(definition.board.title)}">\n'
            f'<style>{_STYLE}</style>\n<rect width="{WIDTH}" height="{bottom}" fill="#fff"/>\n'
            + "\n".join([*head, *parts]) + "\n</svg>\n")


def _header(definition: BoardDefinition) -> list[str]:
    """Two columns of pins as seen from above, odd ones left; used ones yellow, with their job beside them."""
    used = pins(definition)
    found = [_text(HEADER_X - 32, TOP + 8, "40-pin header", "b"),
             f'<rect class="w" x="{HEADER_X - 36}" y="{TOP + 18}" width="92" height="{20 * PITCH + 8}" rx="6"/>']
    for pin in range(1, 41):
        left = pin % 2 == 1
        x, y = HEADER_X - 12 if left else HEADER_X + 32, TOP + 37 + (pin - 1) // 2 * PITCH
        fill = "#ffd54a" if pin in used else _PIN_FILL.get(POWER.get(pin, ""), "#fff")
        shape = (f'<rect x="{x - 12}" y="{y - 12}" width="24" height="24"' if pin == 1
                 else f'<circle cx="{x}" cy="{y}" r="12"')
        found.append(f'{shape} fill="{fill}" stroke="#111" stroke-width="1.4"/>')
        found.append(_text(x, y + 4, str(pin), "s", "middle"))
        name = used.get(pin) or (pin_name(pin) if pin_name(pin) != "GPIO" else "")
        if name:
            found.append(_text(x - 32 if left else x + 32, y + 5, name, "b" if pin in used else "s",
                               "end" if left else "start"))
    return found


def _input(wire: InputWire, y: int) -> list[str]:
    """Contact, cable, resistor and opto-isolator, pull-up, buffer, pin; from left to right."""
    x, mid = CIRCUIT_X, y + 62
    side, common = wire.terminals
    found = [_text(x, y + 12, wire.title, "b"), *_contact(x, mid, side, common, wire.normally_closed)]
    found += [_line(x + 92, mid, x + 130, mid), *_resistor(x + 130, mid, "470 ohm"), _line(x + 178, mid, x + 210, mid)]
    found += [_line(x, mid + 34, x + 210, mid + 34), _pole(x, mid), _pole(x, mid + 34),
              _text(x - 18, mid + 5, "+", "b"), _text(x - 17, mid + 39, "−", "b"),
              _text(x + 10, mid + 24, "5 V isolated", "s"), *_opto(x + 210, mid)]
    if not wire.low or not wire.pull_up_ohm:
        level = "low" if wire.low else "high"
        found += [f'<rect class="p" x="{x + 350}" y="{mid - 24}" width="180" height="48"/>',
                  _text(x + 440, mid - 4, "interface that drives", "s", "middle"),
                  _text(x + 440, mid + 12, f"the pin {level} when closed", "s", "middle"),
                  _line(x + 286, mid, x + 350, mid), _line(x + 530, mid, x + 560, mid)]
        return [*found, *_tag(x + 560, mid, wire.pin)]
    found += [_line(x + 286, mid, x + 420, mid), _line(x + 340, mid, x + 340, mid - 8),
              *_resistor_up(x + 340, mid - 8, f"{_ohm(wire.pull_up_ohm)} to 3.3 V (pin 1)"), _dot(x + 340, mid),
              _line(x + 286, mid + 34, x + 340, mid + 34), *_ground(x + 340, mid + 34)]
    found += [f'<path class="p" d="M{x + 420} {mid - 22} L{x + 420} {mid + 22} L{x + 466} {mid} Z"/>',
              f'<path class="w" d="M{x + 425} {mid + 5} h8 v-10 h8 M{x + 437} {mid - 5} h-8 v10"/>',
              _text(x + 474, mid + 24, "74LVC1G17", "s"),
              _line(x + 466, mid, x + 560, mid)]
    return [*found, *_tag(x + 560, mid, wire.pin)]


def _output(wire: OutputWire, y: int) -> list[str]:
    """Pin, resistor, transistor, lamp or sounder; from left to right."""
    x, mid = CIRCUIT_X, y + 62
    found = [_text(x, y + 12, wire.title, "b"), _text(x, y + 30, wire.note, "s"), *_tag(x, mid, wire.pin)]
    if not wire.high:  # an NPN transistor would be on while the pin is high
        return [*found, _line(x + 72, mid, x + 120, mid),
                f'<rect class="p" x="{x + 120}" y="{mid - 24}" width="210" height="48"/>',
                _text(x + 225, mid + 5, "driver, on while the pin is low", "s", "middle")]
    found += [_line(x + 72, mid, x + 120, mid), *_resistor(x + 120, mid, "1 kohm"), _line(x + 168, mid, x + 216, mid),
              f'<circle class="p" cx="{x + 226}" cy="{mid}" r="20"/>', _line(x + 216, mid - 12, x + 216, mid + 12),
              _line(x + 216, mid - 6, x + 236, mid - 18), _line(x + 216, mid + 6, x + 236, mid + 18),
              _line(x + 236, mid - 18, x + 236, mid - 26), _line(x + 236, mid + 18, x + 236, mid + 30),
              f'<path class="f" d="M{x + 236} {mid + 18} l-10 -2 l6 -8 z"/>',  # the emitter's arrow
              _text(x + 256, mid + 12, "BC337 (NPN)", "s"), _line(x + 236, mid - 26, x + 330, mid - 26)]
    upper = mid - 26
    if wire.part == "lamp":
        found += [f'<circle class="p" cx="{x + 346}" cy="{upper}" r="16"/>',
                  _line(x + 335, upper - 11, x + 357, upper + 11), _line(x + 357, upper - 11, x + 335, upper + 11)]
    else:
        found += [f'<path class="p" d="M{x + 330} {upper - 14} h32 v28 h-32 z"/>', _text(x + 337, upper + 5, "♪")]
    supply = "lamp's supply, with its resistor" if wire.part == "lamp" else "5 V (pin 2)"
    return [*found, _line(x + 362, upper, x + 400, upper), _text(x + 406, upper + 5, supply, "s"),
            *_ground(x + 236, mid + 30)]


def _contact(x: int, mid: int, side: str, common: str, closed: bool) -> list[str]:
    blade = _line(x + 34, mid, x + 66, mid) if closed else _line(x + 34, mid, x + 62, mid - 18)
    return [_line(x, mid, x + 34, mid), _dot(x + 34, mid), blade, _dot(x + 66, mid), _line(x + 66, mid, x + 92, mid),
            _text(x + 24, mid - 8, common, "s", "middle"), _text(x + 80, mid - 8, side, "s", "middle")]


def _opto(x: int, mid: int) -> list[str]:
    """An LED on the cable's side, a transistor on ours, the isolation dashed between them."""
    return [f'<rect class="p" x="{x}" y="{mid - 20}" width="76" height="74" rx="4"/>',
            f'<path class="d" d="M{x + 38} {mid - 30} V{mid + 64}"/>',
            _line(x, mid, x + 18, mid), _line(x + 18, mid, x + 18, mid + 10), _line(x + 18, mid + 24, x + 18, mid + 34),
            _line(x, mid + 34, x + 18, mid + 34),
            f'<path class="f" d="M{x + 10} {mid + 10} h16 l-8 14 z"/>', _line(x + 10, mid + 24, x + 26, mid + 24),
            _line(x + 54, mid + 6, x + 54, mid + 28), _line(x + 54, mid + 12, x + 66, mid),
            _line(x + 66, mid, x + 76, mid), _line(x + 54, mid + 22, x + 66, mid + 34),
            _line(x + 66, mid + 34, x + 76, mid + 34),
            _text(x + 38, mid + 82, "opto-isolator", "s", "middle")]


def _resistor(x: int, mid: int, value: str) -> list[str]:
    return [f'<rect class="p" x="{x}" y="{mid - 8}" width="48" height="16"/>',
            _text(x + 24, mid - 14, value, "s", "middle")]


def _resistor_up(x: int, y: int, value: str) -> list[str]:
    return [f'<rect class="p" x="{x - 7}" y="{y - 26}" width="14" height="26"/>', _line(x, y - 26, x, y - 34),
            _line(x - 10, y - 34, x + 10, y - 34), _text(x + 16, y - 22, value, "s")]


def _ground(x: int, y: int) -> list[str]:
    return [_line(x, y, x, y + 8), _line(x - 10, y + 8, x + 10, y + 8), _line(x - 6, y + 12, x + 6, y + 12),
            _text(x + 14, y + 15, "GND (pin 9)", "s")]


def _tag(x: int, mid: int, pin: int) -> list[str]:
    return [f'<rect class="p u" style="fill:#ffd54a" x="{x}" y="{mid - 14}" width="72" height="28" rx="5"/>',
            _text(x + 36, mid + 5, f"pin {pin}", "b", "middle")]


def _ohm(value: int) -> str:
    return f"{value / 1000:g} kohm" if value >= 1000 else f"{value} ohm"


def _line(x1: int, y1: int, x2: int, y2: int) -> str:
    return f'<path class="w" d="M{x1} {y1} L{x2} {y2}"/>'


def _dot(x: int, y: int) -> str:
    return f'<circle class="f" cx="{x}" cy="{y}" r="3"/>'


def _pole(x: int, y: int) -> str:
    return f'<circle class="p" cx="{x}" cy="{y}" r="4"/>'


def _text(x: int, y: int, text: str, style: str = "", anchor: str = "start") -> str:
    chosen = f' class="{style}"' if style else ""
    return f'<text{chosen} x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'
