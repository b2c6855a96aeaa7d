/**
 * Calls of the C ABI, and loading of the native library. {@code Shim} makes the calls. {@code NativeLibrary} chooses
 * the library, {@code LibraryFile} checks and loads it.
 *
 * <p>May use: {@code shim.ffi} and the vocabulary of {@code dev.mlxnative}. No other room may use {@code shim.ffi}.
 *
 * <p>{@code ffi} is jextract's output: never edit it, run {@code native/jextract.sh} instead.
 */
@NullMarked
package dev.mlxnative.internal.shim;

import org.jspecify.annotations.NullMarked;
