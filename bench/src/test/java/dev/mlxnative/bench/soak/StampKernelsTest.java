package dev.mlxnative.bench.soak;

import static org.assertj.core.api.Assertions.assertThat;

import dev.mlxnative.DType;
import dev.mlxnative.MlxBuffer;
import dev.mlxnative.MlxCommandBuffer;
import dev.mlxnative.MlxCommandQueue;
import dev.mlxnative.MlxDevice;
import dev.mlxnative.NeedsKernelCompiler;
import dev.mlxnative.bench.replay.Stamp;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@NeedsKernelCompiler
class StampKernelsTest {

    private static final Stamp STAMP = Stamp.ofLease(1);

    @ParameterizedTest
    @ValueSource(longs = {1, 7, 8, 9, 15, 16, 17, 4096})
    void countsTheStampsThatAreAltered(long bytes) throws InterruptedException {
        try (MlxDevice device = MlxDevice.open();
                StampKernels kernels = new StampKernels(device);
                MlxCommandQueue queue = device.newCommandQueue();
                MlxBuffer intact = stamped(device, bytes);
                MlxBuffer first = altered(device, bytes, 0);
                MlxBuffer last = altered(device, bytes, bytes - 1)) {
            assertThat(overlaps(kernels, queue, intact)).isZero();
            assertThat(overlaps(kernels, queue, intact, first, last)).isEqualTo(2);
        }
    }

    private static long overlaps(StampKernels kernels, MlxCommandQueue queue, MlxBuffer... leases)
            throws InterruptedException {
        try (MlxCommandBuffer commands = queue.newCommandBuffer()) {
            for (MlxBuffer lease : leases) {
                kernels.encodeCheck(commands, lease, STAMP);
            }
            commands.commit();
            commands.await();
        }
        return kernels.overlaps();
    }

    private static MlxBuffer stamped(MlxDevice device, long bytes) {
        MlxBuffer buffer = device.allocBuffer(bytes, DType.U8, bytes);
        STAMP.writeEnds(buffer.segment());
        return buffer;
    }

    private static MlxBuffer altered(MlxDevice device, long bytes, long index) {
        MlxBuffer buffer = stamped(device, bytes);
        byte value = buffer.segment().get(ValueLayout.JAVA_BYTE, index);
        buffer.segment().set(ValueLayout.JAVA_BYTE, index, (byte) ~value);
        return buffer;
    }
}
