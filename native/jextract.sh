#!/bin/sh
# Generates the Java package dev.mlxnative.internal.shim.ffi from include/mlxshim.h. Run it after every change of the
# header, and commit its output unedited. jextract.includes lists the names that the bindings contain.
#
# jextract wraps whatever a call throws in an AssertionError. The script has errors of the VM and the exceptions of
# segments pass as they are.
#
# It runs the jextract on the PATH, of https://jdk.java.net/jextract or built from openjdk/jextract. The output must
# compile for Java 22: jextract at revision 360bdc9 writes such code. Later revisions call SymbolLookup.findOrThrow,
# which is Java 23. Run it on Linux, so that two runs compare: uint64_t is a C long on Linux, and a long long on macOS.
set -eu
cd "$(dirname "$0")"
. ./common.sh

need jextract 'openjdk/jextract, revision 360bdc9'
package=dev.mlxnative.internal.shim.ffi
folder=$(echo $package | tr . /)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# No --library: NativeLibrary loads the library, and the bindings find its functions through the class loader.
jextract --output "$work" --target-package $package @jextract.includes include/mlxshim.h
if grep -rn 'SymbolLookup.*\.findOrThrow(' "$work"; then
    fail 'this jextract writes code for Java 23; use revision 360bdc9'
fi
sed -i 's/^\( *\)} catch (Throwable ex\$) {$/\1} catch (Error | RuntimeException ex$) {\n\1   throw ex$;\n&/' \
    "$work/$folder"/*.java
output=../src/main/java/$folder
rm -rf "$output"
mkdir -p "$output"
cp "$work/$folder"/*.java "$output"
echo "wrote $(ls "$output"/*.java)"
