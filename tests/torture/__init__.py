"""What `make test` does a little of and `make torture` in full: mutated photos, and runs that are killed.

mutants.py  files that were whole once       ──▶ photos.py  strip and check every one of them
kills.py    a run that is killed at random   ──▶ checks.py  lakes that are looked at after every kill
"""
