"""Servers whose programs are installed on this machine, started in a temporary folder on free ports."""

import os
import shutil
import signal
import subprocess
import tempfile
from abc import abstractmethod
from pathlib import Path

import psutil

from tests.servers.children import Child, account
from tests.servers.errors import ServerFailed
from tests.servers.instance import Instance
from tests.servers.kinds import POSTGRES, RABBITMQ, REDIS, Kind
from tests.servers.ports import free_port

_FOLDER_PREFIX = "swarming-test-of-"
USER = PASSWORD = "swarming"
REDIS_DATABASES = 4096
"""So that each test can have one of its own."""
MAX_CONNECTIONS = 200


def program(name: str) -> Path | None:
    """Where a server's program is; distributions keep some of them away from the search path."""
    places = [
        *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True),
        # Debian's rabbitmq-server on the search path changes the account and ignores our settings.
        Path("/usr/lib/rabbitmq/bin"),
        *(Path(place) for place in os.get_exec_path()),
        Path("/usr/sbin"),
        Path("/usr/local/sbin"),
        Path("/opt/homebrew/sbin"),
    ]
    return next((place / name for place in places if os.access(place / name, os.X_OK)), None)


def is_installed(kind: Kind) -> bool:
    """Whether all programs are here that `installed` needs."""
    programs = {POSTGRES: ("initdb", "postgres"), RABBITMQ: ("rabbitmq-server",), REDIS: ("redis-server",)}
    return all(program(name) for name in programs[kind])


def installed(kind: Kind) -> "Installed":
    """A server of this kind, not started yet."""
    classes: dict[Kind, type[Installed]] = {
        POSTGRES: InstalledPostgres,
        RABBITMQ: InstalledRabbitMQ,
        REDIS: InstalledRedis,
    }
    return classes[kind]()


class Installed(Instance):
    """A server that runs as a child of this process, with all its files in a temporary folder."""

    provided = "installed on this machine, started by this run"
    system_account: str | None = None
    """Whom it must run as where we are root."""

    def __init__(self) -> None:
        self.port = free_port()
        self.account = account(self.system_account) if self.system_account else None
        self.folder = _new_folder()
        self.child: Child | None = None
        self.make_ours(self.folder)

    @abstractmethod
    def start(self) -> None: ...

    def make_ours(self, path: Path) -> None:
        """Give a path to the account that the server runs as."""
        if self.account:
            shutil.chown(path, self.account, self.account)

    def kill(self) -> None:
        if self.child:
            self.child.end()

    def died(self) -> str | None:
        return self.child.died() if self.child else "not started"

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class InstalledPostgres(Installed):
    """PostgreSQL as it is run in earnest: with fsync, and with its own crash recovery."""

    system_account = "postgres"

    def __init__(self) -> None:
        super().__init__()
        self.url = f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/postgres"
        self._data = self.folder / "data"

    def start(self) -> None:
        if not self._data.exists():
            self._initialise()
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": MAX_CONNECTIONS,
            "shared_buffers": "64MB",
            "timezone": "UTC",
        }
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        self.child = Child(
            [_needed("postgres"), "-D", self._data, *options],
            log=self.folder / "log",
            user=self.account,
            at_our_death=signal.SIGQUIT,
        )

    def kill(self) -> None:
        # Its processes are gone without a checkpoint, as after a crash. SIGKILL would leave some of them for a moment,
        # and their shared memory would keep the next start from succeeding.
        if self.child:
            self.child.end(by=signal.SIGQUIT)

    def wipe(self) -> None:
        shutil.rmtree(self._data)

    def _initialise(self) -> None:
        command: list[str | Path] = [
            _needed("initdb"),
            "-D",
            self._data,
            "-U",
            USER,
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "-N",
        ]
        made = subprocess.run(
            command, user=self.account, group=self.account, cwd=self.folder, capture_output=True, text=True
        )
        if made.returncode:
            raise ServerFailed(f"initdb failed: {made.stderr}")


class InstalledRabbitMQ(Installed):
    """RabbitMQ as a node of its own, with an epmd of its own."""

    system_account = "rabbitmq"

    def __init__(self) -> None:
        super().__init__()
        self._epmd: Child | None = None
        self._epmd_port = free_port()
        self._distribution_port = free_port()
        self._management_port = free_port()
        self.url = f"amqp://{USER}:{PASSWORD}@127.0.0.1:{self.port}/"
        self.management_url = f"http://127.0.0.1:{self._management_port}"
        self._write("rabbitmq.conf", self._configuration())
        self._write("enabled_plugins", "[rabbitmq_management].\n")
        self._write("rabbitmq-env.conf", "")

    def start(self) -> None:
        environment = self._environment()
        if self._epmd is None:
            epmd: list[str | Path] = [_needed("epmd"), "-port", str(self._epmd_port), "-address", "127.0.0.1"]
            log = self.folder / "epmd.log"
            self._epmd = Child(epmd, log=log, user=self.account, environment=environment)
        self.child = Child(
            [_needed("rabbitmq-server")], log=self.folder / "log", user=self.account, environment=environment
        )

    def wipe(self) -> None:
        shutil.rmtree(self.folder / "mnesia")

    def close(self) -> None:
        super().close()
        if self._epmd:
            self._epmd.end()

    def _configuration(self) -> str:
        settings = {
            "listeners.tcp.1": f"127.0.0.1:{self.port}",
            "management.tcp.ip": "127.0.0.1",
            "management.tcp.port": self._management_port,
            "management_agent.disable_metrics_collector": "true",
            "default_user": USER,
            "default_pass": PASSWORD,
            "disk_free_limit.absolute": "50MB",
            "raft.wal_max_size_bytes": 33_554_432,
        }
        return "".join(f"{key} = {value}\n" for key, value in settings.items())

    def _environment(self) -> dict[str, str]:
        folder = str(self.folder)
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": folder,
            "LANG": "C.UTF-8",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"swarming-{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_BASE": folder,
            "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia",
            "RABBITMQ_LOG_BASE": folder,
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq.conf",
            "RABBITMQ_CONF_ENV_FILE": f"{folder}/rabbitmq-env.conf",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/enabled_plugins",
            # No spinning while idle: others need these cores.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none"
            ),
            # Has the start script become the server instead of waiting for it, so that a signal reaches it.
            "RUNNING_UNDER_SYSTEMD": "true",
        }

    def _write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.write_text(text)
        self.make_ours(path)


class InstalledRedis(Installed):
    """Redis without persistence: it comes back empty."""

    def __init__(self) -> None:
        super().__init__()
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        settings = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "save": "",
            "appendonly": "no",
            "databases": str(REDIS_DATABASES),
            "dir": str(self.folder),
        }
        options = [part for key, value in settings.items() for part in (f"--{key}", value)]
        self.child = Child([_needed("redis-server"), *options], log=self.folder / "log", user=self.account)

    def wipe(self) -> None:
        """Nothing to do: nothing is stored."""


def _new_folder() -> Path:
    """A temporary folder named after this process; removes those of processes that were killed."""
    for old in Path(tempfile.gettempdir()).glob(f"{_FOLDER_PREFIX}*"):
        if not psutil.pid_exists(int(old.name.removeprefix(_FOLDER_PREFIX).partition("-")[0])):
            shutil.rmtree(old, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{_FOLDER_PREFIX}{os.getpid()}-"))


def _needed(name: str) -> Path:
    path = program(name)
    if path is None:
        raise ServerFailed(f"the program {name} is not installed")
    return path
