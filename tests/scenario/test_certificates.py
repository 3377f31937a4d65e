# SPDX-License-Identifier: Apache-2.0
"""What an administrator gives the gateway for TLS: profiles, two kinds of certificate, passphrases, revocation lists."""
import os
import shutil
import subprocess

import pytest

from dgtest import pdu
from dgtest.association import ENDED, Rejected, open_association, propose
from dgtest.certs import Authority, client_context
from dgtest.daemon import Daemon, Node

BROKEN = (*ENDED, Rejected)


class Scene:
    """A daemon with one TLS listener whose section is changed by `section`; an archive that is never reached."""

    def __init__(self, folder, section=None, gateway=None, environment=None, start=True):
        self.authority = Authority(folder / "pki")
        self.modality = self.authority.issue("ct1", server=False)
        section = section(self.authority) if callable(section) else section or {}
        settings = {"tls": {"modalities": section}, "gateway": gateway or {}}
        self.daemon = Daemon(folder / "gateway", [Node("legacy", 1, "OLDPACS", 9)], settings=settings,
                             authority=self.authority, environment=environment)
        if start:
            self.daemon.start()

    def __enter__(self):
        return self

    def __exit__(self, *arguments):
        self.daemon.__exit__(*arguments)

    def echo(self, pair=None, *, version="", certificate=True) -> str:
        """"fine" or "refused"."""
        pair = pair or self.modality
        context = client_context(pair.certificate if certificate else None, pair.key, self.authority.certificate,
                                 version=version)
        info = propose([(pdu.VERIFICATION, pdu.IMPLICIT_LE)], called="DICOMGATE", calling="CT1")
        try:
            with open_association(("127.0.0.1", self.daemon.tls_port), info, tls=context) as association:
                assert association.echo(1) == 0
                association.release()
                return "fine"
        except BROKEN:
            return "refused"


def openssl_client(daemon: Daemon, pair, authority, *options: str) -> str:
    """What `openssl s_client` says of one handshake."""
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{daemon.tls_port}", "-CAfile",
                           str(authority.certificate), "-cert", str(pair.certificate), "-key", str(pair.key), *options],
                          input="", capture_output=True, text=True, timeout=30)
    return done.stdout + done.stderr


def both_kinds(authority) -> dict:
    ecdsa, rsa = authority.issue("gw-ecdsa"), authority.issue("gw-rsa", algorithm="rsa")
    return {"certificate": [str(ecdsa.certificate), str(rsa.certificate)], "key": [str(ecdsa.key), str(rsa.key)]}


@pytest.mark.parametrize("options,kind", [
    (("-tls1_3", "-sigalgs", "ECDSA+SHA256"), "ECDSA"), (("-tls1_3", "-sigalgs", "RSA-PSS+SHA256:ECDSA+SHA512"), "RSA"),
    (("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"), "ECDSA"),
    (("-tls1_2", "-cipher", "ECDHE-RSA-AES256-GCM-SHA384"), "RSA")])
def test_each_client_gets_the_kind_of_certificate_that_it_can_check(folder, options, kind):
    with Scene(folder, both_kinds) as scene:
        said = openssl_client(scene.daemon, scene.modality, scene.authority, *options)
        assert "Verify return code: 0 (ok)" in said
        assert f"CN = gw-{kind.lower()}" in said


@pytest.mark.parametrize("options", [("-tls1", "-cipher", "ALL:@SECLEVEL=0"), ("-tls1_1", "-cipher", "ALL:@SECLEVEL=0"),
                                     ("-tls1_2", "-cipher", "DHE-RSA-AES256-GCM-SHA384"),
                                     ("-tls1_2", "-cipher", "ECDHE-RSA-CHACHA20-POLY1305"),
                                     ("-tls1_2", "-cipher", "AES128-SHA"),
                                     ("-tls1_2", "-psk", "0123456789abcdef", "-cipher", "PSK")])
def test_what_the_profile_does_not_name_is_refused(folder, options):
    with Scene(folder) as scene:
        said = openssl_client(scene.daemon, scene.modality, scene.authority, *options)
        assert "Cipher is (NONE)" in said or "no protocols available" in said, said


def test_external_key_of_tls_13_is_never_taken(folder):
    with Scene(folder) as scene:
        said = openssl_client(scene.daemon, scene.modality, scene.authority, "-tls1_3", "-psk", "0123456789abcdef")
        assert "New, TLSv1.3" in said and "Reused" not in said, "a full handshake with certificates"


def test_modified_profile(folder):
    with Scene(folder, {"profile": "modified-bcp195-rfc8996"}) as scene:
        said = openssl_client(scene.daemon, scene.modality, scene.authority, "-tls1_2", "-cipher",
                              "ECDHE-RSA-CHACHA20-POLY1305")
        assert "Cipher is ECDHE-RSA-CHACHA20-POLY1305" in said
        said = openssl_client(scene.daemon, scene.modality, scene.authority, "-tls1_2", "-cipher",
                              "DHE-RSA-AES256-GCM-SHA384")
        assert "Cipher is (NONE)" in said


def test_optional_peers_are_checked_if_they_show_a_certificate(folder):
    with Scene(folder, {"peers": "optional"}) as scene:
        assert scene.echo(certificate=False) == "fine"
        assert scene.echo() == "fine"
        stranger = Authority(folder / "other", "other").issue("ct1", server=False)
        assert scene.daemon.counted("tls.unknown_ca", lambda: scene.echo(stranger)) == "refused"


def test_a_failed_handshake_is_no_released_association(folder):
    with Scene(folder) as scene:
        assert scene.daemon.counted("tls.no_certificate", lambda: scene.echo(certificate=False)) == "refused"
        assert scene.daemon.counter("ul.released") == 0


# ---- passphrases

def locked(passphrase, written, mode=0o600):
    def section(authority):
        pair = authority.issue("gw-locked", algorithm="rsa", passphrase=passphrase)
        path = authority.folder / "passphrase"
        path.write_text(written)
        path.chmod(mode)
        return {"certificate": str(pair.certificate), "key": str(pair.key), "key_passphrase": str(path)}
    return section


def test_key_with_a_passphrase(folder):
    with Scene(folder, locked("s3cret", "s3cret\n")) as scene:
        assert scene.echo() == "fine"
        assert "s3cret" not in scene.daemon.log()


@pytest.mark.parametrize("written,mode,words", [
    ("guess\n", 0o600, "gw-locked.key: the passphrase in"), ("s3cret\n", 0o644, "passphrase: others may read"),
    ("", 0o600, "its first line is empty")])
def test_wrong_passphrase_names_the_file(folder, written, mode, words):
    scene = Scene(folder, locked("s3cret", written, mode), start=False)
    scene.daemon.start(ready=False)
    assert scene.daemon.process.wait(20) == 3
    scene.daemon.process = None
    assert words in scene.daemon.log(), scene.daemon.log()
    assert "s3cret" not in scene.daemon.log()


def test_passphrase_from_a_credential(folder):
    credentials = folder / "credentials"
    credentials.mkdir()
    (credentials / "tls-key").write_text("s3cret\n")
    os.chmod(credentials / "tls-key", 0o400)

    def section(authority):
        pair = authority.issue("gw-locked", algorithm="rsa", passphrase="s3cret")
        return {"certificate": str(pair.certificate), "key": str(pair.key), "key_passphrase_credential": "tls-key"}
    with Scene(folder, section, environment={"CREDENTIALS_DIRECTORY": str(credentials)}) as scene:
        assert scene.echo() == "fine"


# ---- revocation

def test_revoked_client(folder):
    revoked = []

    def section(authority):
        revoked.append(authority.issue("ct2", server=False))
        return {"crl": str(authority.revoke("now", *revoked))}
    with Scene(folder, section) as scene:
        assert scene.daemon.counted("tls.revoked", lambda: scene.echo(revoked[0])) == "refused"
        assert scene.echo() == "fine"


def test_folder_of_lists(folder):
    revoked = []

    def section(authority):
        revoked.append(authority.issue("ct2", server=False))
        lists = folder / "lists"
        lists.mkdir()
        shutil.move(authority.revoke("now", *revoked), lists / "hospital.crl")
        return {"crl": [str(lists)]}
    with Scene(folder, section) as scene:
        assert scene.daemon.counted("tls.revoked", lambda: scene.echo(revoked[0])) == "refused"
        assert scene.echo() == "fine"


@pytest.mark.parametrize("expired,answer", [("alarm", "fine"), ("refuse", "refused")])
def test_expired_list(folder, expired, answer):
    with Scene(folder, lambda authority: {"crl": str(authority.revoke("old", days=-1)),
                                          "crl_expired": expired}) as scene:
        assert scene.echo() == answer
        assert scene.daemon.counter("tls.crl_expired") == (answer == "refused")


def test_authority_without_a_list_lets_nobody_in(folder):
    other = Authority(folder / "other", "other")
    with Scene(folder, lambda authority: {"crl": str(other.revoke("other"))}) as scene:
        assert scene.daemon.counted("tls.crl_missing", scene.echo) == "refused"
