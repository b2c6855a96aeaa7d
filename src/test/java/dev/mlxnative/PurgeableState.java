package dev.mlxnative;

import dev.mlxnative.internal.shim.ffi.mlxshim_h;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** The purgeable state of a native buffer, also while no lease has it. The test keeps the buffer from being freed. */
final class PurgeableState {
    private final MemorySegment handle;

    private PurgeableState(MemorySegment handle) {
        this.handle = handle;
    }

    /** The state of the native buffer of a lease. */
    static PurgeableState of(MlxBuffer buffer) {
        return new PurgeableState(MemorySegment.ofAddress(buffer.handle().address()));
    }

    private int current() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = arena.allocate(ValueLayout.JAVA_INT);
            int status = mlxshim_h.mlxshim_buffer_set_purgeable_state(
                    handle, mlxshim_h.MLXSHIM_PURGEABLE_KEEP_CURRENT(), state);
            if (status != mlxshim_h.MLXSHIM_OK()) {
                throw new AssertionError("the state cannot be read: status " + status);
            }
            return state.get(ValueLayout.JAVA_INT, 0);
        }
    }

    /** Whether the system may take the contents, or has taken them. */
    boolean isVolatile() {
        return current() != mlxshim_h.MLXSHIM_PURGEABLE_NON_VOLATILE();
    }

    void awaitVolatile() {
        Async.await(this::isVolatile, () -> "the buffer is not volatile: its state is " + current());
    }
}
