#!/bin/sh
# Prints the functions that the header declares, sorted, one on a line: the one list of what the libraries export.
#
#   functions.sh include/mlxshim.h
set -eu
export LC_ALL=C

header=$1
functions=$(sed -n 's/^MLXSHIM_API.*[ *]\(mlxshim_[a-z0-9_]*\)(.*/\1/p' "$header" | sort)
# A declaration that the pattern above misses must not go unexported or unchecked.
if [ -z "$functions" ] || [ "$(echo "$functions" | wc -l)" -ne "$(grep -c '^MLXSHIM_API' "$header")" ]; then
    echo "functions.sh: cannot read every MLXSHIM_API declaration of $header: its name must be on the same line" >&2
    exit 1
fi
echo "$functions"
