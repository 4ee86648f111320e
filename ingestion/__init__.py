"""What may enter the lake: listing a source, checking photos, and handing the good ones to bronze.

    folder or bucket ──source.py──▶ file list ──bronze.py──▶ reading.py, photo.py check each ──▶ images | quarantine

samples/ draws the project's own demo photos.
"""
