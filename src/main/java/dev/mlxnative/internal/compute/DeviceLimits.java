package dev.mlxnative.internal.compute;

import dev.mlxnative.internal.shim.ComputeShim;
import java.lang.foreign.MemorySegment;

/**
 * What a device allows a threadgroup.
 *
 * @param maxThreadgroupMemory bytes of threadgroup memory
 * @param maxWidth threads in the first dimension
 * @param maxHeight threads in the second dimension
 * @param maxDepth threads in the third dimension
 */
record DeviceLimits(long maxThreadgroupMemory, long maxWidth, long maxHeight, long maxDepth) {
    static DeviceLimits of(MemorySegment device) {
        long[] sizes = ComputeShim.maxThreadsPerThreadgroup(device);
        return new DeviceLimits(ComputeShim.maxThreadgroupMemory(device), sizes[0], sizes[1], sizes[2]);
    }
}
