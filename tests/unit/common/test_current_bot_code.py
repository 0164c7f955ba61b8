from datetime import UTC, datetime, timedelta

from swarming_common.bot_code.current import Build, choose

START = datetime(2026, 1, 1, tzinfo=UTC)


def a_build(version: str, package: str = "p1", hooks: int = 0, created: float = 0, wanted: float = 0) -> Build:
    def moment(seconds):
        return START + timedelta(seconds=seconds)

    return Build(version=version, package=package, hooks=hooks, created_ts=moment(created), wanted_ts=moment(wanted))


def chosen(*builds: Build, now: float = 0) -> str | None:
    build = choose(builds, START + timedelta(seconds=now))
    return None if build is None else build.version


def test_without_builds_there_is_none():
    assert chosen() is None


def test_newer_hooks_count():
    assert chosen(a_build("old", hooks=1, wanted=5), a_build("new", hooks=2, created=5, wanted=5), now=5) == "new"


def test_a_revert_brings_an_old_build_back_because_its_hooks_have_a_new_number():
    old = a_build("old", hooks=3, created=0, wanted=20)
    new = a_build("new", hooks=2, created=10, wanted=20)

    assert chosen(old, new, now=20) == "old"


def test_while_two_releases_run_side_by_side_the_package_that_came_last_counts():
    old = a_build("old", package="p1", created=0, wanted=100)
    new = a_build("new", package="p2", created=90, wanted=95)

    assert chosen(old, new, now=100) == "new"


def test_hooks_uploaded_in_the_middle_of_a_roll_out_do_not_bring_the_old_package_back():
    builds = [
        a_build("old", package="p1", hooks=0, created=0, wanted=90),
        a_build("new", package="p2", hooks=0, created=90, wanted=95),
        a_build("new with hooks", package="p2", hooks=1, created=100, wanted=100),
        a_build("old with hooks", package="p1", hooks=1, created=101, wanted=101),
    ]

    assert chosen(*builds, now=101) == "new with hooks"


def test_after_a_roll_back_the_package_that_nobody_wants_any_more_does_not_count():
    old = a_build("old", package="p1", created=0, wanted=200)
    new = a_build("new", package="p2", created=90, wanted=130)

    assert chosen(old, new, now=200) == "old"


def test_when_all_gateways_are_away_what_they_wanted_last_still_counts():
    assert chosen(a_build("only", wanted=10), now=10_000) == "only"
