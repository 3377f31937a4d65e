# SPDX-License-Identifier: Apache-2.0
"""The ledger in an operator's hands: a hot copy, and a ledger made anew from the journal."""
import json
import shutil
import stat
import subprocess

from dgtest import part10
from dgtest.daemon import DAEMON
from dgtest.ports import wait_for
from dgtest.stage import STORAGE, Stage


def stored(stage: Stage, count: int, *numbers: int) -> list[part10.Instance]:
    sent = [part10.generate(3000, 88, *numbers, n, sop_class=STORAGE) for n in range(count)]
    stage.send(sent)
    return sent


def export(stage: Stage) -> dict[str, dict]:
    done = stage.daemon.run_client("ledger", "export", "--jsonl")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return {row["receipt"]: row for row in rows}


def settled_and_owed(stage: Stage) -> list[part10.Instance]:
    """Ten that both archives have, whose segments are gone after the restart, and five that `new` is owed."""
    done = stored(stage, 10, 1)
    stage.wait_arrived(done)
    stage.daemon.wait_drained()
    assert stage.daemon.stop() == 0
    # Some may be gone already; a stream that was never written to leaves none, and its numbers are given again.
    segments = list((stage.daemon.folder / "data" / "journal").glob("000[01]-*.seg"))
    stage.daemon.start()
    wait_for("segments of the first life are gone", lambda: not any(path.exists() for path in segments), 20)
    stage.new.down()
    owed = stored(stage, 5, 2)
    stage.legacy.wait_uids([i.sop_instance for i in owed])
    wait_for("owed", lambda: stage.daemon.archives()["new"]["owed"] == 5, 10)

    def legacy_has_all() -> bool:
        """Durable too: the ledger reads nothing else."""
        states = [row["state"] for fact in export(stage).values() for row in fact["archives"] if row["archive"] == 1]
        return states == ["settled"] * 15
    wait_for("what legacy answered is durable", legacy_has_all)
    return owed


def test_backup_is_hot_and_opens(folder):
    with Stage(folder) as stage:
        sent = stored(stage, 10, 3)
        stage.wait_arrived(sent)
        stage.daemon.wait_drained()
        wait_for("the ledger knows all", lambda: len(export(stage)) == 10, 10)
        copy = stage.daemon.folder / "copy"
        done = stage.daemon.run_client("ledger", "backup", str(copy))
        assert done.returncode == 0 and "10 receipts" in done.stdout, done.stdout + done.stderr
        assert stat.S_IMODE((copy / "data.mdb").stat().st_mode) == 0o600
        assert stage.daemon.run_client("ledger", "backup", str(copy)).returncode == 5, "nothing is overwritten"
        assert stage.daemon.stop() == 0
        before = export(stage)
        ledger = stage.daemon.folder / "data" / "ledger"
        shutil.rmtree(ledger)
        shutil.copytree(copy, ledger)
        assert export(stage).keys() == before.keys()
        stage.daemon.start()


def test_rebuild_changes_nothing_that_is_right(folder):
    with Stage(folder) as stage:
        owed = settled_and_owed(stage)
        refused = stage.daemon.run_client("ledger", "rebuild")
        assert refused.returncode == 5 and "stop it first" in refused.stderr
        stage.daemon.kill()
        stage.daemon.start()  # the ledger has all of the journal
        assert stage.daemon.stop() == 0
        before, stats = export(stage), stage.daemon.run_client("ledger", "stats").stdout
        done = stage.daemon.run_client("ledger", "rebuild")
        assert done.returncode == 0, done.stdout + done.stderr
        assert export(stage) == before
        assert stage.daemon.run_client("ledger", "stats").stdout == stats
        again = stage.daemon.run_client("ledger", "rebuild")
        assert again.returncode == 5 and "move it away" in again.stderr
        stage.daemon.start()
        stage.new.up()
        stage.daemon.run_client("queue", "retry", "--all", "new")
        stage.wait_arrived(owed)
        stage.daemon.wait_drained()
        assert len(stage.legacy.copies()) == 15, "nothing is sent again"


def test_rebuild_of_a_lost_ledger(folder):
    with Stage(folder) as stage:
        owed = settled_and_owed(stage)
        assert stage.daemon.stop() == 0
        (stage.daemon.folder / "data" / "ledger" / "data.mdb").write_bytes(b"nothing that LMDB knows")
        assert subprocess.run([DAEMON, "--config", stage.daemon.file], capture_output=True, cwd=stage.daemon.folder,
                              timeout=60, check=False).returncode != 0
        done = stage.daemon.run_client("ledger", "rebuild", "--json")
        assert done.returncode == 1, "the facts of what had gone are missing: " + done.stderr
        assert json.loads(done.stdout)["replayed"] >= 5
        assert {i.sop_instance for i in owed} <= {row["sop_instance"] for row in export(stage).values()}
        stage.daemon.start()
        stage.new.up()
        stage.daemon.run_client("queue", "retry", "--all", "new")
        stage.wait_arrived(owed)


def test_rebuild_knows_from_a_copy_what_was_delivered(folder):
    """Owed to two archives of which one is down for long: what came in is copied forward, and of what was reported of
    it no segment is left. A ledger made from the journal alone sends only to the archive that has not had it."""
    with Stage(folder, settings={"journal": {"segment_size": "1MiB"}}) as stage:
        stage.new.down()
        owed = stored(stage, 5, 4)
        stage.legacy.wait_uids([i.sop_instance for i in owed])
        wait_for("settled at legacy", lambda: stage.daemon.archives()["legacy"]["owed"] == 0, 20)
        assert stage.daemon.stop() == 0  # closes every segment
        data = stage.daemon.folder / "data"
        before = list((data / "journal").glob("000[01]-*.seg"))
        assert before
        stage.daemon.settings["journal"] |= {"segment_age": "1s", "copy_after": "1s"}
        stage.daemon.write()
        stage.daemon.start()
        wait_for("only copies are left", lambda: not any(path.exists() for path in before), 60, 0.1)
        assert list((data / "journal").glob("fffe-*.seg"))
        assert stage.daemon.stop() == 0
        known = export(stage)
        shutil.rmtree(data / "ledger")
        done = stage.daemon.run_client("ledger", "rebuild", "--json")
        assert done.returncode == 1 and json.loads(done.stdout)["replayed"] == 5, done.stdout + done.stderr
        assert export(stage) == known
        stage.daemon.start()
        assert stage.daemon.owed() == 5
        stage.new.up()
        stage.daemon.run_client("queue", "retry", "--all", "new")
        stage.wait_arrived(owed)
        stage.daemon.wait_drained()
        assert len(stage.new.copies()) == 5
        assert len(stage.legacy.copies()) == 5, "nothing is sent again"
