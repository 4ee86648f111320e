"""Ingest photos: list a source, check its files, and pass the usable photos to bronze.

    folder or bucket ──source.py──▶ file list ──bronze.py──▶ reading.py, photo.py check each ──▶ images | quarantine

samples/ holds the demo's photos.
"""
