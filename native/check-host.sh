#!/bin/sh
# Builds and runs both variants of the host shim for TARGET: the contract test calls the one with faults, and a short
# program calls the release. For another architecture than this machine's, the programs run in qemu.
#
#   check-host.sh linux-x86_64|linux-aarch64
#
# CC and CROSS_CC name other compilers. RUN names another command to run the programs with.
set -eu
cd "$(dirname "$0")"
. ./common.sh

[ $# -eq 1 ] || usage 'linux-x86_64|linux-aarch64'
target=$1
host_compiler "$target"
run=${RUN:-}
if [ "$target" != "$os-$arch" ]; then
    machine=${target#linux-}
    run=${RUN:-qemu-$machine -L /usr/$machine-linux-gnu}
    need "${run%% *}" 'Debian: qemu-user; RUN= names another'
fi
sh host/build.sh release "$target"
sh host/build.sh faults "$target"

programs=build/test/$target
mkdir -p "$programs"
cat > "$programs/smoke.c" << 'C'
#include "mlxshim.h"

int main(void) {
    mlxshim_device_t device;
    mlxshim_buffer_t buffer;
    mlxshim_event_t event;
    return !(mlxshim_abi_version() == MLXSHIM_ABI_VERSION && mlxshim_device_open(&device, 0, 0) == MLXSHIM_OK &&
             mlxshim_buffer_create(device, 4096, 0, 0, &buffer, 0, 0) == MLXSHIM_OK &&
             mlxshim_event_create(device, &event, 0, 0) == MLXSHIM_OK &&
             mlxshim_event_wait(event, 1, 1) == MLXSHIM_ERROR_TIMEOUT);
}
C

# check NAME SOURCE VARIANT ARGUMENT...: compiles SOURCE, links it with a variant of the shim and runs it.
check() {
    name=$1
    folder=build/$3/$target
    # shellcheck disable=SC2086 # the options are a list
    "$compiler" $c_flags -pthread "$2" "$folder/libmlxshim_host.so" -Wl,-rpath,"$PWD/$folder" -o "$programs/$name"
    shift 3
    # shellcheck disable=SC2086 # the command has options
    $run "$programs/$name" "$@" || fail "$programs/$name failed"
    echo "checked native/$folder/libmlxshim_host.so: $name passed${run:+ under ${run%% *}}"
}

check smoke "$programs/smoke.c" host
check contract_test test/contract_test.c faults

# The code that runs kernels is hidden in the library, and differs most between architectures.
if [ "${target%-*}" = linux ]; then
    # shellcheck disable=SC2086 # the options and the sources are lists
    "$compiler" $c_flags -Ihost -pthread test/workers_test.c $worker_sources host/pages.c -o "$programs/workers_test"
    # shellcheck disable=SC2086 # the command has options
    $run "$programs/workers_test" || fail "$programs/workers_test failed"
    echo "checked the code that runs kernels: workers_test passed${run:+ under ${run%% *}}"
    cp "build/host/$target/libmlxshim_host.so" "$programs/unloaded.so"
    # shellcheck disable=SC2086 # the options are a list
    "$compiler" $c_flags test/unload_test.c -ldl -o "$programs/unload_test"
    # shellcheck disable=SC2086 # the command has options
    $run "$programs/unload_test" "$PWD/$programs/unloaded.so" || fail "$programs/unload_test failed"
    echo "checked native/build/host/$target/libmlxshim_host.so: unload_test passed${run:+ under ${run%% *}}"
    need_clang
    check compute_test test/compute_test.c faults "--target=${target#linux-}-linux-gnu"
fi
