# SPDX-License-Identifier: Apache-2.0
"""TLS on both sides: who is let in, what is said of the others, and that no DICOM byte leaks."""
import ssl
import time

import pytest

from dgtest import part10, pdu, sender
from dgtest.archive import Archive
from dgtest.association import ENDED, Association, Rejected, connect, open_association, propose
from dgtest.certs import Authority, client_context
from dgtest.daemon import Daemon, Node
from dgtest.ports import wait_for
from dgtest.stage import STORAGE, Stage

PAIRS = [(pdu.VERIFICATION, pdu.IMPLICIT_LE), (STORAGE, pdu.EXPLICIT_LE)]


def instance(*numbers: int, size: int = 4096) -> part10.Instance:
    return part10.generate(size, 84, *numbers, sop_class=STORAGE)


@pytest.fixture(scope="module")
def scene(module_folder):
    clients = [{"ae_title": "CT1", "certificate": "CN=ct1", "services": ["echo", "store"]},
               {"ae_title": "CT2", "from": ["127.0.0.0/8"], "services": ["echo", "store"]},
               {"ae_title": "FAR", "from": ["10.99.0.0/16"], "services": ["echo", "store"]}]
    settings = {"clients": clients, "limits": {"artim": "5s"}}
    with Stage(module_folder, tls=True, settings=settings) as stage:
        yield stage


def met(stage: Stage, context: ssl.SSLContext | None, calling: str = "CT1") -> str:
    port = stage.daemon.tls_port
    info = propose(PAIRS, called="DICOMGATE", calling=calling)
    try:
        with open_association(("127.0.0.1", port), info, tls=context) as association:
            status = association.echo(1)
            association.release()
            return f"status {status:04X}"
    except Rejected as rejected:
        return "reject %d,%d,%d" % rejected.triple
    except ENDED:
        return "broken"


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("algorithm", ["rsa", "ecdsa"])
def test_both_versions_and_key_kinds_store_to_both_archives(scene, version, algorithm):
    ca = scene.authority
    pair = ca.issue("ct1", algorithm=algorithm, server=False)
    context = client_context(pair.certificate, pair.key, ca.certificate, version=version)
    target = sender.Target(("127.0.0.1", scene.daemon.tls_port), calling="CT1", tls=context)
    sent = [instance(1, int(version[-1]), len(algorithm), n) for n in range(5)]
    assert [result.status for result in sender.send(target, sent)] == [0] * 5
    scene.wait_arrived(sent)
    ca.issue("ct1", server=False)  # the usual one again


def test_client_without_certificate(scene):
    context = client_context(None, None, scene.authority.certificate)
    assert scene.daemon.counted("tls.no_certificate", lambda: met(scene, context)) == "broken"


def test_client_of_another_authority(scene, folder):
    other = Authority(folder, "other").issue("ct1", server=False)
    context = client_context(other.certificate, other.key, scene.authority.certificate)
    assert scene.daemon.counted("tls.unknown_ca", lambda: met(scene, context)) == "broken"


def test_client_with_expired_certificate(scene):
    old = scene.authority.issue("old", expired=True, server=False)
    context = client_context(old.certificate, old.key, scene.authority.certificate)
    assert scene.daemon.counted("tls.expired", lambda: met(scene, context)) == "broken"


def test_client_with_a_certificate_for_servers_only(scene):
    pair = scene.authority.issue("serveronly", client=False)
    context = client_context(pair.certificate, pair.key, scene.authority.certificate)
    assert scene.daemon.counted("tls.wrong_purpose", lambda: met(scene, context)) == "broken"


def test_certificate_is_bound_to_the_calling_title(scene):
    other = scene.authority.issue("ct9", server=False)
    context = client_context(other.certificate, other.key, scene.authority.certificate)
    assert met(scene, context, "CT1") == "reject 1,1,3"
    assert met(scene, context, "CT2") == "status 0000", "CT2 is bound to no certificate"
    own = client_context(scene.modality.certificate, scene.modality.key, scene.authority.certificate)
    assert met(scene, own, "CT1") == "status 0000"
    assert met(scene, own, "STRANGER") == "reject 1,1,3"


def test_address_is_part_of_a_client(scene):
    own = client_context(scene.modality.certificate, scene.modality.key, scene.authority.certificate)
    assert met(scene, own, "FAR") == "reject 1,1,3"


def test_plain_client_at_the_tls_port(scene):
    def act() -> str:
        begun = time.monotonic()
        with pytest.raises(ENDED):
            open_association(("127.0.0.1", scene.daemon.tls_port), propose(PAIRS, called="DICOMGATE"))
        assert time.monotonic() - begun < 10
        return "ended"
    assert scene.daemon.counted("tls.speaks_plain", act) == "ended"
    assert "plain DICOM" in scene.daemon.logged("tls.speaks_plain")[-1], "said in words"


def test_tls_client_at_the_plain_port(scene):
    context = client_context(scene.modality.certificate, scene.modality.key, scene.authority.certificate)

    def act() -> str:
        with pytest.raises((ssl.SSLError, ConnectionError, TimeoutError)):
            connect(("127.0.0.1", scene.daemon.port), tls=context, timeout=10)
        return "ended"
    assert scene.daemon.counted("net.speaks_tls", act) == "ended"


def test_records_need_not_follow_pdus(scene):
    """PROTOCOL 95: PDUs in pieces over records, and many PDUs in one record."""
    target = scene.target(tls=True)
    association = target.open(PAIRS)
    one = instance(2, 1)
    from dgtest import dimse
    raw = dimse.encode(dimse.c_store_rq(1, one.sop_class, one.sop_instance))
    data = b"".join(one.chunks())
    message = (pdu.p_data(pdu.pdv(3, 3, raw)) + pdu.p_data(pdu.pdv(3, 0, data[:1500]))
               + pdu.p_data(pdu.pdv(3, 2, data[1500:])))
    association.send_slowly(message, range(7, len(message), 97))
    assert association.read_command()[1]["Status"] == 0
    echo = pdu.p_data(pdu.pdv(1, 3, dimse.encode(dimse.c_echo_rq(2))))
    association.send(echo * 20)
    for _ in range(20):
        assert association.read_command()[1]["Status"] == 0
    association.release()
    scene.wait_arrived([one])


def test_connection_cut_without_close_notify_is_never_a_whole_object(scene):
    """PROTOCOL 97."""
    association = scene.target(tls=True).open(PAIRS)
    one = instance(2, 2)
    from dgtest import dimse
    raw = dimse.encode(dimse.c_store_rq(1, one.sop_class, one.sop_instance))
    association.send(pdu.p_data(pdu.pdv(3, 3, raw)) + pdu.p_data(pdu.pdv(3, 0, b"".join(one.chunks()))))
    before = scene.daemon.counter("ul.transport-closed")
    association.close()
    wait_for("loss noticed", lambda: scene.daemon.counter("ul.transport-closed") > before, 10)
    assert all(copy.uid != one.sop_instance for archive in scene.archives for copy in archive.copies())


def test_bogus_pdu_after_the_handshake(scene):
    """PROTOCOL 94."""
    context = client_context(scene.modality.certificate, scene.modality.key, scene.authority.certificate)
    association = Association(connect(("127.0.0.1", scene.daemon.tls_port), tls=context))
    association.send(pdu.pdu(0xAA, b"bogus"))
    kind, _ = association.read_pdu()
    assert kind == pdu.ABORT
    association.close()


def wrong_archive(folder, kind: str):
    """(archive, authority): an archive that the gateway must not trust, or that speaks plain."""
    authority = Authority(folder / "pki")
    if kind == "plain":
        return Archive(folder / "new", "NEWPACS"), authority
    if kind == "other authority":
        pair, ca = Authority(folder / "other", "other").issue("newpacs"), authority
    elif kind == "expired":
        pair, ca = authority.issue("newpacs", expired=True), authority
    else:
        pair, ca = authority.issue("newpacs", hosts=("elsewhere.example",)), authority
    return Archive(folder / "new", "NEWPACS", tls=(pair.certificate, pair.key, ca.certificate)), authority


def said(gateway: Daemon, words: str) -> bool:
    """Whether a failure of an archive is logged in these words (blanks in a field may be masked)."""
    return any(words in line.replace("?", " ") for line in gateway.logged("forward.archive-failed"))


@pytest.mark.parametrize("kind,words", [
    ("other authority", "not from a trusted authority"), ("expired", "certificate has expired"),
    ("wrong name", "certificate is for another name"), ("plain", "speaks plain DICOM")])
def test_archive_that_is_not_who_it_should_be_gets_nothing(folder, kind, words):
    archive, authority = wrong_archive(folder, kind)
    with archive, Archive(folder / "legacy", "OLDPACS") as legacy:
        nodes = [Node("legacy", 1, "OLDPACS", legacy.port), Node("new", 2, "NEWPACS", archive.port, tls=True)]
        with Daemon(folder / "gateway", nodes, authority=authority) as gateway:
            one = instance(3, len(kind))
            results = sender.send(sender.Target(("127.0.0.1", gateway.port)), [one])
            assert [result.status for result in results] == [0]
            legacy.wait_uids([one.sop_instance])
            wait_for(f"the log says '{words}'", lambda: said(gateway, words), 15)
            assert archive.counts()["bytes"] == 0 and archive.copies() == []
            assert gateway.archives()["new"]["owed"] == 1
