"""Hooks that the server sends to bots that are not its own, with the handshake.

Such a bot fetches a CAS client through CIPD before every task, also where no task ever uses it; without a CIPD service
each task would end in an internal failure. With these hooks it needs neither. A task that has a CAS input ends as
CLIENT_ERROR: the stand-in for the client says that the input is not there. The server gives such a bot no task with
CIPD packages.

Uploaded hooks may stand above this text, so all names but the hook's begin with an underscore, and a hook of the same
name is called first.
"""

import os as _os
from typing import Any as _Any

_NO_CAS = """#!/bin/sh
# Tells the task runner what it reads of a CAS client that does not find an input: a word in this file, and exit code 1.
while [ $# -gt 1 ]; do
  if [ "$1" = -dump-json ]; then
    echo '{"result": "digest_invalid"}' > "$2"
  fi
  shift
done
echo 'This Swarming has no CAS: the inputs that the task names there (cas_input_root) cannot be fetched.' >&2
exit 1
"""

_uploaded_on_before_task = globals().get("on_before_task")


def on_before_task(bot: _Any, bot_file: _Any, runner_cmd: _Any, runner_env: _Any) -> None:
    """Have the task runner take a stand-in for that client from a folder; one that somebody else named stays."""
    if _uploaded_on_before_task is not None:
        _uploaded_on_before_task(bot, bot_file, runner_cmd, runner_env)
    folder = _os.path.join(bot.base_dir, "no_cas")
    _os.makedirs(folder, exist_ok=True)
    for name in ("cas", "cas.exe"):
        path = _os.path.join(folder, name)
        with open(path, "w") as file:
            file.write(_NO_CAS)
        _os.chmod(path, 0o755)
    runner_env.setdefault("LUCI_GO_CLIENT_DIR", folder)
    runner_cmd.extend(["--cipd-enabled", "false"])
