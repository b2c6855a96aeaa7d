#!/bin/sh
# Makes mutants of mlxshim.m, copies with one mistake each, and fails unless the contract test fails on every one. It
# fails by a check, a crash, a line on standard error, or memory that grows with the rounds.
#
#   mutants.sh CONTRACT_PROGRAM    linked with build/standin/libmlxshim.so
set -eu
cd "$(dirname "$0")/.."
. ./common.sh

[ $# -eq 1 ] || usage CONTRACT_PROGRAM
program=$1
folder=build/test/mutant
shim=$folder/mlxshim.m
mkdir -p "$folder"
caught=0

# Prints the first line by which the contract test fails on the mutant in $folder, or nothing if it passes. head closes
# the pipe after this line, which ends a program that would write many.
evidence() {
    export LD_LIBRARY_PATH="$folder"
    # shellcheck disable=SC2069 # standard error goes into the pipe, standard output does not
    line=$({ timeout 60 "$program" 1 2>&1 > /dev/null || echo "exit status $?"; } | head -n 1)
    if [ -z "$line" ]; then
        # shellcheck disable=SC2069
        line=$(sh test/check-memory.sh "$program" 3 6 2>&1 > /dev/null || :)
    fi
    # GNUstep writes the time and the process before its warnings.
    echo "$line" | sed -e 's/^[-0-9]* [:.0-9]* [^ ]*\[[0-9:]*\] //' -e 's/^\(.\{100\}\).*/\1.../'
}

build() {
    OBJECTS=build/standin sh standin/build.sh "$folder" "$shim" -w > /dev/null
}

# plant NAME PATTERN REPLACEMENT: makes and tests one mutant for each line that matches PATTERN.
plant() {
    name=$1
    pattern=$2
    replacement=$3
    places=$(grep -cE "$pattern" metal/mlxshim.m || :)
    if [ "$places" -eq 0 ]; then
        fail "no line of mlxshim.m matches '$pattern', for: $name"
    fi
    place=1
    while [ $place -le "$places" ]; do
        # awk replaces PATTERN in the matching line number $place, and prints the function whose head it saw last.
        where=$(awk -v place=$place -v pattern="$pattern" -v replacement="$replacement" -v copy="$shim" '
            /^[a-z].*[a-z_]+[(]/ { head = $0; sub(/[(].*/, "", head); sub(/.*[ *]/, "", head) }
            $0 ~ pattern && ++seen == place { sub(pattern, replacement); print head ", line " NR }
            { print > copy }' metal/mlxshim.m)
        build
        found=$(evidence)
        if [ -z "$found" ]; then
            fail "not caught: $name in $where"
        fi
        echo "caught: $name in $where ($found)"
        caught=$((caught + 1))
        place=$((place + 1))
    done
}

# The contract test must pass on the original, or its failure on a mutant would prove nothing.
cp metal/mlxshim.m "$shim"
build
found=$(evidence)
if [ -n "$found" ]; then
    fail "the contract test fails on the original ($found)"
fi

release='[[].* release[]];'
plant 'dropped release' "$release" ''
plant 'extra release' "$release" '& &'
plant 'missing autorelease pool' '@autoreleasepool [{]' '{'
plant 'missing lock' 'objc_sync_enter[(].*;' ''
plant 'missing clear' 'memset[(].*;' ''
echo "mutants of mlxshim.m: $caught planted, $caught caught"
