package dev.mlxnative.bench.jmh;

import dev.mlxnative.DType;
import dev.mlxnative.MlxBuffer;
import dev.mlxnative.MlxScope;
import dev.mlxnative.bench.replay.Trace;
import dev.mlxnative.bench.replay.TraceReader;
import java.io.IOException;
import java.nio.file.Path;
import java.util.stream.IntStream;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/**
 * Which way of ending all leases of a step costs least?
 *
 * <pre>mvn -q -B test-compile exec:exec@jmh -Djmh.args="DecodeStepBenchmark -prof gc"</pre>
 *
 * <p>The figures are for the lease and the release of one buffer of a step. A step leases 1,750 buffers, which are all
 * live at once. Their sizes are the last 1,750 requests of the recorded decoding of a language model.
 */
public class DecodeStepBenchmark extends Defaults {

    private static final int BUFFERS = 1_750;

    /** The sizes of a step, and an array that holds its buffers until the step ends. */
    @State(Scope.Thread)
    public static class Step {

        private static final Path TRACE = Path.of("bench/traces/llama-3.2-1b-prefill512-decode48.csv.gz");

        final MlxBuffer[] buffers = new MlxBuffer[BUFFERS];
        private long[] sizes;

        @Setup
        public void read() throws IOException {
            Trace trace = TraceReader.read(TRACE);
            sizes = IntStream.range(0, trace.events())
                    .filter(trace::isAllocation)
                    .skip(trace.requests() - BUFFERS)
                    .mapToLong(trace::size)
                    .toArray();
        }

        MlxBuffer[] lease(Allocators.Pool pool) {
            for (int i = 0; i < BUFFERS; i++) {
                buffers[i] = pool.allocate(sizes[i]);
            }
            return buffers;
        }

        MlxBuffer[] lease(MlxScope scope) {
            for (int i = 0; i < BUFFERS; i++) {
                buffers[i] = scope.alloc(sizes[i], DType.U8, sizes[i]);
            }
            return buffers;
        }
    }

    @Benchmark
    @OperationsPerInvocation(BUFFERS)
    public MlxBuffer[] release(Step step, Allocators.Pool pool) {
        for (MlxBuffer buffer : step.lease(pool)) {
            pool.release(buffer);
        }
        return step.buffers;
    }

    @Benchmark
    @OperationsPerInvocation(BUFFERS)
    public MlxBuffer[] reset(Step step, Allocators.Pool pool) {
        step.lease(pool);
        pool.pool.reset();
        return step.buffers;
    }

    @Benchmark
    @OperationsPerInvocation(BUFFERS)
    public MlxBuffer[] confinedScope(Step step, Allocators.Pool pool) {
        try (MlxScope scope = pool.pool.confinedScope()) {
            return step.lease(scope);
        }
    }

    @Benchmark
    @OperationsPerInvocation(BUFFERS)
    public MlxBuffer[] sharedScope(Step step, Allocators.Pool pool) {
        try (MlxScope scope = pool.pool.scope()) {
            return step.lease(scope);
        }
    }
}
