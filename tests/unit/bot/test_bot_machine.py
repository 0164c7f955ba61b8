"""What a bot finds out about its machine."""

from __future__ import annotations

import os
from pathlib import Path

from swarming_bot.dimensions import kernel_values, machine_dimensions
from swarming_bot.disks import DiskWatch, find_mounts
from swarming_bot.environment import cipd_architecture
from swarming_bot.hardware import BYTES_PER_GIB, container_kind, gpu_values, memory_steps, ssd_names
from swarming_bot.state import MachineState
from swarming_bot.tuning import Tuning
from tests.unit.bot.scripted_server import ScriptedServer


def a_device(folder: Path, number: int, kind: str, vendor: str, device: str) -> None:
    one = folder / f"0000:00:0{number}.0"
    one.mkdir(parents=True)
    (one / "class").write_text(f"{kind}\n")
    (one / "vendor").write_text(f"{vendor}\n")
    (one / "device").write_text(f"{device}\n")


def test_graphics_cards_are_told_by_maker_and_number_and_others_are_not(tmp_path):
    a_device(tmp_path, 1, "0x030000", "0x1234", "0x1111")  # a virtual machine's screen
    a_device(tmp_path, 2, "0x020000", "0x8086", "0x100e")  # a network card
    without = gpu_values(str(tmp_path))
    a_device(tmp_path, 3, "0x030200", "0x10de", "0x1cb3")

    assert without == ["none"]
    assert gpu_values(str(tmp_path)) == ["10de", "10de:1cb3", "nvidia"]


def test_disks_that_do_not_rotate(tmp_path):
    for name, rotational in (("sda", "1"), ("nvme0n1", "0"), ("loop0", "0")):
        (tmp_path / name / "queue").mkdir(parents=True)
        (tmp_path / name / "queue" / "rotational").write_text(f"{rotational}\n")

    assert ssd_names(str(tmp_path)) == ["nvme0n1"]


def test_a_container_is_known_by_its_marks(monkeypatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)

    def nothing(path: str) -> bool:
        return False

    assert container_kind(lambda path: path == "/.dockerenv", "") == "docker"
    assert container_kind(lambda path: path == "/run/.containerenv", "") == "podman"
    assert container_kind(nothing, "0::/kubepods/besteffort/pod1") == "kubernetes"
    assert container_kind(nothing, "1:cpu:/lxc/box") == "lxc"
    assert container_kind(nothing, "0::/init.scope") is None


def test_memory_is_told_in_steps_that_a_task_can_ask_for():
    assert memory_steps(0) == []
    assert memory_steps(int(15.5 * BYTES_PER_GIB)) == ["1g", "2g", "4g", "8g", "16g"]
    assert memory_steps(14 * BYTES_PER_GIB) == ["1g", "2g", "4g", "8g"]


def test_a_kernel_is_told_from_the_general_to_the_exact():
    assert kernel_values("6.1.0-18-amd64") == ["6", "6.1", "6.1.0-18-amd64"]
    assert kernel_values("23.1") == ["23", "23.1"]
    assert kernel_values("odd") == ["odd"]
    assert kernel_values("") == []


def test_a_processor_in_the_words_of_cipd():
    assert [cipd_architecture(one) for one in ("x86_64", "i686", "aarch64", "armv7l", "riscv64")] == [
        "amd64", "386", "arm64", "armv6l", "riscv64",
    ]  # fmt: skip


def test_this_machine_has_dimensions_that_a_server_takes():
    dimensions = machine_dimensions()

    assert {"os", "cpu", "cores", "inside_docker", "kernel", "memory", "python"} <= set(dimensions)
    assert all(values and len(set(values)) == len(values) for values in dimensions.values())


def test_the_disks_that_hold_the_work_folder_are_known_from_the_others(tmp_path):
    work = tmp_path / "work"
    (work / "big").mkdir(parents=True)
    mounts = (
        "/dev/a / ext4 rw 0 0\n/dev/b /boot ext4 rw 0 0\nproc /proc proc rw 0 0\nnas:/x /tmp nfs rw 0 0\n"
        f"/dev/c {tmp_path} xfs rw 0 0\ntmpfs {work}/none tmpfs rw 0 0\n/dev/d {work}/big ext4 rw 0 0\n"
    )

    everything, own = find_mounts(str(work), mounts)

    assert own == [str(tmp_path), f"{work}/big"]
    assert str(tmp_path) in everything
    assert "/boot" not in everything
    assert "/proc" not in everything


def test_the_disk_of_a_folder_is_found_without_a_list_of_mounts(tmp_path):
    everything, own = find_mounts(str(tmp_path), "")

    assert everything == own
    assert os.path.ismount(own[0])


def test_a_disk_that_is_too_full_is_named_with_what_it_has(tmp_path):
    watch = DiskWatch(str(tmp_path))
    disks = watch.now()
    mount = next(iter(disks))
    free_mb = disks[mount]["free_mb"]

    assert watch.too_full(disks, lowest_free_mb=0) is None
    assert watch.too_full(disks, lowest_free_mb=free_mb) is None
    assert watch.too_full({mount: {"free_mb": 1536.0, "size_mb": 9e9}}, 2048.0) in (
        f"Not enough free disk: {mount} has 1.5 GiB free, less than 2.0 GiB",
        None,  # where the work folder is on another disk
    )


def test_a_full_disk_that_the_bot_does_not_live_on_is_no_reason(tmp_path):
    watch = DiskWatch(str(tmp_path))
    disks = watch.now()
    roomy = {mount: {"free_mb": 1e6, "size_mb": 1e6} for mount in disks}

    image = {"/snap/core/1": {"free_mb": 0.0, "size_mb": 100.0}}

    assert watch.too_full({**roomy, **image}, 2048.0) is None


def test_a_hook_may_judge_any_other_disk(server: ScriptedServer, start_bots):
    start_bots(
        hooks="def get_state(bot):\n"
        "    free_mb = bot.state['disks'].get('/data', {}).get('free_mb', 0)\n"
        "    return {'quarantined': '/data has less than 2 GiB free' if free_mb < 2048 else None}\n"
    )

    heard = server.wait_for_call("poll")

    assert heard.body["state"]["quarantined"] == "/data has less than 2 GiB free"


def test_the_state_has_what_a_server_wants_to_see(tmp_path):
    state = MachineState(str(tmp_path), cost_usd_hour=0.5, lowest_free_mb=0).now()

    assert {
        "audio", "cost_usd_hour", "cpu_name", "cwd", "disks", "display_resolution", "gpu", "hostname", "ip",
        "nb_files_in_temp", "pid", "python", "ram", "rbe_instance", "running_time", "ssd", "started_ts", "uptime",
        "user",
    } <= set(state)  # fmt: skip
    assert state["cost_usd_hour"] == 0.5
    assert all(set(disk) == {"free_mb", "size_mb"} for disk in state["disks"].values())


def test_a_bot_whose_disk_is_too_full_polls_in_quarantine(server: ScriptedServer, start_bots):
    start_bots(tuning=Tuning(lowest_free_disk_mb=1e12))

    heard = server.wait_for_call("poll")

    assert heard.body["state"]["quarantined"].startswith("Not enough free disk: /")
    assert "GiB free, less than" in heard.body["state"]["quarantined"]
