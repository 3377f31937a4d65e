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
    settings = {}
    behaviour = SICK[name]
    if name == "slow":
        # One after the other, two seconds each: two minutes, so some are missing when the healthy one has all.
        behaviour = {"delay": 2.0}
        settings = {"nodes": {"new": {"associations": 1}}}
    instances = [part10.generate(16384, 82, n, sop_class=STORAGE) for n in range(INSTANCES)]
    uids = [instance.sop_instance for instance in instances]
    with Stage(folder, count_only=True, node_options=options, settings=settings) as stage:
        if behaviour is None:
            stage.new.down()
        else:
            stage.new.set(**behaviour)
        stage.send(instances)
        stage.legacy.wait_uids(uids, 60)
        assert stage.daemon.owed() > 0  # the sick one has not everything yet
        stage.new.up()
        stage.new.set()
        stage.daemon.wait_drained(120)
        stage.wait_arrived(instances, 60)
