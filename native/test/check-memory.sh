#!/bin/sh
# Fails unless a contract test leaves the same memory behind after few rounds as after many: to the byte what valgrind
# sees on the heap, and but for what glibc keeps of finished threads' stacks what is mapped, buffers included. A round
# maps many megabytes of those.
#
#   check-memory.sh PROGRAM FEW MANY
set -eu

program=$1
few=$2
many=$3
kept_stacks=16384

# Arguments of one length, because GNUstep keeps a copy of them.
heap_after() {
    log=$program.$1.valgrind
    if ! valgrind --leak-check=no --log-file="$log" "$program" "$(printf '%05d' "$1")" > /dev/null; then
        echo "check-memory.sh: $program failed under valgrind, see native/$log" >&2
        exit 1
    fi
    sed -n 's/.*in use at exit: //p' "$log"
}
mapped_after() {
    "$program" "$(printf '%05d' "$1")" | sed -n 's/.*, \([0-9]*\) kB mapped.*/\1/p'
}

heap=$(heap_after "$few")
heap_later=$(heap_after "$many")
mapped=$(mapped_after "$few")
mapped_later=$(mapped_after "$many")
if [ -z "$heap" ] || [ -z "$mapped" ] || [ -z "$mapped_later" ]; then
    echo "check-memory.sh: cannot read what $program leaves" >&2
    exit 1
fi
if [ "$heap" != "$heap_later" ]; then
    echo "$(basename "$program"): heap after $few rounds: $heap, after $many: $heap_later" >&2
    exit 1
fi
if [ $((mapped_later - mapped)) -gt $kept_stacks ]; then
    echo "$(basename "$program"): mapped after $few rounds: $mapped kB, after $many: $mapped_later kB" >&2
    exit 1
fi
echo "$(basename "$program"): heap after $few and after $many rounds: $heap; mapped: $mapped and $mapped_later kB"
