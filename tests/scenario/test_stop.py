# SPDX-License-Identifier: Apache-2.0
"""Graceful stop: what has begun may end, nothing acknowledged is lost, the exit status is 0."""
import threading

from dgtest import dimse, part10, pdu, sender
from dgtest.association import Association
from dgtest.ports import tcp_row, wait_for
from dgtest.stage import STORAGE, Stage


def is_read(association: Association) -> bool:
    """The gateway's receive queue is empty."""
    row = tcp_row(association.sock)
    return row is not None and int(row[4].split(":")[1], 16) == 0


def test_instance_under_way_is_finished_before_the_end(folder):
    with Stage(folder, settings={"limits": {"stop": "20s"}}) as stage:
        one = part10.generate(200_000, 87, 1, sop_class=STORAGE)
        data = b"".join(one.chunks())
        association = stage.target().open([(STORAGE, pdu.EXPLICIT_LE)])
        association.send_command(1, dimse.c_store_rq(1, one.sop_class, one.sop_instance))
        association.send(pdu.p_data(pdu.pdv(1, 0, data[:10000])))
        wait_for("all of it is read", lambda: is_read(association))
        ended: list[int] = []
        thread = threading.Thread(target=lambda: ended.append(stage.daemon.stop(40)))
        thread.start()

        def refused() -> bool:
            try:
                stage.target(timeout=5).open([(STORAGE, pdu.EXPLICIT_LE)]).close()
                return False
            except sender.FAILURES:
                return True
        wait_for("no new association is taken", refused, 10)
        for start in range(10000, len(data), 10000):
            last = pdu.LAST if start + 10000 >= len(data) else 0
            association.send(pdu.p_data(pdu.pdv(1, last, data[start:start + 10000])))
        assert association.read_command()[1]["Status"] == 0
        association.release()
        thread.join()
        assert ended == [0]
        stage.daemon.start()
        stage.wait_arrived([one])


def test_stop_under_load_loses_nothing_acknowledged(folder):
    with Stage(folder, settings={"limits": {"stop": "30s"}}) as stage:
        load = sender.Load(stage.target(), lambda worker, n: part10.generate(
            8000, 87, 2, worker, n, sop_class=STORAGE)).start()
        stage.new.wait_copies(100)
        assert stage.daemon.stop() == 0
        load.stop()
        stored = load.stored()
        assert len(stored) >= 100
        stage.daemon.start()
        stage.daemon.wait_caught_up()
        stage.wait_arrived(stored)
        for archive in stage.archives:
            uids = [copy.uid for copy in archive.copies()]
            assert len(uids) == len(set(uids)), "a graceful stop sends nothing twice"


def test_idle_association_does_not_hold_up_the_stop(folder):
    with Stage(folder, settings={"limits": {"stop": "3s"}}) as stage:
        association = stage.target().open([(STORAGE, pdu.EXPLICIT_LE)])
        assert stage.daemon.stop(15) == 0
        association.close()
