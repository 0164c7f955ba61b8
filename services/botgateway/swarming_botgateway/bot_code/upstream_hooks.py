"""Hooks that the server sends to bots that are not its own, with the handshake.

Such a bot fetches a CAS client through CIPD before every task, also where no task ever uses it; without a CIPD service
each task would end in an internal failure. With these hooks it needs neither, until a task really asks for CAS.
"""

import os
from typing import Any

NO_CAS = "#!/bin/sh\necho 'This Swarming has no CAS.' >&2\nexit 1\n"


def on_before_task(bot: Any, bot_file: Any, runner_cmd: Any, runner_env: Any) -> None:
    """Have the task runner take a stand-in for that client from a folder; one that somebody else named stays."""
    folder = os.path.join(bot.base_dir, "no_cas")
    os.makedirs(folder, exist_ok=True)
    for name in ("cas", "cas.exe"):
        path = os.path.join(folder, name)
        with open(path, "w") as file:
            file.write(NO_CAS)
        os.chmod(path, 0o755)
    runner_env.setdefault("LUCI_GO_CLIENT_DIR", folder)
    runner_cmd.extend(["--cipd-enabled", "false"])
