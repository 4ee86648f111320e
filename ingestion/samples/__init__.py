"""Fruitlake's own demo photos, drawn on demand with NumPy and Pillow alone, so that no image has to be shipped.

    label, index ──album.py──▶ recipes.py: bodies.py, orchard_skins.py | exotic_skins.py, sprigs.py
                                   │
                               studio.py: light.py and view.py ──▶ fruit_layer.py (march.py, skin.py), sprig_layer.py
                                   │
                                 photo ──album.py──▶ <folder>/<label>/<slug>_<index>.jpg

skin.py offers a fruit's skin its patterns: noise.py, dots.py; vectors.py and colours.py serve all.

A photo depends on its label, its index and its size alone. Within a label every index is another individual
under another light, turned further on its stand, as in the studio series that fruit data sets are made of.
"""

from ingestion.samples.album import SAMPLE_LABELS, draw_photo, write_sample_photos

__all__ = ["SAMPLE_LABELS", "draw_photo", "write_sample_photos"]
