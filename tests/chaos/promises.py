"""The promises of architecture.md section 9, to be held against what an assault has left."""

from collections import Counter

from swarming_client import NewTask
from swarming_common.model.states import TaskState
from tests.chaos.aftermath import Aftermath
from tests.chaos.flight import POOLS
from tests.cluster.records import faults_in_numbers, faults_in_stories, task_of_row
from tests.cluster.workload import overlaps

GO_ON_SECONDS = 15.0


class Promises:
    """Subclasses supply the fixture `aftermath`. Each failure names the guilty tasks by their labels."""

    def test_every_answered_task_has_a_final_state(self, aftermath: Aftermath):
        states = {one.label: aftermath.state_of(one) for one in aftermath.answered}

        assert {label: state for label, state in states.items() if state is None or not state.is_final} == {}

    def test_every_task_completed_unless_all_its_bots_were_killed(self, aftermath: Aftermath):
        runs = aftermath.executions
        lost = {label for label in runs if {run.bot_id for run in runs[label]} <= aftermath.killed_bots}
        states = {one.label: aftermath.state_of(one) for one in aftermath.answered}

        others = {label: state for label, state in states.items() if state is not TaskState.COMPLETED}

        assert {label: s for label, s in others.items() if s is not TaskState.BOT_DIED or label not in lost} == {}

    def test_a_submission_that_was_repeated_made_one_task(self, aftermath: Aftermath):
        assert {name: times for name, times in Counter(aftermath.names).items() if times > 1} == {}
        assert sorted(aftermath.names) == sorted(one.label for one in aftermath.answered)

    def test_every_process_ran_once_but_for_those_of_killed_bots(self, aftermath: Aftermath):
        may_run_again = aftermath.killed_bots
        runs = aftermath.executions

        assert {one: runs[one] for one in runs if any(run.bot_id not in may_run_again for run in runs[one][:-1])} == {}
        assert {one: runs[one] for one in runs if len(runs[one]) > 2} == {}

    def test_no_two_processes_of_a_task_ran_at_once(self, aftermath: Aftermath):
        found = {label: overlaps(runs) for label, runs in aftermath.executions.items()}

        assert {label: pairs for label, pairs in found.items() if pairs} == {}

    def test_every_completed_task_ran_to_its_end_on_the_bot_that_its_result_names(self, aftermath: Aftermath):
        wrong = {}
        for one in aftermath.answered:
            if aftermath.state_of(one) is TaskState.COMPLETED:
                result = aftermath.records[one.task_id].runs[-1]
                runs = aftermath.executions.get(one.label, [])
                if result.exit_code != 0 or not any(run.bot_id == result.bot_id and run.ended for run in runs):
                    wrong[one.label] = (result.bot_id, result.exit_code, runs)

        assert wrong == {}

    def test_the_events_are_complete(self, aftermath: Aftermath):
        states = {task_id: record.state for task_id, record in aftermath.records.items()}

        assert faults_in_numbers(aftermath.events) == []
        assert faults_in_stories(aftermath.events, states, task_of_row) == []

    def test_every_event_is_counted_once(self, aftermath: Aftermath):
        assert aftermath.counts == dict(Counter(row.name for row in aftermath.events))

    def test_the_system_goes_on_as_if_nothing_had_happened(self, aftermath: Aftermath):
        client = aftermath.deployment.client()

        ids = [
            client.new_task(
                NewTask(command=["true"], dimensions=[("pool", POOLS[n % len(POOLS)])], wait_for_capacity=True)
            ).task_id
            for n in range(30)
        ]

        results = [client.wait(task_id, timeout_secs=GO_ON_SECONDS) for task_id in ids]
        assert Counter(result.state for result in results) == {"COMPLETED": 30}
