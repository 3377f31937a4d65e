# SPDX-License-Identifier: Apache-2.0
"""Other people's DICOM programs as peers: DCMTK's tools and Orthanc. All with TCP_NODELAY=1,
without which DCMTK waits 40 ms for each message."""
from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Iterable, Sequence

from . import part10
from .certs import Pair
from .ports import free_port, is_open, wait_for

ENVIRONMENT = dict(os.environ, TCP_NODELAY="1", LC_ALL="C")
ORTHANC = shutil.which("Orthanc", path="/usr/sbin:/usr/bin:/usr/local/sbin") or ""


def only_tls(folder: Path, version: str) -> dict[str, str]:
    """Environment in which a program that uses OpenSSL speaks this version (`1.2`, `1.3`) only."""
    path = folder / f"openssl-{version}.cnf"
    path.write_text(f"openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = limits\n"
                    f"[limits]\nMinProtocol = TLSv{version}\nMaxProtocol = TLSv{version}\n")
    return {"OPENSSL_CONF": str(path)}


def run(words: Sequence[str | Path], seconds: float = 120.0,
        environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """A client program to its end, output kept."""
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, errors="replace",
                          env=dict(ENVIRONMENT, **(environment or {})), timeout=seconds)


class Program:
    """A server program with its log, ended with the context."""

    def __init__(self, words: Sequence[str | Path], folder: Path, port: int, seconds: float = 30.0,
                 environment: dict[str, str] | None = None) -> None:
        self.folder, self.port = folder, port
        self.log_path = folder / "log.txt"
        self._log = self.log_path.open("ab")
        self.process = subprocess.Popen([str(word) for word in words], stdin=subprocess.DEVNULL,
                                        stdout=self._log, stderr=self._log, cwd=folder,
                                        env=dict(ENVIRONMENT, **(environment or {})))

        def listening() -> bool:
            assert self.process.poll() is None, f"{words[0]} ended:\n{self.log_path.read_text(errors='replace')}"
            return is_open(port)
        try:
            wait_for(f"{words[0]} listens", listening, seconds, 0.05)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._log.close()

    def __enter__(self) -> "Program":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class StoreScp(Program):
    """`storescp +B`: keeps each data set as received under a unique name; accepts every storage class
    and transfer syntax that the configuration file lists."""

    def __init__(self, folder: Path, title: str, instances: Iterable[part10.Instance] = (),
                 tls: Sequence[str | Path] = (), environment: dict[str, str] | None = None) -> None:
        self.store = folder / "store"
        self.store.mkdir(parents=True)
        port = free_port()
        words: list[str | Path] = ["storescp", "+B", "+uf", "-aet", title, "-od", self.store, *tls]
        pairs = [(instance.sop_class, instance.transfer_syntax) for instance in instances]
        if pairs:
            configuration = folder / "storescp.cfg"
            configuration.write_text(_acceptor_configuration(pairs))
            words += ["-xf", configuration, "All"]
        super().__init__([*words, str(port)], folder, port, environment=environment)

    def files(self) -> list[Path]:
        return sorted(path for path in self.store.iterdir() if path.is_file())


def _acceptor_configuration(pairs: Iterable[tuple[str, str]]) -> str:
    """An association configuration of DCMTK (asconfig.txt): one list of syntaxes for all classes."""
    syntaxes = dict.fromkeys(transfer for _, transfer in pairs)
    classes = dict.fromkeys(["1.2.840.10008.1.1", *(sop_class for sop_class, _ in pairs)])
    lines = ["[[TransferSyntaxes]]", "[Every]"]
    lines += [f"TransferSyntax{n} = {uid}" for n, uid in enumerate(syntaxes, 1)]
    lines += ["[[PresentationContexts]]", "[Storage]"]
    lines += [f"PresentationContext{n} = {uid}\\Every" for n, uid in enumerate(classes, 1)]
    lines += ["[[Profiles]]", "[All]", "PresentationContexts = Storage"]
    return "\n".join(lines) + "\n"


class DcmQrScp(Program):
    """`dcmqrscp +B`: an archive that keeps one file for each SOP Instance UID, as received. Given
    `instances`, it accepts exactly their SOP Classes and transfer syntaxes."""

    def __init__(self, folder: Path, title: str, instances: Iterable[part10.Instance] = (),
                 port: int = 0) -> None:
        self.store = folder / "store"
        self.store.mkdir(parents=True, exist_ok=True)
        port = port or free_port()
        configuration = folder / "dcmqrscp.cfg"
        configuration.write_text(
            f"NetworkTCPPort = {port}\nMaxPDUSize = 65536\nMaxAssociations = 16\n"
            "HostTable BEGIN\nHostTable END\nVendorTable BEGIN\nVendorTable END\nAETable BEGIN\n"
            f"{title} {self.store} RW (20000, 8192mb) ANY\nAETable END\n")
        words: list[str | Path] = ["dcmqrscp", "+B", "-c", configuration]
        pairs = [(instance.sop_class, instance.transfer_syntax) for instance in instances]
        if pairs:
            profile = folder / "association.cfg"
            profile.write_text(_acceptor_configuration(pairs))
            words += ["-xf", profile, "All", "All"]
        super().__init__(words, folder, port)

    def files(self) -> list[Path]:
        return sorted(path for path in self.store.iterdir() if path.is_file() and path.name != "index.dat")


class Orthanc(Program):
    """Orthanc with its own folder; REST on a free port of the loopback address."""

    def __init__(self, folder: Path, title: str, tls: tuple[Pair, Path] | None = None,
                 environment: dict[str, str] | None = None, **settings: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.http, port = free_port(), free_port()
        options: dict[str, Any] = {
            "Name": title, "DicomAet": title, "DicomPort": port, "HttpPort": self.http,
            "StorageDirectory": str(folder / "storage"), "IndexDirectory": str(folder / "storage"),
            "RemoteAccessAllowed": False, "AuthenticationEnabled": False, "DicomCheckCalledAet": False,
            "DicomAlwaysAllowEcho": True, "DicomAlwaysAllowStore": True, "UnknownSopClassAccepted": True,
            "StorageCompression": False, "Plugins": [], "HttpServerEnabled": True, "StableAge": 1,
            "DicomServerEnabled": True, "MaximumPduLength": 131072, "OverwriteInstances": False}
        if tls:
            pair, authority = tls
            options.update({"DicomTlsEnabled": True, "DicomTlsCertificate": str(pair.certificate),
                            "DicomTlsPrivateKey": str(pair.key),
                            "DicomTlsTrustedCertificates": str(authority),
                            "DicomTlsRemoteCertificateRequired": True})
        options.update(settings)
        path = folder / "orthanc.json"
        path.write_text(json.dumps(options, indent=1))
        super().__init__([ORTHANC, "--verbose", path], folder, port, 60.0, environment)
        wait_for("Orthanc answers", lambda: self.get_or_none("/system"), 30.0, 0.05)

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}{path}", timeout=60) as answer:
            return answer.read()

    def get_or_none(self, path: str) -> bytes | None:
        try:
            return self.get(path)
        except (urllib.error.URLError, OSError):
            return None

    def post(self, path: str, body: bytes) -> Any:
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}{path}", data=body, method="POST")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or b"null")

    def instances(self) -> list[str]:
        return json.loads(self.get("/instances"))

    def digests(self) -> dict[str, str]:
        """SOP Instance UID to SHA-256 of the data set, of the files of PS3.10 that it gives back."""
        found = {}
        place = self.folder / "fetched.dcm"
        for identifier in self.instances():
            place.write_bytes(self.get(f"/instances/{identifier}/file"))
            instance = part10.read(place)
            found[instance.sop_instance] = instance.digest()
        place.unlink(missing_ok=True)
        return found


def folder_digests(files: Iterable[Path]) -> dict[str, str]:
    """SOP Instance UID to SHA-256 of the data set of each stored file."""
    instances = [part10.read(path) for path in files]
    return {instance.sop_instance: instance.digest() for instance in instances}
