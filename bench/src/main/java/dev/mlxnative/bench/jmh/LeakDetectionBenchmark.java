package dev.mlxnative.bench.jmh;

import dev.mlxnative.DType;
import dev.mlxnative.LeakDetection;
import dev.mlxnative.MlxBuffer;
import dev.mlxnative.MlxBufferPool;
import dev.mlxnative.MlxDevice;
import dev.mlxnative.MlxScope;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/**
 * What does each level of {@link LeakDetection} cost?
 *
 * <pre>mvn -q -B test-compile exec:exec@jmh -Djmh.args="LeakDetectionBenchmark -prof gc"</pre>
 *
 * <p>The benchmark leaks nothing, so the figures are the cost for a program without leaks. {@code FULL} records the
 * stack of each lease. JMH's stack is some ten calls deep; an application's stack is deeper and costs more.
 */
@State(Scope.Thread)
public class LeakDetectionBenchmark extends Defaults {

    private static final long BYTES = 4096;

    @Param
    public LeakDetection level;

    private MlxDevice device;
    private MlxBufferPool pool;

    @Setup
    public void open() {
        device = MlxDevice.open();
        pool = MlxBufferPool.builder(device).leakDetection(level).build();
    }

    @TearDown
    public void close() {
        if (pool.leakedCount() != 0 || pool.stats().activeCount() != 0) {
            throw new IllegalStateException("the benchmark itself leaks: " + pool);
        }
        pool.close();
        device.close();
    }

    /** Leases a buffer and releases it. */
    @Benchmark
    public MlxBuffer lease() {
        MlxBuffer buffer = pool.alloc(BYTES, DType.U8);
        pool.release(buffer);
        return buffer;
    }

    /** Opens a scope, leases a buffer in it, and closes the scope. */
    @Benchmark
    public MlxBuffer scope() {
        try (MlxScope scope = pool.confinedScope()) {
            return scope.alloc(BYTES, DType.U8);
        }
    }
}
