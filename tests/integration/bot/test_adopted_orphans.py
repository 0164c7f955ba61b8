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


def test_a_process_whose_parent_died_while_the_orphans_were_counted_is_not_overlooked():
    said = said_by("""
import threading, time
from swarming_bot import process_tree

read = process_tree._children
killed = []

def read_before_the_orphan_dies():
    children = read()
    if children and not killed:
        killed.extend(children)
        os.kill(children[0], 9)
        os.waitid(os.P_PID, children[0], os.WEXITED | os.WNOWAIT)
    return children

def count():
    tree = ProcessTree("/nowhere/two")
    script = "setsid sh -c 'echo $$; setsid sleep 60 & echo; wait' & exec >&- ; wait $!"
    leader = subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, start_new_session=True)
    tree.grow_from(leader.pid)
    for _ in range(2):
        leader.stdout.readline()
    leader.kill()
    has_ended(leader)
    process_tree._children = read_before_the_orphan_dies
    print(len(killed), tree.is_bare(), len(killed))
    tree.signal(9)

leader.wait()
tree.close()
thread = threading.Thread(target=count)  # orphans come to the first thread: its list has no other children
thread.start()
thread.join()
""")

    assert said == "0 False 1\n"


def test_a_process_whose_first_thread_has_ended_is_not_taken_for_dead():
    said = said_by("""
source = '''
import ctypes, threading, time
threading.Thread(target=time.sleep, args=(60,)).start()
ctypes.CDLL(None).pthread_exit(None)
'''
leader.wait()
tree.close()
many = ProcessTree("/nowhere/many")
leader = started("sh", "-c", '"$0" -c "$1" & wait', os.sys.executable, source)
many.grow_from(leader.pid)

def looks_dead():
    from swarming_bot.process_table import process_table, stat_fields
    return any(stat_fields(pid)[:1] == ["Z"] for pid, entry in process_table().items() if entry.group == leader.pid)

while not looks_dead():
    pass
print(len(many.members()))
many.signal(9)
""")

    assert said == "1\n"
