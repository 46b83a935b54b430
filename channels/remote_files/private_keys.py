"""A private key that a person pasted, for signing in over SFTP."""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

from errors import InvalidInput

LONGEST = 20_000
_LEAST_RSA = 2048
_WHOLE = "Paste the whole file, from the line with BEGIN to the line with END, in OpenSSH or PEM format."
_KINDS: tuple[tuple[type, str], ...] = (
    (Ed25519PrivateKey, "ed25519"), (EllipticCurvePrivateKey, "ecdsa"), (RSAPrivateKey, "rsa"),
)  # fmt: skip


def read(text: str) -> tuple[str, str]:
    """The kind (``ed25519``, ``ecdsa``, ``rsa``) and the key in OpenSSH's format. Raises InvalidInput for the field ``secret``, with what to do."""
    text = "\n".join(text.strip().splitlines()) + "\n"
    if text.startswith("PuTTY-User-Key-File"):
        raise _unusable(
            "This private key is in PuTTY's format.",
            "In PuTTYgen choose Conversions and Export OpenSSH key, and paste that file.",
        )
    if text.startswith(("ssh-", "ecdsa-", "---- BEGIN SSH2 PUBLIC")) or "PUBLIC KEY-----" in text.partition("\n")[0]:
        raise _unusable("This is a public key.", "Paste the private key that belongs to it. The public key goes to the supplier.")
    if "PRIVATE KEY-----" not in text or len(text) > LONGEST:
        raise _unusable("This is not a private key.", _WHOLE)
    load = load_ssh_private_key if "BEGIN OPENSSH PRIVATE KEY" in text else load_pem_private_key
    try:
        key = load(text.encode(), password=None)
    except TypeError:
        raise _unusable(
            "This private key is protected by a passphrase.",
            "Make a copy without one, for example with ssh-keygen -p, or make a new key for Cartlink alone.",
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise _unusable("This private key cannot be read.", _WHOLE) from None
    kind = next((name for each, name in _KINDS if isinstance(key, each)), "")
    if not kind:
        raise _unusable("Cartlink cannot use a private key of this kind.", "Make an Ed25519, ECDSA or RSA key.")
    if isinstance(key, RSAPrivateKey) and key.key_size < _LEAST_RSA:
        raise _unusable(
            f"This RSA key has {key.key_size} bits, which is too short.", "Make an Ed25519 key, or an RSA key of 3072 bits."
        )
    return kind, key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()


def _unusable(message: str, advice: str) -> InvalidInput:
    return InvalidInput(message, advice, "secret")
