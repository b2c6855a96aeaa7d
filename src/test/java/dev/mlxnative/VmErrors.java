package dev.mlxnative;

import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * A pool whose calls meet errors of the VM, and the check that it has survived them. Main classes of forked JVMs use
 * it: an error could otherwise break the JVM of the tests, in classes of the JDK.
 */
final class VmErrors implements AutoCloseable {
    private static final long LIMIT_SECONDS = 20;

    /** A call of the pool, or a few that belong together. What it leaves open is closed by {@link #check}. */
    interface Step {
        void run() throws Exception;
    }

    private final MlxDevice device = MlxDevice.open();
    private final long bytesBefore = device.allocatedBytes();
    private final MlxSharedEvent event = device.newSharedEvent();
    private final String configuration;
    private final MlxBufferPool pool;
    private final MlxCommandQueue queue;
    private final ArrayList<MlxScope> scopes = new ArrayList<>(4);
    private final ArrayList<AutoCloseable> direct = new ArrayList<>(4);
    private long signalled;
    private int sizes;

    VmErrors(Sizing sizing, boolean checked) {
        configuration = sizing + (checked ? ", checked" : "");
        pool = MlxBufferPool.builder(device)
                .sizing(sizing)
                .checked(checked)
                .leakDetection(LeakDetection.OFF)
                .memoryLimit(64L << 20)
                .cacheLimit(4L << 20)
                // In a compact pool, whose leases all begin under one lock, memory is always being offered.
                .purgeableAfter(sizing == Sizing.COMPACT ? Duration.ofMillis(1) : Duration.ZERO)
                .build();
        queue = device.newCommandQueue(pool);
    }

    /** The pools of both sizings, checked or not. */
    static List<VmErrors> all() {
        List<VmErrors> all = new ArrayList<>();
        for (Sizing sizing : Sizing.values()) {
            all.add(new VmErrors(sizing, false));
            all.add(new VmErrors(sizing, true));
        }
        return all;
    }

    /** Every kind of call, each with sizes that change from call to call. */
    List<Step> steps() {
        return List.of(
                () -> pool.alloc(nextSize(), DType.U8).close(),
                () -> pool.release(pool.alloc(nextSize(), DType.U8)),
                () -> {
                    pool.release(pool.alloc(nextSize(), DType.U8), event.at(signalled + 1));
                    event.signal(++signalled);
                },
                () -> pool.release(pool.alloc(nextSize(), DType.U8), event.at(signalled)),
                () -> {
                    pool.alloc(nextSize(), DType.U8);
                    pool.alloc(nextSize(), DType.U8);
                    pool.reset();
                },
                () -> {
                    pool.alloc(nextSize(), DType.U8);
                    pool.reset(event.at(signalled + 1));
                    event.signal(++signalled);
                },
                () -> useScope(pool.scope()),
                () -> useScope(pool.confinedScope()),
                () -> useDirectly(),
                () -> useCommands(),
                () -> pool.trim(1 << 20),
                pool::clear,
                pool::stats,
                () -> pool.limits().setCacheLimit(4L << 20));
    }

    /** From small ones that share pages to large ones that exceed the cache limit. */
    private long nextSize() {
        sizes++;
        return 1 + sizes * 7919L % (sizes % 10 == 0 ? 6 << 20 : 40_000);
    }

    private void useScope(MlxScope scope) {
        scopes.add(scope);
        scope.alloc(nextSize(), DType.U8);
        scope.alloc(nextSize(), DType.U8).close();
        scope.allocate(100, 8).set(ValueLayout.JAVA_BYTE, 0, (byte) 1);
        scope.close();
        scopes.removeLast();
    }

    private void useCommands() {
        direct.ensureCapacity(direct.size() + 1);
        MlxCommandBuffer commands = queue.newCommandBuffer("commands");
        direct.add(commands);
        MlxBuffer buffer = pool.alloc(nextSize(), DType.U8);
        commands.fill(buffer, (byte) 1);
        MlxBuffer scratch = commands.scratch(DType.U8, nextSize());
        commands.fill(scratch, (byte) 2);
        scratch.close();
        commands.fill(commands.scratch(DType.U8, nextSize()), (byte) 3);
        commands.signal(event, signalled);
        buffer.close();
        commands.commit();
        direct.removeLast();
    }

    private void useDirectly() {
        direct.ensureCapacity(direct.size() + 2);
        MlxBuffer buffer = device.allocBuffer(nextSize(), DType.U8);
        direct.add(buffer);
        MlxSharedEvent other = device.newSharedEvent();
        direct.add(other);
        buffer.close();
        other.close();
        direct.clear();
    }

    /** Ends what the steps have left, and checks that another thread can use the pool and that nothing is lost. */
    void check(String situation) throws Exception {
        scopes.forEach(MlxScope::close);
        scopes.clear();
        for (AutoCloseable object : direct) {
            object.close();
        }
        direct.clear();
        queue.await();
        event.signal(++signalled);
        // A thread of its own for each check: the JDK's executors do not survive that a thread waits while the heap is
        // full.
        Future<PoolStats> other = Async.start(() -> {
            pool.alloc(1000, DType.U8).close();
            pool.alloc(1 << 20, DType.U8).close();
            pool.reset();
            return statsOnceNothingIsParked();
        });
        PoolStats stats;
        try {
            stats = other.get(LIMIT_SECONDS, TimeUnit.SECONDS);
        } catch (TimeoutException e) {
            throw new AssertionError("a lock stayed held: " + configuration + ", " + situation, e);
        }
        boolean holds = stats.activeCount() == 0
                && stats.activeBytes() == 0
                && stats.requestedBytes() == 0
                && stats.parkedCount() == 0
                && stats.parkedBytes() == 0
                && stats.cachedBytes() == stats.footprintBytes()
                && isOnDevice(stats.footprintBytes())
                && stats.requests() == stats.hits() + stats.nativeAllocations() + stats.failedAllocations();
        require(holds, situation, stats);
    }

    /** The figures once a sweep that is under way has freed the memory whose fence it found complete. */
    private PoolStats statsOnceNothingIsParked() throws InterruptedException {
        PoolStats stats = pool.stats();
        for (int i = 0; i < 500 && stats.parkedCount() > 0; i++) {
            Thread.sleep(10);
            stats = pool.stats();
        }
        return stats;
    }

    /** Whether the device has this much memory of the pool. What an error has left is freed within a moment. */
    private boolean isOnDevice(long bytes) throws InterruptedException {
        for (int i = 0; i < 500 && device.allocatedBytes() - bytesBefore != bytes; i++) {
            Thread.sleep(10);
        }
        return device.allocatedBytes() - bytesBefore == bytes;
    }

    /** Frees all memory of the pool, and checks that nothing is left of it. */
    void checkEmptied(String situation) throws Exception {
        check(situation);
        pool.clear();
        require(pool.stats().footprintBytes() == 0 && isOnDevice(0), situation, pool.stats());
    }

    private void require(boolean holds, String situation, PoolStats stats) {
        if (!holds) {
            throw new AssertionError(configuration + ", " + situation + ": " + stats + ", the device has "
                    + (device.allocatedBytes() - bytesBefore) + " bytes of the pool");
        }
    }

    @Override
    public void close() {
        queue.close();
        pool.close();
        event.close();
        device.close();
    }
}
