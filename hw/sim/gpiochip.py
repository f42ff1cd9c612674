"""A Jetson's gpiochips and tone generators for the unmodified Jetson.GPIO, made with umockdev. Header in, ioctls out.

Runs inside the process that uses the library, started with `umockdev-wrapper`: the kernel's GPIO v1 character device is
answered from a thread, the lines' levels come from a SimHeader. As the kernel does, a line in use is refused to a
second one (EBUSY), and an unplugged line fails (EIO). Which pin is which line is read out of the library's table.
"""

from __future__ import annotations

import ast
import errno
import importlib.metadata
import os
import struct
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gi

from firmware.errors import PartMissing
from hw.header40 import Carrier
from hw.sim.header import SimHeader
from hw.sim.pwm_files import PwmFiles

try:
    gi.require_version("UMockdev", "1.0")
    from gi.repository import GLib, UMockdev
except (ImportError, ValueError) as error:
    raise PartMissing(f"umockdev is not installed ({error})", meaning="There is no simulated gpiochip",
                      todo="apt install umockdev gir1.2-umockdev-1.0") from None

CHIP_INFO, LINE_HANDLE, GET_VALUES, SET_VALUES = 0x8044B401, 0xC16CB403, 0xC040B408, 0xC040B409
# gpiochip_info; gpiohandle_request: line offsets, flags, default values, consumer, number of lines, fd; gpiohandle_data
_CHIP, _HANDLE, _DATA = struct.Struct("=32s32sI"), struct.Struct("=64II64s32sIi"), struct.Struct("=64s")
_OUTPUT = 2
PWM_LOOK_MS = 2


@dataclass(frozen=True, slots=True)
class VendorLine:
    """One row of the library's table: which line of which chip a pin is, and its tone generator ("" for none)."""

    pin: int
    chip: str
    offset: int
    pwm_chip: str


def vendor_lines(model: str) -> list[VendorLine]:
    """The header's pins as Jetson.GPIO knows them for `model`, read without importing the library."""
    source = importlib.metadata.distribution("Jetson.GPIO").locate_file("Jetson/GPIO/gpio_pin_data.py")
    for node in ast.parse(Path(str(source)).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == f"{model}_PIN_DEFS":
            rows = ast.literal_eval(node.value)
            return [VendorLine(row[3], row[2], row[0], row[7] or "") for row in rows]
    raise KeyError(model)


class SimGpioChips:
    """The chips of one carrier, served until `close`. One of them in a process.

    Without `generators` no tone generator is shown, as on a system whose pins were not set up for it.
    """

    def __init__(self, header: SimHeader, carrier: Carrier, *, generators: bool = True) -> None:
        lines = vendor_lines(carrier.library_model)
        self._header = header
        self._pins = {(line.chip, line.offset): line.pin for line in lines}
        self._chips = sorted({line.chip for line in lines})
        self._used: dict[str, int] = {}
        self._bed = UMockdev.Testbed.new()
        root = Path(self._bed.get_root_dir())
        pwm_pins = {line.pwm_chip: line.pin for line in lines if line.pwm_chip} if generators else {}
        self._tones = [PwmFiles(root / "sys/devices" / chip, pin, header) for chip, pin in pwm_pins.items()]
        self._context = GLib.MainContext.new()
        self._loop = GLib.MainLoop.new(self._context, False)
        self._answerer = _Answerer(self)
        self._context.push_thread_default()
        for number in range(len(self._chips)):
            self._add(f"gpiochip{number}")
        for chip, offset in self._pins:
            self._add(self._line_name(chip, offset))
        self._context.pop_thread_default()
        os.environ["JETSON_TESTING_MODEL_NAME"] = carrier.library_model  # the library's own way to be told
        self._thread = threading.Thread(target=self._serve, name="gpiochips", daemon=True)
        self._thread.start()

    def hold(self, pin: int) -> None:
        """Another program uses this pin."""
        self._used |= {self._line_name(*line): pin for line, found in self._pins.items() if found == pin}

    def close(self) -> None:
        self._loop.quit()
        self._thread.join(timeout=5.0)

    def answer(self, node: str, request: int, argument: Any) -> int:
        """One ioctl on `node`, its argument read and written in place; 0, or the errno it fails with."""
        name = Path(node).name
        try:
            if request == CHIP_INFO and name.startswith("gpiochip"):
                self._chip_info(name, argument)
            elif request == LINE_HANDLE and name.startswith("gpiochip"):
                self._open_line(name, argument)
            elif request == GET_VALUES and name in self._used:
                high = self._header.level(self._used[name])
                argument.resolve(0, _DATA.size).update(0, _DATA.pack(bytes([high])))
            elif request == SET_VALUES and name in self._used:
                (values,) = _DATA.unpack(argument.resolve(0, _DATA.size).retrieve())
                self._header.drive(self._used[name], bool(values[0]))
            else:
                return errno.ENOTTY
        except OSError as error:
            return error.errno or errno.EIO
        return 0

    def _chip_info(self, name: str, argument: Any) -> None:
        label = self._chips[int(name.removeprefix("gpiochip"))]
        info = _CHIP.pack(name.encode(), label.encode(), 200)
        argument.resolve(0, _CHIP.size).update(0, info)

    def _open_line(self, name: str, argument: Any) -> None:
        data = argument.resolve(0, _HANDLE.size)
        *offsets, flags, values, consumer, count, _ = _HANDLE.unpack(data.retrieve())
        chip = self._chips[int(name.removeprefix("gpiochip"))]
        if count != 1 or (chip, offsets[0]) not in self._pins:
            raise OSError(errno.EINVAL, "no such line")
        line, pin = self._line_name(chip, offsets[0]), self._pins[chip, offsets[0]]
        if line in self._used:
            raise OSError(errno.EBUSY, "in use")
        handle = os.open(f"/dev/{line}", os.O_RDWR | os.O_CLOEXEC)
        self._used[line] = pin
        if flags & _OUTPUT:
            self._header.drive(pin, bool(values[0]))
        data.update(0, _HANDLE.pack(*offsets, flags, values, consumer, count, handle))

    def _line_name(self, chip: str, offset: int) -> str:
        return f"gpioline{self._chips.index(chip)}-{offset}"

    def _add(self, name: str) -> None:
        self._bed.add_from_string(f"P: /devices/{name}\nN: {name}\nE: SUBSYSTEM=gpio\nE: DEVNAME=/dev/{name}\n")
        self._bed.attach_ioctl(f"/dev/{name}", self._answerer)

    def _serve(self) -> None:
        self._context.push_thread_default()
        look = GLib.timeout_source_new(PWM_LOOK_MS)
        look.set_callback(self._look_at_tones)
        look.attach(self._context)
        self._loop.run()

    def _look_at_tones(self, _: Any = None) -> bool:
        for tone in self._tones:
            tone.look()
        return True


class _Answerer(UMockdev.IoctlBase):  # type: ignore[misc]  # umockdev's class has no types
    """Hands each ioctl to the chips."""

    def __init__(self, chips: SimGpioChips) -> None:
        super().__init__()
        self._sim = chips

    def do_handle_ioctl(self, client: Any) -> bool:
        failed = self._sim.answer(client.get_devnode(), client.get_request() & 0xFFFFFFFF, client.get_arg())
        client.complete(-1 if failed else 0, failed)
        return True
