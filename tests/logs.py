"""Logs of tests are plain text: structlog's own way to show an exception, with all variables, takes half a second."""

import structlog


def pytest_configure() -> None:
    """For code that runs in the tests' own process; a process of its own sets its logs up itself."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer(colors=False),
        ]
    )
