/**
 * Wears a pool out: several threads replay recorded traces on it for as long as one likes, under limits that are too
 * low for all of them, while the device fails now and then and fences complete late and out of order.
 *
 * <p>{@link dev.mlxnative.bench.soak.SoakCommand} is where it starts. It needs a test build of the native library.
 */
@NullMarked
package dev.mlxnative.bench.soak;

import org.jspecify.annotations.NullMarked;
