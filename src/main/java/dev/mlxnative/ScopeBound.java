package dev.mlxnative;

/**
 * A fence that waits for the end of a scope. Nobody may wait for it who could be the one to end the scope, as every
 * caller of a pool could.
 */
interface ScopeBound extends MlxFence {
    /** Whether the scope has ended, so that the rest comes by itself. */
    boolean isScopeEnded();

    /** Whether a fence, which may be of any kind, waits for a scope that is open. */
    static boolean waitsForScope(MlxFence fence) {
        return fence instanceof ScopeBound bound && !bound.isScopeEnded();
    }
}
