"""Builds the installable package (.deb). Runs on a developer's machine; nothing of it is on a device."""
