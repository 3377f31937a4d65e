# SPDX-License-Identifier: Apache-2.0
"""What each archive gets: the one without rules every byte as it came, the other one what its rules say and nothing
else (DESIGN "Byte-preserving edits", FIELD 4)."""
import hashlib
import ssl
import zlib
from pathlib import Path
from typing import Any

import pytest

from dgtest import corpus, edits, part10
from dgtest.archive import Copy
from dgtest.fixtures import needs_corpus
from dgtest.pdu import DEFLATED_LE, EXPLICIT_LE
from dgtest.ports import wait_for
from dgtest.stage import STORAGE, Stage, same_bytes

NAME = b"St Elsewhere"
INSTITUTION, MODIFIED, EQUIPMENT, PIXELS = 0x00080080, 0x04000561, 0x0018A001, 0x7FE00010
# What follows from an edit: who did it, what was there before, and the lengths of the groups.
CONSEQUENCES = {MODIFIED, EQUIPMENT, 0x00080000, 0x00080001, 0x00180000, 0x04000000}
PACK = """pack: site
version: 1.0.0
description: one edit
on-error: {on_error}
rules:
  - rule: one
    do: [ {action} ]
"""
SET_NAME = 'set: InstitutionName, to: "St Elsewhere"'


def write_pack(folder: Path, action: str, on_error: str = "flag") -> dict[str, Any]:
    return edits.put_pack(folder, PACK.format(on_error=on_error, action="{ " + action + " }"), "new")


def content(copy: Copy, folder: Path) -> bytes:
    return (folder / copy.file).read_bytes()


def elements(data: bytes, transfer_syntax: str) -> list[tuple[int, bytes, bytes]]:
    """In front of Pixel Data, without what follows from the edit."""
    found = part10.elements(data, transfer_syntax, PIXELS - 1)
    return [element for element in found if element[0] not in CONSEQUENCES | {INSTITUTION}]


def check_edited(instance: part10.Instance, got: bytes) -> None:
    was, syntax = b"".join(instance.chunks()), instance.transfer_syntax
    names = [value for tag, _, value in part10.elements(got, syntax, INSTITUTION) if tag == INSTITUTION]
    assert names == [NAME], instance.name
    assert elements(got, syntax) == elements(was, syntax), instance.name
    if syntax == DEFLATED_LE:
        was, got = zlib.decompressobj(-15).decompress(was), zlib.decompressobj(-15).decompress(got)
    pixels = max(was.rfind(b"\xe0\x7f\x10\x00"), was.rfind(b"\x7f\xe0\x00\x10"))
    assert pixels < 0 or got.endswith(was[pixels:]), instance.name


@needs_corpus
def test_corpus_is_edited_for_one_archive_and_exact_for_the_other(folder):
    instances = list({instance.sop_instance: instance for instance in corpus.good()}.values())
    with Stage(folder, settings=write_pack(folder / "packs", SET_NAME)) as stage:
        stage.send(instances)
        stage.wait_arrived(instances)
        assert not same_bytes(instances, stage.legacy.copies())
        copies = {copy.uid: copy for copy in stage.new.copies()}
        assert len(copies) == len(instances)
        edited = 0
        for instance in instances:
            got = content(copies[instance.sop_instance], stage.new.folder)
            if got == b"".join(instance.chunks()):
                continue  # there is no place for it
            check_edited(instance, got)
            edited += 1
        print(f"edited {edited} of {len(instances)}")
        assert edited >= len(instances) - 1


def one_instance(number: int) -> part10.Instance:
    uid = part10.uid(77, number)
    head = [part10.element(0x00080016, "UI", STORAGE.encode()), part10.element(0x00080018, "UI", uid.encode()),
            part10.element(INSTITUTION, "LO", b"Old Hospital"), part10.element(0x00100020, "LO", b"4711"),
            part10.element(PIXELS, "OW", bytes(range(256)) * 2000)]
    data = b"".join(head)
    return part10.Instance(f"one-{number}", STORAGE, uid, EXPLICIT_LE, len(data), content=data)


def test_what_is_sent_again_after_a_kill_is_the_same(folder):
    instance = one_instance(1)
    with Stage(folder, settings=write_pack(folder / "packs", SET_NAME)) as stage:
        stage.new.set(mode="never_answer")
        stage.send([instance])
        wait_for("the new archive has it", lambda: len(stage.new.copies()) == 1, 20)
        stage.daemon.kill()
        stage.new.set()
        stage.daemon.start()
        stage.wait_arrived([instance])
        first, again = stage.new.copies()[:2]
        assert first.sha256 == again.sha256
        check_edited(instance, content(again, stage.new.folder))


def test_held_until_the_rules_are_others(folder):
    """The other archive gets it at once; over a restart it stays held; a reload lets it go by itself."""
    instance = one_instance(2)
    bad = 'set: InstitutionName, to: "\\u65e5\\u672c"'  # has no place in the default repertoire
    with Stage(folder, settings=write_pack(folder / "packs", bad, "hold")) as stage:
        stage.send([instance])
        stage.legacy.wait_uids([instance.sop_instance], 20)
        wait_for("held", lambda: stage.daemon.archives()["new"]["held"] == 1, 20)
        assert not stage.new.copies()
        stage.daemon.kill()
        stage.daemon.start()
        wait_for("held again", lambda: stage.daemon.archives()["new"]["held"] == 1, 20)
        groups = stage.daemon.ask("queue", "show")["archives"]
        group, = [group for row in groups if row["archive"] == "new" for group in row["groups"]]
        assert group["stage"] == "held" and group["reason"] and "\u65e5" not in group["reason"]
        write_pack(folder / "packs", SET_NAME)
        assert stage.daemon.run_client("config", "reload").returncode == 0
        stage.new.wait_uids([instance.sop_instance], 20)
        check_edited(instance, content(stage.new.copies()[0], stage.new.folder))
        assert stage.daemon.archives()["new"]["held"] == 0
        assert "changed=1 " in stage.daemon.logged("config.reloaded")[-1]


@pytest.mark.parametrize("fact", ["subject", "fingerprint"])
def test_rule_for_one_certificate(folder, fact):
    mine, others = one_instance(5), one_instance(6)
    settings = write_pack(folder / "packs", SET_NAME)
    with Stage(folder, tls=True, settings=settings) as stage:
        der = ssl.PEM_cert_to_DER_cert(Path(stage.modality.certificate).read_text())
        value = {"subject": "CN=ct1", "fingerprint": hashlib.sha256(der).hexdigest()}[fact]
        pack = (folder / "packs" / "site.yaml").read_text()
        when = f'rule: one\n    when: {{ certificate-{fact}: "{value}" }}'
        (folder / "packs" / "site.yaml").write_text(pack.replace("rule: one", when))
        assert stage.daemon.run_client("config", "reload").returncode == 0
        stage.send([mine], tls=True)
        stage.send([others])
        stage.wait_arrived([mine, others])
        copies = {copy.uid: copy for copy in stage.new.copies()}
        check_edited(mine, content(copies[mine.sop_instance], stage.new.folder))
        assert content(copies[others.sop_instance], stage.new.folder) == b"".join(others.chunks())


def test_wrong_packs_change_nothing_and_start_nothing(folder):
    before, after = one_instance(3), one_instance(4)
    with Stage(folder, settings=write_pack(folder / "packs", SET_NAME)) as stage:
        stage.send([before])
        stage.new.wait_uids([before.sop_instance], 20)
        write_pack(folder / "packs", "set: NoSuchElement, to: x")
        done = stage.daemon.run_client("config", "reload")
        assert done.returncode == 3
        assert "site.yaml:7:18: rules[1].do[1].set: there is no element `NoSuchElement`" in done.stderr
        stage.send([after])
        stage.new.wait_uids([after.sop_instance], 20)
        for copy in stage.new.copies():
            check_edited(before if copy.uid == before.sop_instance else after, content(copy, stage.new.folder))
        assert stage.daemon.stop() == 0
        stage.daemon.start(ready=False)
        assert stage.daemon.process.wait(20) == 3
        stage.daemon.process = None
        assert "there is no element `NoSuchElement`" in stage.daemon.tail()
        write_pack(folder / "packs", SET_NAME)
        stage.daemon.start()
