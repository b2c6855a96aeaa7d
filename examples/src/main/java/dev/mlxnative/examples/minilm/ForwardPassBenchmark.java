package dev.mlxnative.examples.minilm;

import dev.mlxnative.MlxBufferPool;
import dev.mlxnative.MlxCommandBuffer;
import dev.mlxnative.MlxDevice;
import dev.mlxnative.MlxSharedEvent;
import dev.mlxnative.PoolStats;
import dev.mlxnative.bench.jmh.Defaults;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.AuxCounters;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What do Java and the shim need for a forward pass of the model, without its kernels?
 *
 * <pre>mvn -q -B test-compile exec:exec@jmh -Djmh.args="ForwardPassBenchmark -prof gc"</pre>
 *
 * <p>A pass leases its inputs and outputs and 43 buffers of scratch memory, encodes 44 dispatches, commits them, and
 * ends the leases. No kernel runs meanwhile: a command buffer before the pass waits for an event, and the event is
 * signalled, and the pass awaited, between the measured calls. The tokens are those of a short sentence; their number
 * changes the time of the kernels alone.
 *
 * <p>The kernels take most of a run all the same, so that a second has some 100 calls: the warm-up is longer than that
 * of other benchmarks.
 *
 * <p>{@code misses} counts the requests that the pool has sent to the device after the first pass.
 */
@State(Scope.Thread)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 10, time = 3)
@Measurement(iterations = 5, time = 3)
@Fork(1)
public class ForwardPassBenchmark extends Defaults {

    private MlxDevice device;
    private MlxBufferPool pool;
    private MiniLm model;
    private Tokens tokens;
    private MlxSharedEvent event;
    private long value;
    private EmbeddingBatch batch;
    private long missesOfTheFirstPass;

    /** The misses, as JMH prints them beside the time. */
    @AuxCounters(AuxCounters.Type.EVENTS)
    @State(Scope.Thread)
    public static class Misses {
        public long misses;
    }

    /** Loads the model, and makes the first pass. */
    @Setup
    public void open() throws IOException, InterruptedException {
        device = MlxDevice.open();
        pool = MlxBufferPool.create(device);
        model = MiniLm.load(device, pool, MiniLm.Precision.F32);
        event = device.newSharedEvent();
        try (WordPieces wordPieces = WordPieces.read(MiniLm.MAX_TOKENS)) {
            tokens = wordPieces.split(List.of("A cat sits on the mat."));
        }
        hold();
        forward();
        complete(new Misses());
        missesOfTheFirstPass = misses();
    }

    @TearDown
    public void close() {
        event.close();
        model.close();
        pool.close();
        device.close();
    }

    /** Has the queue wait, so that what is committed next stays in flight. */
    @Setup(Level.Invocation)
    public void hold() {
        value++;
        MlxCommandBuffer commands = model.queue().newCommandBuffer();
        commands.waitFor(event, value);
        commands.commit();
    }

    /** A whole pass: leases, commands, the commit, and the end of all leases while the GPU has not begun. */
    @Benchmark
    public EmbeddingBatch forward() {
        batch = model.submit(tokens);
        batch.close();
        return batch;
    }

    /** Lets the kernels run. */
    @TearDown(Level.Invocation)
    public void complete(Misses misses) throws InterruptedException {
        event.signal(value);
        model.queue().await();
        misses.misses = misses() - missesOfTheFirstPass;
    }

    private long misses() {
        PoolStats stats = pool.stats();
        return stats.requests() - stats.hits();
    }
}
