/**
 * Replay of recorded allocation traces, directly on the device and through pools.
 *
 * <p>{@link dev.mlxnative.bench.replay.ReplayCommand} is the main class. The package uses the public API of the library
 * only. A {@link dev.mlxnative.bench.replay.Pass} gets buffers from an {@link dev.mlxnative.bench.replay.Allocator}, so
 * that a test can run the check for overlaps against a defective allocator.
 */
@NullMarked
package dev.mlxnative.bench.replay;

import org.jspecify.annotations.NullMarked;
