# SPDX-License-Identifier: Apache-2.0
"""Sixteen associations at once, plain and TLS, for DG_LOAD_SECONDS, while one archive goes and comes
back and operators ask for status. Everything acknowledged arrives; under the thread sanitizer
(build/tsan/bin as DG_BIN) the daemon ends with no report (ENGINE 9)."""
import os
import time

from dgtest import part10, sender
from dgtest.stage import STORAGE, Stage

SECONDS = float(os.environ.get("DG_LOAD_SECONDS", "10"))


def load(stage: Stage, group: int, tls: bool) -> sender.Load:
    return sender.Load(stage.target(tls=tls), lambda worker, number: part10.generate(
        6000, 88, group, worker, number, sop_class=STORAGE), workers=8).start()


def test_sixteen_associations(folder):
    with Stage(folder, tls=True, settings={"limits": {"stop": "20s"}}) as stage:
        loads = [load(stage, 1, False), load(stage, 2, True)]
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            stage.new.down()
            stage.daemon.ask("status")
            stage.legacy.wait_copies(len(stage.legacy.copies()) + 20, 60)
            stage.new.up()
            stage.daemon.ask("queue", "list")
            stage.new.wait_copies(len(stage.new.copies()) + 20, 60)
        stored = [result.instance for one in loads for result in one.stop() if result.status == 0]
        assert len(stored) > 100
        stage.daemon.wait_drained(120)
        stage.wait_arrived(stored, 60)
        assert stage.daemon.stop() == 0
        reports = [line for line in stage.daemon.log_path.read_text(errors="replace").splitlines()
                   if "ThreadSanitizer" in line]
        assert not reports, reports[:5]
