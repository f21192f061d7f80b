"""A repository of the model hub as a folder here: fetched once, gone on with where a transfer broke off, every file held against its checksum.

huggingface_hub does the transfers: what broke off within a run is continued from its last byte, files that are complete are not fetched again by a later
run. The cache names each file by the checksum its server gave (sha256 of large files, git's sha1 of small ones); here the contents are held against it.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from raggesture.errors import ModelError
from raggesture.resources import sha256_of

PATTERNS = ("*.pth", "*.bin", "*.pt", "*.ckpt", "*.yaml", "*.yml", "*.py")
"""What is fetched: weights and settings. A config is Python, and is only ever looked at."""
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_SHA256, _SHA1 = 64, 40


def is_repository(text: str) -> bool:
    """Whether ``text`` has the form owner/name and is no folder here."""
    return bool(_REPOSITORY.fullmatch(text)) and not Path(text).exists()


def fetch_repository(repository: str, revision: str | None = None, *, cache: Path | None = None) -> Path:
    """The folder of a repository's snapshot in the hub's cache, fetched if it is not whole there.

    Args:
        revision: a branch, tag or commit; None: the main branch. cache: None for the hub's own.

    Raises:
        ModelError: not there, no way to it, or a file that is not what its server said; the command that fetches it is named.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError

    remedy = f"run 'hf download {repository}{f' --revision {revision}' if revision else ''}' where there is a network, or give a folder"
    try:
        folder = Path(snapshot_download(repository, revision=revision, cache_dir=cache, allow_patterns=list(PATTERNS)))
    except (RepositoryNotFoundError, RevisionNotFoundError) as fault:
        what = "revision" if isinstance(fault, RevisionNotFoundError) else "repository"
        raise ModelError(
            f"{repository}: the hub has no such {what}, or not for you; expected owner/name - check the name, or log in ('hf auth login')"
        ) from fault
    except LocalEntryNotFoundError as fault:
        raise ModelError(f"{repository}: no folder here, and the hub cannot be asked (offline); expected it in the hub's cache - {remedy}") from fault
    except (HfHubHTTPError, OSError, ValueError, RuntimeError) as fault:
        raise ModelError(f"{repository}: cannot be fetched ({_short(fault)}); expected the hub to answer - try again, it goes on, or {remedy}") from fault
    except Exception as fault:  # the http library's own errors, whichever the hub's client uses
        raise ModelError(f"{repository}: the connection failed ({_short(fault)}); expected the whole of it - try again, it goes on, or {remedy}") from fault
    verify_snapshot(folder, remedy)
    return folder


def _short(fault: Exception) -> str:
    return f"{type(fault).__name__}: {' '.join(str(fault).split())[:160]}"


def verify_snapshot(folder: Path, remedy: str) -> int:
    """Hold each file of a snapshot against the checksum that its cache names it by; how many could be.

    Raises: ModelError: a file that was altered or is not whole, which is to be removed first.
    """
    checked = 0
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        blob = path.resolve()
        name = blob.name
        if blob.parent.name != "blobs" or len(name) not in (_SHA256, _SHA1) or not re.fullmatch("[0-9a-f]+", name):
            continue
        found = sha256_of(blob) if len(name) == _SHA256 else git_sha1(blob)
        if found != name:
            raise ModelError(f"{path}: checksum {found[:12]}...; expected {name[:12]}..., as its server said - remove {blob} and {remedy}")
        checked += 1
    return checked


def git_sha1(path: Path) -> str:
    """The digest git names a file's content by."""
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    digest.update(path.read_bytes())
    return digest.hexdigest()
