"""USB pedals without a pedal: the kernel's evdev as a model, put under the unmodified libevdev by umockdev.

`kernel.py` is the model, `testbed.py` puts it behind /dev/input and /sys, `host.py` is the process in which our adapter
runs over it, `remote.py` a test's hand on that process. `uinput_pedal.py` is the same hand on a real kernel.
"""
