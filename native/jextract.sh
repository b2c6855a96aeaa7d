#!/bin/sh
# Writes src/main/java/dev/mlxnative/ffi from include/mlxshim.h. Run it after every change of the header and commit what
# it writes, unedited. Names that the bindings should have are listed in jextract.includes.
#
# It takes the jextract on the PATH (https://jdk.java.net/jextract or a build of openjdk/jextract). Its output must compile
# for Java 22: revision 360bdc9 writes such code, later ones call SymbolLookup.findOrThrow, which is Java 23.
# Run it on Linux, so that two runs compare: there uint64_t is a C long, on macOS a long long, of the same width.
set -eu
cd "$(dirname "$0")"

if ! command -v jextract > /dev/null; then
    echo "jextract.sh: there is no jextract on the PATH" >&2
    exit 1
fi

output=../src/main/java
rm -rf "$output/dev/mlxnative/ffi"
# No --library: the library is loaded by NativeLibrary, and the bindings find it through the class loader.
jextract --output "$output" --target-package dev.mlxnative.ffi @jextract.includes include/mlxshim.h
if grep -rn 'SymbolLookup.*\.findOrThrow(' "$output/dev/mlxnative/ffi"; then
    echo "jextract.sh: this jextract writes code for Java 23; use revision 360bdc9" >&2
    exit 1
fi
echo "wrote $(ls "$output"/dev/mlxnative/ffi/*.java)"
