"""A bot that adopts orphans collects them, and nothing else. Adopting changes a whole process: this takes its own."""

import subprocess
import sys

PROGRAM = """
import os, subprocess
from swarming_bot.process_tree import ProcessTree, adopt_orphans

def started(*command):
    return subprocess.Popen(command, start_new_session=True)

def has_ended(process):
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

assert adopt_orphans()
tree = ProcessTree("/nowhere/one")
leader = started("true")
tree.grow_from(leader.pid)
has_ended(leader)
"""


def said_by(program: str) -> str:
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM + program], capture_output=True, text=True, timeout=60, check=False
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


def test_a_process_that_ends_while_another_thread_starts_it_keeps_its_exit_code():
    said = said_by("""
other = ProcessTree("/nowhere/other")
ends_at_once = started("sh", "-c", "exit 3")
has_ended(ends_at_once)  # and nobody has told `other` of it yet
tree.is_bare()
print(ends_at_once.wait())
""")

    assert said == "3\n"
