package dev.mlxnative;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Encoding makes no garbage, whatever the number of dispatches. */
@NeedsKernelCompiler
class EncodingGarbageTest {
    private static final int WARM_UP = 30_000;
    private static final int DISPATCHES = 1000;

    /** Whether commands of another queue, which are not committed, have used the buffers before. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aDispatchWithFiveArgumentsAllocatesNothing(boolean shared) throws Exception {
        try (MlxDevice device = MlxDevice.open();
                MlxLibrary library = device.compile(Kernels.SOURCE);
                MlxKernel five = library.kernel("five");
                MlxCommandQueue queue = device.newCommandQueue();
                MlxCommandQueue otherQueue = device.newCommandQueue();
                MlxBufferPool pool = MlxBufferPool.create(device);
                MlxBuffer out = pool.alloc(DType.F32, 64);
                MlxBuffer a = pool.alloc(DType.F32, 64);
                MlxBuffer b = pool.alloc(DType.F32, 64);
                MlxBuffer c = device.allocBuffer(DType.F32, 64)) {
            ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
            try (MlxCommandBuffer earlier = otherQueue.newCommandBuffer();
                    MlxCommandBuffer commands = queue.newCommandBuffer()) {
                encode(earlier, five, out, a, b, c, shared ? 1 : 0);
                encode(commands, five, out, a, b, c, WARM_UP);
                long before = threads.getCurrentThreadAllocatedBytes();
                encode(commands, five, out, a, b, c, 1);
                long ofMeasuring = threads.getCurrentThreadAllocatedBytes() - before;
                before = threads.getCurrentThreadAllocatedBytes();
                encode(commands, five, out, a, b, c, DISPATCHES);
                long bytes = threads.getCurrentThreadAllocatedBytes() - before - ofMeasuring;
                // The memory for the stream may grow once, which takes an object or two.
                assertThat(bytes).isLessThan(DISPATCHES);
            }
        }
    }

    private static void encode(
            MlxCommandBuffer commands,
            MlxKernel kernel,
            MlxBuffer out,
            MlxBuffer a,
            MlxBuffer b,
            MlxBuffer c,
            int dispatches) {
        for (int i = 0; i < dispatches; i++) {
            commands.kernel(kernel)
                    .buffer(0, out)
                    .buffer(1, a)
                    .buffer(2, b)
                    .buffer(3, c)
                    .constant(4, 1.5f)
                    .dispatchThreads(64);
        }
    }
}
