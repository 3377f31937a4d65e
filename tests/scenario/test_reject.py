# SPDX-License-Identifier: Apache-2.0
"""What a rule rejects is refused before Success (FIELD 3), and nobody gets it; the association lives."""
from dgtest import sender
from dgtest.ports import wait_for
from hold_scene import held, instance, scene


def statuses(stage, instances) -> list[tuple[int, str]]:
    return [(result.status, result.comment) for result in sender.send(stage.target(), instances)]


def test_refused_with_the_reason_and_the_association_lives(folder):
    with scene(folder, "new") as stage:
        before, never, large, after = (instance(1, 1, "FINE"), instance(1, 2, "NEVER"),
                                       instance(1, 3, "NEVER", 3 << 20), instance(1, 4, "FINE"))
        answers = statuses(stage, [before, never, large, after])
        assert [status for status, _ in answers] == [0, 0xA900, 0xA900, 0]
        assert "never" in answers[1][1] and len(answers[1][1]) <= 64 and "NEVER" not in answers[1][1]
        stage.wait_arrived([before, after])
        wait_for("nothing is owed", lambda: stage.daemon.ask("queue", "list")["items"] == [], 20)
        for archive in stage.archives:
            assert sorted(archive.uids()) == sorted([before.sop_instance, after.sop_instance]), "neither archive gets it"
        assert stage.daemon.counter("intake.rejected") == 2
        log = stage.daemon.log_path.read_text()
        assert "intake.rejected" in log and "Rabe" not in log and "NEVER" not in log


def test_a_hold_is_no_refusal(folder):
    with scene(folder, "new") as stage:
        assert statuses(stage, [instance(1, 1, "DOUBTFUL")]) == [(0, "")]
        held(stage, 1)


