"""What a process of the statistics has, of all that the others bring with them."""

import subprocess
import sys


def test_a_process_with_nothing_but_the_service_knows_the_events_of_tasks():
    code = (
        "import swarming_stats.bootstrap; from swarming_common.events.envelope import KNOWN;"
        " assert ('task.completed', 1) in KNOWN, sorted(KNOWN)"
    )

    subprocess.run([sys.executable, "-c", code], check=True)
