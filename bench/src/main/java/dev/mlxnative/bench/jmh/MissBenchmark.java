package dev.mlxnative.bench.jmh;

import dev.mlxnative.DType;
import dev.mlxnative.MlxBuffer;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/**
 * What does it cost when the device allocates memory, and when it frees memory?
 *
 * <pre>mvn -q -B test-compile exec:exec@jmh -Djmh.args="MissBenchmark -p bytes=4096,1048576"</pre>
 *
 * <p>{@code sharedArena} is the JVM's part: it allocates and frees memory that any thread may use, without a device.
 * The figure of {@code trim} is for one buffer of many that the pool frees together.
 */
@State(Scope.Benchmark)
public class MissBenchmark extends Defaults {

    private static final int TRIMMED = 64;

    @Param("4096")
    long bytes;

    @Benchmark
    public long poolMiss(Allocators.Pool pool) {
        pool.cycle(bytes);
        return pool.pool.clear();
    }

    @Benchmark
    public MlxBuffer device(Allocators.Pool pool) {
        MlxBuffer buffer = pool.device.allocBuffer(bytes, DType.U8, bytes);
        buffer.close();
        return buffer;
    }

    @Benchmark
    public MemorySegment sharedArena() {
        try (Arena arena = Arena.ofShared()) {
            return arena.allocate(bytes);
        }
    }

    /**
     * Refills the pool before each trim.
     *
     * <p>JMH reads the clock around every single trim. A trim takes long enough for that.
     */
    @State(Scope.Benchmark)
    public static class Refill {

        @Setup(Level.Invocation)
        public void fill(Allocators.Pool pool, MissBenchmark benchmark) {
            for (int i = 0; i < TRIMMED; i++) {
                pool.allocate(benchmark.bytes);
            }
            pool.pool.reset();
        }
    }

    @Benchmark
    @OperationsPerInvocation(TRIMMED)
    public long trim(Allocators.Pool pool, Refill refill) {
        return pool.pool.trim(0);
    }
}
