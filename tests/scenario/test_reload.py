# SPDX-License-Identifier: Apache-2.0
"""Certificates and options that change while the gateway runs: nothing is lost, new connections see what is new, and
what is no good changes nothing."""
import hashlib
import json
import shutil
import signal
import socket
import ssl
import time

import pytest

from dgtest import part10, pdu, sender
from dgtest.association import ENDED, Rejected, open_association, propose
from dgtest.certs import Authority, client_context
from dgtest.ports import wait_for
from dgtest.stage import STORAGE, Stage, same_bytes

REFUSED = (*ENDED, Rejected)
ECHO = [(pdu.VERIFICATION, pdu.IMPLICIT_LE)]


def instance(*numbers: int, size: int = 20_000) -> part10.Instance:
    return part10.generate(size, 85, *numbers, sop_class=STORAGE)


@pytest.fixture
def stage(folder):
    with Stage(folder, tls=True, settings={"gateway": {"watch_certificates": "never"}}) as scene:
        yield scene


def shown(stage: Stage, pair=None) -> str:
    """SHA-256 of the certificate that a new connection is shown, or "refused"."""
    pair = pair or stage.modality
    context = client_context(pair.certificate, pair.key, stage.authority.certificate)
    info = propose(ECHO, called="DICOMGATE", calling="CT1")
    try:
        with open_association(("127.0.0.1", stage.daemon.tls_port), info, tls=context) as association:
            assert association.echo(1) == 0
            found = hashlib.sha256(association.sock.getpeercert(True)).hexdigest()
            association.release()
            return found
    except REFUSED:
        return "refused"


def reload(stage: Stage, expect: int = 0) -> dict:
    done = stage.daemon.run_client("config", "reload", "--json")
    assert done.returncode == expect, (done.returncode, done.stdout, done.stderr)
    return json.loads(done.stdout)


def test_new_certificate_under_load_loses_nothing(stage):
    """Modalities send, certificates change again and again, both sides of the gateway: every instance arrives once."""
    target = stage.target(tls=True)
    load = sender.Load(target, lambda worker, number: instance(1, worker, number), workers=4, per_association=7).start()
    quiet = open_association(("127.0.0.1", stage.daemon.tls_port), propose(ECHO, called="DICOMGATE", calling="CT1"),
                             tls=target.tls)
    first = shown(stage)
    seen = {first}
    for number in range(8):
        stage.authority.issue("gateway", algorithm="rsa" if number % 2 else "ecdsa")
        answer = reload(stage)
        assert answer["ok"] and [row["problem"] for row in answer["tls"]] == [None, None]
        seen.add(shown(stage))
    assert quiet.echo(1) == 0, "an association from before goes on"
    quiet.release()
    results = load.stop()
    assert len(seen) == 9 and "refused" not in seen, "each new connection sees the new certificate"
    failed = [result.error or result.status for result in results if result.status != 0]
    assert results and not failed, failed[:3]
    sent = [result.instance for result in results]
    stage.daemon.wait_caught_up()
    stage.wait_arrived(sent)
    for archive in stage.archives:
        copies = archive.copies()
        assert same_bytes(sent, copies) == [] and len(copies) == len(sent)


@pytest.mark.parametrize("damage,words", [
    (lambda pair: pair.certificate.write_text("hello"), "gateway.pem: no PEM certificate in it"),
    (lambda pair: pair.key.unlink(), "gateway.key"),
    (lambda pair: pair.certificate.write_bytes(pair.certificate.read_bytes()[:200]), "gateway.pem: no PEM certificate")])
def test_broken_file_keeps_the_former_one(stage, damage, words):
    before = shown(stage)
    damage(stage.daemon.pair)
    done = stage.daemon.run_client("config", "reload")
    said = done.stdout + done.stderr
    assert done.returncode in (1, 3) and words in said, said
    assert shown(stage) == before
    wait_for("said in the log", lambda: stage.daemon.logged("tls.kept") or stage.daemon.logged("config.refused"), 5)
    if done.returncode == 1:
        assert any(words in text for text in stage.daemon.status()["alarms"]), stage.daemon.status()["alarms"]
    stage.authority.issue("gateway", algorithm="rsa")
    reload(stage)
    assert shown(stage) not in (before, "refused")
    assert not any(words in text for text in stage.daemon.status()["alarms"])


def test_hangup_reloads(stage):
    before = shown(stage)
    stage.authority.issue("gateway")
    stage.daemon.process.send_signal(signal.SIGHUP)
    wait_for("the new certificate", lambda: shown(stage) not in (before, "refused"), 10)


def test_changed_files_are_noticed(folder):
    with Stage(folder, tls=True, settings={"gateway": {"watch_certificates": "1s"}}) as stage:
        before = shown(stage)
        stage.authority.issue("gateway")
        wait_for("the new certificate", lambda: shown(stage) not in (before, "refused"), 15, 0.1)


def test_revocation_counts_at_once_for_new_connections(folder):
    """Not even a session ticket from before lets a revoked client in."""
    pki = folder / "pki"
    settings = {"tls": {"modalities": {"crl": str(pki / "now.crl")}}, "gateway": {"watch_certificates": "never"}}
    scene = Stage(folder, tls=True, settings=settings, start=False)
    scene.authority.revoke("now")
    scene.daemon.start()
    with scene:
        thief = scene.authority.issue("ct2", server=False)
        context = client_context(thief.certificate, thief.key, scene.authority.certificate, version="1.2")
        first = context.wrap_socket(socket.create_connection(("127.0.0.1", scene.daemon.tls_port)))
        session = first.session
        first.close()
        resumed = context.wrap_socket(socket.create_connection(("127.0.0.1", scene.daemon.tls_port)), session=session)
        assert resumed.session_reused, "the ticket is good before"
        scene.authority.revoke("now", thief)
        reload(scene)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            again = context.wrap_socket(socket.create_connection(("127.0.0.1", scene.daemon.tls_port)), session=session)
            again.sendall(b"x")
            again.recv(1)
        wait_for("said", lambda: scene.daemon.counter("tls.revoked") > 0, 10)
        assert shown(scene) != "refused", "the others come in"
        resumed.close()


def test_session_tickets_live_over_a_reload_that_changes_nothing(stage):
    context = client_context(stage.modality.certificate, stage.modality.key, stage.authority.certificate, version="1.2")
    first = context.wrap_socket(socket.create_connection(("127.0.0.1", stage.daemon.tls_port)))
    reload(stage)
    again = context.wrap_socket(socket.create_connection(("127.0.0.1", stage.daemon.tls_port)), session=first.session)
    assert again.session_reused
    again.close()
    first.close()


def test_other_authority_for_archives(stage, folder):
    """The archive's own certificate comes from another authority: only after the reload is it trusted."""
    one = instance(2, 1)
    stage.send([one], tls=True)
    stage.wait_arrived([one])
    other = Authority(folder / "other", "other")
    stage.daemon.settings["tls"]["archives"]["ca"] = str(other.certificate)
    stage.daemon.write()
    answer = reload(stage)
    assert "tls.archives.ca" in answer["changed"]
    two = instance(2, 2)
    stage.send([two], tls=True)
    stage.legacy.wait_uids([two.sop_instance])
    wait_for("refused", lambda: stage.daemon.counter("tls.unknown_ca") > 0, 20)
    assert not any(copy.uid == two.sop_instance for copy in stage.new.copies())
    stage.daemon.settings["tls"]["archives"]["ca"] = str(stage.authority.certificate)
    stage.daemon.write()
    reload(stage)
    stage.new.wait_uids([two.sop_instance])


def test_options(stage):
    """What counts at once, what for new connections, what needs a restart, and what is wrong."""
    stage.daemon.settings["limits"] = {"artim": "1s"}
    stage.daemon.settings["gateway"]["log_level"] = "debug"
    stage.daemon.settings["gateway"]["max_associations"] = 7
    stage.daemon.write()
    answer = reload(stage, expect=1)
    assert sorted(answer["changed"]) == ["gateway.log_level", "limits.artim"]
    assert answer["restart"] == ["gateway.max_associations"]
    silent = socket.create_connection(("127.0.0.1", stage.daemon.port))
    silent.settimeout(10)
    begun = time.monotonic()
    assert silent.recv(1) == b"" and time.monotonic() - begun < 8, "the new ARTIM ends it"
    silent.close()
    answer = reload(stage, expect=1)
    assert answer["changed"] == [] and answer["restart"] == ["gateway.max_associations"], "said until the restart"
    stage.daemon.settings["limits"] = {"artim": "sometime"}
    stage.daemon.write()
    done = stage.daemon.run_client("config", "reload")
    assert done.returncode == 3 and "limits.artim" in done.stderr, "not even asked"
    done = stage.daemon.run_client("--socket", str(stage.daemon.folder / "data" / "control.sock"), "config", "reload")
    assert done.returncode == 3 and "limits.artim" in done.stderr and "nothing has changed" in done.stderr
    assert shown(stage) != "refused"


def test_clients_come_and_go(stage):
    """A new modality needs no restart; one that was taken out is refused, its open association goes on."""
    def echo(calling: str) -> str:
        info = propose(ECHO, called="DICOMGATE", calling=calling)
        try:
            with open_association(("127.0.0.1", stage.daemon.port), info) as association:
                status = association.echo(1)
                association.release()
                return f"status {status:04X}"
        except Rejected as rejected:
            return "reject %d,%d,%d" % rejected.triple
    stage.daemon.settings["clients"] = [{"ae_title": "CT1", "services": ["echo", "store"], "associations": 1}]
    stage.daemon.write()
    assert reload(stage)["changed"] == ["clients"]
    assert echo("CT1") == "status 0000" and echo("MR1") == "reject 1,1,3"
    old = open_association(("127.0.0.1", stage.daemon.port), propose(ECHO, called="DICOMGATE", calling="CT1"))
    assert echo("CT1") == "reject 2,3,2", "its limit"
    stage.daemon.settings["clients"] = [{"ae_title": "MR1", "services": ["echo", "store"]}]
    stage.daemon.settings["titles"] = ["DICOMGATE", "OLDPACS"]
    stage.daemon.write()
    assert sorted(reload(stage)["changed"]) == ["clients[1].ae_title", "clients[1].associations", "titles"]
    assert echo("CT1") == "reject 1,1,3" and echo("MR1") == "status 0000"
    assert old.echo(1) == 0
    old.release()
    wait_for("nobody is left", lambda: stage.daemon.status()["associations"] == 0, 10)
    for _ in range(3):
        assert reload(stage)["changed"] == []


def test_expiry_is_told(folder):
    """60, 30 and 7 days: our certificate, in log and status; a peer's, when it has been seen."""
    scene = Stage(folder, tls=True, start=False)
    scene.authority.issue("gateway", algorithm="rsa", days=20.5)
    scene.daemon.start()
    with scene:
        status = scene.daemon.status()
        assert any("CN=gateway ends in 20 days" in text for text in status["alarms"]), status["alarms"]
        row = [row for row in status["certificates"] if row["subject"] == "CN=gateway"][0]
        assert row["days"] == 20 and row["kind"] == "certificate" and row["file"].endswith("gateway.pem")
        assert len(scene.daemon.logged("tls.expires")) == 1, "once"
        assert scene.daemon.run_client("status").returncode == 1
        assert "CN=gateway" in scene.daemon.run_client("status").stdout
        old = scene.authority.issue("old-ct", server=False, days=5.5)
        assert shown(scene, old) != "refused"
        peers = wait_for("the peer in status", lambda: scene.daemon.status()["peers"], 10)
        assert [(row["subject"], row["days"]) for row in peers] == [("CN=old-ct", 5)]
        shown(scene, old)
        wait_for("in the log", lambda: scene.daemon.logged("tls.peer-expires"), 5)
        assert scene.daemon.counter("tls.peer-expires") == 1


def test_check_opens_what_the_daemon_would(folder):
    scene = Stage(folder, tls=True, start=False)
    daemon = scene.daemon
    try:
        assert daemon.run_client("config", "check").returncode == 0
        shutil.copy(scene.modality.key, daemon.pair.key)
        done = daemon.run_client("config", "check")
        assert done.returncode == 3 and "gateway.key: does not belong to the certificate in" in done.stderr
        assert done.stderr.count("gateway.key") == 2, "each section that names it"
        scene.authority.issue("gateway", days=3.5)
        done = daemon.run_client("config", "check")
        assert done.returncode == 1 and "CN=gateway (" in done.stdout and "ends in 3 days" in done.stdout, done.stdout
    finally:
        scene._stack.close()
