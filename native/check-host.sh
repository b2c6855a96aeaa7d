#!/bin/sh
# Runs both builds of a host shim: the one with faults through the contract test, the jar's through a few calls.
#
#   check-host.sh linux-x86_64
#   CC=aarch64-linux-gnu-gcc RUN='qemu-aarch64 -L /usr/aarch64-linux-gnu' check-host.sh linux-aarch64
set -eu
cd "$(dirname "$0")"

if [ $# -ne 1 ]; then
    echo "usage: check-host.sh linux-x86_64|linux-aarch64" >&2
    exit 2
fi
target=$1
compiler=${CC:-cc}
CROSS_CC=$compiler sh host/build.sh release "$target"
CROSS_CC=$compiler sh host/build.sh faults "$target"

programs=build/test/$target
mkdir -p "$programs"
cat > "$programs/smoke.c" << 'END'
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
END

# program NAME SOURCE VARIANT: compiled, linked with that variant of the shim, and run.
program() {
    "$compiler" -std=gnu11 -O2 -Wall -Wextra -Werror -pthread -Iinclude "$2" "build/$3/$target/libmlxshim_host.so" \
        -Wl,-rpath,"$PWD/build/$3/$target" -o "$programs/$1"
    # shellcheck disable=SC2086 # RUN is a command with its options
    if ! ${RUN:-} "$programs/$1"; then
        echo "check-host.sh: $programs/$1 failed" >&2
        exit 1
    fi
    echo "checked native/build/$3/$target/libmlxshim_host.so: $1 passed${RUN:+ under ${RUN%% *}}"
}

program smoke "$programs/smoke.c" host
program contract_test test/contract_test.c faults
