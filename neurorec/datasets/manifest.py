"""Manifests: the files of a data set, where they come from and what they may be used for.

A manifest is a YAML file ``<name>.yaml``. In an installed package the manifests lie beside this
module, in a checkout in the top-level folder ``data_manifests``.
"""

import re
import string
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Final
from urllib.parse import quote

from pydantic import BeforeValidator, ConfigDict, Field, field_validator, model_validator

from neurorec._checks import check_option
from neurorec._yaml import FrozenModel, read_yaml

#: Names that the URL pattern of a manifest may use.
URL_FIELDS: Final = frozenset({"repository", "commit", "path"})


def _text(value: Any) -> Any:
    # YAML reads 190923 as a number, and then the session 090923 would lose its zero.
    if not isinstance(value, str):
        raise ValueError("this must be text; put it in quotes")
    return value


def _listed(value: Any) -> Any:
    if not isinstance(value, list | tuple):
        raise ValueError("this must be a list; put it in square brackets")
    return tuple(value)


Text = Annotated[str, BeforeValidator(_text)]
Texts = Annotated[tuple[Text, ...], BeforeValidator(_listed)]


class ManifestFile(FrozenModel):
    """One source file of a data set.

    ``path`` is the file's place in its source repository and in the mirror folder of the data
    set. ``session`` names the recording session that the file belongs to; a file without one
    belongs to all of them. ``url`` is given where the pattern of the manifest does not hold.
    """

    model_config = ConfigDict(strict=True)

    path: Text
    size: int = Field(ge=0)
    sha256: Text
    session: Text | None = None
    url: Text | None = None

    @field_validator("path")
    @classmethod
    def _stays_inside(cls, path: str) -> str:
        parts = PurePosixPath(path).parts
        if not parts or path.startswith("/") or ".." in parts or "\\" in path:
            raise ValueError(
                "a path must be relative, with forward slashes and no '..'; correct it"
            )
        return path

    @field_validator("sha256")
    @classmethod
    def _is_digest(cls, digest: str) -> str:
        if not re.fullmatch(r"[0-9a-f]{64}", digest):
            raise ValueError("a sha256 has 64 digits 0-9 a-f; copy what sha256sum prints")
        return digest


class Manifest(FrozenModel):
    """A data set: its files, its source, its licence and the reader that understands it.

    ``url`` is the pattern of the download addresses, over ``{repository}``, ``{commit}`` and
    ``{path}``; a data set without one can come from a mirror only.
    """

    model_config = ConfigDict(strict=True)

    name: Text
    title: Text
    reader: Text
    species: Texts
    regions: Texts
    licence: Text
    citation: Text
    repository: Text
    commit: Text
    url: Text | None = None
    notes: Text = ""
    files: Annotated[tuple[ManifestFile, ...], BeforeValidator(_listed), Field(min_length=1)]

    @field_validator("commit")
    @classmethod
    def _is_commit(cls, commit: str) -> str:
        if not re.fullmatch(r"[0-9a-f]{40}", commit):
            raise ValueError("a commit has 40 digits 0-9 a-f; copy what git rev-parse prints")
        return commit

    @field_validator("url")
    @classmethod
    def _known_fields(cls, url: str | None) -> str | None:
        used = {name for _, name, _, _ in string.Formatter().parse(url or "") if name is not None}
        if not used <= URL_FIELDS:
            raise ValueError(f"the pattern may use {sorted(URL_FIELDS)} only; correct it")
        return url

    @model_validator(mode="after")
    def _paths_differ(self) -> "Manifest":
        repeated = [p for p, count in Counter(f.path for f in self.files).items() if count > 1]
        if repeated:
            raise ValueError(f"the path {repeated[0]!r} is listed more than once; remove one")
        return self

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def sessions(self) -> list[str]:
        """Recording sessions that can be had one by one, sorted."""
        return sorted({file.session for file in self.files if file.session is not None})

    def select(self, session: str | None = None) -> tuple[ManifestFile, ...]:
        """The files of one session and those that all share, or every file.

        Raises
        ------
        ValueError
            If the data set has no such session.
        """
        if session is None:
            return self.files
        if not self.sessions:
            raise ValueError(f"{self.name} is not divided into sessions, got session={session!r}")
        check_option("session", session, self.sessions)
        return tuple(file for file in self.files if file.session in (None, session))

    def url_of(self, file: ManifestFile) -> str | None:
        """Download address of ``file``; None if it has no public one."""
        if file.url is not None or self.url is None:
            return file.url
        path = quote(file.path)
        return self.url.format(repository=self.repository, commit=self.commit, path=path)


def manifest_folder() -> Path:
    """The folder of the manifests: in the installed package, or else in the checkout."""
    installed = Path(__file__).parent / "manifests"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "data_manifests"


def names() -> list[str]:
    """Names of all data sets."""
    return sorted(path.stem for path in manifest_folder().glob("*.yaml"))


def info(name: str) -> Manifest:
    """The manifest of the data set ``name``.

    Raises
    ------
    ValueError
        If there is no such data set, or its manifest is faulty.
    """
    return load_manifest(manifest_folder() / f"{check_option('data set', name, names())}.yaml")


def load_manifest(path: Path) -> Manifest:
    """Read and check one manifest.

    Raises
    ------
    ValueError
        In one line: the file and its line, the key, what is wrong with it and what to do.
    """
    manifest = read_yaml(path, Manifest)
    if manifest.name != path.stem:
        raise ValueError(
            f"{path}: key 'name' must be the name of the file, {path.stem!r}, "
            f"got {manifest.name!r}; rename one of them"
        )
    return manifest
