#!/bin/sh
# Compiles one source, Objective-C over GNUstep or plain C:  compile.sh SOURCE OBJECT [FLAG...]
# CLANG, GCC and GNUSTEP name other tools and another folder.
set -eu
cd "$(dirname "$0")/.."

source=$1
object=$2
shift 2
clang=${CLANG:-clang-22}
gcc=${GCC:-gcc}
gnustep=${GNUSTEP:-/usr/include/GNUstep}

need() {
    command -v "$1" > /dev/null || { echo "compile.sh: no $1 on the PATH (Debian: $2)" >&2; exit 1; }
}
has() {
    test -e "$1" || { echo "compile.sh: no $1 (Debian: $2)" >&2; exit 1; }
}
need "$clang" 'clang-22; CLANG= names another'
need "$gcc" 'gcc; GCC= names another'
objc=$($gcc -print-file-name=include)/objc
has "$objc/objc.h" gobjc
has "$gnustep/Foundation/Foundation.h" libgnustep-base-dev
has /usr/include/Block.h libblocksruntime-dev

# Of GCC's headers only objc/ may be seen, since clang has its own stddef.h and the like: hence the link.
headers=build/standin/include
mkdir -p "$headers" "$(dirname "$object")"
test -e "$headers/objc/objc.h" || ln -sfn "$objc" "$headers/objc"

# Found by trial: what clang needs to make an object for GCC's Objective-C runtime and GNUstep, and valgrind to read it.
# Plain C has no use for some of it, which is nothing to warn of.
exec "$clang" -std=gnu11 -O2 -g -gdwarf-4 -fPIC -pthread -fvisibility=hidden -Wall -Wextra -Werror -Qunused-arguments \
    -fobjc-runtime=gcc -fblocks -fexceptions -fobjc-exceptions -fconstant-string-class=NSConstantString \
    -D_NATIVE_OBJC_EXCEPTIONS -DGNUSTEP -DGNUSTEP_BASE_LIBRARY=1 -DGNU_RUNTIME=1 \
    -DMLXSHIM_FAULTS -Iinclude -Ihost -Istandin -isystem "$gnustep" -idirafter "$headers" "$@" -c "$source" -o "$object"
