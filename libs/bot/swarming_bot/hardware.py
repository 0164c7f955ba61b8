"""What the machine is made of, as far as it can be found out at once and without tools."""

from __future__ import annotations

import os
import sys
from typing import Callable, Iterable, List, Optional, Set

BYTES_PER_GIB = 1024**3
PCI_FOLDER = "/sys/bus/pci/devices"
BLOCK_FOLDER = "/sys/block"
GPU_VENDORS = {"10de": "nvidia", "1002": "amd", "8086": "intel"}  # others are screens of virtual machines and of boards
# The kernel keeps a part of the memory for itself: a machine sold with 16 GiB says a little less.
MEMORY_SLACK = 0.9


def memory_bytes() -> int:
    """The size of the memory, 0 if unknown."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0


def memory_steps(size_bytes: int) -> List[str]:
    """Every power of two GiB that the memory reaches, so that a task can ask for at least so much: 1g, 2g, 4g, …"""
    steps = []
    gib = 1
    while gib * MEMORY_SLACK * BYTES_PER_GIB <= size_bytes:
        steps.append(f"{gib}g")
        gib *= 2
    return steps


def gpu_values(pci_folder: str = PCI_FOLDER) -> List[str]:
    """Maker, maker's number and number of each graphics card: nvidia, 10de, 10de:1cb3; ["none"]; [] if unknown."""
    if sys.platform != "linux":
        return []
    found: Set[str] = set()
    for device in _names_in(pci_folder):
        folder = os.path.join(pci_folder, device)
        vendor = _first_line(os.path.join(folder, "vendor"))[2:]  # after 0x
        if _first_line(os.path.join(folder, "class")).startswith("0x03") and vendor in GPU_VENDORS:
            model = _first_line(os.path.join(folder, "device"))[2:]
            found.update((GPU_VENDORS[vendor], vendor, f"{vendor}:{model}"))
    return sorted(found) or ["none"]


def ssd_names(block_folder: str = BLOCK_FOLDER) -> List[str]:
    """The disks that do not rotate."""
    names = [name for name in _names_in(block_folder) if not name.startswith(("loop", "ram", "zram", "dm-"))]
    return [name for name in names if _first_line(os.path.join(block_folder, name, "queue", "rotational")) == "0"]


def container_kind(
    exists: Callable[[str], bool] = os.path.exists,
    control_groups: Optional[str] = None,
) -> Optional[str]:
    """docker, podman, kubernetes, lxc; None on a machine of its own.

    control_groups: the content of /proc/1/cgroup, read if not given.
    """
    if os.environ.get("KUBERNETES_SERVICE_HOST"):
        return "kubernetes"
    if exists("/run/.containerenv"):
        return "podman"
    if exists("/.dockerenv"):
        return "docker"
    groups = _content("/proc/1/cgroup") if control_groups is None else control_groups
    for mark, kind in (("kubepods", "kubernetes"), ("docker", "docker"), ("containerd", "docker"), ("lxc", "lxc")):
        if mark in groups:
            return kind
    return None


def _names_in(folder: str) -> Iterable[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _first_line(path: str) -> str:
    return _content(path).partition("\n")[0].strip()


def _content(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
