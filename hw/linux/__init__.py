"""Adapters of plain Linux interfaces: sysfs, evdev, /dev/watchdog. One file each, no policy."""
