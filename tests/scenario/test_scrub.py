# SPDX-License-Identifier: Apache-2.0
"""Damage in the journal is found before anybody needs the data, told, and costs nothing but what it hit."""
from pathlib import Path

from dgtest import part10
from dgtest.ports import wait_for
from dgtest.stage import STORAGE, Stage

SETTINGS = {"journal": {"scrub_rate": "1GiB", "scrub_pause": "1s"}}


def rot(journal: Path, offset: int = 100_000) -> Path:
    """Flips a bit in the midst of what was stored."""
    for path in sorted(journal.glob("000*.seg")):
        with path.open("r+b") as file:
            file.seek(offset)
            found = file.read(64)
            if any(found):
                file.seek(offset)
                file.write(bytes([found[0] ^ 0x10]) + found[1:])
                return path
    raise AssertionError("no segment holds anything there")


def test_bit_rot_is_found_and_reported(folder):
    with Stage(folder, settings=SETTINGS) as stage:
        daemon = stage.daemon
        stage.new.down()
        hit = part10.generate(300_000, 87, 1, sop_class=STORAGE)
        stage.send([hit])
        others = [part10.generate(3000, 87, 2, n, sop_class=STORAGE) for n in range(5)]
        stage.send(others)
        stage.legacy.wait_uids([i.sop_instance for i in [hit, *others]])
        wait_for("owed to new", lambda: daemon.archives()["new"]["owed"] == 6, 10)
        assert daemon.run_client("queue", "quarantine").returncode == 0
        assert daemon.stop() == 0  # nothing is in memory any more
        segment = rot(daemon.folder / "data" / "journal")
        daemon.start()
        wait_for("the finding", lambda: daemon.ask("queue", "quarantine")["items"], 30)
        found = daemon.ask("queue", "quarantine")
        assert found["present"] == 1
        [item] = found["items"]
        assert item["segment"] == segment.name and item["record"] == "DATA" and item["found_by"] == "scrub"
        assert item["offset"] < 100_000 <= item["offset"] + item["bytes"]
        assert item["uid"] == hit.sop_instance and item["owed"] == ["new"]
        assert any("damaged" in alarm for alarm in daemon.status()["alarms"])
        assert daemon.logged("gateway.quarantined")
        wait_for("parked", lambda: daemon.archives()["new"]["parked"] == 1, 10)
        stage.new.up()
        daemon.run_client("queue", "retry", "--all", "new")
        stage.new.wait_uids([i.sop_instance for i in others])
        wait_for("all but one", lambda: daemon.archives()["new"]["owed"] == 0, 20)
        assert daemon.archives()["new"]["parked"] == 1, "a retry finds it damaged again"
        assert daemon.stop() == 0
        again = daemon.ask("queue", "quarantine")  # with the daemon down, and after a restart
        assert again["items"] == found["items"]
        daemon.start()
        assert any("damaged" in alarm for alarm in daemon.status()["alarms"])
        wait_for("parked again", lambda: daemon.archives()["new"]["parked"] == 1, 10)
        receipt = str(daemon.ask("queue", "list", "--state", "parked")["items"][0]["receipt"])
        dropped = daemon.run_client("queue", "drop", receipt, "new", "--person", "T. Est", "--reason", "damaged")
        assert dropped.returncode == 0, dropped.stderr


def spoil(journal: Path, kind: int) -> None:
    """Flips a bit in the body of the first record of this type."""
    for path in sorted(journal.glob("000*.seg")):
        data = path.read_bytes()
        for at in range(4096, len(data), 64):
            if data[at:at + 4] == b"DGJR" and data[at + 5] == kind:
                with path.open("r+b") as file:
                    file.seek(at + 70)
                    file.write(bytes([data[at + 70] ^ 1]))
                return
    raise AssertionError("there is no such record")


def test_what_has_lost_its_name_is_parked_for_a_person(folder):
    """The ledger is made anew from a journal in which an OPEN is bad: nobody knows which instance it is."""
    with Stage(folder) as stage:
        daemon = stage.daemon
        stage.new.down()
        one = part10.generate(3000, 87, 3, sop_class=STORAGE)
        others = [part10.generate(3000, 87, 4, n, sop_class=STORAGE) for n in range(3)]
        for instances in ([one], *([other] for other in others for _ in range(2))):  # on each stream some that vouch for it
            stage.send(instances)
        stage.legacy.wait_uids([i.sop_instance for i in (one, *others)])
        assert daemon.stop() == 0
        spoil(daemon.folder / "data" / "journal", 1)
        (daemon.folder / "data" / "ledger").rename(folder / "lost")
        daemon.start()
        stage.new.up()
        wait_for("it is parked", lambda: daemon.archives()["new"]["parked"] == 1, 20)
        row, = daemon.ask("queue", "list", "--state", "parked", "--archive", "new")["items"]
        assert row["reason"] == "journal record is damaged"
