package dev.mlxnative.bench.replay;

import dev.mlxnative.DType;
import dev.mlxnative.MlxBuffer;
import dev.mlxnative.MlxBufferPool;
import java.lang.foreign.MemorySegment;

/** Allocates from a pool. The caller opens and closes the pool. */
record PoolAllocator(MlxBufferPool pool) implements Allocator<MlxBuffer> {

    @Override
    public MlxBuffer allocate(long bytes) {
        return pool.alloc(bytes, DType.U8, bytes);
    }

    @Override
    public void release(MlxBuffer buffer) {
        pool.release(buffer);
    }

    @Override
    public MemorySegment contents(MlxBuffer buffer) {
        return buffer.segment();
    }
}
