"""What can go wrong with a file of another server. Each says in one sentence what happened and what to do about it; ``retryable`` says that the
same may work later without a person. That Cartlink tries again is for the caller to say. Messages hold the host, and never an address's path or query, a user or a secret.

    RemoteFileError              the file, the server, or the way to it
    ├── PlaceUnreachable         no connection: name, network, refused                  retry
    │   └── PlaceTimeout         no answer, or not all of it, in time                   retry
    ├── PlaceRefused             the address leads where Cartlink does not connect
    ├── PlaceUntrusted           its certificate or encryption cannot be trusted
    ├── HostKeyUnknown           nobody has confirmed the SFTP server's key (``key``)
    ├── HostKeyChanged           the SFTP server has another key than was confirmed (``key``, ``pinned``)
    ├── SignInRefused            user, password, key or token is not accepted
    ├── PlaceUnusable            what is stored about the place is not enough any more, or wrong
    ├── PlaceMoved               it redirects to another address, which is not followed
    ├── PlaceBusy                408, 425, 429, 503 (``retry_after``)                    retry
    ├── PlaceBroken              5xx, a cut connection, an answer that cannot be read    retry
    ├── PlaceAnswered            any other answer than a file
    ├── NoFile                   no such file, or none that matches the pattern          retry
    ├── FileGrowing              it changed while we looked: it is being written          retry
    ├── FileCut                  it did not come to its end                              retry
    ├── FileEmpty                there is nothing in it                                  retry
    ├── FileTooLarge             larger than the cap, as it travels or unpacked
    ├── PageInstead              a web page where a file was expected, such as a sign-in page
    ├── ArchiveUnusable          a ZIP or gzip file that does not hold exactly one file
    └── PutRefused               the server does not take the file
        └── PutNameTaken         another file has this name there
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from errors import AppError

if TYPE_CHECKING:
    from channels.remote_files.places import HostKey


class RemoteFileError(AppError):
    status = 502
    code = "remote_file"
    retryable = False


class PlaceUnreachable(RemoteFileError):
    code = "unreachable"
    retryable = True
    advice = "Check the address."


class PlaceTimeout(PlaceUnreachable):
    code = "timeout"
    advice = "The server is slow or overloaded."


class PlaceRefused(RemoteFileError):
    code = "address_refused"
    advice = "Use the server's public address. If it is in your own network, ask the person who runs Cartlink to allow its private address."


class PlaceUntrusted(RemoteFileError):
    code = "tls"
    advice = "Ask the people who run the server to renew or repair it. Cartlink sends nothing until then."


class HostKeyUnknown(RemoteFileError):
    """``key`` is what the server has shown."""

    code = "host_key_unknown"
    advice = "Compare the fingerprint with the one that the people who run the server gave you, and confirm it."

    def __init__(self, message: str, key: HostKey):
        super().__init__(message)
        self.key = key


class HostKeyChanged(HostKeyUnknown):
    """``pinned`` is what a person had confirmed."""

    code = "host_key_changed"
    advice = (
        "Ask the people who run the server whether they have changed its key. Confirm the new fingerprint only if they give you the same one: "
        "otherwise somebody may be posing as the server. Nothing was sent."
    )

    def __init__(self, message: str, key: HostKey, pinned: HostKey):
        super().__init__(message, key)
        self.pinned = pinned


class SignInRefused(RemoteFileError):
    code = "sign_in_refused"
    advice = "Check how to sign in, the user, and the password, key or token, and enter them again."


class PlaceUnusable(RemoteFileError):
    code = "place"


class PlaceMoved(RemoteFileError):
    code = "moved"
    advice = "Enter the address to which it leads, if you trust it."


class PlaceBusy(RemoteFileError):
    """``retry_after`` is the number of seconds the server asks us to wait, or None."""

    code = "busy"
    retryable = True
    advice = "Wait until the server is less busy."

    def __init__(self, message: str, retry_after: float | None = None):
        super().__init__(message)
        self.retry_after = retry_after


class PlaceBroken(RemoteFileError):
    code = "broken"
    retryable = True
    advice = "If it lasts, ask the people who run the server."


class PlaceAnswered(RemoteFileError):
    code = "answered"
    advice = "Check the address and how to sign in, or ask the people who run the server."


class NoFile(RemoteFileError):
    code = "no_file"
    retryable = True
    advice = "Check the address, the folder and the name, or wait until the file comes."


class FileGrowing(RemoteFileError):
    code = "growing"
    retryable = True
    advice = "Wait until the file has been written to its end."


class FileCut(RemoteFileError):
    code = "cut"
    retryable = True
    advice = "Nothing was used of it."


class FileEmpty(RemoteFileError):
    code = "empty"
    retryable = True
    advice = "If it lasts, ask the supplier for the file."


class FileTooLarge(RemoteFileError):
    code = "too_large"
    advice = "Ask the supplier for a file with fewer rows or columns, or ask the person who runs Cartlink to raise the limit."


class PageInstead(RemoteFileError):
    code = "page"
    advice = "Check the address and how to sign in: open the address in a private window to see what comes."


class ArchiveUnusable(RemoteFileError):
    code = "archive"
    advice = "Ask the supplier for the file itself, or for a ZIP or gzip file with one file in it, without a password."


class PutRefused(RemoteFileError):
    code = "put_refused"
    advice = "Ask the people who run the server to let this user write files there."


class PutNameTaken(PutRefused):
    code = "put_name_taken"
    advice = "Remove or rename the file there, or choose another name, and try again. Cartlink does not overwrite it."
