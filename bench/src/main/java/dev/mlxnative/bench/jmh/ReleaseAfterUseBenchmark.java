package dev.mlxnative.bench.jmh;

import dev.mlxnative.DType;
import dev.mlxnative.MlxBuffer;
import dev.mlxnative.MlxBufferPool;
import dev.mlxnative.MlxCommandBuffer;
import dev.mlxnative.MlxCommandQueue;
import dev.mlxnative.MlxDevice;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/**
 * Does the release of a lease cost more if a command buffer has used the memory?
 *
 * <pre>mvn -q -B test-compile exec:exec@jmh -Djmh.args="ReleaseAfterUseBenchmark -prof gc"</pre>
 *
 * <p>The figure is for the release of one of 1,000 leases that are all live. With {@code used=true}, a command buffer
 * that is complete has filled each of them.
 */
@State(Scope.Thread)
public class ReleaseAfterUseBenchmark extends Defaults {

    private static final int LEASES = 1_000;
    private static final long BYTES = 4096;

    @Param({"false", "true"})
    public boolean used;

    private MlxDevice device;
    private MlxBufferPool pool;
    private MlxCommandQueue queue;
    private final MlxBuffer[] leases = new MlxBuffer[LEASES];

    @Setup
    public void open() {
        device = MlxDevice.open();
        pool = MlxBufferPool.create(device);
        queue = device.newCommandQueue();
    }

    /** Leases the buffers again before each measurement. JMH reads the clock around every 1,000 releases. */
    @Setup(Level.Invocation)
    public void lease() throws InterruptedException {
        for (int i = 0; i < LEASES; i++) {
            leases[i] = pool.alloc(DType.U8, BYTES);
        }
        try (MlxCommandBuffer commands = queue.newCommandBuffer()) {
            for (MlxBuffer lease : leases) {
                if (used) {
                    commands.fill(lease, (byte) 1);
                }
            }
            commands.commit();
            commands.await();
        }
    }

    @Benchmark
    @OperationsPerInvocation(LEASES)
    public void release() {
        for (MlxBuffer lease : leases) {
            pool.release(lease);
        }
    }

    /** Fails if memory was parked, although the GPU was done with it. */
    @TearDown
    public void close() {
        int parked = Math.toIntExact(pool.stats().parkedCount());
        queue.close();
        pool.close();
        device.close();
        if (parked > 0) {
            throw new IllegalStateException(parked + " releases parked memory");
        }
    }
}
