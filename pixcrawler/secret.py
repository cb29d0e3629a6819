"""The secret key of an installation whose operator set none."""

import secrets
from pathlib import Path


def secret_key(data_dir: Path) -> str:
    """The key kept in the data folder, made at the first call: 64 random characters, readable by the owner alone.

    Where the folder cannot be written, a key for this process alone: what needs the folder says so in words.
    """
    file = data_dir / "secret_key"
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        try:
            with file.open("x", encoding="ascii") as handle:
                file.chmod(0o600)
                handle.write(secrets.token_urlsafe(48))
        except FileExistsError:
            pass
        return file.read_text(encoding="ascii").strip() or secrets.token_urlsafe(48)
    except OSError:
        return secrets.token_urlsafe(48)
