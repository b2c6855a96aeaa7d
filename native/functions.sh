#!/bin/sh
# Prints the functions that a header declares, sorted, one per line. The libraries export these functions and no other.
#
#   functions.sh include/mlxshim.h
set -eu
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"
export LC_ALL=C

[ $# -eq 1 ] || usage HEADER
header=$1
functions=$(sed -n 's/^MLXSHIM_API.*[ *]\(mlxshim_[a-z0-9_]*\)(.*/\1/p' "$header" | sort)
# The pattern must match every declaration, or a function would be neither exported nor checked.
if [ -z "$functions" ] || [ "$(echo "$functions" | wc -l)" -ne "$(grep -c '^MLXSHIM_API' "$header")" ]; then
    fail "cannot read every MLXSHIM_API declaration of $header: its name must be on the same line"
fi
echo "$functions"
