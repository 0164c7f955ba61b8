"""What the bot's zip can be told to do: `python3 swarming_bot.zip start_bot`, and a few things more."""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import os
import pkgutil
import shutil
import sys
import tempfile
import zipfile
from typing import Any, Callable, Dict, List, Optional

from swarming_bot.code_folder import GOOD, HOOKS, SLOTS, CodeFolder
from swarming_bot.errors import BotError
from swarming_bot.log_levels import NOTICE
from swarming_bot.streams import make_printable
from swarming_bot.supervisor import EXIT_BAD_ARGUMENTS, TRIAL_SECONDS, Supervisor
from swarming_bot.supervisor_link import SupervisorLink, link_of_this_process
from swarming_bot.version import zip_version

HELP = """\
usage: python3 swarming_bot.zip COMMAND [OPTIONS]

  start_bot        run the bot, keep it running and keep its code up to date (the default)
  install-service  have this machine do that from now on
  version          print the version of this code
  attributes       print the dimensions that this machine has
  self_check       find out whether this code works on this machine

`python3 swarming_bot.zip start_bot --help` names the options.
"""
CANNOT_START = 1  # exit code
CONFIG_ENTRY = "config/config.json"
HOOKS_ENTRY = "config/bot_config.py"
TRIAL_SECONDS_VARIABLE = "SWARMING_BOT_TRIAL_SECONDS"


def main(arguments: Optional[List[str]] = None) -> int:
    """Do what the arguments say; returns the exit code."""
    make_printable()
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] in ("-h", "--help", "help"):
        print(HELP, end="")
        return 0
    try:
        return _COMMANDS[_taken_command(given)](given)
    except (BotError, OSError) as error:
        print(f"swarming_bot: {error}", file=sys.stderr)
        return CANNOT_START


def _taken_command(given: List[str]) -> str:
    """The command, taken out of the arguments."""
    if "install-service" in given:  # wherever it stands among the options, as with `swarming bot`
        given.remove("install-service")
        return "install-service"
    return given.pop(0) if given and given[0] in _COMMANDS else "start_bot"


def _start_bot(arguments: List[str]) -> int:
    """As supervisor; or, when a supervisor started this, as the bot."""
    arguments = [one for one in arguments if one != "--survive"]  # upstream's, when it moves over to this code
    folder = CodeFolder(os.path.dirname(_own_file()))
    link = link_of_this_process()
    if link is not None:
        return _be_the_bot(arguments, folder, link)
    _become_good(folder)
    known, _ = _known_options().parse_known_args(arguments)
    _set_up_logging()
    return Supervisor(folder, known.server.rstrip("/"), "start_bot", arguments, _trial_seconds()).run()


def _be_the_bot(arguments: List[str], folder: CodeFolder, link: SupervisorLink) -> int:
    # All of the bot: much to import, and the supervisor, which stays in memory, needs none of it.
    from swarming_bot import command
    from swarming_bot.code_updates import CodeUpdates

    parser = argparse.ArgumentParser(prog="swarming_bot.zip start_bot", description="Run this machine's bot.")
    command.configure(parser)
    parser.set_defaults(server=_server())
    args = parser.parse_args(arguments)
    if args.bots != 1:
        print("swarming_bot: --bots: a zip runs one bot; give each bot a folder of its own", file=sys.stderr)
        return EXIT_BAD_ARGUMENTS
    link.stop_with_supervisor()
    args.work = args.work or folder.file("work")
    args.hooks = args.hooks or _extracted_hooks(folder)
    return command.run(args, CodeUpdates(folder, args.server.rstrip("/"), link))


def _install_service(arguments: List[str]) -> int:
    from swarming_bot import command

    parser = argparse.ArgumentParser(prog="swarming_bot.zip", description="Have this machine run its bot.")
    command.configure(parser)
    parser.set_defaults(server=_server(), built_in_server=_built_in_server().rstrip("/"))
    return command.run(parser.parse_args([command.INSTALL_SERVICE, *arguments]))


def _become_good(folder: CodeFolder) -> None:
    """Somebody started a file under another name than the one that a machine starts: that one it is from now on."""
    own = _own_file()
    if os.path.basename(own) != GOOD and not (
        os.path.basename(own) in SLOTS and folder.note().running == os.path.basename(own)
    ):
        with open(own, "rb") as file:
            folder.store(folder.file(GOOD), file.read())


def _version(arguments: List[str]) -> int:
    print(zip_version(_own_file()))
    return 0


def _attributes(arguments: List[str]) -> int:
    from swarming_bot.dimensions import machine_dimensions

    print(json.dumps(machine_dimensions(), indent=2, sort_keys=True))
    return 0


def _self_check(arguments: List[str]) -> int:
    """Import everything, find out about this machine, load the hooks, supervise a child; then say the version."""
    import swarming_bot
    from swarming_bot.dimensions import machine_dimensions
    from swarming_bot.hooks import load_hooks

    for module in pkgutil.walk_packages(swarming_bot.__path__, "swarming_bot."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    machine_dimensions()
    try:
        load_hooks(_entry(HOOKS_ENTRY).decode(), HOOKS_ENTRY)
    except BaseException as error:  # such hooks quarantine a bot, so that people see them, and harm no more
        print(f"the hooks cannot be loaded: {error!r}")
    with tempfile.TemporaryDirectory(prefix="swarming_bot.") as folder:
        shutil.copyfile(_own_file(), os.path.join(folder, GOOD))
        code = Supervisor(CodeFolder(folder), "", "version", []).run()
    if code == 0:
        sys.stdout.flush()
        print(zip_version(_own_file()))
    return code


def _known_options() -> argparse.ArgumentParser:
    """What the supervisor wants to know of the bot's options; the bot itself checks them all."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--server", default=_server())
    return parser


def _server() -> str:
    return os.environ.get("SWARMING_SERVER") or _built_in_server()


def _built_in_server() -> str:
    return str(_config().get("server") or "")


def _set_up_logging() -> None:
    logging.basicConfig(format="%(asctime)s %(levelname)s supervisor %(message)s", level=NOTICE)


def _config() -> Dict[str, Any]:
    try:
        config = json.loads(_entry(CONFIG_ENTRY))
    except ValueError:
        return {}
    return config if isinstance(config, dict) else {}


def _extracted_hooks(folder: CodeFolder) -> str:
    """The hooks that came with this code, as a file: tracebacks quote it, and people can read it."""
    path, content = folder.file(HOOKS), _entry(HOOKS_ENTRY)
    try:
        with open(path, "rb") as file:
            if file.read() == content:
                return path  # nothing to write: a bot must be able to start, and say so, on a full disk
    except OSError:
        pass
    folder.store(path, content)
    return path


def _entry(name: str) -> bytes:
    with zipfile.ZipFile(_own_file()) as archive:
        try:
            return archive.read(name)
        except KeyError as error:
            raise BotError(f"{_own_file()} has no {name}") from error


def _own_file() -> str:
    return os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def _trial_seconds() -> float:
    """A trial's length, which tests shorten."""
    try:
        return float(os.environ.get(TRIAL_SECONDS_VARIABLE, TRIAL_SECONDS))
    except ValueError:
        logging.getLogger(__name__).warning("trial_seconds_not_a_number")
        return TRIAL_SECONDS


_COMMANDS: Dict[str, Callable[[List[str]], int]] = {
    "start_bot": _start_bot,
    "install-service": _install_service,
    "start_slave": _start_bot,  # upstream's name, when it moves over to this code
    "version": _version,
    "attributes": _attributes,
    "self_check": _self_check,
    "is_fine": _self_check,  # upstream's name
}
