package dev.mlxnative.internal.device;

import dev.mlxnative.MlxFence;

/**
 * A fence that may wait for a call of the program: the end of a scope, or the commit of a command buffer. A thread that
 * requests memory must not wait for it then, because that thread may be the one that has to make the call.
 */
public interface ProgramBound extends MlxFence {
    /** Whether the program has to make the call before the fence can complete. */
    boolean waitsForProgram();

    /** Whether a fence of any kind waits for the program. */
    static boolean waitsForProgram(MlxFence fence) {
        return fence instanceof ProgramBound bound && bound.waitsForProgram();
    }
}
