# SPDX-License-Identifier: Apache-2.0
"""Too little room for the journal: nothing is acknowledged, nothing breaks, and it ends by itself."""
from dgtest import part10, pdu, sender
from dgtest.stage import STORAGE, Stage


def test_below_the_watermark_nothing_is_acknowledged_and_the_association_lives(folder):
    """ENGINE 3: A700 after the data set has been read, or no new store association (2,3,1)."""
    with Stage(folder, settings={"journal": {"watermark": "900TiB"}}) as stage:
        pairs = [(pdu.VERIFICATION, pdu.IMPLICIT_LE), (STORAGE, pdu.EXPLICIT_LE)]
        try:
            association = stage.target().open(pairs)
        except sender.Rejected as rejected:
            assert rejected.triple == (2, 3, 1)
        else:
            with association:
                for number in range(3):
                    one = part10.generate(500_000, 89, number, sop_class=STORAGE)
                    assert sender.store(association, one, stage.target()).status == 0xA700
                    assert association.echo(1) == 0
                association.release()
        assert stage.daemon.run_client("status").returncode == 1, "a finding"
        assert all(archive.copies() == [] for archive in stage.archives)
