# Definitions that the scripts under this folder and the Makefile source. Paths are relative to this folder. Messages
# begin with `script`, which a recipe of the Makefile sets before it sources this file.
#
# CLANG, GCC, CC and CROSS_CC name other tools than the defaults below.
#
# shellcheck shell=sh
# shellcheck disable=SC2034 # the sourcing scripts use the variables

script=${script:-$(basename "$0")}

# The operating system and the architecture of this machine, as in the names of the libraries' folders.
case $(uname -s) in
    Linux) os=linux ;;
    Darwin) os=macos ;;
    *) os=$(uname -s) ;;
esac
case $(uname -m) in
    x86_64 | amd64) arch=x86_64 ;;
    aarch64 | arm64) arch=aarch64 ;;
    *) arch=$(uname -m) ;;
esac

clang=${CLANG:-clang-22}
gcc=${GCC:-gcc}

# Compiler options: for all C and Objective-C, for libraries, and for programs that valgrind 3.19 has to read.
c_flags='-std=gnu11 -O2 -Wall -Wextra -Werror -Iinclude'
library_flags="$c_flags -fPIC -fvisibility=hidden"
debug_flags='-g -gdwarf-4'
# Linker options for ELF libraries.
elf_flags='-shared -Wl,-z,relro,-z,now'

# A build with faults compiles both lists with fault_flags; a release compiles host_sources alone.
worker_sources='host/workers.c host/threadgroup.c host/fiber.c host/trap.c host/threads.c'
compute_sources="host/compute.c host/compute_commands.c host/compute_run.c host/constants.c $worker_sources"
host_sources='host/mlxshim_host.c host/mlxshim_host_text.c host/mlxshim_host_event.c host/mlxshim_host_compute.c'
host_sources="$host_sources host/mlxshim_host_commands.c host/pages.c host/live_objects.c $compute_sources"

# Metal Shading Language for the host. The last source is made by embed_headers.
msl_sources='host/msl/text.c host/msl/tokens.c host/msl/declarations.c host/msl/reflection.c host/msl/rewrite.c'
msl_sources="$msl_sources host/msl/unit.c host/msl/diagnostics.c host/msl/sha256.c host/msl/folder.c host/msl/cache.c"
msl_sources="$msl_sources host/msl/process.c host/msl/compiler.c host/msl/loader.c host/msl/program.c"
msl_sources="$msl_sources host/msl/library.c host/msl/unsupported.c build/headers.c"
host_sources="$host_sources $msl_sources"
fault_sources=host/faults.c
fault_flags=-DMLXSHIM_FAULTS

# The test of host/pages.c replaces these functions of the C library.
pages_test_flags='-Ihost -Wl,--wrap=mmap,--wrap=munmap,--wrap=madvise,--wrap=calloc,--wrap=open'

# The stand-in for Metal. The order of its libraries matters to the linker.
standin_sources="host/pages.c host/live_objects.c $compute_sources $msl_sources $fault_sources"
standin_sources="$standin_sources standin/buffer.m standin/device.m standin/event.m standin/residency_set.m"
standin_sources="$standin_sources standin/functions.m standin/pipeline.m standin/command_queue.m"
standin_sources="$standin_sources standin/command_buffer.m standin/encoders.m standin/capture.m"
# The sources of the Metal shim, and options to compile them for the stand-in.
shim_sources='metal/mlxshim.m metal/kernels.m metal/commands.m'
shim_flags='-Imetal -include standin/texts.h'
standin_libraries='-lBlocksRuntime -lgnustep-base -lobjc'

# fail MESSAGE: ends the script with MESSAGE on standard error.
fail() {
    echo "$script: $1" >&2
    exit 1
}

# usage ARGUMENTS: ends the script, and says which arguments it takes.
usage() {
    echo "usage: $script $1" >&2
    exit 2
}

# need TOOL ORIGIN: ends the script unless TOOL is on the PATH. ORIGIN names the package that contains TOOL.
need() {
    command -v "$1" > /dev/null || fail "no $1 on the PATH ($2)"
}

need_clang() {
    need "$clang" 'Debian: clang-22; CLANG= names another'
}

# first_tool ORIGIN TOOL...: prints the first TOOL that is on the PATH. Fails if there is none.
first_tool() {
    origin=$1
    shift
    for tool in "$@"; do
        if command -v "$tool" > /dev/null; then
            echo "$tool"
            return
        fi
    done
    fail "no $1 on the PATH ($origin)"
}

# host_compiler TARGET: sets `compiler` to the C compiler for TARGET, and `compiler_origin` to its packages.
host_compiler() {
    case $1 in
        "$os-$arch")
            compiler=${CC:-cc}
            compiler_origin='Debian: gcc and libc6-dev; macOS: xcode-select --install' ;;
        linux-aarch64)
            compiler=${CROSS_CC:-aarch64-linux-gnu-gcc}
            compiler_origin='Debian: gcc-aarch64-linux-gnu and libc6-dev-arm64-cross' ;;
        linux-x86_64)
            compiler=${CROSS_CC:-x86_64-linux-gnu-gcc}
            compiler_origin='Debian: gcc-x86-64-linux-gnu and libc6-dev-amd64-cross' ;;
        *) fail "$1 cannot be built on $os-$arch" ;;
    esac
}

# object_of SOURCE FOLDER: prints the name of the object in FOLDER that SOURCE is compiled to.
object_of() {
    base=${1##*/}
    echo "$2/${base%.*}.o"
}

# standin_objects FOLDER: prints the names of the stand-in's objects in FOLDER.
standin_objects() {
    for standin_source in $standin_sources; do
        object_of "$standin_source" "$1"
    done
}

# embed_headers: makes build/headers.c, the headers that kernels are compiled with.
embed_headers() {
    mkdir -p build
    sh host/msl/embed.sh > build/headers.c.$$
    mv build/headers.c.$$ build/headers.c
}

# publish NEW FILE: renames NEW to FILE, so that a process that has the old FILE mapped keeps the old bytes.
publish() {
    mv "$1" "$2"
    echo "built native/$2 ($(wc -c < "$2" | tr -d ' ') bytes)"
}
