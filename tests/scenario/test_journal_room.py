# SPDX-License-Identifier: Apache-2.0
"""What is owed for long does not fill the disk (ENGINE 3 and 4): a few instances are copied forward so that the rest of
the journal can go, and a journal with a quota says no in good time and comes back by itself."""
from dgtest import part10, pdu, sender
from dgtest.ports import wait_for
from dgtest.stage import STORAGE, Stage, same_bytes

# Two workers with two segments each, the copies' and the control stream's.
LEAST = 8 << 20
SMALL = {"segment_size": "1MiB", "segment_age": "1s", "copy_after": "1s"}


def _fixed(**row: object) -> dict[str, object]:
    """A row of a phase that asks no archive."""
    return {"acknowledge": "durable", "negotiate": "fixed",
            "transfer_syntaxes": ["ExplicitVRLittleEndian", "ImplicitVRLittleEndian"], **row}




def _segments(stage: Stage, stream: str = "") -> list[str]:
    return sorted(path.name for path in (stage.daemon.folder / "data" / "journal").glob(f"{stream}*.seg"))


def _journal(stage: Stage) -> dict:
    return stage.daemon.status()["journal"]


def _is_welcome(stage: Stage, pairs: list[tuple[str, str]]) -> bool:
    try:
        with stage.target().open(pairs) as association:
            association.release()
    except sender.Rejected as rejected:
        assert rejected.triple == (2, 3, 1)
        return False
    return True


def test_one_instance_owed_for_long_does_not_keep_the_journal(folder):
    """One instance waits for an archive that is down while much else passes: the journal stays small. After a kill
    and a restart it is delivered byte for byte, and then nothing is left of it."""
    routes = [_fixed(match={"called": ["WAITING"]}, to=["new"]), _fixed(to=["legacy"])]
    settings = {"journal": SMALL, "titles": ["DICOMGATE", "WAITING"], "phases": {"coexist": {"store": routes}}}
    waiting = part10.generate(200_000, 71, 0, sop_class=STORAGE)
    others = [part10.generate(500_000, 72, number, sop_class=STORAGE) for number in range(60)]
    with Stage(folder, settings=settings) as stage:
        stage.new.down()
        target = sender.Target(("127.0.0.1", stage.daemon.port), "WAITING", "CT1")
        assert [result.status for result in sender.send(target, [waiting])] == [0]
        first = set(_segments(stage))
        for at in range(0, len(others), 20):
            stage.send(others[at:at + 20])
        stage.legacy.wait_uids([one.sop_instance for one in others], 60)
        wait_for("what is owed was copied forward", lambda: _segments(stage, "fffe-"), 60, 0.1)
        wait_for("the journal is small", lambda: _journal(stage)["bytes"] <= LEAST, 60, 0.1)
        wait_for("the segment that it came in is gone",
                 lambda: not first & {name for name in _segments(stage) if name < "f"}, 60, 0.1)
        assert stage.daemon.owed() == 1
        stage.daemon.kill()
        stage.daemon.start()
        assert stage.daemon.owed() == 1
        stage.new.up()
        stage.new.wait_uids([waiting.sop_instance], 60)
        assert same_bytes([waiting], stage.new.copies()) == []
        assert len(stage.new.copies()) == 1
        wait_for("no copy is left", lambda: not _segments(stage, "fffe-"), 60, 0.1)
        assert same_bytes(others, stage.legacy.copies()) == []


def test_a_quota_rejects_associations_first_and_instances_later(folder):
    """ENGINE 3: new store associations are rejected (2,3,1); an open one goes on until A700; everything that was
    acknowledged is delivered; and when there is room the gateway takes instances again."""
    journal = dict(SMALL, quota="40MiB", association_watermark="20MiB", watermark="10MiB", reserve="4MiB",
                   copy_after="1h")
    pairs = [(pdu.VERIFICATION, pdu.IMPLICIT_LE), (STORAGE, pdu.EXPLICIT_LE)]
    with Stage(folder, settings={"journal": journal}) as stage:
        stage.new.down()
        stored, refused, rejected_at = [], 0, None
        with stage.target().open(pairs) as association:
            for number in range(200):
                one = part10.generate(500_000, 73, number, sop_class=STORAGE)
                status = sender.store(association, one, stage.target()).status
                assert status in (0, 0xA700)
                if status == 0:
                    stored.append(one)
                    assert refused == 0, "nothing makes room while the archive is down"
                else:
                    refused += 1
                if refused == 3:
                    break
                if rejected_at is None and _journal(stage)["room"] < (19 << 20):
                    # each stream looks at its room every second
                    wait_for("associations are rejected", lambda: not _is_welcome(stage, pairs), 10, 0.1)
                    rejected_at = len(stored)
            assert refused == 3 and len(stored) > 20
            assert rejected_at is not None and rejected_at < len(stored), "associations first, instances later"
            assert association.echo(1) == 0, "the association lives"
            association.release()
        assert not _is_welcome(stage, pairs)
        with stage.target().open([(pdu.VERIFICATION, pdu.IMPLICIT_LE)]) as association:
            assert association.echo(1) == 0
            association.release()
        state = _journal(stage)
        assert state["quota"] == 40 << 20 and state["bytes"] <= 40 << 20
        assert not state["welcoming"] and not state["accepting"]
        assert "quota 40" in stage.daemon.run_client("status").stdout
        stage.new.up()
        stage.wait_arrived(stored, 120)
        assert same_bytes(stored, stage.new.copies()) == []
        wait_for("it takes instances again", lambda: _journal(stage)["welcoming"], 60, 0.1)
        stage.send([part10.generate(500_000, 74, 0, sop_class=STORAGE)])
        stage.daemon.wait_drained()
