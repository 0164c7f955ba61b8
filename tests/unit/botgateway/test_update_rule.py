import pytest

from swarming_botgateway.bot_code.rule import BotUpdates, update_for

SERVED = frozenset({"v1", "v2"})


def told(version: str, rule: BotUpdates = BotUpdates.AUTO, **bot_code: object) -> str | None:
    return update_for(version, {"bot_code": bot_code} if bot_code else {}, "v2", SERVED, rule)


def test_a_bot_with_the_current_code_goes_on():
    assert told("v2") is None
    assert told("v2", BotUpdates.ALWAYS) is None


def test_a_bot_that_got_its_code_here_moves_over():
    assert told("v1") == "v2"


def test_a_bot_from_elsewhere_works_as_it_is():
    assert told("upstream") is None


def test_a_bot_that_says_that_it_updates_moves_over_even_if_its_version_is_forgotten():
    assert told("long-gone", updates=True) == "v2"


def test_always_is_upstreams_rule():
    assert told("upstream", BotUpdates.ALWAYS) == "v2"
    assert told("", BotUpdates.ALWAYS) == "v2"


@pytest.mark.parametrize("rule", BotUpdates)
def test_a_bot_that_runs_from_an_installed_package_is_left_alone(rule):
    assert told("v1", rule, updates=False) is None


@pytest.mark.parametrize("rule", BotUpdates)
def test_a_version_that_did_not_work_on_a_machine_is_not_offered_to_it_again(rule):
    assert told("v1", rule, updates=True, rejected="v2") is None


def test_another_version_than_the_rejected_one_is_offered():
    assert told("v1", updates=True, rejected="v0") == "v2"


def test_off_updates_nobody():
    assert told("v1", BotUpdates.OFF, updates=True) is None


@pytest.mark.parametrize("state", [{"bot_code": None}, {"bot_code": "x"}, {"bot_code": {"updates": "yes"}}])
def test_a_strange_state_is_no_word(state):
    assert update_for("upstream", state, "v2", SERVED, BotUpdates.AUTO) is None
    assert update_for("v1", state, "v2", SERVED, BotUpdates.AUTO) == "v2"


def test_before_there_is_any_code_nobody_is_updated():
    assert update_for("v1", {}, None, frozenset(), BotUpdates.ALWAYS) is None
