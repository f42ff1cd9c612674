"""Packages Scrubcam and holds every version pin: the one place where a dependency's version is written."""

from pathlib import Path

from setuptools import find_packages, setup

VERSION = next(
    line.split('"')[1] for line in Path("firmware/__init__.py").read_text().splitlines() if "__version__" in line
)

RUNTIME = [
    "cryptography==50.0.2",
    "libevdev==0.13.1",
    "msgspec==0.22.0",
    "numpy==2.4.6; python_version >= '3.11'",
    "numpy==2.2.6; python_version < '3.11'",
    "onnx==1.23.2; python_version >= '3.11'",
    "onnx==1.20.1; python_version < '3.11'",
    "onnxruntime==1.31.1; python_version >= '3.11'",
    "onnxruntime==1.23.2; python_version < '3.11'",
    "opencv-python-headless==5.0.0.93",
    "paho-mqtt==2.2.0",
    "pillow==13.0.0; python_version >= '3.11'",
    "pillow==12.1.0; python_version < '3.11'",
    "rfc3161-client==1.0.9",
    "rich==15.0.0",
    "structlog==26.1.0",
    "tomli==2.3.0; python_version < '3.11'",
    "typer==0.29.1",
    "zxing-cpp==3.1.1",
]
GPU = ["pycuda==2026.1"]
# On a Jetson its pins; in DEV to run the very same library over a simulated gpiochip.
GPIO = ["Jetson.GPIO==2.1.13"]
DEV = [
    *GPIO,
    "hypothesis==6.170.15; python_version >= '3.11'",
    "hypothesis==6.155.0; python_version < '3.11'",
    "mypy==2.4.1",
    "pytest==9.2.0",
    "pytest-timeout==2.4.0",
    "ruff==0.17.5",
    "scikit-image==0.26.0; python_version >= '3.11'",
    "scikit-image==0.25.2; python_version < '3.11'",
]
# What `make attacks` needs beside DEV: a network that matches faces, to try it on what was filled.
ATTACKS = ["dlib-bin==20.0.1.post1"]
# What `make fuzz` needs beside DEV: a fuzzer that sees which branches an input takes.
FUZZ = ["atheris==3.0.0; python_version >= '3.11'"]

setup(
    name="scrubcam",
    version=VERSION,
    description="The operating-room recorder that never stores a face",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=["firmware", "firmware.*", "hil", "hil.*", "hw", "hw.*"]),
    package_data={
        "firmware": ["models.lock", "export/reader/*"], "hil": ["*.toml", "*.sh"],
        "hw": ["boards/*.toml", "jetson/*.toml"],
    },
    install_requires=RUNTIME,
    extras_require={"dev": DEV, "attacks": ATTACKS, "fuzz": FUZZ, "gpu": GPU, "jetson": [*GPIO, *GPU]},
    entry_points={"console_scripts": ["scrubcam=firmware.cli.main:main"]},
)
