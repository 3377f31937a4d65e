# SPDX-License-Identifier: Apache-2.0
"""The usual scene: a daemon between two recording archives, `legacy` and `new`."""
from __future__ import annotations

from contextlib import ExitStack
from copy import deepcopy
from pathlib import Path
from typing import Any

from . import part10, sender
from .archive import Archive, Copy
from .certs import Authority, Pair, client_context
from .daemon import Daemon, Node

STORAGE = "1.2.840.10008.5.1.4.1.1.7"


class Stage:
    """Use as a context manager. `node_options` go to both archives in the configuration; `tls` puts the
    new archive and one listener behind TLS."""

    def __init__(self, folder: Path, *, settings: dict[str, Any] | None = None, tls: bool = False,
                 count_only: bool = False, environment: dict[str, str] | None = None,
                 node_options: dict[str, Any] | None = None, start: bool = True) -> None:
        self.folder, self.start = folder, start
        self._stack = ExitStack()
        self.authority = Authority(folder / "pki") if tls else None
        self.modality: Pair | None = self.authority.issue("ct1", server=False) if tls else None
        try:
            self._build(settings, tls, count_only, environment, node_options or {})
        except BaseException:
            self._stack.close()
            raise

    def _build(self, settings: dict[str, Any] | None, tls: bool, count_only: bool,
               environment: dict[str, str] | None, node_options: dict[str, Any]) -> None:
        keep = self._stack.enter_context
        self.legacy = keep(Archive(self.folder / "legacy", "OLDPACS", count_only=count_only))
        files = None
        if tls:
            pair = self.authority.issue("newpacs")
            files = (pair.certificate, pair.key, self.authority.certificate)
        self.new = keep(Archive(self.folder / "new", "NEWPACS", tls=files, count_only=count_only))
        nodes = [Node("legacy", 1, "OLDPACS", self.legacy.port, options=deepcopy(node_options)),
                 Node("new", 2, "NEWPACS", self.new.port, tls=tls, options=deepcopy(node_options))]
        self.daemon = Daemon(self.folder / "gateway", nodes, settings=settings, environment=environment,
                             authority=self.authority)

    @property
    def archives(self) -> tuple[Archive, Archive]:
        return self.legacy, self.new

    def __enter__(self) -> "Stage":
        if self.start:
            try:
                self.daemon.start()
            except BaseException:
                self.__exit__(AssertionError)
                raise
        return self

    def __exit__(self, kind: object, *rest: object) -> None:
        try:
            self.daemon.__exit__(kind, *rest)
        finally:
            self._stack.close()

    def target(self, calling: str = "CT1", *, tls: bool = False, **fields: Any) -> sender.Target:
        context = None
        if tls:
            context = client_context(self.modality.certificate, self.modality.key, self.authority.certificate)
        port = self.daemon.tls_port if tls else self.daemon.port
        return sender.Target(("127.0.0.1", port), "DICOMGATE", calling, context, **fields)

    def send(self, instances: list[part10.Instance], calling: str = "CT1", **fields: Any) -> list[sender.Result]:
        """Sends all on one association and expects Success for each."""
        results = sender.send(self.target(calling, **fields), instances)
        wrong = [(r.instance.name, r.status, r.comment or r.error) for r in results if r.status != 0]
        assert not wrong, f"{len(wrong)} of {len(results)} not stored: {wrong[:5]}"
        return results

    def wait_arrived(self, instances: list[part10.Instance], seconds: float = 60.0) -> None:
        """Until both archives have answered each UID with Success."""
        uids = [instance.sop_instance for instance in instances]
        for archive in self.archives:
            archive.wait_uids(uids, seconds)


def same_bytes(instances: list[part10.Instance], copies: list[Copy]) -> list[str]:
    """Names of the instances of which no copy with the same UID, syntax and bytes is there."""
    found = {(copy.uid, copy.transfer_syntax, copy.sha256) for copy in copies}
    return [i.name for i in instances if (i.sop_instance, i.transfer_syntax, i.digest()) not in found]
