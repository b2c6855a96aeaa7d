#!/bin/sh
# Runs the contract test on the host shim, and on the Metal shim with the stand-in for Metal: plainly, with sanitizers,
# and under valgrind in search of leaks. Runs the tests of host/pages.c, of the code that runs kernels, of the Metal
# front end and of the host shim's compute part in the same ways, and the test of the language of kernels with each of
# their compilers. Then runs the contract test and that of pages.c on mutants of the Metal shim and pages.c, all of which
# must fail.
set -eu
cd "$(dirname "$0")/.."
. ./common.sh

if [ "$os" != linux ]; then
    echo "$script: skipped, because the stand-in and valgrind need Linux"
    exit 0
fi
work=build/test
need_clang
need valgrind 'Debian: valgrind'
mkdir -p "$work"
# Keeps the kernels of one program for the next, and for the mutants.
MLXSHIM_COMPILER_CACHE=$PWD/$work/cache
export MLXSHIM_COMPILER_CACHE
if ! echo 'int main(void) { return 0; }' | "$clang" -fsanitize=address -x c - -o "$work/probe" 2> /dev/null; then
    fail "$clang has no sanitizers (Debian: libclang-rt-22-dev)"
fi

# test_run NAME COMMAND...: fails unless the command succeeds and writes nothing to standard error. GNUstep reports a
# missing autorelease pool there, and the stand-in each misuse of Metal.
test_run() {
    name=$1
    shift
    status=0
    "$@" > "$work/stdout" 2> "$work/stderr" || status=$?
    if [ $status -ne 0 ] || [ -s "$work/stderr" ]; then
        cat "$work/stdout" "$work/stderr" >&2
        fail "failed: $name (exit status $status)"
    fi
    echo "$name: $(tail -n 1 "$work/stdout")"
}

# contract NAME ARGUMENT...: compiles the contract test to build/test/NAME, and its compute part to
# build/test/compute_NAME, with these arguments for the compiler.
contract() {
    name=$1
    shift
    # shellcheck disable=SC2086 # the options are lists
    {
        "$clang" $c_flags -O1 $debug_flags -pthread test/contract_test.c "$@" -o "$work/$name"
        "$clang" $c_flags -O1 $debug_flags -pthread test/compute_contract_test.c "$@" -o "$work/compute_$name"
    }
}

# linked_contract NAME FOLDER LIBRARY ARGUMENT...: the same, linked with libLIBRARY.so in FOLDER. The programs look for
# it in LD_LIBRARY_PATH first, and then in FOLDER.
linked_contract() {
    name=$1
    folder=$2
    library=$3
    shift 3
    contract "$name" -L"$folder" -l"$library" -Wl,-rpath,"\$ORIGIN/../../$folder" "$@"
}

# pages_test NAME ARGUMENT...: compiles the test of host/pages.c to build/test/NAME in the same way.
pages_test() {
    name=$1
    shift
    # shellcheck disable=SC2086 # the options are lists
    "$clang" $c_flags -O1 $debug_flags -pthread $pages_test_flags test/pages_test.c host/pages.c "$@" -o "$work/$name"
}

# workers_test NAME ARGUMENT...: compiles the test of the code that runs kernels to build/test/NAME.
workers_test() {
    name=$1
    shift
    # shellcheck disable=SC2086 # the options and the sources are lists
    "$clang" $c_flags -O1 $debug_flags -Ihost -pthread test/workers_test.c $worker_sources host/pages.c "$@" \
        -o "$work/$name"
}

# compute_test NAME ARGUMENT...: compiles the test of the host shim's compute part to build/test/NAME.
compute_test() {
    name=$1
    shift
    # shellcheck disable=SC2086 # the options are lists
    "$clang" $c_flags -O1 $debug_flags -pthread test/compute_test.c "$@" -o "$work/$name"
}

# msl_test NAME ARGUMENT...: compiles a test of the Metal front end, msl_source_test or msl_library_test, to
# build/test/NAME, which begins with the name of the test.
msl_test() {
    name=$1
    shift
    case $name in
        msl_source_test*) msl_source=test/msl_source_test.c ;;
        *) msl_source=test/msl_library_test.c ;;
    esac
    # shellcheck disable=SC2086 # the options and the sources are lists
    "$clang" $c_flags -O1 $debug_flags -Ihost -pthread "$msl_source" $msl_sources "$@" -lm -o "$work/$name"
}

# language_test: compiles the test of the language of kernels to build/test/msl_language_test.
language_test() {
    # shellcheck disable=SC2086 # the options and the sources are lists
    "$clang" $c_flags -O1 $debug_flags -Ihost -pthread test/msl_language_test.c $host_sources -lm \
        -o "$work/msl_language_test"
}

# language_runs COMPILER OPTIONS: runs it with kernels compiled by COMPILER, if that is on the PATH.
language_runs() {
    if command -v "$1" > /dev/null; then
        test_run "language, $1 $2" "$work/msl_language_test" "$1" "$2" test/msl/records.h test/msl/*.metal
    fi
}

echo '== plain'
sh host/build.sh faults
sh standin/build.sh
host=build/faults/linux-$arch
cat include/mlxshim.h include/mlxshim_faults.h > "$work/headers.h"
sh check-symbols.sh "$work/headers.h" "$host/libmlxshim_host.so" build/standin/libmlxshim.so
linked_contract contract_host "$host" mlxshim_host
linked_contract contract_standin build/standin mlxshim
sh standin/compile.sh test/standin_test.m "$work"
pages_test pages_test
workers_test workers_test
msl_test msl_source_test
msl_test msl_library_test
compute_test compute_test -L"$host" -lmlxshim_host -Wl,-rpath,"\$ORIGIN/../../$host"
# shellcheck disable=SC2046,SC2086 # the objects and the libraries are lists
"$clang" -pthread "$work/standin_test.o" $(standin_objects build/standin) $standin_libraries -o "$work/standin_test"
test_run 'stand-in' "$work/standin_test"
test_run 'pages' "$work/pages_test"
test_run 'workers' "$work/workers_test"
test_run 'Metal sources' "$work/msl_source_test"
for metal_compiler in clang-22 clang-19 clang-16; do
    if command -v $metal_compiler > /dev/null; then
        test_run "Metal libraries, $metal_compiler" "$work/msl_library_test" $metal_compiler
    fi
done
test_run 'host shim' "$work/contract_host"
test_run 'host shim, compute' "$work/compute_test"
test_run 'Metal shim' "$work/contract_standin"
test_run 'host shim, compute contract' "$work/compute_contract_host"
test_run 'Metal shim, compute contract' "$work/compute_contract_standin"
language_test
for language_compiler in clang-22 clang-19 clang-16; do
    language_runs $language_compiler -O2
    language_runs $language_compiler -O0
done

echo '== sanitizers'
# valgrind looks for leaks below. The sanitizer would report what GNUstep allocates at its start and never frees.
export ASAN_OPTIONS=detect_leaks=0
address='-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer'
host_with_faults="$fault_flags $host_sources $fault_sources"
# shellcheck disable=SC2086 # the options and the sources are lists
{
    contract contract_host_address $address $host_with_faults
    contract contract_host_thread -fsanitize=thread $host_with_faults
    pages_test pages_test_address $address
    pages_test pages_test_thread -fsanitize=thread
    msl_test msl_source_test_address $address
    msl_test msl_library_test_address $address
    msl_test msl_library_test_thread -fsanitize=thread
    workers_test workers_test_address $address
    workers_test workers_test_thread -fsanitize=thread
    compute_test compute_test_address $address $host_with_faults
    compute_test compute_test_thread -fsanitize=thread $host_with_faults
    sh standin/build.sh "$work/address" metal/mlxshim.m $address
    linked_contract contract_standin_address "$work/address" mlxshim $address
}
test_run 'pages, address and undefined behaviour' "$work/pages_test_address"
test_run 'pages, threads' "$work/pages_test_thread"
test_run 'Metal sources, address and undefined behaviour' "$work/msl_source_test_address" 500
test_run 'Metal libraries, address and undefined behaviour' "$work/msl_library_test_address"
test_run 'Metal libraries, threads' "$work/msl_library_test_thread"
test_run 'workers, address and undefined behaviour' "$work/workers_test_address"
test_run 'workers without fibers, threads' "$work/workers_test_thread" plain
test_run 'host shim, compute, address and undefined behaviour' "$work/compute_test_address"
test_run 'host shim, compute without fibers, threads' "$work/compute_test_thread" plain
test_run 'host shim, address and undefined behaviour' "$work/contract_host_address" 3
test_run 'host shim, threads' "$work/contract_host_thread" 3
test_run 'Metal shim, address and undefined behaviour' "$work/contract_standin_address" 3
test_run 'host shim, compute contract, address and undefined behaviour' "$work/compute_contract_host_address" 3
test_run 'Metal shim, compute contract, address and undefined behaviour' "$work/compute_contract_standin_address" 3

echo '== leaks'
for msl_test in 'msl_source_test 50' msl_library_test; do
    # shellcheck disable=SC2086 # a name and an argument
    test_run "valgrind, $msl_test" valgrind -q --leak-check=full --errors-for-leak-kinds=definite,possible \
        --error-exitcode=1 "$work/"$msl_test
done
sh test/check-memory.sh "$work/contract_host" 5 50 &
host_check=$!
sh test/check-memory.sh "$work/contract_standin" 5 50
wait $host_check
sh test/check-memory.sh "$work/compute_contract_host" 5 20 &
host_check=$!
sh test/check-memory.sh "$work/compute_contract_standin" 5 20
wait $host_check

echo '== mutants'
sh test/mutants.sh "$work/contract_standin" "$work/compute_contract_standin"
