package dev.mlxnative.bench.jmh;

import dev.mlxnative.DType;
import dev.mlxnative.MlxBuffer;
import dev.mlxnative.MlxBufferPool;
import dev.mlxnative.MlxCommandBuffer;
import dev.mlxnative.MlxCommandQueue;
import dev.mlxnative.MlxDevice;
import dev.mlxnative.MlxFence;
import dev.mlxnative.MlxSharedEvent;
import org.openjdk.jmh.annotations.AuxCounters;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * How much memory do command buffers with scratch memory hold while they are in flight together?
 *
 * <pre>mvn -q -B test-compile exec:exec@jmh -Djmh.args="ScratchBenchmark"</pre>
 *
 * <p>The figure is {@code footprintBytes}, the pool's footprint while all command buffers are in flight: the first of
 * them waits for an event that the CPU signals after the measurement. Each has sixteen leases of 1 MiB to 16 MiB.
 */
@State(Scope.Thread)
@Fork(1)
@Warmup(iterations = 1, time = 1)
@Measurement(iterations = 3, time = 1)
public class ScratchBenchmark extends Defaults {

    private static final int LEASES = 16;
    private static final long UNIT = 1 << 20;

    @Param({"1", "3"})
    public int inFlight;

    private MlxDevice device;
    private MlxBufferPool pool;
    private MlxCommandQueue queue;
    private MlxSharedEvent event;
    private long value;

    /** The footprint, as JMH prints it beside the time. */
    @AuxCounters(AuxCounters.Type.EVENTS)
    @State(Scope.Thread)
    public static class Footprint {
        public long footprintBytes;
    }

    @Setup
    public void open() {
        device = MlxDevice.open();
        pool = MlxBufferPool.create(device);
        queue = device.newCommandQueue(pool);
        event = device.newSharedEvent();
    }

    @TearDown(Level.Trial)
    public void close() {
        queue.close();
        event.close();
        pool.close();
        device.close();
    }

    @Benchmark
    public void commands(Footprint footprint) throws InterruptedException {
        value++;
        MlxFence last = commit();
        for (int i = 1; i < inFlight; i++) {
            last = commit();
        }
        if (last.isComplete()) {
            throw new IllegalStateException("the command buffers are not in flight");
        }
        footprint.footprintBytes = pool.stats().footprintBytes();
        event.signal(value);
        last.await();
    }

    /** Each lease is filled from the one before it, so two are live at a time as in a layer of a model. */
    private MlxFence commit() {
        MlxCommandBuffer commands = queue.newCommandBuffer();
        commands.waitFor(event, value);
        MlxBuffer before = commands.scratch(DType.U8, UNIT);
        commands.fill(before, (byte) 1);
        for (int i = 2; i <= LEASES; i++) {
            MlxBuffer next = commands.scratch(DType.U8, i * UNIT);
            commands.copy(before, next);
            before.close();
            before = next;
        }
        return commands.commit();
    }
}
