# SPDX-License-Identifier: Apache-2.0
"""Keys in an operator's hands: backup, verification, another master key; and what must never happen on the way."""
import stat

from dgtest import part10
from dgtest.ports import wait_for
from dgtest.stage import STORAGE, Stage


def owed_to_new(stage: Stage, count: int, *numbers: int) -> list[part10.Instance]:
    """Instances that the archive `new`, which is down, is still owed."""
    stage.new.down()
    sent = [part10.generate(3000, 86, *numbers, n, sop_class=STORAGE) for n in range(count)]
    stage.send(sent)
    stage.legacy.wait_uids([i.sop_instance for i in sent])
    wait_for("owed to new", lambda: stage.daemon.archives()["new"]["owed"] == count, 10)
    return sent


def arrives(stage: Stage, sent: list[part10.Instance]) -> None:
    stage.new.up()
    stage.daemon.run_client("queue", "retry", "--all", "new")
    stage.wait_arrived(sent)
    stage.daemon.wait_drained()


def test_another_master_key(folder):
    with Stage(folder) as stage:
        sent = owed_to_new(stage, 5, 1)
        master = stage.daemon.folder / "master.key"
        before = master.read_bytes()
        refused = stage.daemon.run_client("key", "rotate")
        assert refused.returncode == 5 and "stop it first" in refused.stderr
        assert master.read_bytes() == before
        assert stage.daemon.stop() == 0
        done = stage.daemon.run_client("key", "rotate")
        assert done.returncode == 0, done.stderr
        assert master.read_bytes() != before and stat.S_IMODE(master.stat().st_mode) == 0o600
        for key in (before, master.read_bytes()):
            assert key.hex() not in done.stdout and key not in done.stdout.encode("utf-8", "surrogateescape")
        left = {path.name for path in stage.daemon.folder.rglob("*") if path.suffix in (".new", ".old")}
        assert not left
        assert stage.daemon.run_client("key", "verify").returncode == 0
        stage.daemon.start()
        arrives(stage, sent)


def test_backup_restores(folder):
    with Stage(folder) as stage:
        sent = owed_to_new(stage, 5, 2)
        backup = stage.daemon.folder / "keys.backup"
        done = stage.daemon.run_client("key", "backup", str(backup))
        assert done.returncode == 0, done.stderr
        assert stat.S_IMODE(backup.stat().st_mode) == 0o600
        assert stage.daemon.run_client("key", "backup", str(backup)).returncode == 5, "nothing is overwritten"
        assert stage.daemon.run_client("key", "verify", "--backup", str(backup)).returncode == 0
        assert stage.daemon.stop() == 0
        keys = stage.daemon.folder / "data" / "keyring"
        keys.unlink()
        lost = stage.daemon.run_client("key", "verify")
        assert lost.returncode == 1 and "keyring" in lost.stderr
        restored = stage.daemon.run_client("key", "restore", str(backup))
        assert restored.returncode == 0, restored.stderr
        assert stat.S_IMODE(keys.stat().st_mode) == 0o600
        again = stage.daemon.run_client("key", "restore", str(backup))
        assert again.returncode == 5 and "nothing was changed" in again.stderr
        assert stage.daemon.run_client("key", "verify").returncode == 0
        stage.daemon.start()
        arrives(stage, sent)


def test_verify_names_what_is_missing(folder):
    with Stage(folder) as stage:
        backup = stage.daemon.folder / "keys.backup"
        sent = owed_to_new(stage, 2, 3)
        assert stage.daemon.run_client("key", "backup", str(backup)).returncode == 0
        assert stage.daemon.stop() == 0
        stage.daemon.start()  # a new life begins new segments
        found = stage.daemon.ask("key", "verify", "--backup", str(backup), expect=1)
        assert found["segments"] > 2 and found["findings"]
        assert {finding["in"] for finding in found["findings"]} == {"backup"}
        assert all(finding["finding"] == "has no key for it" for finding in found["findings"])
        assert stage.daemon.run_client("key", "verify").returncode == 0
        arrives(stage, sent)


def test_a_segment_that_begins_is_no_finding(folder):
    """Its file is there before its key. Without a key it is a finding only once something is written in it."""
    with Stage(folder) as stage:
        assert stage.daemon.stop() == 0
        journal = stage.daemon.folder / "data" / "journal"
        begun = journal / "0001-00000999.seg"
        begun.write_bytes(bytes(16384))
        assert stage.daemon.run_client("key", "verify").returncode == 0
        begun.write_bytes(bytes(4096) + b"record" + bytes(8192))
        found = stage.daemon.run_client("key", "verify")
        assert (found.returncode, found.stdout.splitlines()[0]) == (1, f"{begun.name}: the key file has no key for it")
        begun.unlink()


def test_verify_finds_the_wrong_master_key(folder):
    with Stage(folder) as stage:
        backup = stage.daemon.folder / "keys.backup"
        assert stage.daemon.run_client("key", "backup", str(backup)).returncode == 0
        assert stage.daemon.stop() == 0
        assert stage.daemon.run_client("key", "rotate").returncode == 0
        done = stage.daemon.run_client("key", "verify", "--backup", str(backup))
        assert done.returncode == 1 and "another master key" in done.stderr
        stage.daemon.start()
