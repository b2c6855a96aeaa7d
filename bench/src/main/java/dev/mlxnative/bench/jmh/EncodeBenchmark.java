package dev.mlxnative.bench.jmh;

import dev.mlxnative.DType;
import dev.mlxnative.MlxBuffer;
import dev.mlxnative.MlxBufferPool;
import dev.mlxnative.MlxCommandBuffer;
import dev.mlxnative.MlxCommandQueue;
import dev.mlxnative.MlxDevice;
import dev.mlxnative.MlxKernel;
import dev.mlxnative.MlxLibrary;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/**
 * What does Java need to encode a dispatch, and to track a buffer that a command buffer uses?
 *
 * <pre>mvn -q -B test-compile exec:exec@jmh -Djmh.args="EncodeBenchmark -prof gc"</pre>
 *
 * <p>Each command buffer has 1,000 dispatches or buffers and is closed before its commit, so the figures are Java's
 * part alone. They contain a thousandth of the creation and of the close of a command buffer.
 *
 * <p>The cost of tracking a buffer is {@code bindBuffer} minus {@code bindBufferAgain}. The first binds each of 1,000
 * leases for the first time in the command buffer, and the second binds leases that the command buffer already uses.
 */
@State(Scope.Thread)
public class EncodeBenchmark extends Defaults {

    private static final int OPERATIONS = 1_000;
    private static final long FLOATS = 1024;

    static final String SOURCE = """
            #include <metal_stdlib>
            using namespace metal;

            kernel void scaled_sum(device float *sums [[buffer(0)]],
                                   device const float *left [[buffer(1)]],
                                   device const float *right [[buffer(2)]],
                                   constant float &factor [[buffer(3)]],
                                   constant uint &length [[buffer(4)]],
                                   uint i [[thread_position_in_grid]]) {
                if (i < length) {
                    sums[i] = left[i] + factor * right[i];
                }
            }
            """;

    private MlxDevice device;
    private MlxLibrary library;
    private MlxKernel kernel;
    private MlxBufferPool pool;
    private MlxCommandQueue queue;
    private MlxCommandBuffer open;
    private final MlxBuffer[] leases = new MlxBuffer[OPERATIONS];
    /** Leases that {@code open} uses. */
    private final MlxBuffer[] used = new MlxBuffer[OPERATIONS];

    @Setup
    public void open() {
        device = MlxDevice.open();
        library = device.compile(SOURCE);
        kernel = library.kernel("scaled_sum");
        pool = MlxBufferPool.create(device);
        queue = device.newCommandQueue();
        for (int i = 0; i < OPERATIONS; i++) {
            leases[i] = pool.alloc(DType.F32, FLOATS);
            used[i] = pool.alloc(DType.F32, FLOATS);
        }
        open = queue.newCommandBuffer();
        bindBufferAgain();
    }

    @TearDown
    public void close() {
        open.close();
        queue.close();
        pool.close();
        kernel.close();
        library.close();
        device.close();
    }

    /** Encodes a dispatch with three buffers and two constants; all dispatches have the same buffers. */
    @Benchmark
    @OperationsPerInvocation(OPERATIONS)
    public void dispatch() {
        try (MlxCommandBuffer commands = queue.newCommandBuffer()) {
            for (int i = 0; i < OPERATIONS; i++) {
                dispatch(commands, leases[0], leases[1], leases[2]);
            }
        }
    }

    /** As {@code dispatch}, but each dispatch has three other buffers of the thousand. */
    @Benchmark
    @OperationsPerInvocation(OPERATIONS)
    public void dispatchOtherBuffers() {
        try (MlxCommandBuffer commands = queue.newCommandBuffer()) {
            for (int i = 0; i < OPERATIONS; i++) {
                dispatch(commands, leases[i], leases[(i + 1) % OPERATIONS], leases[(i + 2) % OPERATIONS]);
            }
        }
    }

    private void dispatch(MlxCommandBuffer commands, MlxBuffer sums, MlxBuffer left, MlxBuffer right) {
        commands.kernel(kernel)
                .buffer(0, sums)
                .buffer(1, left)
                .buffer(2, right)
                .constant(3, 0.5f)
                .constant(4, (int) FLOATS)
                .dispatchThreads(FLOATS);
    }

    @Benchmark
    @OperationsPerInvocation(OPERATIONS)
    public void bindBuffer() {
        try (MlxCommandBuffer commands = queue.newCommandBuffer()) {
            bindAll(commands, leases);
        }
    }

    @Benchmark
    @OperationsPerInvocation(OPERATIONS)
    public void bindBufferAgain() {
        bindAll(open, used);
    }

    /** A call that is not dispatched adds nothing to the commands, but the command buffer tracks its buffers. */
    private void bindAll(MlxCommandBuffer commands, MlxBuffer[] buffers) {
        for (int i = 0; i < OPERATIONS; i++) {
            commands.kernel(kernel).buffer(0, buffers[i]);
        }
    }
}
