"""What may enter the lake: listing a source, checking photos, and handing the good ones to bronze.

    folder or bucket ──source.py──▶ file list ──bronze.py──▶ photo.py checks each ──▶ images | quarantine

samples/ draws the project's own demo photos.
"""
