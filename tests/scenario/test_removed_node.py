# SPDX-License-Identifier: Apache-2.0
"""What is owed to a node that was taken out of the configuration is still found, and can be given up; counters go on over
a restart."""
from dgtest import part10
from dgtest.ports import wait_for
from dgtest.stage import STORAGE, Stage


def test_owed_to_a_removed_node(folder):
    with Stage(folder) as stage:
        daemon = stage.daemon
        stage.new.down()
        sent = [part10.generate(3000, 89, 1, n, sop_class=STORAGE) for n in range(6)]
        stage.send(sent)
        stage.legacy.wait_uids([i.sop_instance for i in sent])
        wait_for("owed", lambda: daemon.archives()["new"]["owed"] == 6, 10)
        wait_for("legacy has settled", lambda: daemon.archives()["legacy"]["owed"] == 0, 10)
        before = daemon.status()["receipts"]
        assert before["accepted"] == 6 and before["owed"] == 6
        assert daemon.stop() == 0
        node = daemon.settings["nodes"].pop("new")
        daemon.settings["phases"]["coexist"]["store"][0]["to"] = ["legacy"]
        daemon.write()
        daemon.start()
        after = daemon.status()
        assert after["receipts"]["accepted"] == 6 and after["receipts"]["settled"] == 0
        assert any("queue list --archive 2" in alarm for alarm in after["alarms"])
        assert any("queue drop --all --archive 2 --person WHO --reason WHY`" in alarm for alarm in after["alarms"])
        items = daemon.ask("queue", "list", "--archive", str(node["id"]))["items"]
        assert {item["uid"] for item in items} == {i.sop_instance for i in sent}
        first = daemon.ask("queue", "list", "--archive", "2", "--limit", "4")
        assert len(first["items"]) == 4 and first["more"]
        words = ["--archive", "2", "--person", "T. Est", "--reason", "the old archive is switched off"]
        assert daemon.run_client("queue", "retry", "--all", "--archive", "2").returncode != 0
        dropped = daemon.ask("queue", "drop", str(items[0]["receipt"]), *words)
        assert dropped["changed"] == 1 and dropped["durable"]
        wait_for("one less", lambda: len(daemon.ask("queue", "list", "--archive", "2")["items"]) == 5, 10)
        done = daemon.run_client("queue", "drop", "--all", *words)
        assert done.returncode == 0, done.stderr
        wait_for("none", lambda: daemon.ask("queue", "list", "--archive", "2")["items"] == [], 10)
        assert not any("queue list --archive" in alarm for alarm in daemon.status()["alarms"])
        [fact] = daemon.ledger(sent[0].sop_instance)
        assert [d["person"] for d in fact["archives"] if d["state"] == "dropped"] == ["T. Est"]
        assert daemon.stop() == 0
        daemon.start()
        assert daemon.status()["recovery"]["owed"] == 0
        receipts = daemon.status()["receipts"]
        assert receipts["accepted"] == 6 and receipts["settled"] == 6
