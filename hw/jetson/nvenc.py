"""Whether NVENC did the work: the engine's own time in use, as the kernel counts it, before and after.

The names of elements prove nothing: the plugin registers its encoders where there is no engine, too. What cannot be had
without the engine is its power: host1x wakes it for work and lets it sleep again (runtime power management), and the
kernel counts. Never tried on hardware.
"""

from __future__ import annotations

from pathlib import Path

from firmware.errors import PartMissing

DEVICES = Path("/sys/bus/platform/devices")


def active_ms(devices: Path = DEVICES) -> dict[str, int]:
    """Milliseconds for which each video encoder of this machine has been powered, by its name ("154c0000.nvenc")."""
    found = {}
    for engine in sorted(devices.glob("*.nvenc")):
        try:
            found[engine.name] = int((engine / "power" / "runtime_active_time").read_text(encoding="ascii"))
        except (OSError, ValueError):
            continue  # one that does not count cannot prove anything
    return found


def proof(before: dict[str, int], after: dict[str, int]) -> str:
    """Which engine worked between the two readings, and how long. Raises PartMissing when none did."""
    worked = {name: after[name] - before.get(name, 0) for name in after if after[name] > before.get(name, 0)}
    if not worked:
        had = f"{', '.join(sorted(after))} was not used" if after else "this machine has none that counts its time"
        raise PartMissing(f"Pictures were encoded, but not by a video encoder in hardware: {had}",
                          meaning="The unit would be too slow, or records something else than its configuration says",
                          todo="install JetPack anew, and report this fault")
    return ", ".join(f"{name} {ms} ms" for name, ms in sorted(worked.items()))
