package dev.mlxnative.internal.pool;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** An arena that a test can keep open, as a native call does that uses one of its segments. */
final class FakeArena implements Arena {
    private final Arena arena = Arena.ofShared();

    /** While this is set, {@link #close} fails. */
    volatile boolean inUse;

    /** While this is set, {@link #close} fails as if another thread owned the arena. */
    volatile boolean ofAnotherThread;

    boolean isAlive() {
        return arena.scope().isAlive();
    }

    @Override
    public MemorySegment allocate(long byteSize, long byteAlignment) {
        return arena.allocate(byteSize, byteAlignment);
    }

    @Override
    public MemorySegment.Scope scope() {
        return arena.scope();
    }

    @Override
    public void close() {
        if (inUse) {
            throw new IllegalStateException("a native call uses the arena");
        }
        if (ofAnotherThread) {
            throw new WrongThreadException("another thread owns the arena");
        }
        arena.close();
    }
}
