"""Mutated photos and killed runs: a few in `make test`, many in `make torture`.

mutants.py  mutations of intact files       ──▶ photos.py  strip and check each of them
kills.py    runs killed at random moments   ──▶ checks.py  check the lake after every kill
streams.py  a stream, while photos arrive   ──┘
"""
