package dev.mlxnative.internal.pool;

import dev.mlxnative.MlxFence;

/**
 * A fence that waits for the end of a scope. A thread that requests memory must not wait for it, because that thread
 * may be the one that has to end the scope.
 */
interface ScopeBound extends MlxFence {
    /** Whether the scope has ended, so that the fence completes without the program's help. */
    boolean isScopeEnded();

    /** Whether a fence of any kind waits for an open scope. */
    static boolean waitsForScope(MlxFence fence) {
        return fence instanceof ScopeBound bound && !bound.isScopeEnded();
    }
}
