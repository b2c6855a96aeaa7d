#!/bin/sh
# Compiles one source for a test build on Linux, plain C or Objective-C with GNUstep, to an object in FOLDER.
#
#   compile.sh SOURCE FOLDER [FLAG...]
#
# CLANG and GCC name other tools, GNUSTEP another folder of headers.
set -eu
cd "$(dirname "$0")/.."
. ./common.sh

source=$1
folder=$2
shift 2

# has PATH PACKAGE: ends the script unless PATH exists.
has() {
    test -e "$1" || fail "no $1 (Debian: $2)"
}
need_clang
need "$gcc" 'Debian: gcc; GCC= names another'
objc=$("$gcc" -print-file-name=include)/objc
has "$objc/objc.h" gobjc
gnustep=${GNUSTEP:-/usr/include/GNUstep}
has "$gnustep/Foundation/Foundation.h" libgnustep-base-dev
has /usr/include/Block.h libblocksruntime-dev

# clang must find GCC's objc headers, but not stddef.h and the others beside them, of which clang has its own. So the
# include path has a folder that contains a link to objc alone.
headers=build/standin/include
mkdir -p "$headers" "$folder"
test -e "$headers/objc/objc.h" || ln -sfn "$objc" "$headers/objc"

# With these options clang writes objects for GCC's Objective-C runtime and for GNUstep. -Qunused-arguments is for plain
# C, to which some of them do not apply.
# shellcheck disable=SC2086 # the options are lists
exec "$clang" $library_flags $debug_flags $fault_flags -pthread -Qunused-arguments \
    -fobjc-runtime=gcc -fblocks -fexceptions -fobjc-exceptions -fconstant-string-class=NSConstantString \
    -D_NATIVE_OBJC_EXCEPTIONS -DGNUSTEP -DGNUSTEP_BASE_LIBRARY=1 -DGNU_RUNTIME=1 \
    -Ihost -Istandin -isystem "$gnustep" -idirafter "$headers" "$@" -c "$source" -o "$(object_of "$source" "$folder")"
