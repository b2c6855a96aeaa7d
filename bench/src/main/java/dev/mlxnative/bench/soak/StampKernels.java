package dev.mlxnative.bench.soak;

import dev.mlxnative.DType;
import dev.mlxnative.MlxBuffer;
import dev.mlxnative.MlxCommandBuffer;
import dev.mlxnative.MlxDevice;
import dev.mlxnative.MlxKernel;
import dev.mlxnative.MlxLibrary;
import dev.mlxnative.bench.replay.Stamp;
import java.lang.foreign.ValueLayout;

/** The kernel that checks stamps on the GPU, with the count of those that it found altered. */
final class StampKernels implements AutoCloseable {

    /** Checks the bytes that {@link Stamp#writeEnds} writes. One thread checks a whole stamp. */
    private static final String SOURCE = """
            #include <metal_stdlib>
            using namespace metal;

            kernel void check_stamp(device const uchar *contents [[buffer(0)]],
                                    constant ulong &length [[buffer(1)]],
                                    constant ulong &pattern [[buffer(2)]],
                                    device atomic_uint *overlaps [[buffer(3)]]) {
                bool intact = true;
                ulong stamped = min(length, ulong(16));
                for (ulong i = 0; i < stamped; i++) {
                    ulong at = i < 8 || length < 16 ? i : length - 16 + i;
                    intact = intact && contents[at] == uchar(pattern >> (8 * (i % 8)));
                }
                if (!intact) {
                    atomic_fetch_add_explicit(overlaps, 1u, memory_order_relaxed);
                }
            }
            """;

    private final MlxLibrary library;
    private final MlxKernel check;
    private final MlxBuffer overlaps;

    /** @throws dev.mlxnative.MlxException if there is no compiler */
    StampKernels(MlxDevice device) {
        library = device.compile(SOURCE);
        check = library.kernel("check_stamp");
        overlaps = device.allocBuffer(DType.U32, 1);
        overlaps.segment().set(ValueLayout.JAVA_INT, 0, 0);
    }

    /** Encodes a check of a stamp in the contents of a lease. Allocates nothing, unless the commands have to grow. */
    void encodeCheck(MlxCommandBuffer commands, MlxBuffer lease, Stamp stamp) {
        commands.kernel(check)
                .buffer(0, lease)
                .constant(1, lease.byteLength())
                .constant(2, stamp.pattern())
                .buffer(3, overlaps)
                .dispatchThreads(1);
    }

    /** The number of altered stamps. The caller has awaited the command buffers. */
    long overlaps() {
        return Integer.toUnsignedLong(overlaps.segment().get(ValueLayout.JAVA_INT, 0));
    }

    @Override
    public void close() {
        overlaps.close();
        check.close();
        library.close();
    }
}
