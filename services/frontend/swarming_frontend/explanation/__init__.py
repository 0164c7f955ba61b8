"""Why a task is pending, worked out from what was read: pure, with no I/O and the time passed in."""
