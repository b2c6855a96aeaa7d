#!/bin/sh
# Makes mutants of the Metal shim and of host/pages.c, copies with one mistake each, and fails unless their test fails on
# every one: the contract tests by a check, a crash, a line on standard error, or memory that grows with the rounds; the
# test of host/pages.c by a check, a crash, or an error that ThreadSanitizer finds.
#
#   mutants.sh CONTRACT_PROGRAM COMPUTE_CONTRACT_PROGRAM    linked with build/standin/libmlxshim.so
set -eu
cd "$(dirname "$0")/.."
. ./common.sh

[ $# -eq 2 ] || usage 'CONTRACT_PROGRAM COMPUTE_CONTRACT_PROGRAM'
contract=$1
compute_contract=$2
folder=build/test/mutant
mkdir -p "$folder"
caught=0

# For each subject, build_SUBJECT compiles $copy, and test_SUBJECT prints the lines by which its test fails.

build_shim() {
    OBJECTS=build/standin sh standin/build.sh "$folder" "$copy" -w > /dev/null
}

# Prints the lines by which PROGRAM fails with the library in $folder.
failures_of() {
    program=$1
    export LD_LIBRARY_PATH="$folder"
    # shellcheck disable=SC2069 # standard error goes into the pipe, standard output does not
    lines=$({ timeout 60 "$program" 1 2>&1 > /dev/null || echo "exit status $?"; } | head -n 1)
    if [ -z "$lines" ]; then
        # shellcheck disable=SC2069
        lines=$(sh test/check-memory.sh "$program" 3 6 2>&1 > /dev/null || :)
    fi
    echo "$lines"
}

test_shim() {
    failures_of "$contract"
}

build_compute() {
    build_shim
}

test_compute() {
    failures_of "$compute_contract"
}

# stream.h is a part of commands.m, which finds the mutant beside it.
build_stream() {
    cp metal/commands.m "$folder/commands.m"
    OBJECTS=build/standin sh standin/build.sh "$folder" "$folder/commands.m" -w > /dev/null
}

test_stream() {
    failures_of "$compute_contract"
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

# The part of an awk program that finds the name of the current function.
find_head='/^[a-z].*[a-z_]+[(]/ { head = $0; sub(/[(].*/, "", head); sub(/.*[ *]/, "", head) }'

# plant NAME PATTERN REPLACEMENT [EXCEPT]: makes and tests one mutant for each line that matches PATTERN, but none in
# functions whose names match EXCEPT.
plant() {
    name=$1
    pattern=$2
    replacement=$3
    except=${4:-^-$}
    places=$(awk -v pattern="$pattern" -v except="$except" "$find_head"'
        $0 ~ pattern && head !~ except { places++ }
        END { print places + 0 }' "$original")
    if [ "$places" -eq 0 ]; then
        fail "no line of $original matches '$pattern', for: $name"
    fi
    place=1
    while [ $place -le "$places" ]; do
        # awk replaces PATTERN in the matching line number $place, and prints the function whose head it saw last.
        where=$(awk -v place=$place -v pattern="$pattern" -v replacement="$replacement" -v copy="$copy" \
            -v except="$except" "$find_head"'
            $0 ~ pattern && head !~ except && ++seen == place { sub(pattern, replacement); print head ", line " NR }
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
plant 'missing count' 'maps -= MAPS_WITH_GUARD;' ''
plant 'missing limit' 'maps [+] MAPS_WITH_GUARD <= map_limit' 'maps <= map_limit'
plant 'missing guard' '[(]void[)]mprotect[(].*;' ''
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
plant 'refusal of a state not told' 'previous < MLXSHIM_PURGEABLE_NON_VOLATILE' 'false'

subject compute metal/kernels.m
plant 'dropped release' "$release" ''
plant 'dropped free' 'free[(]text[)];' ''
plant 'dropped autorelease' ' autorelease[]]' ' self]'
# The other functions ask only an array of GNUstep, which autoreleases nothing.
plant 'missing autorelease pool' '@autoreleasepool [{]' '{' '^mlxshim_pipeline_(state|argument_count)$'
plant 'missing option' '[[]options set[A-Za-z]*:[a-z].*[]];' ''
plant 'missing label or function' '[[]descriptor setComputeFunction:function[]];' ''
plant 'function not specialized' 'count[]] == 0[)]' 'count] < 9)'
plant 'constant of a later system' '&& has_macos_14[(]device[)]' ''
plant 'missing kernel not told' 'MLXSHIM_ERROR_NO_KERNEL;' 'MLXSHIM_ERROR_COMPILATION;'
plant 'unused argument not told' '[[]binding isUsed[]]' 'true'

subject compute metal/commands.m
plant 'dropped release' '[[][(]id[)]events release[]];' ''
plant 'dropped retain' '[[]encoding->events retain[]]' 'encoding->events'
plant 'event not kept' '[[]encoding->events addObject:event.event[]];' ''
plant 'missing end of encoding' '[[].*endEncoding[]];' ''
plant 'missing autorelease pool' '^    @autoreleasepool [{]' '    {'
plant 'buffers not kept' 'References:YES' 'References:NO'
plant 'encoders not reported' '[[]descriptor setErrorOptions:.*;' ''
plant 'threadgroup memory of the dispatch before' '[[].* setThreadgroupMemoryLength:0 .*;' ''
plant 'event not raised after a failure' '[[].*setSignaledValue:value[]];' ''
plant 'status before the end' '[[].*waitUntilCompleted[]];' ''
plant 'threadgroups that are not whole' 'if [(]is_whole[(]&dispatch[)][)]' 'if (true)'

subject stream metal/stream.h
plant 'missing check of NULL' '(binding->)?buffer == nil' 'false'
plant 'missing check of 0' '((out_head->)?length|in_grid) == 0' 'false'
plant 'missing check of an offset' 'offset > size' 'false'
plant 'missing check of a length' 'length > size - offset' 'false'
plant 'missing check of a byte' 'fill.byte > UINT8_MAX' 'false'
plant 'missing check of a mode' 'concurrent > 1' 'false'
plant 'missing check of a unit' 'dispatch->unit != MLXSHIM_DISPATCH_THREADGROUPS' 'false'
plant 'missing check of a threadgroup' '(in_group > most[[]i[]]|group > limit)' 'false'
plant 'missing check of a grid' 'in_grid > UINT32_MAX / .*[)][)] [{]' 'false) {'
plant 'missing check of whole threadgroups' 'in_grid % in_group != 0' 'false'
plant 'missing check of an index' 'out_head->index >= MLXSHIM_BUFFER_ARGUMENTS' 'false'
plant 'missing check of a kind' 'out_head->kind > MLXSHIM_BIND_THREADGROUP' 'false'
plant 'missing check of bytes' 'out_head->length > MLXSHIM_MAX_BYTES' 'false'
plant 'missing check of an offset in a buffer' 'offset >= length' 'offset > length'
plant 'missing check of a multiple' '% 16 != 0' '% 8 != 0'
plant 'missing check of threadgroup memory' 'memory > limit' 'false'
plant 'missing check of the end' 'stream->position != stream->end' 'false'
plant 'missing check of a command' 'length > left' 'false'
plant 'missing check of multiples of 4' '!stream->limits.any_bytes' 'false'
echo "mutants of the Metal shim and pages.c: $caught planted, $caught caught"
