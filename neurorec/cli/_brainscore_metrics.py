"""``neurorec brainscore metrics``: neurorec's metrics as plugins of Brain-Score."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from neurorec.brainscore.metric_plugins import InstalledMetrics


def metrics(
    install: Annotated[
        bool, typer.Option("--install", help="Write the plugin into the installed Brain-Score.")
    ] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Take it out again.")] = False,
) -> None:
    """Offer neurorec's fast metrics to Brain-Score's own code.

    After --install, load_metric("neurorec-pls") of brainscore_vision gives the metric that
    load_metric("pls") gives, with the same options, splits and scores, many times faster; so do
    the other names. One small folder is written into the installed package, and nothing else is
    changed; --remove deletes it. Without an option this says what is there.

    neurorec brainscore metrics --install
    """
    if install and remove:
        raise ValueError("--install and --remove exclude each other; give one of them")
    from neurorec.brainscore import install_metrics, installed_metrics, remove_metrics

    if install:
        _say(install_metrics())
    elif remove:
        _say(remove_metrics())
    else:
        _say(installed_metrics())


def _say(found: "InstalledMetrics") -> None:
    if not found.names:
        print(f"no metrics of neurorec in {found.folder.parent}")
        print("neurorec brainscore metrics --install puts them there")
        return
    print(f"{len(found.names)} metrics of neurorec in {found.folder}")
    for name in found.names:
        print(f"  {name}")
    if not found.current:
        print("written by another version; neurorec brainscore metrics --install renews them")
