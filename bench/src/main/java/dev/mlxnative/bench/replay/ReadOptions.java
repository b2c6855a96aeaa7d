package dev.mlxnative.bench.replay;

/**
 * How trace files are read.
 *
 * @param partial whether to accept logs that lack a part of the life of their process, see {@link Gaps}
 */
record ReadOptions(boolean partial) {

    /** Refuses partial logs. */
    static final ReadOptions DEFAULT = new ReadOptions(false);
}
