# SPDX-License-Identifier: Apache-2.0
"""A sick archive never stops the other one: everything reaches the healthy archive while the other is sick, and the
sick one gets what it is owed when it returns. How fast, `scripts/bench --only independence` tells."""
import pytest

from dgtest import part10
from dgtest.archive import SICK
from dgtest.stage import STORAGE, Stage

INSTANCES = 60


@pytest.mark.parametrize("name", SICK)
def test_healthy_archive_gets_everything(folder, name):
    options = {"stall": "2s", "response": "5s"}
    instances = [part10.generate(16384, 82, n, sop_class=STORAGE) for n in range(INSTANCES)]
    uids = [instance.sop_instance for instance in instances]
    with Stage(folder, count_only=True, node_options=options) as stage:
        if SICK[name] is None:
            stage.new.down()
        else:
            # Far slower than any machine sends, so that it still lacks some when the healthy one has all.
            stage.new.set(**{key: 2.0 if key == "delay" else value for key, value in SICK[name].items()})
        stage.send(instances)
        stage.legacy.wait_uids(uids, 60)
        assert stage.daemon.owed() > 0  # the sick one has not everything yet
        stage.new.up()
        stage.new.set()
        stage.daemon.wait_drained(120)
        stage.wait_arrived(instances, 60)
