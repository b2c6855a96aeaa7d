/**
 * Soak test of a pool.
 *
 * <p>Several threads replay recorded traces on one pool for a given time. The limits of the pool are too low for all of
 * them at their peaks. The device fails now and then, fences complete late and out of order, command buffers use memory
 * whose leases have ended, and stacks and the heap run out.
 *
 * <p>{@link dev.mlxnative.bench.soak.SoakCommand} is the main class. It needs a test build of the native library.
 */
@NullMarked
package dev.mlxnative.bench.soak;

import org.jspecify.annotations.NullMarked;
