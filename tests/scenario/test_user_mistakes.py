# SPDX-License-Identifier: Apache-2.0
"""What a tired administrator does: the wrong key file, a folder that is not mounted, a node taken out too early."""
import shutil

from dgtest import part10, sender
from dgtest.ports import wait_for
from dgtest.stage import STORAGE, Stage, same_bytes


def owe(stage: Stage, count: int = 3) -> list:
    """Instances that an archive is owed when the gateway is killed."""
    stage.daemon.run_client("archive", "pause", "legacy")
    stage.daemon.run_client("archive", "pause", "new")
    sent = [part10.generate(200_000, 91, number, sop_class=STORAGE) for number in range(count)]
    for result in sender.send(stage.target(), sent):
        assert result.status == 0
    stage.daemon.kill()
    return sent


def resume(stage: Stage, sent: list) -> None:
    stage.daemon.start()
    for name in ("legacy", "new"):
        stage.daemon.run_client("archive", "resume", name)
    stage.wait_arrived(sent)


def refuses_to_start(stage: Stage) -> str:
    """What it says."""
    told = len(stage.daemon.log())
    stage.daemon.start(ready=False)
    assert stage.daemon.process.wait(20) == 6, "the configuration is right"
    stage.daemon.process = None
    return stage.daemon.log()[told:]


def test_an_old_or_short_key_file_costs_nothing(folder):
    with Stage(folder) as stage:
        ring = next(path for path in stage.daemon.folder.rglob("keyring") if path.is_file())
        good = stage.daemon.folder / "keyring.good"
        old = ring.read_bytes()[:4096]  # the header; below, an empty key file with the same header
        empty = old + bytes(ring.stat().st_size - 4096)
        sent = owe(stage)
        shutil.copy(ring, good)
        segments = sorted(path.name for path in ring.parent.glob("journal/*.seg"))
        for wrong in (old, empty):
            ring.write_bytes(wrong)
            assert segments[0] in refuses_to_start(stage)
            assert sorted(path.name for path in ring.parent.glob("journal/*.seg")) == segments
        shutil.copy(good, ring)
        resume(stage, sent)


def test_a_journal_that_is_not_mounted_costs_nothing(folder):
    with Stage(folder) as stage:
        sent = owe(stage)
        journal = next(stage.daemon.folder.rglob("journal"))
        away = stage.daemon.folder / "away"
        segment = min(path.name for path in journal.glob("*.seg"))
        journal.rename(away)
        assert segment in refuses_to_start(stage)
        shutil.rmtree(journal, ignore_errors=True)
        away.rename(journal)
        resume(stage, sent)


def test_a_node_taken_out_while_it_is_owed_is_an_alarm(folder):
    with Stage(folder) as stage:
        sent = owe(stage)
        daemon = stage.daemon
        node = daemon.settings["nodes"].pop("new")
        row = daemon.settings["phases"]["coexist"]["store"][0]
        row["to"] = ["legacy"]
        daemon.write()
        daemon.start()
        assert any("not in the configuration" in alarm for alarm in daemon.status()["alarms"])
        assert daemon.counter("forward.node-removed") == 1
        daemon.stop()
        daemon.settings["nodes"]["new"] = node
        row["to"] = ["legacy", "new"]
        daemon.write()
        resume(stage, sent)


def test_retry_of_all_ends_the_wait_for_an_archive(folder):
    with Stage(folder, node_options={"retry_min": "1h", "retry_max": "1h"}) as stage:
        stage.new.down()
        sent = [part10.generate(20_000, 92, number, sop_class=STORAGE) for number in range(3)]
        for result in sender.send(stage.target(), sent):
            assert result.status == 0
        stage.legacy.wait_copies(3)
        wait_for("the new archive is known to be down", lambda: stage.daemon.archives()["new"]["state"] == "down", 10)
        stage.new.up()
        done = stage.daemon.run_client("queue", "retry", "--all", "new")
        assert done.returncode == 0, done.stdout
        stage.wait_arrived(sent)


def test_a_large_instance_through_small_segments_arrives(folder):
    """Each change of segment is a chance to miss the call that there is room again."""
    with Stage(folder, settings={"journal": {"segment_size": "4MiB"}}) as stage:
        sent = [part10.generate(100_000_000, 93, number, sop_class=STORAGE) for number in range(4)]
        for one in sent:
            assert [result.status for result in sender.send(stage.target(timeout=60), [one])] == [0]
        stage.wait_arrived(sent, 120)
        for archive in stage.archives:
            assert same_bytes(sent, archive.copies()) == []
        assert stage.daemon.stop() == 0
