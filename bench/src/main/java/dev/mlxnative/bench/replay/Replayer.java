package dev.mlxnative.bench.replay;

import dev.mlxnative.MlxBufferPool;
import dev.mlxnative.MlxDevice;
import dev.mlxnative.PoolStats;
import dev.mlxnative.bench.cli.Cells;
import dev.mlxnative.bench.cli.Progress;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import java.util.stream.LongStream;

/**
 * Replays traces on a device: directly, and through a pool of each policy.
 *
 * <p>Each of these has one pass that checks contents, and then timed passes that only allocate and free. The direct
 * passes of a long trace run a sample of it, because a native allocation and the first access to each of its pages take
 * some two thousand times as long as a hit. The pooled passes always run the whole trace.
 *
 * <p>Every pooled pass creates its own pool, so its time includes the misses of an empty pool. The timed passes of the
 * policies take turns, so that other load of the machine affects all policies alike.
 */
final class Replayer {

    /** An odd number, so that the median is one of the measured times. */
    private static final int LEAST_TIMED_PASSES = 3;

    /**
     * The minimum time of the warm-up and of the timed passes, each.
     *
     * <p>A pooled pass takes milliseconds. A few of them would end before the JIT compiler has compiled the code, and
     * the first trace would seem slower than the later ones.
     */
    private static final long LEAST_NANOS = TimeUnit.MILLISECONDS.toNanos(200);

    /** Check, warm-up and timed passes. Each counts the same in the progress, for any number of passes. */
    private static final int STAGES = 3;

    private final MlxDevice device;
    private final List<Policy> policies;
    private final boolean samples;

    /** The figures of the passes directly on the device. */
    private record Direct(long requests, double nanosPerRequest, long overlaps, long leaks) {}

    /**
     * Creates a replayer.
     *
     * @param samples whether the direct passes of long traces run a sample, or else the whole trace
     */
    Replayer(MlxDevice device, List<Policy> policies, boolean samples) {
        this.device = device;
        this.policies = policies;
        this.samples = samples;
    }

    /** The number of requests that {@link #replay} reports as done for a trace. */
    long progressOf(Trace trace) {
        return STAGES * (requests(directWindows(trace)) + (long) policies.size() * trace.requests());
    }

    /** Replays the trace, and returns a result for each policy. */
    List<ReplayResult> replay(Trace trace, Progress progress) {
        progress.trace(trace.name());
        Direct direct = replayDirectly(trace, progress);

        var stats = new ArrayList<PoolStats>();
        var overlapsOfPools = new ArrayList<Long>();
        var leaksOfPools = new ArrayList<Long>();
        for (Policy policy : policies) {
            long bytesBefore = device.allocatedBytes();
            try (var pool = pool(policy, trace)) {
                overlapsOfPools.add(
                        new Pass<>(trace, new PoolAllocator(pool)).countOverlaps(() -> progress.requestsDone(1)));
                stats.add(pool.stats());
            }
            PoolStats end = stats.getLast();
            leaksOfPools.add((long) end.activeCount() + end.parkedCount() + bytesStayed(bytesBefore));
        }

        long bytesBefore = device.allocatedBytes();
        List<LongSupplier> pooled = policies.stream()
                .map(policy -> (LongSupplier) () -> timePooled(policy, trace))
                .toList();
        repeat(1, pooled);
        progress.requestsDone(trace.requests() * policies.size());
        List<long[]> pooledNanos = repeat(LEAST_TIMED_PASSES, pooled);
        progress.requestsDone(trace.requests() * policies.size());
        long stayed = bytesStayed(bytesBefore);

        long offlineBytes = OfflinePlanner.plan(trace).bytes();
        var results = new ArrayList<ReplayResult>();
        for (int i = 0; i < policies.size(); i++) {
            results.add(new ReplayResult(
                    trace.name(),
                    Cells.device(device),
                    policies.get(i).label(),
                    trace.requests(),
                    stats.get(i).nativeAllocations(),
                    stats.get(i).hits(),
                    trace.peakLiveBytes(),
                    offlineBytes,
                    stats.get(i).peakFootprintBytes(),
                    stats.get(i).nativeAllocations() * ReplayResult.NATIVE_ALLOCATION_MICROS,
                    trace.durationMicros(),
                    direct.requests(),
                    direct.nanosPerRequest(),
                    perRequest(trace.requests(), pooledNanos.get(i)),
                    direct.overlaps() + overlapsOfPools.get(i),
                    direct.leaks() + leaksOfPools.get(i) + stayed,
                    trace.gaps()));
        }
        return results;
    }

    private Direct replayDirectly(Trace trace, Progress progress) {
        long bytesBefore = device.allocatedBytes();
        var onDevice = new DeviceAllocator(device);
        List<Window> windows = directWindows(trace);
        long requests = requests(windows);
        long overlaps = 0;
        for (Window window : windows) {
            overlaps += new Pass<>(window, onDevice).countOverlaps(() -> progress.requestsDone(1));
        }
        LongSupplier timed = () -> windows.stream()
                .mapToLong(window -> new Pass<>(window, onDevice).time())
                .sum();
        repeat(1, List.of(timed));
        progress.requestsDone(requests);
        long[] nanos = repeat(LEAST_TIMED_PASSES, List.of(timed)).getFirst();
        progress.requestsDone(requests);
        return new Direct(requests, perRequest(requests, nanos), overlaps, bytesStayed(bytesBefore));
    }

    private List<Window> directWindows(Trace trace) {
        return samples ? Window.sample(trace) : List.of(Window.whole(trace));
    }

    private static long requests(List<Window> windows) {
        return windows.stream().mapToLong(Window::requests).sum();
    }

    /** Replays the trace with each policy, and returns the memory of each pool over the trace. */
    List<Timeline> timelines(Trace trace) {
        return policies.stream()
                .map(policy -> {
                    try (var pool = pool(policy, trace)) {
                        return Timeline.of(trace, policy, pool);
                    }
                })
                .toList();
    }

    private MlxBufferPool pool(Policy policy, Trace trace) {
        return policy.apply(MlxBufferPool.builder(device), trace).build();
    }

    private long timePooled(Policy policy, Trace trace) {
        try (var pool = pool(policy, trace)) {
            return new Pass<>(trace, new PoolAllocator(pool)).time();
        }
    }

    private static double perRequest(long requests, long[] nanos) {
        return requests == 0 ? 0 : (double) nanos[nanos.length / 2] / requests;
    }

    /**
     * Runs the passes in turn until the minimum time is over, and returns the sorted times of each pass.
     *
     * <p>The number of rounds is odd, and at least {@code least}.
     */
    private static List<long[]> repeat(int least, List<LongSupplier> timedPasses) {
        List<LongStream.Builder> nanos =
                timedPasses.stream().map(pass -> LongStream.builder()).toList();
        long start = System.nanoTime();
        for (int round = 1; ; round++) {
            for (int i = 0; i < timedPasses.size(); i++) {
                nanos.get(i).add(timedPasses.get(i).getAsLong());
            }
            boolean isLongEnough = System.nanoTime() - start >= LEAST_NANOS * timedPasses.size();
            if (round >= least && round % 2 == 1 && isLongEnough) {
                return nanos.stream()
                        .map(times -> times.build().sorted().toArray())
                        .toList();
            }
        }
    }

    /** Returns 1 if the device holds other memory than before, else 0. */
    private int bytesStayed(long bytesBefore) {
        return device.allocatedBytes() == bytesBefore ? 0 : 1;
    }
}
