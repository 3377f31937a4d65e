# SPDX-License-Identifier: Apache-2.0
"""Other people's clients: what reaches the archives through the gateway equals what the same
program sends to an archive directly. There are no allowed differences."""
from pathlib import Path

import pytest

from dgtest import corpus, foreign
from dgtest.archive import Archive
from dgtest.stage import Stage

NAMES = ["pydicom/CT_small.dcm", "pydicom/MR_small_implicit.dcm", "pydicom/chrGerm.dcm",
         "pydicom/CR1__6154", "dcmqi/image__IMG0001.dcm"]

STORE = {
    "storescu": ["storescu", "-aet", "CT1", "-aec", "{title}", "127.0.0.1", "{port}"],
    "dcmsend": ["dcmsend", "-aet", "CT1", "-aec", "{title}", "127.0.0.1", "{port}"],
    "odil": ["odil", "store", "127.0.0.1", "{port}", "CT1", "{title}"],
    "ctn": ["send_image", "-q", "-r", "-a", "CT1", "-c", "{title}", "localhost", "{port}"],
}
ECHO = {
    "echoscu": ["echoscu", "-aet", "CT1", "-aec", "{title}", "127.0.0.1", "{port}"],
    "odil": ["odil", "echo", "127.0.0.1", "{port}", "CT1", "{title}"],
    "ctn": ["dicom_echo", "-a", "CT1", "-c", "{title}", "localhost", "{port}"],
}


def filled(words: list[str], title: str, port: int) -> list[str]:
    return [word.format(title=title, port=port) for word in words]


def files(folder: Path) -> list[Path]:
    if corpus.rows():
        return [corpus.FOLDER / name for name in NAMES]
    return [instance.path for instance in corpus.made(folder / "made")]


def contents(archive: Archive) -> list[tuple[str, str, str]]:
    return sorted((copy.uid, copy.transfer_syntax, copy.sha256) for copy in archive.copies())


@pytest.mark.parametrize("program", STORE)
def test_store_through_the_gateway_equals_store_to_the_archive(folder, program):
    sent = files(folder)
    with Archive(folder / "direct", "DIRECT") as direct:
        done = foreign.run([*filled(STORE[program], "DIRECT", direct.port), *sent])
        assert done.returncode == 0, done.stdout + done.stderr
        wanted = contents(direct)
        assert len(wanted) == len(sent)
    with Stage(folder) as stage:
        done = foreign.run([*filled(STORE[program], "DICOMGATE", stage.daemon.port), *sent])
        assert done.returncode == 0, done.stdout + done.stderr
        for archive in stage.archives:
            archive.wait_uids([uid for uid, _, _ in wanted], 30)
            assert contents(archive) == wanted


@pytest.mark.parametrize("kind,options", [
    ("rsa", []), ("ecdsa", ["+cs", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"])])
def test_dcmtk_with_either_kind_of_certificate(folder, kind, options):
    """One listener with both kinds: DCMTK's default profile has RSA suites alone below TLS 1.3."""
    with Stage(folder, tls=True, start=False) as stage:
        pairs = [stage.authority.issue("gw-ecdsa"), stage.authority.issue("gw-rsa", algorithm="rsa")]
        stage.daemon.settings["tls"]["modalities"].update(certificate=[str(pair.certificate) for pair in pairs],
                                                          key=[str(pair.key) for pair in pairs])
        stage.daemon.write()
        stage.daemon.start()
        own = stage.authority.issue("ct1", algorithm=kind)
        done = foreign.run(["echoscu", "+tls", own.key, own.certificate, "+cf", stage.authority.certificate, *options,
                            "-aec", "DICOMGATE", "127.0.0.1", str(stage.daemon.tls_port)],
                           environment=foreign.only_tls(folder, "1.2"))
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("program", ECHO)
def test_echo(folder, program):
    with Stage(folder) as stage:
        done = foreign.run(filled(ECHO[program], "DICOMGATE", stage.daemon.port))
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_dcmtk_over_tls(folder, version):
    sent = files(folder)
    with Stage(folder, tls=True) as stage:
        pair = stage.authority.issue("ct1", algorithm="rsa")
        environment = foreign.only_tls(folder, version)
        tls = ["+tls", pair.key, pair.certificate, "+cf", stage.authority.certificate, "-aet", "CT1",
               "-aec", "DICOMGATE", "127.0.0.1", str(stage.daemon.tls_port)]
        echoed = foreign.run(["echoscu", *tls], environment=environment)
        assert echoed.returncode == 0, echoed.stderr
        stored = foreign.run(["storescu", *tls, *sent], environment=environment)
        assert stored.returncode == 0, stored.stderr
        for archive in stage.archives:
            archive.wait_copies(len(sent), 30)
        assert contents(stage.legacy) == contents(stage.new)
