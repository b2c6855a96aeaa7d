package dev.mlxnative.bench.replay;

import dev.mlxnative.DType;
import dev.mlxnative.MlxBuffer;
import dev.mlxnative.MlxDevice;
import java.lang.foreign.MemorySegment;

/** Allocates on the device without a pool: every request is a native allocation. */
record DeviceAllocator(MlxDevice device) implements Allocator<MlxBuffer> {

    @Override
    public MlxBuffer allocate(long bytes) {
        return device.allocBuffer(bytes, DType.U8, bytes);
    }

    @Override
    public void release(MlxBuffer buffer) {
        buffer.close();
    }

    @Override
    public MemorySegment contents(MlxBuffer buffer) {
        return buffer.segment();
    }
}
