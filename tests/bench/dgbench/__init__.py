# SPDX-License-Identifier: Apache-2.0
"""The bench: every row of docs/performance.md, measured by `scripts/bench`."""
