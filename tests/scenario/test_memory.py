# SPDX-License-Identifier: Apache-2.0
"""A multi-frame instance of 2 GiB goes to both archives, one of which reads at 40 MB/s at most, in constant
memory: at most 128 MiB, and within 8 MiB of what an instance of 64 MiB takes."""
import os
import threading

from dgtest import part10, sender
from dgtest.daemon import sample_memory
from dgtest.fixtures import measured
from dgtest.stage import Stage

MIB = 1 << 20
SIZE = int(os.environ.get("DG_BIG_MIB", "2048")) * MIB
RATE = int(os.environ.get("DG_BIG_RATE", "40000000"))  # bytes in a second
LIMIT, DIFFERENCE = 128 * MIB, 8 * MIB


def peak(folder, size: int) -> int:
    """The highest RssAnon + RssShmem while one instance of `size` passes."""
    instance = part10.generate(size, 83, size // MIB)
    done = threading.Event()
    results: list[sender.Result] = []
    seconds = size / RATE * 1.5 + 120
    settings = {"limits": {"idle": "1h"}}
    with Stage(folder, count_only=True, settings=settings) as stage:
        stage.new.set(rate=RATE)

        def send() -> None:
            try:
                results.extend(sender.send(stage.target(timeout=seconds), [instance]))
                for archive in stage.archives if results[0].status == 0 else ():
                    archive.wait_uids([instance.sop_instance], seconds)
            finally:
                done.set()

        thread = threading.Thread(target=send)
        thread.start()
        samples = sample_memory(stage.daemon, done.is_set)
        thread.join()
        assert results[0].status == 0, f"{results[0].status} {results[0].comment}{results[0].error}"
        for archive in stage.archives:
            copies = archive.copies()
            assert [copy.sha256 for copy in copies if copy.status == 0] == [instance.digest()]
    assert len(samples) > 50
    return max(samples)


@measured
def test_memory_does_not_depend_on_the_size_of_an_instance(folder):
    small = peak(folder / "small", 64 * MIB)
    big = peak(folder / "big", SIZE)
    print(f"peak with 64 MiB: {small / MIB:.1f} MiB, with {SIZE // MIB} MiB: {big / MIB:.1f} MiB")
    assert big <= LIMIT
    assert big - small <= DIFFERENCE
