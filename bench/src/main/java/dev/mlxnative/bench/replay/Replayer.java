package dev.mlxnative.bench.replay;

import dev.mlxnative.MlxBufferPool;
import dev.mlxnative.MlxDevice;
import dev.mlxnative.PoolStats;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import java.util.stream.LongStream;

/**
 * Replays traces on a device, each in two ways: straight on the device and through a pool.
 *
 * <p>Each way has one pass that checks contents, and then passes that do nothing but allocate and free and are timed.
 * Every pooled pass has a pool of its own, so that the misses of a start are part of the time, as they are in real
 * life.
 */
final class Replayer {

    private static final String POLICY = "power-of-two";

    /** Odd, so that the median is a time that was measured. */
    private static final int LEAST_TIMED_PASSES = 3;

    /**
     * How long to warm up and how long to time, at least. A pooled pass takes milliseconds: a few of them would be over
     * before the JIT compiler is done, and the first trace would look slower than the same one further down.
     */
    private static final long LEAST_NANOS = TimeUnit.MILLISECONDS.toNanos(200);

    private static final int WAYS = 2;

    /** Checking, warming up and timing: as much progress each, however many passes it takes. */
    private static final int STAGES = 3;

    private final MlxDevice device;

    Replayer(MlxDevice device) {
        this.device = device;
    }

    /** How many requests {@link #replay} reports as done for a trace. */
    static long progressOf(Trace trace) {
        return (long) WAYS * STAGES * trace.requests();
    }

    ReplayResult replay(Trace trace, Progress progress) {
        progress.trace(trace.name());

        long bytesBefore = device.allocatedBytes();
        var onDevice = new DeviceAllocator(device);
        long overlaps = new Pass<>(trace, onDevice).countOverlaps(() -> progress.requestsDone(1));
        double directNanos = nanosPerRequest(trace, progress, () -> new Pass<>(trace, onDevice).time());
        long leaks = bytesStayed(bytesBefore);

        bytesBefore = device.allocatedBytes();
        PoolStats stats;
        try (var pool = MlxBufferPool.create(device)) {
            overlaps += new Pass<>(trace, new PoolAllocator(pool)).countOverlaps(() -> progress.requestsDone(1));
            stats = pool.stats();
        }
        double pooledNanos = nanosPerRequest(trace, progress, () -> timePooled(trace));
        leaks += stats.activeCount() + stats.parkedCount() + bytesStayed(bytesBefore);

        return new ReplayResult(
                trace.name(),
                device.backend().name().toLowerCase(Locale.ROOT) + ": "
                        + device.info().name(),
                POLICY,
                trace.requests(),
                stats.nativeAllocations(),
                stats.hits(),
                trace.peakLiveBytes(),
                stats.peakFootprintBytes(),
                directNanos,
                pooledNanos,
                overlaps,
                leaks);
    }

    private long timePooled(Trace trace) {
        try (var pool = MlxBufferPool.create(device)) {
            return new Pass<>(trace, new PoolAllocator(pool)).time();
        }
    }

    private static double nanosPerRequest(Trace trace, Progress progress, LongSupplier timedPass) {
        repeat(1, timedPass);
        progress.requestsDone(trace.requests());
        long[] nanos = repeat(LEAST_TIMED_PASSES, timedPass);
        progress.requestsDone(trace.requests());
        return trace.requests() == 0 ? 0 : (double) nanos[nanos.length / 2] / trace.requests();
    }

    /** The times, sorted, of as many passes as the least time takes; an odd number, and no fewer than {@code least}. */
    private static long[] repeat(int least, LongSupplier timedPass) {
        var nanos = LongStream.builder();
        long start = System.nanoTime();
        for (int pass = 1; ; pass++) {
            nanos.add(timedPass.getAsLong());
            if (pass >= least && pass % 2 == 1 && System.nanoTime() - start >= LEAST_NANOS) {
                return nanos.build().sorted().toArray();
            }
        }
    }

    /** 1 if the device holds other memory than before, else 0. */
    private int bytesStayed(long bytesBefore) {
        return device.allocatedBytes() == bytesBefore ? 0 : 1;
    }
}
