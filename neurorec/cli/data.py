"""``neurorec data``: the data sets that neurorec knows, and their files on this machine."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from neurorec.datasets import FileStatus, Manifest

app = typer.Typer(
    no_args_is_help=True,
    help="List the data sets that neurorec knows; fetch and verify their files.\n\n"
    "Files are looked for in the folders that NEUROREC_MIRROR names, then in the cache, and are "
    "downloaded last. A file whose sha256 is not the manifest's is never used.",
)

Name = Annotated[str, typer.Argument(help="A data set, as 'neurorec data list' names it.")]


@app.command("list")
def list_data() -> None:
    """List all data sets, with their size and where their files are."""
    from rich.console import Console
    from rich.table import Table

    from neurorec import datasets
    from neurorec.datasets.fetch import file_statuses

    table = Table("data set", "regions", "size", "files", "where")
    for name in datasets.names():
        manifest = datasets.info(name)
        table.add_row(
            name,
            ", ".join(manifest.regions) or "–",
            _bytes(manifest.size),
            str(len(manifest.files)),
            _places(file_statuses(manifest)),
        )
    console = Console()
    console.print(table)
    console.print("'neurorec data info NAME' says more, 'neurorec data fetch NAME' downloads.")


@app.command()
def info(name: Name) -> None:
    """Show what a data set is, its source, licence and citation, and its files.

    Cite the paper, and mind the licence: the files are the source's, neurorec does not ship them.
    """
    from rich.console import Console
    from rich.table import Column, Table

    from neurorec import datasets
    from neurorec.datasets.fetch import file_statuses

    manifest = datasets.info(name)
    facts = Table.grid(Column(), Column(overflow="fold"), padding=(0, 2))
    for key, value in _facts(manifest):
        facts.add_row(key, value)
    files = Table(Column("files", overflow="fold"), "session", "size", "where")
    for group in _grouped(file_statuses(manifest)):
        first = group[0].file
        size = _bytes(sum(status.file.size for status in group))
        label = first.path if len(group) == 1 else f"{len(group)} files"
        files.add_row(label, first.session or "–", size, _places(group))
    console = Console()
    console.print(facts, files, highlight=False, markup=False)


@app.command()
def fetch(
    name: Name,
    session: Annotated[
        str | None, typer.Option(help="Only what this recording session needs.")
    ] = None,
) -> None:
    """Download the files of a data set that are not here yet, and verify all.

    Finished files are kept when a download is interrupted, and the same command goes on.
    """
    from neurorec import datasets

    files = datasets.fetch(name, session=session)
    folders = [folder for folder in datasets.where() if _holds_any(folder, files.values())]
    print(f"{name}: {len(files)} verified files in {' and '.join(map(str, folders))}")


@app.command()
def verify(name: Name) -> None:
    """Compare the sha256 of every file that is here with the manifest.

    Nothing is downloaded. The exit code is 1 if a file differs or is missing.
    """
    from rich.console import Console
    from rich.table import Table

    from neurorec import datasets

    statuses = datasets.verify(name)
    good = [status for status in statuses if status.digest_agrees]
    wrong = [status for status in statuses if status.digest_agrees is False]
    absent = len(statuses) - len(good) - len(wrong)
    console = Console()
    if wrong:
        table = Table("these files differ from the manifest; delete them and fetch again")
        for status in wrong:
            table.add_row(str(status.path), style="red")
        console.print(table)
    print(f"{name}: {len(good)} files agree, {len(wrong)} differ, {absent} are not here")
    if absent:
        print(f"neurorec data fetch {name}")
    if wrong or absent:
        raise typer.Exit(1)


@app.command()
def where() -> None:
    """Show the folders that are searched, in order.

    NEUROREC_MIRROR holds folders with copies, NEUROREC_CACHE another place for downloads. In each,
    a file lies at NAME/PATH, where PATH is its place in the source repository.
    """
    from neurorec import datasets

    *mirrors, cache = datasets.where()
    for folder in mirrors:
        print(f"mirror  {folder}{'' if folder.is_dir() else '  (no such folder)'}")
    if not mirrors:
        print("mirror  none; export NEUROREC_MIRROR=FOLDER to name one")
    print(f"cache   {cache}{'' if cache.is_dir() else '  (made when something is fetched)'}")


def _holds_any(folder: "Path", paths: "Iterable[Path]") -> bool:
    return any(path.is_relative_to(folder) for path in paths)


def _bytes(size: int) -> str:
    from rich.filesize import decimal

    return decimal(size)


def _places(statuses: "tuple[FileStatus, ...]") -> str:
    """Where files are, in one phrase."""
    places = sorted({status.place for status in statuses})
    if len(places) == 1:
        return places[0]
    counts = {place: sum(status.place == place for status in statuses) for place in places}
    return ", ".join(f"{count} {place}" for place, count in counts.items())


def _grouped(statuses: "tuple[FileStatus, ...]") -> "list[tuple[FileStatus, ...]]":
    """Files one by one; those of a session together where there are many."""
    if len(statuses) <= 20:
        return [(status,) for status in statuses]
    groups: dict[str | None, list[FileStatus]] = {}
    for status in statuses:
        groups.setdefault(status.file.session, []).append(status)
    return [tuple(group) for group in groups.values()]


def _facts(manifest: "Manifest") -> list[tuple[str, str]]:
    from dataclasses import fields

    from neurorec.datasets.readers import READERS

    reader = READERS[manifest.reader]
    first = manifest.files[0]
    folder = (manifest.url_of(first) or "").removesuffix(first.path)
    options = ", ".join(f"{f.name}={f.default!r}" for f in fields(reader.options)) or "none"
    return [
        ("name", manifest.name),
        ("title", manifest.title),
        ("species", ", ".join(manifest.species) or "–"),
        ("regions", ", ".join(manifest.regions) or "–"),
        ("licence", manifest.licence),
        ("cite", manifest.citation),
        ("source", f"{manifest.repository} @ {manifest.commit}"),
        ("files at", folder or "no public address: only a mirror (NEUROREC_MIRROR) can serve them"),
        ("size", f"{_bytes(manifest.size)} in {len(manifest.files)} files"),
        ("options", options),
        ("notes", manifest.notes),
    ]
