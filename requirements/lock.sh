#!/bin/sh
# Resolve pyproject.toml in a fresh environment per stack and write what came out as exact pins,
# the Brain-Score stack's into environment.yml too.
#
#   sh requirements/lock.sh PYTHON      (`make lock` calls it with the Python of the Makefile)
#
# No hashes and no local versions: `torch==2.13.0` must be satisfied by the CPU build and by the
# CUDA build alike. What only a CUDA build of torch needs is left out for the same reason.
set -eu
python=${1:?usage: lock.sh PYTHON}
folder=$(dirname "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

resolve() { # resolve NAME EXTRAS CONSTRAINTS
    "$python" -m venv "$work/$1"
    "$work/$1/bin/python" -m pip install -qq -c "$3" "$folder/..[$2]"
    "$work/$1/bin/python" -m pip check
    {
        echo "# Written by 'make lock' from pyproject.toml: neurorec[$2] on $("$python" --version)."
        "$work/$1/bin/python" -m pip freeze --exclude neurorec --exclude-editable |
            grep '==' | sed 's/+[^+]*$//' |
            grep -v -i -E '^(nvidia|cuda|triton)' | LC_ALL=C sort -f
    } >"$work/$1.lock"
    mv "$work/$1.lock" "$folder/$1.lock"
    rm -rf "${work:?}/$1"
}

# rsatoolbox 0.3 does not say that it needs a newer scikit-learn than Brain-Score allows.
echo "rsatoolbox<0.3" >"$work/constraints"
resolve brainscore brainscore,dev "$work/constraints"
# One torch for both stacks: the one that the Brain-Score extra pins.
grep '^torch==' "$folder/brainscore.lock" >"$work/constraints"
resolve current dev "$work/constraints"

{
    echo "# Written by 'make lock': Python 3.11 and the pins of requirements/brainscore.lock."
    printf '%s\n' "name: neurorec" "channels:" "  - conda-forge" "dependencies:" "  - python=3.11" "  - pip" "  - pip:"
    grep '==' "$folder/brainscore.lock" | sed 's/^/      - /'
} >"$work/environment.yml"
mv "$work/environment.yml" "$folder/../environment.yml"
