# SPDX-License-Identifier: Apache-2.0
"""PROXY protocol v2 (a load balancer in front of the gateway): whose address counts, and what is refused in words."""
import socket
import time

import pytest

from dgtest import part10, pdu, sender
from dgtest.association import ENDED, Association, Rejected, connect, propose
from dgtest.certs import client_context
from dgtest.ports import LATE, free_port, wait_for
from dgtest.proxy import SIGNATURE, header
from dgtest.stage import STORAGE, Stage

ARTIM = 5.0  # seconds
PAIRS = [(pdu.VERIFICATION, pdu.IMPLICIT_LE), (STORAGE, pdu.EXPLICIT_LE)]


@pytest.fixture(scope="module")
def scene(module_folder):
    ports = {name: free_port() for name in ("plain", "tls", "stranger")}
    clients = [{"ae_title": "CT1", "from": ["10.1.0.0/16", "2001:db8::/32"], "services": ["echo", "store"]},
               {"ae_title": "HERE", "from": ["127.0.0.0/8"], "services": ["echo", "store"]}]
    listeners = [
        {"name": "proxied", "address": f"127.0.0.1:{ports['plain']}", "plain": True, "proxy": ["127.0.0.0/8"]},
        {"name": "proxied-tls", "address": f"127.0.0.1:{ports['tls']}", "tls": "modalities", "proxy": ["127.0.0.1"]},
        {"name": "elsewhere", "address": f"127.0.0.1:{ports['stranger']}", "plain": True, "proxy": ["192.0.2.0/24"]}]
    with Stage(module_folder, tls=True, start=False) as stage:
        daemon = stage.daemon
        daemon.settings["listeners"] += listeners
        daemon.settings["clients"] = clients
        daemon.settings["limits"] = {"artim": f"{ARTIM:g}s", "client_silent": 3, "silent": 8}
        daemon.write()
        # Nothing may connect to proxied ports without a header, so only the others are waited for.
        daemon.start(ready=False)
        wait_for("ready", lambda: daemon.run_client("status", "--json").returncode in (0, 1)
                 and daemon.logged("gateway.ready"), 30)
        stage.ports = ports
        yield stage


def met(stage: Stage, port: str, first: bytes, calling: str = "CT1", *, tls: bool = False, pieces: int = 0) -> str:
    """Sends `first`, then associates and echoes."""
    raw = socket.create_connection(("127.0.0.1", stage.ports.get(port) or port), timeout=20)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        for at in range(0, len(first), pieces or len(first) or 1):
            raw.sendall(first[at:at + (pieces or len(first))])
        if tls:
            raw = client_context(stage.modality.certificate, stage.modality.key,
                                 stage.authority.certificate).wrap_socket(raw)
        association = Association(raw, propose(PAIRS, called="DICOMGATE", calling=calling))
        association.request()
        status = association.echo(1)
        association.release()
        return f"status {status:04X}"
    except Rejected as rejected:
        return "reject %d,%d,%d" % rejected.triple
    except ENDED:
        return "ended"
    finally:
        raw.close()


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("client,calling,answer", [
    ("10.1.2.3", "CT1", "status 0000"), ("2001:db8::7", "CT1", "status 0000"), ("10.2.2.3", "CT1", "reject 1,1,3"),
    ("127.0.0.1", "HERE", "status 0000"), ("10.1.2.3", "HERE", "reject 1,1,3")])
def test_address_inside_counts_for_access(scene, tls, client, calling, answer):
    assert met(scene, "tls" if tls else "plain", header(client), calling, tls=tls) == answer


def test_address_inside_stands_in_log_and_ledger(scene):
    raw = socket.create_connection(("127.0.0.1", scene.ports["plain"]))
    raw.sendall(header("10.1.9.9", 4711, tlvs=b"\x05\x00\x03abc\x04\x00\x02\x00\x00"))
    association = Association(raw, propose(PAIRS, called="DICOMGATE", calling="CT1"))
    association.request()
    one = part10.generate(4000, 86, 1, sop_class=STORAGE)
    result = sender.store(association, one, sender.Target(("", 0)))
    assert result.status == 0
    association.release()
    accepted = wait_for("in the log", lambda: scene.daemon.logged("front.accepted"), 10)
    assert any("address=10.1.9.9:4711" in line for line in accepted)
    scene.wait_arrived([one])


def test_local_command_is_the_balancers_own_connection(scene):
    assert met(scene, "plain", header("10.1.2.3", command=0), "HERE") == "status 0000"
    assert met(scene, "plain", header(), "HERE") == "status 0000"
    assert met(scene, "plain", header("10.1.2.3", command=0), "CT1") == "reject 1,1,3"


@pytest.mark.parametrize("port,tls", [("plain", False), ("tls", True)])
def test_header_in_single_bytes_and_long(scene, port, tls):
    assert met(scene, port, header("10.1.2.3"), pieces=1, tls=tls) == "status 0000"
    assert met(scene, port, header("10.1.2.3", tlvs=b"\x04\x07\xd0" + bytes(2000)), pieces=97, tls=tls) == "status 0000"


@pytest.mark.parametrize("port,first,event,words", [
    ("plain", b"PROXY TCP4 10.1.2.3 10.0.0.1 4000 2762\r\n", "net.proxy_v1", "only version 2"),
    ("tls", b"PROXY UNKNOWN\r\n", "net.proxy_v1", "only version 2"),
    ("plain", SIGNATURE + b"\x21\x11\xff\xff", "net.proxy_bad", "header is wrong"),
    ("plain", SIGNATURE + b"\x51\x11\x00\x00", "net.proxy_bad", "header is wrong"),
    ("plain", b"", "net.proxy_missing", "no PROXY protocol header came"),
    ("tls", b"", "net.proxy_missing", "no PROXY protocol header came"),
    ("stranger", header("10.1.2.3"), "net.proxy_untrusted", "may not send PROXY")])
def test_refused_in_words(scene, port, first, event, words):
    assert scene.daemon.counted(event, lambda: met(scene, port, first, tls=port == "tls")) == "ended"
    assert words in wait_for("in the log", lambda: scene.daemon.logged(event), 10)[-1]


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("first", [header("10.1.2.3"), b"PROXY TCP4 10.1.2.3 10.0.0.1 4000 2762\r\n"])
def test_without_the_option_a_header_is_refused(scene, tls, first):
    port = scene.daemon.tls_port if tls else scene.daemon.port
    assert scene.daemon.counted("net.speaks_proxy", lambda: met(scene, port, first, tls=tls)) == "ended"


def test_header_that_does_not_come_in_time(scene):
    begun = time.monotonic()
    with connect(("127.0.0.1", scene.ports["plain"]), timeout=20) as raw:
        raw.sendall(header("10.1.2.3")[:20])
        assert raw.recv(1) == b""
    assert ARTIM - 0.5 < time.monotonic() - begun < ARTIM + LATE
    wait_for("said", lambda: scene.daemon.logged("net.proxy_late"), 5)


def set_artim(scene: Stage, seconds: float) -> None:
    scene.daemon.settings["limits"]["artim"] = f"{seconds:g}s"
    scene.daemon.write()
    done = scene.daemon.run_client("config", "reload")
    assert done.returncode == 0, done.stdout + done.stderr


def test_silent_connections_behind_the_balancer_have_bounds(scene):
    """Of one client address at most three; of all, with those whose header has not come, at most eight."""
    wait_for("quiet", lambda: scene.daemon.status()["associations"] == 0, 10)
    socks = []
    set_artim(scene, 300)  # none ends by itself
    try:
        before = scene.daemon.counter("front.silent")
        for number in range(5):
            sock = connect(("127.0.0.1", scene.ports["plain"]), timeout=20)
            sock.sendall(header("10.1.5.5", 5000 + number))
            socks.append(sock)
        wait_for("two are closed", lambda: scene.daemon.counter("front.silent") == before + 2, 10)
        assert met(scene, "plain", header("10.1.6.6")) == "status 0000", "another client is not kept out"
        for _ in range(8):
            socks.append(connect(("127.0.0.1", scene.ports["plain"]), timeout=20))
        wait_for("more are closed", lambda: scene.daemon.counter("front.silent") >= before + 5, 10)
    finally:
        set_artim(scene, ARTIM)
        for sock in socks:
            sock.close()
    wait_for("room again", lambda: met(scene, "plain", header("10.1.5.5")) == "status 0000", 10)
