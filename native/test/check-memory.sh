#!/bin/sh
# Fails if a contract test leaks: PROGRAM must leave the same memory after FEW rounds as after MANY. valgrind counts the
# bytes on the heap, which must be equal, except for what leaks.supp names: its amount depends on the addresses of
# objects, and not on the rounds. PROGRAM itself prints the kilobytes that are mapped. They may differ by the stacks that
# glibc caches for new threads; a leak would show, because one round maps many megabytes of buffers.
#
#   check-memory.sh PROGRAM FEW MANY
set -eu
# shellcheck source=common.sh
. "$(dirname "$0")/../common.sh"

[ $# -eq 3 ] || usage 'PROGRAM FEW MANY'
program=$1
few=$2
many=$3
name=$(basename "$program")
suppressions=$(dirname "$0")/leaks.supp
cached_stacks=16384

# With more CPUs there are helpers, which keep the thread-local memory of the last kernel. Which helper runs which kernel
# differs from one round to the next.
cpu=$(taskset -c -p $$ | sed 's/.*: //; s/[-,].*//')
one_cpu="taskset -c $cpu"

# The number of rounds always has five digits: GNUstep copies the arguments to the heap.
heap_after() {
    log=$program.$1.valgrind
    $one_cpu valgrind --leak-check=full --suppressions="$suppressions" --log-file="$log" \
        "$program" "$(printf '%05d' "$1")" > /dev/null || fail "$program failed under valgrind, see native/$log"
    tr -d , < "$log" | awk '
        / in use at exit: / { bytes += $6; blocks += $9; found = 1 }
        /^==[0-9]+== +suppressed: / { bytes -= $3; blocks -= $6 }
        END { if (found) print bytes " bytes in " blocks " blocks" }'
}
mapped_after() {
    $one_cpu "$program" "$(printf '%05d' "$1")" | sed -n 's/.*, \([0-9]*\) kB mapped.*/\1/p'
}

heap=$(heap_after "$few")
heap_later=$(heap_after "$many")
mapped=$(mapped_after "$few")
mapped_later=$(mapped_after "$many")
if [ -z "$heap" ] || [ -z "$mapped" ] || [ -z "$mapped_later" ]; then
    fail "cannot read how much memory $program leaves"
fi
if [ "$heap" != "$heap_later" ]; then
    fail "$name leaks: heap after $few rounds: $heap, after $many: $heap_later"
fi
if [ $((mapped_later - mapped)) -gt $cached_stacks ]; then
    fail "$name leaks: mapped after $few rounds: $mapped kB, after $many: $mapped_later kB"
fi
echo "$name: heap after $few and after $many rounds: $heap; mapped: $mapped and $mapped_later kB"
