# SPDX-License-Identifier: Apache-2.0
"""What rules hold back from one archive (FIELD 4): listed, shown, released, rejected, over restarts."""
import json

import pytest
from dgtest import part10
from dgtest.ports import wait_for
from hold_scene import BY, PACK, held, instance, scene


def test_held_for_one_archive_the_other_gets_its_copy(folder):
    with scene(folder, "new") as stage:
        fine, first, second = instance(1, 1, "FINE"), instance(1, 2, "DOUBTFUL"), instance(2, 1, "DOUBTFUL")
        stage.send([fine])
        stage.wait_arrived([fine])
        stage.send([first, second])
        stage.legacy.wait_uids([first.sop_instance, second.sop_instance], 20)
        groups = held(stage, 2)
        assert [(g["archive"], g["count"]) for g in groups] == [("new", 1), ("new", 1)]
        assert {g["study"] for g in groups} == {part10.uid(72, 1), part10.uid(72, 2)}
        assert all("doubtful" in g["reason"] for g in groups)
        assert stage.new.uids() == [fine.sop_instance]
        item, = wait_for("the ledger knows what was sent, and since when it is held", lambda: [
            item for item in stage.daemon.ask("hold", "show", first.sop_instance)["items"]
            if item["sent_count"] and item["since"]], 10)
        assert [row["uid"] for row in item["sent"]] == [fine.sop_instance] and item["sent_count"] == 1
        assert item["study"] == part10.uid(72, 1) and not item["primary"]
        other, = stage.daemon.ask("hold", "show", second.sop_instance)["items"]
        assert other["sent"] == []
        told = json.dumps([groups, item, other]) + stage.daemon.run_client("hold", "show", first.sop_instance).stdout
        assert "Rabe" not in told and "DOUBTFUL" not in told
        status = stage.daemon.status()
        assert status["receipts"]["held"] == 2
        assert not any("held" in alarm for alarm in status["alarms"]), "it is no primary"


def test_on_the_primary_it_is_an_alarm_at_once(folder):
    with scene(folder, "legacy") as stage:
        stage.send([instance(1, 1, "DOUBTFUL")])
        held(stage, 1)
        assert any("1 held for archive legacy" in alarm for alarm in stage.daemon.status()["alarms"])


@pytest.mark.parametrize("kill", [False, True])
def test_release_and_reject(folder, kill):
    with scene(folder, "new") as stage:
        ones = [instance(1, n, "DOUBTFUL") for n in range(3)] + [instance(2, 1, "DOUBTFUL")]
        stage.send(ones)
        held(stage, 4)
        if kill:
            stage.daemon.kill()
            stage.daemon.start()
            held(stage, 4)
        none = stage.daemon.ask("hold", "release", "--all", "--held-for", "another rule", *BY, expect=1)
        assert none["changed"] == 0
        told = stage.daemon.run_client("hold", "release", "--uid", "1.2.3", "new", *BY)
        assert (told.returncode, told.stdout) == (1, "nothing of it is held\n")
        assert stage.daemon.ask("hold", "release", "--study", part10.uid(72, 1), "new", *BY)["changed"] == 3
        stage.new.wait_uids([one.sop_instance for one in ones[:3]], 30)
        assert stage.daemon.ask("hold", "reject", "--uid", ones[3].sop_instance, *BY)["changed"] == 1
        def rejected() -> bool:
            fact, = stage.daemon.ledger(ones[3].sop_instance)
            row = next(r for r in fact["archives"] if r["archive"] == 2)
            return (row["state"], row.get("person")) == ("rejected", "J. Doe")
        wait_for("the ledger tells who rejected it", rejected, 20)
        if kill:
            stage.daemon.kill()
            stage.daemon.start()
        wait_for("nothing is owed", lambda: stage.daemon.ask("queue", "list")["items"] == [], 20)
        assert ones[3].sop_instance not in stage.new.uids()


def test_only_what_is_held_for_that_reason(folder):
    other = """  - rule: odd
    when: { element: PatientID, in: [ODD] }
    do: [ { hold: an odd patient } ]
"""
    with scene(folder, "new", pack=PACK + other) as stage:
        doubtful = [instance(1, number, "DOUBTFUL") for number in (1, 2)]
        odd = [instance(2, number, "ODD") for number in (1, 2)]
        stage.send([doubtful[0], odd[0], doubtful[1], odd[1]])
        held(stage, 4)
        assert stage.daemon.ask("hold", "release", "--all", "--held-for", "an odd patient", *BY)["changed"] == 2
        stage.new.wait_uids([one.sop_instance for one in odd], 30)
        left = held(stage, 2)
        assert all("doubtful" in group["reason"] for group in left)
        assert stage.daemon.ask("hold", "reject", "--all", "new", "--held-for", "doubtful", *BY)["changed"] == 2
        wait_for("nothing is owed", lambda: stage.daemon.ask("queue", "list")["items"] == [], 20)
        assert sorted(stage.new.uids()) == sorted(one.sop_instance for one in odd)


def test_it_leaves_by_itself_when_the_rules_change(folder):
    with scene(folder, "new") as stage:
        one = instance(1, 1, "DOUBTFUL")
        stage.send([one])
        held(stage, 1)
        (folder / "packs" / "site.yaml").write_text(PACK.replace("[DOUBTFUL]", "[OTHER]").replace("1.0.0", "1.0.1"))
        assert stage.daemon.run_client("config", "reload").returncode == 0
        stage.new.wait_uids([one.sop_instance], 30)
        assert stage.daemon.ask("hold", "list")["groups"] == []
