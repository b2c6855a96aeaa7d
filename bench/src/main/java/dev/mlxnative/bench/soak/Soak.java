package dev.mlxnative.bench.soak;

import dev.mlxnative.BufferAllocationException;
import dev.mlxnative.DType;
import dev.mlxnative.MlxBuffer;
import dev.mlxnative.MlxBufferPool;
import dev.mlxnative.MlxDevice;
import dev.mlxnative.NativeFaults;
import dev.mlxnative.PoolStats;
import dev.mlxnative.bench.replay.Progress;
import dev.mlxnative.bench.replay.Trace;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

/**
 * One soak, from the opening of a device to its end.
 *
 * <p>It comes in two parts, after each of which every lease has ended and the pools are empty: what the process needs
 * then must be the same, however long the second part was.
 */
final class Soak {

    /** The first part of the whole, in which everything gets as large as it will. */
    private static final int EARLY_PART = 10;

    private static final long STEP_NANOS = TimeUnit.MILLISECONDS.toNanos(1);
    private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(30);
    private static final long PATIENCE_AFTER_ERRORS_NANOS = TimeUnit.SECONDS.toNanos(1);

    /** A request waits for parked memory, and not so long that the soak would only wait. */
    private static final Duration WAIT = Duration.ofMillis(5);

    private static final Duration IDLE = Duration.ofMillis(100);

    /** So low that the traces have sizes on either side of it. */
    private static final long ROUND_TO_PAGES_ABOVE = 8L << 20;

    /** The memory limit is that many whole pages, or a multiple. */
    private static final int LIMIT_PARTS = 64;

    private static final int CACHED_PART = 2;

    /** The buffer limit over the sum of the traces' peaks: free lists hold sizes that nobody asks for just now. */
    private static final int BUFFERS_FACTOR = 2;

    private final SoakSettings settings;
    private final MlxDevice device = MlxDevice.open();
    private final long liveObjectsBefore = liveObjects() - 1;
    private final long bytesBefore = device.allocatedBytes();
    private final long pageBytes = pageBytes(device);
    private final Errors errors = new Errors();
    private final List<TraceThread> sharing = new ArrayList<>();
    private final MlxBufferPool shared;
    private final MlxBufferPool own;
    private final ResettingThread resetting;
    private final Watch sharedWatch;
    private final Watch ownWatch;
    private final Gpu gpu;
    private final Disturber disturber;
    private final long deviceLimitBytes;
    private long peakDeviceBytes;
    private long nanos;
    private volatile boolean stopping;

    /** @param traces one with requests at least; each thread has one */
    Soak(List<Trace> traces, SoakSettings settings) {
        this.settings = settings;
        var random = new SplittableRandom(settings.seed());
        List<Trace> traceOfThread = new ArrayList<>();
        for (int i = 0; i <= settings.threads(); i++) {
            traceOfThread.add(traces.get(i % traces.size()));
        }
        Trace last = traceOfThread.getLast();
        shared = pool("soak-shared", traceOfThread.subList(0, settings.threads()));
        own = pool("soak-own", List.of(last));
        gpu = new Gpu(random.split(), errors);
        BooleanSupplier stop = () -> stopping;
        for (int i = 0; i < settings.threads(); i++) {
            sharing.add(new SharingThread(
                    i,
                    traceOfThread.get(i),
                    shared,
                    settings.checked(),
                    gpu,
                    gpu.newQueue(device),
                    random.split(),
                    errors,
                    stop));
        }
        resetting = new ResettingThread(
                settings.threads(), last, own, settings.checked(), gpu, random.split(), errors, stop);
        sharedWatch = new Watch(shared);
        ownWatch = new Watch(own);
        disturber = new Disturber(device, shared, settings.faults(), random.split());
        deviceLimitBytes = bytesBefore + deviceLimit(shared) + deviceLimit(own);
    }

    private MlxBufferPool pool(String name, List<Trace> traces) {
        long peakBytes = traces.stream().mapToLong(Trace::peakLiveBytes).sum();
        long buffers =
                BUFFERS_FACTOR * traces.stream().mapToLong(Trace::peakLiveCount).sum();
        long unit = LIMIT_PARTS * pageBytes;
        long memoryLimit = Math.max((long) (settings.memoryLimitFactor() * peakBytes), buffers * pageBytes);
        memoryLimit = (memoryLimit + unit - 1) / unit * unit;
        return MlxBufferPool.builder(device)
                .name(name)
                .memoryLimit(memoryLimit)
                .cacheLimit(memoryLimit / CACHED_PART)
                .bufferLimit(buffers)
                .roundToPagesAbove(ROUND_TO_PAGES_ABOVE)
                .waitForParked(WAIT)
                .trimIdleAfter(IDLE)
                .checked(settings.checked())
                .leakDetection(settings.leakDetection())
                .build();
    }

    /** What the device makes of the smallest buffer. */
    private static long pageBytes(MlxDevice device) {
        long before = device.allocatedBytes();
        try (MlxBuffer smallest = device.allocBuffer(DType.U8, 1)) {
            return device.allocatedBytes() - before;
        }
    }

    /** The device rounds up to pages what the pool's limit counts. */
    private long deviceLimit(MlxBufferPool pool) {
        return pool.memoryLimit() + pool.bufferLimit() * pageBytes;
    }

    static long liveObjects() {
        return NativeFaults.liveDevices()
                + NativeFaults.liveBuffers()
                + NativeFaults.liveEvents()
                + NativeFaults.liveResidencySets();
    }

    /** Why it ended early, or what was out of order, for people. */
    List<String> notes() {
        var notes = new ArrayList<String>();
        notes.addAll(sharedWatch.notes());
        notes.addAll(ownWatch.notes());
        errors.all().forEach(error -> notes.add(error.toString()));
        return notes;
    }

    Errors errors() {
        return errors;
    }

    /** @param progress is told of milliseconds, or of operations if these decide */
    SoakResult run(Progress progress) {
        gpu.start();
        progress.trace("getting warm");
        work(1, progress);
        ProcessMemory early = rest();
        progress.trace("soaking");
        if (!errors.any()) {
            work(EARLY_PART, progress);
        }
        ProcessMemory end = rest();
        Tally tally = tally();
        PoolStats sharedStats = shared.stats();
        PoolStats ownStats = own.stats();
        LostBudget lost = lostBudget(shared).plus(lostBudget(own));
        closeWithParkedMemory(shared);
        own.close();
        gpu.close();
        await(() -> device.allocatedBytes() == bytesBefore);
        long lostBytes = device.allocatedBytes() - bytesBefore;
        device.close();
        await(() -> liveObjects() == liveObjectsBefore);
        long operations = tally.begun + tally.ended;
        double seconds = nanos / 1e9;
        return new SoakResult(
                device.backend().name().toLowerCase(Locale.ROOT) + ": "
                        + device.info().name(),
                settings.seed(),
                settings.threads(),
                settings.faults(),
                settings.checked(),
                settings.leakDetection().name().toLowerCase(Locale.ROOT),
                seconds,
                operations,
                operations / seconds,
                tally.begun + tally.refused(),
                sharedStats.hits() + ownStats.hits(),
                sharedStats.nativeAllocations() + ownStats.nativeAllocations(),
                tally.refusedByMemoryLimit,
                tally.refusedByBufferLimit,
                tally.refusedByDevice,
                disturber.faults(),
                tally.fenced,
                tally.scopes,
                tally.resets,
                tally.overlaps + gpu.overlaps(),
                sharedWatch.samples() + ownWatch.samples(),
                sharedWatch.violations() + ownWatch.violations(),
                shared.memoryLimit(),
                sharedWatch.peakFootprintBytes(),
                shared.bufferLimit(),
                sharedWatch.peakBuffers(),
                deviceLimitBytes,
                peakDeviceBytes,
                lost.bytes(),
                lost.buffers(),
                lostBytes,
                liveObjects() - liveObjectsBefore,
                early.heapBytes(),
                end.heapBytes(),
                early.residentBytes(),
                end.residentBytes(),
                settings.growthLimitBytes(),
                errors.all().size());
    }

    /** Lets the threads work until that many tenths of the time or the operations are over. */
    private void work(int tenths, Progress progress) {
        stopping = false;
        long start = System.nanoTime();
        long before = nanos;
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < sharing.size(); i++) {
            threads.add(thread(i, sharing.get(i)));
        }
        threads.add(thread(0, resetting));
        threads.forEach(Thread::start);
        long reported = progressMade();
        while (!errors.any() && !isOver(tenths)) {
            sharedWatch.sample();
            ownWatch.sample();
            peakDeviceBytes = Math.max(peakDeviceBytes, device.allocatedBytes());
            disturber.step();
            LockSupport.parkNanos(STEP_NANOS);
            nanos = before + System.nanoTime() - start;
            long made = progressMade();
            progress.requestsDone(made - reported);
            reported = made;
        }
        stopping = true;
        disturber.end();
        join(threads);
        nanos = before + System.nanoTime() - start;
    }

    /** Platform and virtual threads by turns: they meet the pool's lock in different ways. */
    private static Thread thread(int number, Runnable work) {
        String name = "soak-" + number;
        return number % 2 == 0
                ? Thread.ofPlatform().daemon().name(name).unstarted(work)
                : Thread.ofVirtual().name(name).unstarted(work);
    }

    private boolean isOver(int tenths) {
        return nanos / tenths >= settings.duration().toNanos() / EARLY_PART
                || publishedOperations() / tenths >= settings.operations() / EARLY_PART;
    }

    private long progressMade() {
        return settings.operations() == Long.MAX_VALUE ? TimeUnit.NANOSECONDS.toMillis(nanos) : publishedOperations();
    }

    private long publishedOperations() {
        long operations = resetting.tally().publishedOperations();
        for (TraceThread thread : sharing) {
            operations += thread.tally().publishedOperations();
        }
        return operations;
    }

    private void join(List<Thread> threads) {
        long deadline = System.nanoTime() + patienceNanos();
        try {
            for (Thread thread : threads) {
                if (!thread.join(Duration.ofNanos(Math.max(1, deadline - System.nanoTime())))) {
                    var stuck = new AssertionError(thread + " does not end");
                    stuck.setStackTrace(thread.getStackTrace());
                    errors.add(stuck);
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            errors.add(e);
        }
    }

    /** With no lease out: completes what is parked, empties the pools, and looks at everything. */
    private ProcessMemory rest() {
        await(gpu::isIdle);
        var sharedTallies = new ArrayList<Tally>();
        sharing.forEach(thread -> sharedTallies.add(thread.tally()));
        sharedWatch.sampleAtRest(Tally.sum(sharedTallies));
        ownWatch.sampleAtRest(resetting.tally());
        shared.clear();
        own.clear();
        await(() -> device.allocatedBytes() == bytesBefore);
        return ProcessMemory.now();
    }

    private Tally tally() {
        var tallies = new ArrayList<Tally>();
        sharing.forEach(thread -> tallies.add(thread.tally()));
        tallies.add(resetting.tally());
        return Tally.sum(tallies);
    }

    private record LostBudget(long bytes, long buffers) {
        LostBudget plus(LostBudget other) {
            return new LostBudget(bytes + other.bytes, buffers + other.buffers);
        }
    }

    /** Takes an empty pool to its limits: what it refuses below them was counted in and never out. */
    private LostBudget lostBudget(MlxBufferPool pool) {
        pool.setRoundToPagesAbove(0);
        pool.setWaitForParked(Duration.ZERO);
        long parts = Math.min(LIMIT_PARTS, pool.bufferLimit());
        long part = pool.memoryLimit() / parts / pageBytes * pageBytes;
        long missingParts = parts - handedOut(pool, part, parts);
        long missingBuffers = pool.bufferLimit() - handedOut(pool, pageBytes, pool.bufferLimit() + 1);
        if (missingBuffers < 0) {
            sharedWatch.violation("%s hands out %d buffers too many".formatted(pool.name(), -missingBuffers));
        }
        return new LostBudget(missingParts * part, Math.max(0, missingBuffers));
    }

    /** How many buffers of this length the pool hands out at once, of so many that are asked for. */
    private static long handedOut(MlxBufferPool pool, long byteLength, long most) {
        List<MlxBuffer> buffers = new ArrayList<>();
        try {
            while (buffers.size() < most) {
                buffers.add(pool.alloc(byteLength, DType.U8, byteLength));
            }
        } catch (BufferAllocationException e) { // the limit
            return buffers.size();
        } finally {
            buffers.forEach(MlxBuffer::close);
            pool.clear();
        }
        return buffers.size();
    }

    /** A pool that is closed gives back what is still parked when its fence is complete. */
    private static void closeWithParkedMemory(MlxBufferPool pool) {
        var fence = new LatchFence();
        pool.release(pool.alloc(DType.U8, 1), fence);
        pool.close();
        fence.complete();
    }

    /** After an error not much can be waited for in earnest. */
    private long patienceNanos() {
        return errors.any() ? PATIENCE_AFTER_ERRORS_NANOS : PATIENCE_NANOS;
    }

    /** What another thread is about to do; if it does not, the figures will tell. */
    private void await(BooleanSupplier condition) {
        long deadline = System.nanoTime() + patienceNanos();
        while (!condition.getAsBoolean() && System.nanoTime() - deadline < 0) {
            LockSupport.parkNanos(STEP_NANOS);
        }
    }
}
