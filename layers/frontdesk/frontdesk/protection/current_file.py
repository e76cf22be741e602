"""What is in force of a file that people write: the newest version, or the last good one.

Using it never fails and never waits long. When the newest version cannot be used, or cannot be reached, the last good
one goes on, and whoever built this is told.
"""

from __future__ import annotations

import threading
from itertools import islice
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from frontdesk.errors import FrontdeskError
from frontdesk.protection.written_file import WrittenFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_KEEP_S = 30.0
_MOST_EARLIER = 20

_Content = TypeVar("_Content")


class FileText(Protocol):
    """One version of the file: ``etag`` changes with its text and is empty when there is no file."""

    @property
    def text(self) -> str:
        """What it says; what is no UTF-8 in it stands as lone surrogates."""

    @property
    def etag(self) -> str:
        """What tells it from another text."""

    @property
    def version_id(self) -> str:
        """What people find it by."""


class Files(Protocol):
    """Where the file is kept. Raises a `FrontdeskError` when it cannot be reached."""

    def newest(self, known: str) -> FileText | None:
        """Return the file as it is, ``None`` when its etag is ``known`` still."""

    def earlier(self) -> Iterator[FileText]:
        """Yield the versions before the newest one, the newest first."""


def last_good(files: Files, read: Callable[[str], _Content], default: Callable[[], _Content]) -> tuple[_Content, str]:
    """Return what stands in for a newest file that cannot be used, and the id of its version.

    That is the newest earlier version that is good; or ``default``, without an id, where none of the last
    `_MOST_EARLIER` is. Raises what ``files`` raises.
    """
    for file in islice(files.earlier(), _MOST_EARLIER):
        try:
            return read(file.text), file.version_id
        except WrittenFileError:
            continue
    return default(), ""


class CurrentFile(Generic[_Content]):
    """What is in force, read again when it is ``keep_s`` seconds old. Many threads may use it.

    While one thread reads, the others go on with what they have.
    """

    def __init__(
        self,
        *,
        files: Files,
        read: Callable[[str], _Content],
        default: Callable[[], _Content],
        clock: Callable[[], float],
        on_broken: Callable[[FrontdeskError, str], None],
        keep_s: float = _KEEP_S,
    ) -> None:
        """``read`` makes of a text what it says, or raises a `WrittenFileError`; ``default`` is in force without one.

        ``clock`` counts seconds, also while the process is frozen. ``on_broken`` hears once of each newest version that
        cannot be used, with its id, and once of each time that the files go out of reach, with an empty id.
        """
        self._files = files
        self._read = read
        self._default = default
        self._clock = clock
        self._on_broken = on_broken
        self._keep_s = keep_s
        self._reading = threading.Lock()
        self._content: _Content | None = None
        self._due = 0.0
        self._chosen = False  # whether what is in force was chosen, not just taken because nothing could be read
        self._known = ""
        self._told: set[str] = set()
        self._reachable = True

    def current(self) -> _Content:
        """Return what is in force. Waits for it at the first call only, unless it is its turn to read."""
        content = self._content
        if content is None:
            with self._reading:
                return self._content or self._read_again()
        if self._clock() < self._due or not self._reading.acquire(blocking=False):
            return content
        try:
            return self._read_again()
        finally:
            self._reading.release()

    def loaded(self) -> _Content:
        """Return it as it was last read; reads it only when it never was."""
        return self._content or self.current()

    def _read_again(self) -> _Content:
        """Return what is in force after looking for something newer."""
        self._due = self._clock() + self._keep_s
        try:
            newest = self._files.newest(self._known)
            if newest is not None:
                self._take(newest)
        except FrontdeskError as error:
            if self._reachable:
                self._reachable = False
                self._on_broken(error, "")
        else:
            self._reachable = True
        if self._content is None:
            self._content = self._default()
        return self._content

    def _take(self, newest: FileText) -> None:
        """Put ``newest`` in force, or the best there is instead. Raises when an earlier version is out of reach."""
        if not newest.etag:
            if self._known or not self._chosen:
                self._content = self._default()
        else:
            try:
                self._content = self._read(newest.text)
            except WrittenFileError as error:
                if newest.version_id not in self._told:
                    self._told.add(newest.version_id)
                    self._on_broken(error, newest.version_id)
                if not self._chosen:
                    self._content, _ = last_good(self._files, self._read, self._default)
        self._chosen = True
        self._known = newest.etag
