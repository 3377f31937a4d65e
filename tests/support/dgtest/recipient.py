# SPDX-License-Identifier: Apache-2.0
"""Somebody to whom exports are encrypted, and how that person opens them: with OpenSSL alone."""
import subprocess
from pathlib import Path


def auditor(folder: Path, algorithm: str = "rsa:2048") -> tuple[Path, Path]:
    """Key and certificate, in PEM."""
    key, certificate = folder / "auditor.key", folder / "auditor.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", algorithm, "-nodes", "-keyout", str(key), "-out",
                    str(certificate), "-subj", "/CN=auditor", "-days", "2"], check=True, capture_output=True)
    return key, certificate


def cms_opened(sealed: bytes, key: Path) -> str:
    return subprocess.run(["openssl", "cms", "-decrypt", "-binary", "-inform", "DER", "-inkey", str(key)],
                          input=sealed, check=True, capture_output=True).stdout.decode()
