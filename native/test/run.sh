#!/bin/sh
# Holds the host shim, and mlxshim.m over the stand-in Metal, to the contract: as they are, under sanitizers, and by the
# memory that rounds of it leave behind. Then shows that mistakes in mlxshim.m are found.
set -eu
cd "$(dirname "$0")/.."

if test "$(uname -s)" != Linux; then
    echo "run.sh: left out, as the stand-in and valgrind are for Linux"
    exit 0
fi
clang=${CLANG:-clang-22}
work=build/test
need() {
    command -v "$1" > /dev/null || { echo "run.sh: no $1 on the PATH (Debian: $2)" >&2; exit 1; }
}
need "$clang" 'clang-22; CLANG= names another'
need valgrind valgrind
mkdir -p "$work"
if ! echo 'int main(void) { return 0; }' | "$clang" -fsanitize=address -x c - -o "$work/probe" 2> /dev/null; then
    echo "run.sh: $clang has no sanitizers (Debian: libclang-rt-22-dev)" >&2
    exit 1
fi

# test_run NAME COMMAND...: the command succeeds and leaves standard error empty, where GNUstep would write of a missing
# autorelease pool, and the stand-in of a misuse.
test_run() {
    name=$1
    shift
    status=0
    "$@" > "$work/stdout" 2> "$work/stderr" || status=$?
    if [ $status -ne 0 ] || [ -s "$work/stderr" ]; then
        cat "$work/stdout" "$work/stderr" >&2
        echo "run.sh: failed: $name (exit status $status)" >&2
        exit 1
    fi
    echo "$name: $(tail -n 1 "$work/stdout")"
}

# program NAME SOURCE...: a C program, in build/test.
program() {
    name=$1
    shift
    "$clang" -std=gnu11 -O1 -g -gdwarf-4 -Wall -Wextra -Werror -pthread -Iinclude "$@" -o "$work/$name"
}

echo '== as they are'
sh host/build.sh faults
sh standin/build.sh
host=build/faults/linux-$(uname -m)
cat include/mlxshim.h include/mlxshim_faults.h > "$work/headers.h"
sh check-symbols.sh "$work/headers.h" "$host/libmlxshim_host.so" build/standin/libmlxshim.so
program contract_host test/contract_test.c -L"$host" -lmlxshim_host -Wl,-rpath,"\$ORIGIN/../../$host"
program contract_standin test/contract_test.c -Lbuild/standin -lmlxshim -Wl,-rpath,"\$ORIGIN/../../build/standin"
sh standin/compile.sh test/standin_test.m "$work/standin_test.o"
"$clang" -pthread "$work/standin_test.o" build/standin/live_objects.o build/standin/faults.o build/standin/buffer.o build/standin/device.o \
    build/standin/event.o build/standin/residency_set.o -lBlocksRuntime -lgnustep-base -lobjc -o "$work/standin_test"
test_run 'the stand-in itself' "$work/standin_test"
test_run 'host shim' "$work/contract_host"
test_run 'Metal shim' "$work/contract_standin"

echo '== sanitizers'
# Leaks are valgrind's to find: GNUstep never gives back what it sets up when it starts.
export ASAN_OPTIONS=detect_leaks=0
host_sources='host/mlxshim_host.c host/live_objects.c host/faults.c'
address='-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer'
# shellcheck disable=SC2086 # a list of options
program contract_host_address $address -DMLXSHIM_FAULTS test/contract_test.c $host_sources
program contract_host_thread -fsanitize=thread -DMLXSHIM_FAULTS test/contract_test.c $host_sources
# shellcheck disable=SC2086
sh standin/build.sh "$work/address" metal/mlxshim.m $address
# shellcheck disable=SC2086
program contract_standin_address $address test/contract_test.c -L"$work/address" -lmlxshim -Wl,-rpath,"\$ORIGIN/address"
test_run 'host shim, address and undefined behaviour' "$work/contract_host_address" 3
test_run 'host shim, threads' "$work/contract_host_thread" 3
test_run 'Metal shim, address and undefined behaviour' "$work/contract_standin_address" 3

echo '== memory'
sh test/check-memory.sh "$work/contract_host" 5 50 &
of_host=$!
sh test/check-memory.sh "$work/contract_standin" 5 50
wait $of_host

echo '== mutants'
sh test/mutants.sh "$work/contract_standin"
