/**
 * Calls of the C ABI: {@code Shim} makes them, {@code NativeLibrary} finds and loads the library.
 *
 * <p>May use: {@code shim.ffi} and the vocabulary of {@code dev.mlxnative}. No other room may use {@code shim.ffi}.
 *
 * <p>{@code ffi} is jextract's output: never edit it, run {@code native/jextract.sh} instead.
 */
@NullMarked
package dev.mlxnative.internal.shim;

import org.jspecify.annotations.NullMarked;
