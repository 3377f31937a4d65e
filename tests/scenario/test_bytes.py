# SPDX-License-Identifier: Apache-2.0
"""Every byte of every data set of the corpus goes through unchanged; what must be refused is."""
import csv
from collections import defaultdict
from pathlib import Path

from dgtest import corpus, part10, sender
from dgtest.association import open_association, propose
from dgtest.archive import Archive
from dgtest.daemon import Daemon, Node
from dgtest.fixtures import needs_corpus
from dgtest.foreign import StoreScp
from dgtest.pdu import VERIFICATION
from dgtest.ports import wait_for
from dgtest.stage import Stage, same_bytes

TABLE = Path(__file__).resolve().parents[1] / "data" / "malformed.tsv"


def waves(instances: list[part10.Instance]) -> list[list[part10.Instance]]:
    """The n-th file of each SOP Instance UID in wave n: an older receipt must have been delivered
    before a newer one of the same UID comes, or it would rightly be superseded (FIELD 5)."""
    by_uid: dict[str, int] = defaultdict(int)
    found: list[list[part10.Instance]] = []
    for instance in instances:
        number = by_uid[instance.sop_instance]
        by_uid[instance.sop_instance] += 1
        if number == len(found):
            found.append([])
        found[number].append(instance)
    return found


@needs_corpus
def test_corpus_arrives_exactly_at_two_recording_archives(folder):
    instances = corpus.good()
    with Stage(folder) as stage:
        expected = 0
        for wave in waves(instances):
            stage.send(wave)
            expected += len(wave)
            for archive in stage.archives:
                archive.wait_copies(expected, 60)
        for archive in stage.archives:
            copies = archive.copies()
            changed = same_bytes(instances, copies)
            print(f"{archive.title}: delivered {len(copies)}, changed {changed}, skipped 0")
            assert not changed
            assert len(copies) == len(instances)
            assert {copy.calling for copy in copies} == {"CT1"}


@needs_corpus
def test_exact_files_arrive_exactly_at_storescp(folder):
    rows = [row for row in corpus.good_rows() if row["verbatim_sender_roundtrip"] == "exact"]
    instances = [part10.read(corpus.FOLDER / row["path"]) for row in rows]
    with StoreScp(folder / "storescp", "OLDPACS", instances) as old, Archive(folder / "new", "NEWPACS") as new:
        # storescp serves one association at a time: what the gateway leaves open keeps it from asking what it takes.
        one = {"associations": 1, "idle": "1s"}
        nodes = [Node("legacy", 1, "OLDPACS", old.port, options=one), Node("new", 2, "NEWPACS", new.port)]
        with Daemon(folder / "gateway", nodes) as gateway:
            target = sender.Target(("127.0.0.1", gateway.port), calling="CT1")
            expected = 0
            for wave in waves(instances):
                results = sender.send(target, wave)
                assert [(r.instance.name, r.status) for r in results if r.status != 0] == []
                expected += len(wave)
                wait_for(f"{expected} files", lambda: len(old.files()) >= expected, 60)
            gateway.wait_drained()
            digests = {part10.read(path).digest() for path in old.files()}
            changed = [i.name for i in instances if i.digest() not in digests]
            print(f"storescp: delivered {len(old.files())}, changed {changed}, "
                  f"skipped {len(corpus.good_rows()) - len(rows)}")
            assert not changed
            assert len(old.files()) == len(instances) > 0
            assert not same_bytes(instances, new.copies())


@needs_corpus
def test_uids_of_the_meta_header_are_refused_where_they_differ(folder):
    by_data_set = corpus.good()
    by_meta = [meta if meta.sop_instance else own
               for meta, own in zip(corpus.good("meta"), by_data_set)]
    differ = {meta.path for meta, own in zip(by_meta, by_data_set)
              if (meta.sop_class, meta.sop_instance) != (own.sop_class, own.sop_instance)}
    assert differ
    with Stage(folder) as stage:
        results, stored = [], 0
        for wave in waves(by_meta):
            answers = sender.send(stage.target(), wave)
            results += answers
            stored += sum(r.status == 0 for r in answers)
            for archive in stage.archives:
                archive.wait_copies(stored, 60)
        refused = {r.instance.path for r in results if r.status == 0xA900}
        print(f"delivered {stored}, refused with A900 {len(refused)}, skipped 0")
        assert refused == differ
        assert all(r.comment for r in results if r.status == 0xA900), "an Error Comment says why (FIELD 3)"
        assert stored == len(results) - len(differ)
        for archive in stage.archives:
            assert not same_bytes([r.instance for r in results if r.status == 0], archive.copies())
            assert len(archive.copies()) == stored


def malformed() -> list[dict[str, str]]:
    with TABLE.open(newline="", encoding="ascii") as lines:
        rows = (line for line in lines if not line.startswith("#"))
        return list(csv.DictReader(rows, delimiter="\t", quoting=csv.QUOTE_NONE))


def malformed_instance(row: dict[str, str]) -> part10.Instance:
    path = corpus.FOLDER / "malformed" / row["file"]
    instance = part10.read(path, transfer_syntax=row["transfer_syntax"])
    meta = part10.read(path, transfer_syntax=row["transfer_syntax"], uids="meta")
    for name in ("sop_class", "sop_instance"):
        source = row[name]
        if source == "meta":
            setattr(instance, name, getattr(meta, name))
        elif source.startswith("="):
            setattr(instance, name, source[1:])
        assert getattr(instance, name), f"{row['file']}: no {name} in {source}"
    return instance


@needs_corpus
def test_malformed_files_meet_what_the_table_says(folder):
    rows = malformed()
    assert {row["file"] for row in rows} == {path.name for path in (corpus.FOLDER / "malformed").iterdir()}
    wrong, stored = [], []
    with Stage(folder) as stage:
        for row in rows:
            instance = malformed_instance(row)
            info = propose([(VERIFICATION, "1.2.840.10008.1.2"),
                            (instance.sop_class, instance.transfer_syntax)], called="DICOMGATE", calling="CT1")
            with open_association(("127.0.0.1", stage.daemon.port), info) as association:
                result = sender.store(association, instance, stage.target())
                answer = "none" if result.status is None else f"{result.status:04X}"
                if answer != row["status"]:
                    wrong.append(f"{row['file']}: {answer} {result.comment}{result.error}, "
                                 f"expected {row['status']} ({row['clause']})")
                if answer not in ("0000", "none"):
                    assert result.comment, f"{row['file']}: {answer} without Error Comment (FIELD 3)"
                assert association.echo(1) == 0, f"{row['file']}: the association must live"
                association.release()
            if answer == "0000":
                stored.append(instance)
        stage.wait_arrived(stored)
        stage.daemon.wait_drained()
        assert not wrong, "\n".join(wrong)
        for archive in stage.archives:
            assert not same_bytes(stored, archive.copies())
            assert len(archive.copies()) == len(stored), "nothing refused may be forwarded"
