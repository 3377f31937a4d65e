# SPDX-License-Identifier: Apache-2.0
"""Other people's archives: what they keep of an instance that came through the gateway equals what
they keep of the same instance sent to them directly. There are no allowed differences."""
from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator

import pytest

from dgtest import corpus, foreign, part10, sender
from dgtest.archive import Archive
from dgtest.certs import Authority, client_context
from dgtest.daemon import Daemon, Node
from dgtest.ports import wait_for


def instances(folder: Path) -> list[part10.Instance]:
    """One file of each UID whose length is even: DCMTK aborts on an odd fragment."""
    if not corpus.rows():
        return corpus.made(folder / "made")
    names = {row["path"].split("/")[-1] for row in corpus.good_rows() if row["verbatim_sender_roundtrip"] == "exact"}
    return [i for i in corpus.one_for_each_uid() if i.path.name in names and i.length % 2 == 0]


@contextmanager
def archive(kind: str, folder: Path, authority: Authority, sent: list[part10.Instance],
            tls_version: str) -> Iterator[tuple[int, Callable[[], dict[str, str]]]]:
    """(port, function that tells UID to digest of what it holds)."""
    folder.mkdir(parents=True)
    environment = foreign.only_tls(folder, tls_version) if tls_version else None
    pair = authority.issue("archive", algorithm="rsa")
    if kind == "dcmqrscp":
        with foreign.DcmQrScp(folder, "ARCHIVE", sent) as server:
            yield server.port, lambda: foreign.folder_digests(server.files())
    elif kind == "storescp":
        tls = ["+tls", pair.key, pair.certificate, "+cf", authority.certificate] if tls_version else []
        with foreign.StoreScp(folder, "ARCHIVE", sent, tls, environment) as server:
            yield server.port, lambda: foreign.folder_digests(server.files())
    else:
        tls_files = (pair, authority.certificate) if tls_version else None
        with foreign.Orthanc(folder, "ARCHIVE", tls_files, environment) as server:
            yield server.port, server.digests


@pytest.mark.parametrize("kind,tls_version", [
    ("dcmqrscp", ""), ("storescp", ""), ("storescp", "1.2"), ("storescp", "1.3"),
    ("orthanc", ""), ("orthanc", "1.2"), ("orthanc", "1.3")])
def test_archive_keeps_the_same_as_when_sent_to_directly(folder, kind, tls_version):
    sent = instances(folder)
    authority = Authority(folder / "pki")
    own = authority.issue("ct1", algorithm="rsa")
    context = client_context(own.certificate, own.key, authority.certificate) if tls_version else None
    with archive(kind, folder / "direct", authority, sent, tls_version) as (port, holds):
        results = sender.send(sender.Target(("127.0.0.1", port), "ARCHIVE", "CT1", context), sent)
        taken = [result.instance for result in results if result.status == 0]
        wanted = holds()
    assert taken and len(wanted) == len(taken)
    with archive(kind, folder / "through", authority, sent, tls_version) as (port, holds), \
            Archive(folder / "other", "OTHER") as other:
        # dcmqrscp loses instances when two associations store at the same time.
        nodes = [Node("other", 1, "OTHER", other.port),
                 Node("archive", 2, "ARCHIVE", port, tls=bool(tls_version), options={"associations": 1})]
        with Daemon(folder / "gateway", nodes, authority=authority) as gateway:
            results = sender.send(sender.Target(("127.0.0.1", gateway.port), calling="CT1"), taken)
            assert [(r.instance.name, r.status) for r in results if r.status != 0] == []
            wait_for("all delivered", lambda: gateway.owed() == 0, 60, 0.2)
        assert holds() == wanted
        print(f"{kind} {tls_version or 'plain'}: {len(wanted)} instances equal")


@pytest.mark.parametrize("kind", ["dcmqrscp", "storescp", "orthanc"])
@pytest.mark.parametrize("acknowledge", ["primary", "all"])
def test_client_is_told_what_the_archive_says(folder, kind, acknowledge):
    """Mirrored negotiation and the archive's own status: the same as when sent to directly, and it has it then."""
    sent = instances(folder)
    authority = Authority(folder / "pki")
    with archive(kind, folder / "direct", authority, sent, "") as (port, holds):
        direct = sender.send(sender.Target(("127.0.0.1", port), "ARCHIVE", "CT1"), sent)
        wanted = holds()
    route = {"to": ["archive", "other"], "acknowledge": acknowledge, "negotiate": "mirror"}
    with archive(kind, folder / "through", authority, sent, "") as (port, holds), \
            Archive(folder / "other", "OTHER") as other:
        nodes = [Node("archive", 1, "ARCHIVE", port, options={"associations": 1}), Node("other", 2, "OTHER", other.port)]
        with Daemon(folder / "gateway", nodes, authority=authority,
                    settings={"phases": {"coexist": {"store": [route]}}}) as gateway:
            told = sender.send(sender.Target(("127.0.0.1", gateway.port), calling="CT1"), sent)
            assert holds() == wanted, "it has it when the client is told so"
            assert [(r.instance.name, r.status) for r in told] == [(r.instance.name, r.status) for r in direct]
