package dev.mlxnative.bench.replay;

import org.jspecify.annotations.Nullable;

/**
 * How trace files are read.
 *
 * @param partial whether to accept logs that lack a part of the life of their process, see {@link Gaps}
 * @param snapshotDevice the device of a snapshot that has several; null for the first with entries
 */
record ReadOptions(boolean partial, @Nullable Integer snapshotDevice) {

    /** Refuses partial logs. */
    static final ReadOptions DEFAULT = new ReadOptions(false, null);
}
