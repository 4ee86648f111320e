"""Rules for files to ignore among photos: hidden files, service folders, side-cars, videos and the like.

Only the path below the source counts, so the same files are treated alike on disk and in a bucket. An ignored file is
counted as such, neither stored nor quarantined, and a service folder never becomes a label. Case is ignored; `*` in a
pattern matches any characters.
"""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase, translate
from functools import lru_cache
from typing import Final

_FOLDERS: Final = {  # pattern → which system creates it; everything below such a folder is ignored, too
    ".*": "hidden",  # .ipynb_checkpoints, .thumbnails, .Trash-1000, .git, .AppleDouble, .@__thumb …
    **dict.fromkeys(("@eadir", "#recycle", "#snapshot"), "Synology"),
    **dict.fromkeys(("@recycle", "@recently-snapshot"), "QNAP"),
    **dict.fromkeys(("$recycle.bin", "recycler", "system volume information", "found.[0-9][0-9][0-9]"), "Windows"),
    **dict.fromkeys(("__macosx", "network trash folder", "temporary items"), "macOS"),
    "lost+found": "Linux",
    "lost.dir": "Android",
    "__pycache__": "Python",
    "_spark_metadata": "Spark",
    **dict.fromkeys(("_temporary", "*_$folder$"), "Hadoop"),
}
_FILES: Final = {  # pattern → kind of file
    ".*": "hidden file",  # .DS_Store, .gitkeep, AppleDouble's ._photo.jpg …
    **dict.fromkeys(("thumbs.db", "ehthumbs*.db", "desktop.ini", "icon\r", "*.lnk"), "system file"),
    "_success": "marker of a finished job",
    "*_$folder$": "folder marker",
    **dict.fromkeys(("readme", "license", "licence", "checksums", "sha256sums", "md5sums"), "text file"),
    **dict.fromkeys(("*.txt", "*.md", "*.rst", "*.html", "*.htm", "*.log", "*.nfo", "*.url"), "text file"),
    **dict.fromkeys(("*.csv", "*.tsv", "*.json", "*.jsonl", "*.xml", "*.yaml", "*.yml", "*.toml"), "data file"),
    **dict.fromkeys(("*.parquet", "*.db", "*.sqlite", "*.xls", "*.xlsx", "*.py", "*.ipynb"), "data file"),
    **dict.fromkeys(("*.md5", "*.sha1", "*.sha256", "*.ini", "*.cfg", "*.gitkeep"), "data file"),
    **dict.fromkeys(("*.xmp", "*.aae", "*.thm", "*.pp3", "*.dop", "*.icc", "*.icm"), "side-car"),
    **dict.fromkeys(("*.mov", "*.mp4", "*.m4v", "*.avi", "*.3gp", "*.mts", "*.mkv", "*.webm"), "video"),
}
_is_ignored_file: Final = re.compile("|".join(map(translate, _FILES))).match  # saves trying one pattern after another


def why_ignored(path: str, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> str | None:
    """The rule by which a file is ignored, given its path below the source; None if it may be a photo.

    Globs in include and exclude are matched against the whole path, each folder's name and the file's name. If include
    is given, files that match none of its globs are ignored; so are files that match exclude.
    """
    folder, _, name = path.rpartition("/")
    found = _service_folder(folder) or _no_photo(name)
    if found or not (include or exclude):
        return found
    excluded = next((glob for glob in exclude if _matches(path, glob)), None)
    if excluded is not None:
        return f"--exclude {excluded}"
    return "not in --include" if include and not any(_matches(path, glob) for glob in include) else None


def is_service_folder(name: str) -> bool:
    """Whether a folder of this name belongs to the system, so that it cannot be a label."""
    return _service_folder(name) is not None


@lru_cache(maxsize=4096)  # files are listed folder by folder
def _service_folder(path: str) -> str | None:
    for name in path.split("/"):
        whose = next((whose for pattern, whose in _FOLDERS.items() if fnmatchcase(name.casefold(), pattern)), None)
        if whose and name not in (".", ".."):
            return f"hidden folder {name}" if whose == "hidden" else f"{whose}'s folder {name}"
    return None


def _no_photo(name: str) -> str | None:
    name = name.casefold()
    if name in (".", "..") or not _is_ignored_file(name):
        return None
    return next(what for pattern, what in _FILES.items() if fnmatchcase(name, pattern))


def _matches(path: str, glob: str) -> bool:
    path, glob = path.casefold(), glob.casefold()
    return fnmatchcase(path, glob) or any(fnmatchcase(name, glob) for name in path.split("/"))
