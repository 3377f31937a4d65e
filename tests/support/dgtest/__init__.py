# SPDX-License-Identifier: Apache-2.0
"""Peers, certificates, ports, files and the daemon's life for the tests and the demo.

Nothing here shares a line with the gateway: the PDUs and command sets are typed from PS3.8 and PS3.7, so that both sides
of a test can not share one mistake. pydicom makes files (`corpus`) and reads what came out (`edits`).
"""
