#!/bin/sh
# Makes mutants of mlxshim.m and of host/pages.c, copies with one mistake each, and fails unless their test fails on
# every one: the contract test by a check, a crash, a line on standard error, or memory that grows with the rounds; the
# test of host/pages.c by a check, a crash, or an error that ThreadSanitizer finds.
#
#   mutants.sh CONTRACT_PROGRAM    linked with build/standin/libmlxshim.so
set -eu
cd "$(dirname "$0")/.."
. ./common.sh

[ $# -eq 1 ] || usage CONTRACT_PROGRAM
program=$1
folder=build/test/mutant
mkdir -p "$folder"
caught=0

# For each subject, build_SUBJECT compiles $copy, and test_SUBJECT prints the lines by which its test fails.

build_shim() {
    OBJECTS=build/standin sh standin/build.sh "$folder" "$copy" -w > /dev/null
}

test_shim() {
    export LD_LIBRARY_PATH="$folder"
    # shellcheck disable=SC2069 # standard error goes into the pipe, standard output does not
    lines=$({ timeout 60 "$program" 1 2>&1 > /dev/null || echo "exit status $?"; } | head -n 1)
    if [ -z "$lines" ]; then
        # shellcheck disable=SC2069
        lines=$(sh test/check-memory.sh "$program" 3 6 2>&1 > /dev/null || :)
    fi
    echo "$lines"
}

build_pages() {
    # shellcheck disable=SC2086 # the options are lists
    "$clang" $c_flags -w -O1 -pthread -fsanitize=thread $pages_test_flags test/pages_test.c "$copy" \
        -o "$folder/pages_test"
}

test_pages() {
    # shellcheck disable=SC2069
    TSAN_OPTIONS=halt_on_error=1 timeout 300 "$folder/pages_test" 2>&1 > /dev/null || echo "exit status $?"
}

# Prints the first line by which the test fails on the mutant, or nothing if it passes. head closes the pipe after this
# line, which ends a program that would write many.
evidence() {
    # GNUstep writes the time and the process before its warnings. ThreadSanitizer writes a line of signs first.
    "test_$subject" | grep -v '^=*$' | head -n 1 |
        sed -e 's/^[-0-9]* [:.0-9]* [^ ]*\[[0-9:]*\] //' -e 's/^\(.\{100\}\).*/\1.../'
}

# subject NAME FILE: begins with the mutants of another file. The test must pass on the original, or its failure on a
# mutant would prove nothing.
subject() {
    subject=$1
    original=$2
    copy=$folder/$(basename "$original")
    cp "$original" "$copy"
    "build_$subject"
    found=$(evidence)
    if [ -n "$found" ]; then
        fail "the test fails on the original of $original ($found)"
    fi
}

# plant NAME PATTERN REPLACEMENT: makes and tests one mutant for each line that matches PATTERN.
plant() {
    name=$1
    pattern=$2
    replacement=$3
    places=$(grep -cE "$pattern" "$original" || :)
    if [ "$places" -eq 0 ]; then
        fail "no line of $original matches '$pattern', for: $name"
    fi
    place=1
    while [ $place -le "$places" ]; do
        # awk replaces PATTERN in the matching line number $place, and prints the function whose head it saw last.
        where=$(awk -v place=$place -v pattern="$pattern" -v replacement="$replacement" -v copy="$copy" '
            /^[a-z].*[a-z_]+[(]/ { head = $0; sub(/[(].*/, "", head); sub(/.*[ *]/, "", head) }
            $0 ~ pattern && ++seen == place { sub(pattern, replacement); print head ", line " NR }
            { print > copy }' "$original")
        "build_$subject"
        found=$(evidence)
        if [ -z "$found" ]; then
            fail "not caught: $name in $where of $original"
        fi
        echo "caught: $name in $where ($found)"
        caught=$((caught + 1))
        place=$((place + 1))
    done
}

subject pages host/pages.c
plant 'missing lock' 'pthread_mutex_lock[(]&lock[)];' ''
plant 'missing discard' ' discard[(].*;' ''
plant 'missing clear' 'memset[(].*;' ''
plant 'missing count' 'maps--;' ''
plant 'missing limit' 'maps < map_limit_locked[(][)]' 'maps <= map_limit_locked()'
plant 'missing list' 'LIST_(INSERT_HEAD|REMOVE)[(].*;' ''
plant 'slab never unmapped' 'if [(]surplus[)]' 'if (false)'
plant 'refused map forgotten' 'refused = kept;' ''

subject shim metal/mlxshim.m
release='[[].* release[]];'
plant 'dropped release' "$release" ''
plant 'extra release' "$release" '& &'
plant 'missing autorelease pool' '@autoreleasepool [{]' '{'
plant 'missing lock' 'objc_sync_enter[(].*;' ''
plant 'missing clear' 'memset[(].*;' ''
echo "mutants of mlxshim.m and pages.c: $caught planted, $caught caught"
