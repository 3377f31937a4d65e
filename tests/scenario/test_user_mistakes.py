# SPDX-License-Identifier: Apache-2.0
"""What a tired administrator does: the wrong key file, a folder that is not mounted, a node taken out too early."""
import shutil

from dgtest import edits, part10, sender
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


def refuses_to_start(stage: Stage, status: int) -> str:
    """What it says."""
    before = len(stage.daemon.log())
    stage.daemon.start(ready=False)
    assert stage.daemon.process.wait(20) == status
    stage.daemon.process = None
    return stage.daemon.log()[before:]


def names_one(told: str, segments: list[str]) -> bool:
    numbers = [(int(name[:4], 16), int(name[5:13], 16)) for name in segments]
    return any(f"stream={stream} segment={segment}:" in told for stream, segment in numbers)


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
            if wrong is old:
                assert "is cut short" in refuses_to_start(stage, 3)
            else:
                assert names_one(refuses_to_start(stage, 6), segments), "the configuration is right"
            assert sorted(path.name for path in ring.parent.glob("journal/*.seg")) == segments
        shutil.copy(good, ring)
        resume(stage, sent)


def test_a_journal_that_is_not_mounted_costs_nothing(folder):
    with Stage(folder) as stage:
        sent = owe(stage)
        journal = next(stage.daemon.folder.rglob("journal"))
        away = stage.daemon.folder / "away"
        segments = [path.name for path in journal.glob("*.seg")]
        journal.rename(away)
        assert names_one(refuses_to_start(stage, 6), segments)
        shutil.rmtree(journal, ignore_errors=True)
        away.rename(journal)
        resume(stage, sent)


def test_a_lost_crosswalk_is_not_an_empty_one(folder):
    """Not mounted: what it maps rests, the rest goes on. Put back, it is as it was; or a person says that it is lost."""
    nodes = {"legacy": {"domain": "LEGACY"}, "new": {"domain": "ENTERPRISE"}}
    first, second = edits.instance(1), edits.instance(2, study=2)

    def say(*words: str, expect: int) -> str:
        done = daemon.run_client("crosswalk", *words)
        assert done.returncode == expect, done.stdout + done.stderr
        return done.stderr

    def alarms() -> list[str]:
        return [alarm for alarm in daemon.status()["alarms"] if "crosswalk" in alarm]

    with Stage(folder, settings={**edits.DOMAINS, "nodes": nodes}) as stage:
        daemon = stage.daemon
        edits.crosswalk(daemon, "import", text=edits.rows({"0001": "E-1"}))
        assert alarms() == [] and daemon.stop() == 0
        store, away = daemon.folder / "data" / "crosswalk", daemon.folder / "away"
        store.rename(away)
        for folder_is_there in (False, True):  # an empty mount point; and nothing is left there by the first start
            if folder_is_there:
                store.mkdir(mode=0o700)
            assert f"{store} holds none" in say("stats", expect=5)
            found = daemon.ask("key", "verify", expect=1)["findings"]
            assert {"segment": "crosswalk", "in": "key file", "finding": "knows of one that is lost"} in found
            daemon.start()
            assert len(alarms()) == 1 and "it is lost" in alarms()[0] and "init" in alarms()[0]
            assert f"{store} holds none" in daemon.log() and "crosswalk import" in daemon.log()
            assert "it is lost" in say("export", "--clear", *edits.WHO, expect=5)
            if not stage.legacy.copies():
                stage.send([first])
                stage.legacy.wait_uids([first.sop_instance])
            assert daemon.archives()["new"]["owed"] == 1 and stage.new.copies() == []
            assert "stop it first" in say("init", "--lost", *edits.WHO, expect=5)
            assert daemon.stop() == 0
            say("init", "--lost", "--person", "Ada", expect=2)
            assert store.exists() == folder_is_there and not list(store.glob("*"))
        away.rename(store)  # that would fail if anything were in its way
        assert "nothing is lost" in say("init", "--lost", *edits.WHO, expect=5)
        daemon.start()
        stage.new.wait_uids([first.sop_instance])
        assert daemon.stop() == 0
        shutil.rmtree(store)
        assert "--lost" in say("init", *edits.WHO, expect=2)
        say("init", "--lost", *edits.WHO, expect=0)
        edits.crosswalk(daemon, "import", text=edits.rows({"0001": "E-1"}))
        daemon.start()
        assert alarms() == []
        stage.send([second])
        stage.wait_arrived([second])
        assert [edits.read(stage.new.data(copy)).PatientID for copy in stage.new.copies()] == ["E-1", "E-1"]
        acts = daemon.ask("crosswalk", "log")["items"]
        assert [(act["kind"], act["person"], act["reason"]) for act in acts] == [(kind, "Ada", "test")
                                                                                for kind in ("init", "import")]


def test_a_lost_crosswalk_that_nothing_needs_is_no_alarm(folder):
    with Stage(folder) as stage:
        daemon = stage.daemon
        assert daemon.stop() == 0
        shutil.rmtree(daemon.folder / "data" / "crosswalk")
        daemon.start()
        assert daemon.status()["alarms"] == [] and daemon.stop() == 0
        daemon.settings.update(edits.DOMAINS)
        for name, domain in ("legacy", "LEGACY"), ("new", "ENTERPRISE"):
            daemon.settings["nodes"][name]["domain"] = domain
        daemon.write()
        daemon.start()
        assert ["it is lost" in alarm for alarm in daemon.status()["alarms"]] == [True]


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
