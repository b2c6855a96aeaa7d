/**
 * Replays recorded allocation traces, straight on the device and through the pool, and compares the two.
 *
 * <p>{@link dev.mlxnative.bench.replay.ReplayCommand} is where it starts. Nothing here knows how the library works
 * inside: it sees buffers through {@link dev.mlxnative.bench.replay.Allocator}, so that the check for overlaps can be
 * tried against an allocator that is broken on purpose.
 */
@NullMarked
package dev.mlxnative.bench.replay;

import org.jspecify.annotations.NullMarked;
