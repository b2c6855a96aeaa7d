package dev.mlxnative.bench.soak;

import dev.mlxnative.BufferAllocationException;
import dev.mlxnative.DType;
import dev.mlxnative.MlxBuffer;
import dev.mlxnative.MlxBufferPool;
import dev.mlxnative.MlxDevice;
import dev.mlxnative.NativeFaults;
import dev.mlxnative.PoolStats;
import dev.mlxnative.bench.cli.Cells;
import dev.mlxnative.bench.cli.Progress;
import dev.mlxnative.bench.replay.Trace;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.logging.LogManager;

/**
 * One soak: it opens the device and the pools, runs the threads, and closes everything.
 *
 * <p>A soak has two parts. After each part every lease has ended and the pools are empty. The memory of the process
 * must then be the same after both parts, for any length of the second.
 */
final class Soak {

    /** The first part is a tenth of the whole. In it, caches and data structures reach their full size. */
    private static final int EARLY_PART = 10;

    private static final long STEP_NANOS = TimeUnit.MILLISECONDS.toNanos(1);
    private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(30);
    private static final long PATIENCE_AFTER_ERRORS_NANOS = TimeUnit.SECONDS.toNanos(1);

    /** The time that a request waits for parked memory, so short that the threads mostly work. */
    private static final Duration WAIT = Duration.ofMillis(5);

    private static final Duration IDLE = Duration.ofMillis(100);

    /** A size such that the traces have requests above and below it. */
    private static final long ROUND_TO_PAGES_ABOVE = 8L << 20;

    /** The memory limit is a multiple of this many pages. */
    private static final int LIMIT_PARTS = 64;

    private static final int RECURSING_THREADS = 2;

    private static final int CACHED_PART = 2;

    /**
     * The buffer limit over the sum of the traces' peaks.
     *
     * <p>Above 1, because the pool also caches buffers of sizes that no thread requests at the time.
     */
    private static final int BUFFERS_FACTOR = 2;

    private final SoakSettings settings;
    private final MlxDevice device = MlxDevice.open();
    private final long liveObjectsBefore = liveObjects() - 1;
    private final long bytesBefore = device.allocatedBytes();
    /** The bytes of the device while no pool has any: those of the kernels' result. */
    private final long bytesAtRest;

    private final long pageBytes = pageBytes(device);
    private final Errors errors = new Errors();
    private final List<TraceThread> sharing = new ArrayList<>();
    private final MlxBufferPool shared;
    private final MlxBufferPool own;
    private final ResettingThread resetting;
    private final List<RecursingThread> recursing = new ArrayList<>();
    private final Watch sharedWatch;
    private final Watch ownWatch;
    private final Gpu gpu;
    private final VirtualThreadGate gate;
    private final Disturber disturber;
    private final long deviceLimitBytes;
    private final SplittableRandom randomOfHeap;
    private final long bufferLimit;
    private long peakDeviceBytes;
    private long peakBuffers;
    private long heapErrors;
    private long nanos;
    private volatile boolean stopping;

    /** @param traces at least one; each has requests, and each thread replays one */
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
        gate = new VirtualThreadGate(settings.threads() / 2);
        gpu = new Gpu(device, settings.faults(), random.split(), errors);
        bytesAtRest = device.allocatedBytes();
        BooleanSupplier stop = () -> stopping;
        for (int i = 0; i < settings.threads(); i++) {
            sharing.add(new SharingThread(
                    i,
                    traceOfThread.get(i),
                    shared,
                    settings.checked(),
                    gpu,
                    gpu.newQueue(shared),
                    gate,
                    random.split(),
                    errors,
                    stop));
        }
        resetting = new ResettingThread(
                settings.threads(),
                last,
                own,
                settings.checked(),
                gpu,
                gpu.newQueue(own),
                random.split(),
                errors,
                stop);
        for (int i = 0; settings.vmErrors() && i < RECURSING_THREADS; i++) {
            recursing.add(new RecursingThread(
                    settings.threads() + 1 + i,
                    shared,
                    settings.checked(),
                    gpu,
                    gpu.newQueue(shared),
                    random.split(),
                    errors,
                    stop));
        }
        sharedWatch = new Watch(shared, pageBytes);
        ownWatch = new Watch(own, pageBytes);
        disturber = new Disturber(device, shared, settings.faults(), random.split());
        // A buffer that is created while the heap is full may have no owner, and is released a little later.
        long ownerless = settings.vmErrors() ? sharing.size() + 1L + recursing.size() : 0;
        bufferLimit = shared.limits().bufferLimit() + own.limits().bufferLimit() + ownerless + 1;
        randomOfHeap = random.split();
        deviceLimitBytes =
                bytesAtRest + deviceLimit(shared) + deviceLimit(own) + ownerless * largestCapacity(traceOfThread);
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

    /** The bytes that the device allocates for the smallest buffer. */
    private static long pageBytes(MlxDevice device) {
        long before = device.allocatedBytes();
        try (MlxBuffer smallest = device.allocBuffer(DType.U8, 1)) {
            return device.allocatedBytes() - before;
        }
    }

    /** The limit of the pool's memory on the device, which rounds each buffer up to whole pages. */
    private long deviceLimit(MlxBufferPool pool) {
        return pool.limits().memoryLimit() + pool.limits().bufferLimit() * pageBytes;
    }

    /** The bytes of the largest native buffer that a request of the traces makes a pool allocate. */
    private static long largestCapacity(List<Trace> traces) {
        long largest = 0;
        for (Trace trace : traces) {
            for (int event = 0; event < trace.events(); event++) {
                largest = trace.isAllocation(event) ? Math.max(largest, trace.size(event)) : largest;
            }
        }
        return Math.max(2 * Long.highestOneBit(largest), 2L * RecursingThread.LARGEST);
    }

    static long liveObjects() {
        return NativeFaults.liveDevices()
                + NativeFaults.liveBuffers()
                + NativeFaults.liveEvents()
                + NativeFaults.liveLibraries()
                + NativeFaults.livePipelines()
                + NativeFaults.liveQueues()
                + NativeFaults.liveCommandBuffers()
                + NativeFaults.liveResidencySets();
    }

    /** Messages for the user: the errors that ended the soak, and the violations. */
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

    /** @param progress receives operations if these end the soak, or else milliseconds */
    SoakResult run(Progress progress) {
        loadClasses();
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
        long overlaps = tally.overlaps + gpu.overlaps();
        gpu.close();
        closeWithParkedMemory(shared);
        own.close();
        await(() -> device.allocatedBytes() == bytesBefore);
        long lostBytes = device.allocatedBytes() - bytesBefore;
        device.close();
        await(() -> liveObjects() == liveObjectsBefore);
        long operations = tally.begun + tally.ended;
        double seconds = nanos / 1e9;
        return new SoakResult(
                Cells.device(device),
                settings.seed(),
                settings.threads(),
                settings.faults(),
                settings.vmErrors(),
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
                tally.stackOverflows,
                tally.heapErrors + gpu.heapErrors() + heapErrors,
                tally.fenced,
                gpu.commandBuffers(),
                gpu.dispatches(),
                gpu.failedCommandBuffers(),
                tally.inFlightReleases,
                tally.scratchLeases,
                tally.scopes,
                tally.resets,
                overlaps,
                sharedWatch.samples() + ownWatch.samples(),
                sharedWatch.violations() + ownWatch.violations(),
                shared.limits().memoryLimit(),
                sharedWatch.peakFootprintBytes(),
                bufferLimit,
                peakBuffers,
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

    /** A class that is first used when the heap is full cannot be used any more, and these are the JDK's. */
    private static void loadClasses() {
        LogManager.getLogManager();
        ProcessMemory.now();
    }

    /** Lets the threads work for this many tenths of the duration or of the operations. */
    private void work(int tenths, Progress progress) {
        stopping = false;
        long start = System.nanoTime();
        long before = nanos;
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < sharing.size(); i++) {
            threads.add(thread(i, sharing.get(i)));
        }
        threads.add(thread(0, resetting));
        recursing.forEach(thread -> threads.add(thread.thread()));
        var heapFiller = new HeapFiller(randomOfHeap, gate, errors);
        threads.forEach(Thread::start);
        if (settings.vmErrors()) {
            heapFiller.start();
        }
        long reported = progressMade();
        boolean over = false;
        while (!errors.any() && !over) {
            try {
                watchAndDisturb();
                long made = progressMade();
                progress.requestsDone(made - reported);
                reported = made;
                nanos = before + System.nanoTime() - start;
                over = isOver(tenths);
            } catch (OutOfMemoryError e) {
                heapErrors++;
            }
            LockSupport.parkNanos(STEP_NANOS);
        }
        stopping = true;
        heapFiller.stop();
        disturber.end();
        join(threads);
        nanos = before + System.nanoTime() - start;
    }

    private void watchAndDisturb() {
        sharedWatch.sample();
        ownWatch.sample();
        peakDeviceBytes = Math.max(peakDeviceBytes, device.allocatedBytes());
        peakBuffers = Math.max(peakBuffers, NativeFaults.liveBuffers());
        disturber.step();
    }

    /**
     * Creates a platform thread for an even number and a virtual thread for an odd one: a lock parks them differently.
     */
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
        for (RecursingThread thread : recursing) {
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

    /**
     * Waits for the fences and command buffers, checks the counters, empties the pools, and measures the memory of the
     * process.
     *
     * <p>The caller has ended every lease.
     */
    private ProcessMemory rest() {
        await(gpu::isIdle);
        sharedWatch.sampleAtRest(Tally.sum(sharedTallies()));
        ownWatch.sampleAtRest(resetting.tally());
        shared.clear();
        own.clear();
        await(() -> device.allocatedBytes() == bytesAtRest);
        return ProcessMemory.now();
    }

    private Tally tally() {
        List<Tally> tallies = sharedTallies();
        tallies.add(resetting.tally());
        return Tally.sum(tallies);
    }

    /** The tallies of the threads that share a pool. */
    private List<Tally> sharedTallies() {
        var tallies = new ArrayList<Tally>();
        sharing.forEach(thread -> tallies.add(thread.tally()));
        recursing.forEach(thread -> tallies.add(thread.tally()));
        return tallies;
    }

    private record LostBudget(long bytes, long buffers) {
        LostBudget plus(LostBudget other) {
            return new LostBudget(bytes + other.bytes, buffers + other.buffers);
        }
    }

    /**
     * Leases from an empty pool up to its limits.
     *
     * <p>If the pool refuses a request below a limit, it has added memory to a counter and never subtracted it.
     */
    private LostBudget lostBudget(MlxBufferPool pool) {
        pool.limits().setRoundToPagesAbove(0);
        pool.limits().setWaitForParked(Duration.ZERO);
        long parts = Math.min(LIMIT_PARTS, pool.limits().bufferLimit());
        long part = pool.limits().memoryLimit() / parts / pageBytes * pageBytes;
        long missingParts = parts - countLeases(pool, part, parts);
        long missingBuffers = pool.limits().bufferLimit()
                - countLeases(pool, pageBytes, pool.limits().bufferLimit() + 1);
        if (missingBuffers < 0) {
            sharedWatch.violation("%s leases %d buffers too many".formatted(pool.name(), -missingBuffers));
        }
        return new LostBudget(missingParts * part, Math.max(0, missingBuffers));
    }

    /** Leases up to {@code most} buffers of a length at once, and returns how many the pool allows. */
    private static long countLeases(MlxBufferPool pool, long byteLength, long most) {
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

    /** Closes the pool with parked memory, which the pool frees when the fence is complete. */
    private static void closeWithParkedMemory(MlxBufferPool pool) {
        var fence = new LatchFence();
        pool.release(pool.alloc(DType.U8, 1), fence);
        pool.close();
        fence.complete();
    }

    /** The maximum time to wait for other threads, which is short after an error. */
    private long patienceNanos() {
        return errors.any() ? PATIENCE_AFTER_ERRORS_NANOS : PATIENCE_NANOS;
    }

    /**
     * Waits for another thread, up to {@link #patienceNanos}.
     *
     * <p>If the condition does not become true, the figures of the result show it.
     */
    private void await(BooleanSupplier condition) {
        long deadline = System.nanoTime() + patienceNanos();
        while (!condition.getAsBoolean() && System.nanoTime() - deadline < 0) {
            LockSupport.parkNanos(STEP_NANOS);
        }
    }
}
